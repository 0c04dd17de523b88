"""Concepts, code systems, UCUM units and translation tables."""
