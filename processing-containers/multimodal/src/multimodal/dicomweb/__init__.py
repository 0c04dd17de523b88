"""A named DICOMweb store: searches, verified instances on disk, instances sent (PS3.18 chapter 10)."""

from multimodal.dicomweb.client import DicomWeb, open_dicomweb
from multimodal.dicomweb.errors import (
    IncompleteSeriesError,
    QueryRefusedError,
    SeriesNotFoundError,
    UnexpectedAnswerError,
)
from multimodal.dicomweb.idc_index import Totals
from multimodal.dicomweb.idc_query import IndexQuery
from multimodal.dicomweb.idc_search import IndexedDicomWeb
from multimodal.dicomweb.idc_series import IndexedSeries
from multimodal.dicomweb.probe import Finding
from multimodal.dicomweb.removal import remove_series
from multimodal.dicomweb.retrieve import PulledInstance, PullReport
from multimodal.dicomweb.store import FailedInstance, PushReport
from multimodal.dicomweb.verify import is_meant_as_dicom

__all__ = [
    "DicomWeb",
    "FailedInstance",
    "Finding",
    "IncompleteSeriesError",
    "IndexQuery",
    "IndexedDicomWeb",
    "IndexedSeries",
    "PullReport",
    "PulledInstance",
    "PushReport",
    "QueryRefusedError",
    "SeriesNotFoundError",
    "Totals",
    "UnexpectedAnswerError",
    "is_meant_as_dicom",
    "open_dicomweb",
    "remove_series",
]
