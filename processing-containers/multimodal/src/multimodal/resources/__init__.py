"""FHIR R4 builders and the checks of what we write."""
