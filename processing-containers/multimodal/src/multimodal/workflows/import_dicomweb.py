"""Series of an external store -> documents that refer to them, or their files, to be sent to the internal archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multimodal.bucket import Bucket
from multimodal.dicomweb import DicomWeb
from multimodal.fhirstore import Target
from multimodal.index.documents import Arrival, first_instance, series_document
from multimodal.index.origin import ORIGIN_FIELDS, is_complete, origin_fields, store_of
from multimodal.index.series_index import Change, SeriesIndex
from multimodal.model.dicom_json import DicomJson, json_tag, text
from multimodal.model.errors import InvalidUidError
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.model.references import SeriesRef
from multimodal.model.results import Status, WorkflowResult
from multimodal.transport.session import HttpSession
from multimodal.workflows.datasets import PlatformDatasets, add_to_dataset
from multimodal.workflows.external_series import Selection
from multimodal.workflows.pull_series import pull_series
from multimodal.workflows.sync_imaging import sync_imaging
from multimodal.workflows.thumbnails import rendering, store_thumbnail, thumbnail_key

# Of a search's answer: how to call the store, which a document must not say.
_NOT_TOLD = ("RetrieveURL", "RetrieveAETitle", "InstanceAvailability")
_ARRIVED = "00000000 TimestampArrived"
_PLACED = ("00120010 ", "00120020 ")


@dataclass(frozen=True, slots=True)
class Reference:
    """How series are registered.

    Parameters
    ----------
    arrival : Arrival
        When, in which project, and in which dataset.
    licence : str
        Under which the images may be used, as its holder names it; empty where nobody said.
    complete : bool
        Whether each document is made of the series' instances, with a thumbnail; else of what the search tells, and
        completed later.
    """

    arrival: Arrival
    licence: str = ""
    complete: bool = False


def import_by_reference(
    dicom: DicomWeb,
    selection: Selection,
    *,
    index: SeriesIndex,
    bucket: Bucket | None,
    reference: Reference,
    fhir: Target | None = None,
    platform: PlatformDatasets | None = None,
    progress: Progress = silent,
) -> WorkflowResult:
    """Write a document for each selected series, which names the store; the images stay there.

    Parameters
    ----------
    fhir : Target, optional
        Gets an ImagingStudy, with Patient and Endpoint, for each study of these series.
    platform : PlatformDatasets, optional
        Where the dataset is made known beside the bucket.

    Returns
    -------
    WorkflowResult
        ``nothing`` where the store has none of them; ``partial`` with an issue for each that cannot be registered.

    Notes
    -----
    A series whose images are in the internal archive keeps its document. A second run adds what is new, and with
    ``complete`` completes what an earlier one registered.
    """
    index.ensure()
    with rendering(dicom) as session:
        run = _Registration(dicom, bucket, reference, dict(index.scan(ORIGIN_FIELDS)), session, progress)
        created = index.create(run.new(selection))
    updated = index.update(run.changes)
    for refused in (*created.refused, *updated.refused):
        run.issues.append(_issue(IssueCode.DOCUMENT_REFUSED, refused.reason, refused.series_uid))
    if (name := reference.arrival.dataset) and run.registered:
        if bucket is not None:
            add_to_dataset(bucket, name, run.registered)
        if platform is not None:
            platform.add(name, run.registered)
    if not run.counts["series found"]:
        return WorkflowResult(Status.NOTHING, {"series found": 0})
    counts = {**run.counts, "documents created": created.written, "documents completed": updated.written}
    warnings: list[str] = []
    if fhir is not None and run.studies:
        studies = sync_imaging(dicom, fhir=fhir, bucket=bucket, study_uids=sorted(run.studies), progress=progress)
        counts |= studies.counts
        warnings += studies.warnings
        run.issues += studies.issues
    return WorkflowResult(Status.PARTIAL if run.issues else Status.DONE, counts, warnings=warnings, issues=run.issues)


def fetch_for_copy(
    dicom: DicomWeb, selection: Selection, folder_of: Callable[[str], Path], *, progress: Progress = silent
) -> WorkflowResult:
    """Fetch the selected series, verified, each into its folder, from where they are sent to the internal archive."""
    uids = [text(series, "SeriesInstanceUID") for series in selection.find(dicom)]
    return pull_series(dicom, uids, folder_of, progress=progress)


@dataclass(slots=True)
class _Registration:
    """One run over the selected series."""

    dicom: DicomWeb
    bucket: Bucket | None
    reference: Reference
    known: Mapping[str, Mapping[str, Any]]
    session: HttpSession | None
    progress: Progress
    counts: Counter[str] = field(default_factory=Counter)
    issues: list[Issue] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    registered: list[str] = field(default_factory=list)
    studies: set[str] = field(default_factory=set)

    def new(self, selection: Selection) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the documents that are not there yet, and note what has to be completed."""
        for done, found in enumerate(selection.find(self.dicom), start=1):
            self.counts["series found"] += 1
            self.progress("series", done)
            uid = text(found, "SeriesInstanceUID")
            try:
                ref = SeriesRef(text(found, "StudyInstanceUID"), uid)
            except InvalidUidError as error:
                self.issues.append(_issue(IssueCode.STUDY_UNUSABLE, str(error), uid))
                continue
            there = self.known.get(uid)
            if there is not None and store_of(there) != self.dicom.store.name:
                self.counts["series there already"] += 1
                continue
            self.registered.append(uid)
            self.studies.add(ref.study_uid)
            if there is None:
                yield uid, self._document(ref, found)
            elif self.reference.complete and not self._is_whole(uid, there):
                document = self._document(ref, found)
                put = {key: value for key, value in document.items() if not key.startswith((_ARRIVED, *_PLACED))}
                self.changes.append(Change(uid, put))

    def _is_whole(self, uid: str, document: Mapping[str, Any]) -> bool:
        pictured = self.bucket is None or self.bucket.exists(thumbnail_key(uid))
        return is_complete(document) and pictured

    def _document(self, ref: SeriesRef, found: DicomJson) -> dict[str, Any]:
        instances = self.dicom.metadata(ref) if self.reference.complete else []
        if instances and self.bucket is not None:
            pictured = store_thumbnail(self.dicom, self.bucket, ref, instances, self.session)
            self.counts["thumbnails" if pictured else "thumbnails of words alone"] += 1
        hidden = {json_tag(keyword) for keyword in _NOT_TOLD}
        source = (
            first_instance(instances) if instances else {tag: one for tag, one in found.items() if tag not in hidden}
        )
        document = series_document(source, self.reference.arrival)
        return {**document, **origin_fields(self.dicom.store.name, self.reference.licence)}


def _issue(code: IssueCode, message: str, record: str) -> Issue:
    return Issue(code.code, message, record=record, suggestion=code.suggestion)
