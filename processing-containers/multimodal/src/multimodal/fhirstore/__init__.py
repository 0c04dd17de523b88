"""FHIR servers and NDJSON folders: bundles, manifest, diff, retry, searches."""

from multimodal.fhirstore.errors import (
    ConflictError,
    EndlessPagesError,
    FhirRefusedError,
    NotUndoableError,
    TooManyDeletesError,
)
from multimodal.fhirstore.load import Deletes, load
from multimodal.fhirstore.manifest import mark_interrupted
from multimodal.fhirstore.ndjson import NdjsonFolder
from multimodal.fhirstore.report import Group, LoadReport
from multimodal.fhirstore.runs import written_by
from multimodal.fhirstore.server import FhirServer
from multimodal.fhirstore.undo import undo
from multimodal.fhirstore.writes import Target

__all__ = [
    "ConflictError",
    "Deletes",
    "EndlessPagesError",
    "FhirRefusedError",
    "FhirServer",
    "Group",
    "LoadReport",
    "NdjsonFolder",
    "NotUndoableError",
    "Target",
    "TooManyDeletesError",
    "load",
    "mark_interrupted",
    "undo",
    "written_by",
]
