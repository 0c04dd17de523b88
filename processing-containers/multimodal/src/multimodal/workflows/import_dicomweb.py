"""Series of an external store -> documents that refer to them, or their files, to be sent to the internal archive."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multimodal.bucket import Bucket
from multimodal.dicomweb import DicomWeb, IndexedDicomWeb
from multimodal.fhirstore import Target
from multimodal.index.documents import Arrival, first_instance, series_document
from multimodal.index.keys import is_own
from multimodal.index.origin import (
    COLLECTION,
    ORIGIN_FIELDS,
    REVISION,
    is_complete,
    listed_fields,
    origin_fields,
    store_of,
)
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
from multimodal.workflows.external_series import FoundSeries, Selection
from multimodal.workflows.pull_series import pull_series
from multimodal.workflows.sync_imaging import sync_imaging
from multimodal.workflows.thumbnails import rendering, store_thumbnail, thumbnail_key

# Of a search's answer: how to call the store, which a document must not say.
_NOT_TOLD = ("RetrieveURL", "RetrieveAETitle", "InstanceAvailability")
_ARRIVED = "00000000 TimestampArrived"
_PLACED = ("00120010 ", "00120020 ")
# Of what a document says beyond attributes, this is made of them; all else was told by others, and stays.
_DERIVED = re.compile(
    "00000000 (Annotation|Timestamp_|DayOfWeek_|TimeTagUsed_|DerivedPatientAge_|CuratedModality_|AnalysisResult_)"
)
_ISSUER = json_tag("IssuerOfPatientID")


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
    ``complete`` completes what an earlier one registered. Of a public index, it renews what was revised since, and
    leaves all else alone.
    """
    dicom = selection.searched(dicom)
    index.ensure()
    with rendering(dicom) as session:
        run = _Registration(dicom, index, bucket, reference, dict(index.scan(ORIGIN_FIELDS)), session, progress)
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
    renewed = "documents renewed" if run.counts["series revised"] else "documents completed"
    counts = {**run.counts, "documents created": created.written, renewed: updated.written}
    warnings: list[str] = list(run.withdrawn(selection))
    if fhir is not None and run.studies:
        studies = sync_imaging(dicom, fhir=fhir, bucket=bucket, study_uids=sorted(run.studies), progress=progress)
        counts |= studies.counts
        warnings += studies.warnings
        run.issues += studies.issues
    status = Status.PARTIAL if run.issues else Status.DONE
    return WorkflowResult(status, counts, warnings=warnings, issues=run.issues, versions=versions_of(dicom))


def count_series(dicom: DicomWeb, selection: Selection) -> WorkflowResult:
    """Say how many series a selection is, of which modalities and licences, and how many bytes; do nothing else."""
    dicom = selection.searched(dicom)
    totals = selection.totals(dicom)
    status = Status.DONE if totals.series else Status.NOTHING
    return WorkflowResult(status, totals.counts(), versions=versions_of(dicom))


def versions_of(dicom: DicomWeb) -> dict[str, str]:
    """Return which release of an index a store was searched by."""
    return {"idc-index-data": dicom.index.version} if isinstance(dicom, IndexedDicomWeb) else {}


def fetch_for_copy(
    dicom: DicomWeb, selection: Selection, folder_of: Callable[[str], Path], *, progress: Progress = silent
) -> WorkflowResult:
    """Fetch the selected series, verified, each into its folder, from where they are sent to the internal archive."""
    dicom = selection.searched(dicom)
    uids = [text(series, "SeriesInstanceUID") for series in selection.find(dicom)]
    return pull_series(dicom, uids, folder_of, progress=progress)


