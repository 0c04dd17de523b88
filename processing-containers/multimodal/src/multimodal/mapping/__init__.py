"""Rows and a mapping file to FHIR resources and cell-level issues."""

from multimodal.mapping.errors import ColumnsRefusedError, MappingError, TooManyErrorsError
from multimodal.mapping.load import load_mapping
from multimodal.mapping.plan import Mapping
from multimodal.mapping.run import MappingRun, run_mapping
from multimodal.mapping.settle import RowResult

__all__ = [
    "ColumnsRefusedError", "Mapping", "MappingError", "MappingRun", "RowResult", "TooManyErrorsError",
    "load_mapping", "run_mapping",
]  # fmt: skip
