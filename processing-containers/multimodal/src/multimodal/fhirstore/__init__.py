"""Resources to a FHIR server or an NDJSON folder."""
