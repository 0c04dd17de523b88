"""Stands in for Kaapana's plugin in tests: the contract of its operators, in our own words."""
