"""FHIR servers and NDJSON folders: bundles, manifest, diff, retry, searches."""

from multimodal.fhirstore.errors import ConflictError, EndlessPagesError, FhirRefusedError, TooManyDeletesError
from multimodal.fhirstore.server import FhirServer

__all__ = ["ConflictError", "EndlessPagesError", "FhirRefusedError", "FhirServer", "TooManyDeletesError"]
