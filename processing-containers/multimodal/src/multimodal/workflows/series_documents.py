"""Documents for series that have none: only where no platform makes them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from multimodal.dicomweb import DicomWeb
from multimodal.index.documents import first_instance, series_document
from multimodal.index.series_index import SeriesIndex, WriteReport
from multimodal.model.dicom_json import text
from multimodal.model.progress import Progress
from multimodal.model.references import SeriesRef


def create_missing(
    dicom: DicomWeb,
    index: SeriesIndex,
    known: Collection[str],
    filters: Mapping[str, str] | None,
    progress: Progress,
) -> WriteReport:
    """Write a document for each series of the store that is not `known` to the index.

    Notes
    -----
    On Kaapana the platform writes a document when a series arrives; a second writer would put half a document
    in its place. `SeriesIndex.owned` tells the two apart.
    """
    return index.create(_documents(dicom, known, filters, progress))


def _documents(
    dicom: DicomWeb, known: Collection[str], filters: Mapping[str, str] | None, progress: Progress
) -> Iterator[tuple[str, dict[str, Any]]]:
    for done, found in enumerate(dicom.series(filters=filters, fields=["StudyInstanceUID"]), start=1):
        uid = text(found, "SeriesInstanceUID")
        if uid in known:
            continue
        instances = dicom.metadata(SeriesRef(text(found, "StudyInstanceUID"), uid))
        if instances:
            yield uid, series_document(first_instance(instances))
        progress("documents", done)
