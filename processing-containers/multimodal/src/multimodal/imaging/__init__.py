"""Instances to a checked volume; RTSTRUCT and SEG to masks."""
