"""Rows and a mapping file to FHIR resources and cell-level issues."""