@dataclass(slots=True)
class _Registration:
    """One run over the selected series."""

    dicom: DicomWeb
    index: SeriesIndex
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
        for done, found in enumerate(selection.found(self.dicom), start=1):
            self.counts["series found"] += 1
            if found.listed is not None:
                self.counts["bytes"] += found.listed.bytes
            self.progress("series", done)
            uid = text(found.dataset, "SeriesInstanceUID")
            try:
                ref = SeriesRef(text(found.dataset, "StudyInstanceUID"), uid)
            except InvalidUidError as error:
                self.issues.append(_issue(IssueCode.STUDY_UNUSABLE, str(error), uid))
                continue
            there = self.known.get(uid)
            if there is not None and not self._is_ours(there):
                self.counts["series there already"] += 1
                continue
            self.registered.append(uid)
            self.studies.add(ref.study_uid)
            if there is None:
                yield uid, self._document(ref, found)
            elif found.listed is not None and there.get(REVISION) != found.listed.revision:
                self.counts["series revised"] += 1
                self.changes.append(self._change(ref, found, renew=True))
            elif self.reference.complete and not self._is_whole(uid, there):
                self.changes.append(self._change(ref, found))

    def withdrawn(self, selection: Selection) -> Iterator[str]:
        """Yield a warning where documents of whole collections tell of series that these no longer have."""
        if selection.filters or selection.series_uids or selection.licences or selection.analysis_results:
            return
        names = {name.strip().casefold().replace("-", "_") for name in selection.collections}
        there = {uid for uid, one in self.known.items() if one.get(COLLECTION) in names and self._is_ours(one)}
        if gone := there - set(self.registered):
            yield f"{len(gone)} registered series are no longer in this release of the index, e.g. {min(gone)}"

    def _is_ours(self, document: Mapping[str, Any]) -> bool:
        return store_of(document) == self.dicom.store.name

    def _change(self, ref: SeriesRef, found: FoundSeries, *, renew: bool = False) -> Change:
        """Return what makes a document that of `found`; to renew it is to take out what its images said before."""
        document = self._document(ref, found)
        put = {key: value for key, value in document.items() if not key.startswith((_ARRIVED, *_PLACED))}
        there = self.index.get(ref.series_uid) or {} if renew else {}
        return Change(ref.series_uid, put, sorted(key for key in there if key not in put and _is_of_images(key)))

    def _is_whole(self, uid: str, document: Mapping[str, Any]) -> bool:
        pictured = self.bucket is None or self.bucket.exists(thumbnail_key(uid))
        return is_complete(document) and pictured

    def _document(self, ref: SeriesRef, found: FoundSeries) -> dict[str, Any]:
        instances = self.dicom.metadata(ref) if self.reference.complete else []
        if instances and self.bucket is not None:
            pictured = store_thumbnail(self.dicom, self.bucket, ref, instances, self.session)
            self.counts["thumbnails" if pictured else "thumbnails of words alone"] += 1
        source = first_instance(instances) if instances else _told(found)
        document = series_document(source, self.reference.arrival)
        listed = found.listed
        if listed is None:
            return {**document, **origin_fields(self.dicom.store.name, self.reference.licence)}
        fields = listed_fields(
            collection=listed.collection,
            analysis_result=listed.analysis_result,
            source_doi=listed.source_doi,
            revision=listed.revision,
        )
        return {**document, **origin_fields(self.dicom.store.name, listed.licence or self.reference.licence), **fields}


def _told(found: FoundSeries) -> DicomJson:
    """Return what a document says before the instances were looked at."""
    hidden = {json_tag(keyword) for keyword in _NOT_TOLD} | ({_ISSUER} if found.listed is not None else set())
    return {tag: element for tag, element in found.dataset.items() if tag not in hidden}


def _is_of_images(key: str) -> bool:
    """Say whether a document's key holds what images say, or what was made of that."""
    if key.startswith("00000000 "):
        return not is_own(key) and _DERIVED.match(key) is not None
    return not key.startswith(_PLACED)


def _issue(code: IssueCode, message: str, record: str) -> Issue:
    return Issue(code.code, message, record=record, suggestion=code.suggestion)
