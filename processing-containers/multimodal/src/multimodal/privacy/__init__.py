"""Identifiers and dates to pseudonyms and shifted dates."""
