"""Documents that hold what a search or an index row told of a series -> those of its instances, with a thumbnail."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from multimodal.bucket import Bucket
from multimodal.dicomweb import DicomWeb, SeriesNotFoundError, open_dicomweb
from multimodal.index.attributes import DATETIME
from multimodal.index.documents import Arrival, first_instance, series_document
from multimodal.index.origin import ORIGIN_FIELDS, is_complete, store_of
from multimodal.index.series_index import SERIES_KEY, Change, SeriesIndex, WriteReport
from multimodal.model.dicom_json import DicomJson, text
from multimodal.model.errors import first_few
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.model.references import SeriesRef
from multimodal.model.results import Status, WorkflowResult
from multimodal.transport.session import HttpSession, NotFoundError
from multimodal.transport.stores import Store, Stores
from multimodal.workflows.pull_series import not_found
from multimodal.workflows.thumbnails import rendering, store_thumbnail, thumbnail_key

STUDY_KEY = "0020000D StudyInstanceUID_keyword"
_ARRIVED = "00000000 TimestampArrived_datetime"
_DATASET = "00120010 ClinicalTrialSponsorName_keyword"
_PROJECT = "00120020 ClinicalTrialProtocolID_keyword"
_READ = (*ORIGIN_FIELDS, SERIES_KEY, STUDY_KEY, _ARRIVED, _DATASET, _PROJECT)
# Drawn on images of other series, which lie in the series' own store.
_MASKS = frozenset({"SEG", "RTSTRUCT"})


def complete_documents(
    stores: Stores,
    index: SeriesIndex,
    bucket: Bucket | None,
    *,
    series_uids: Collection[str] | None = None,
    progress: Progress = silent,
) -> WorkflowResult:
    """Complete the documents of referenced series, each by what its own store says of the instances.

    Parameters
    ----------
    bucket : Bucket or None
        Gets the thumbnails; a series without one is completed too.
    series_uids : collection of str, optional
        These alone; all that are incomplete where not given.

    Returns
    -------
    WorkflowResult
        ``nothing`` where all are complete; ``partial`` with an issue for each series that its store no longer has;
        with a warning for those of `series_uids` that have no document.

    Raises
    ------
    UnknownStoreError
        If the stores file does not name the store that a series lies in; nothing is asked then.
    """
    of_store: dict[str, list[tuple[SeriesRef, Mapping[str, Any]]]] = defaultdict(list)
    for uid, document in _incomplete(index, bucket, series_uids):
        of_store[store_of(document)].append((SeriesRef(str(document.get(STUDY_KEY) or ""), uid), document))
    ends = {name: stores.get(name, "dicomweb") for name in sorted(of_store)}
    run = _Completion(bucket)
    total = sum(map(len, of_store.values()))
    written = 0
    for name, end in ends.items():
        with open_dicomweb(end) as dicom, rendering(dicom) as session:
            dicom.prepare(series_uids=[ref.series_uid for ref, _ in of_store[name]])
            changes = run.changes(dicom, of_store[name], session, lambda done: progress("documents", done, total))
            written += run.note(index.update(changes))
    counts = {"documents incomplete": total, "documents completed": written, **run.counts}
    status = Status.NOTHING if not total else Status.PARTIAL if run.issues else Status.DONE
    return WorkflowResult(status, counts, warnings=_unregistered(index, series_uids or ()), issues=run.issues)


def complete_staged(
    index: SeriesIndex, bucket: Bucket | None, dicom: DicomWeb, folders: Mapping[str, Path]
) -> WorkflowResult:
    """Complete the documents of series whose verified files have just been fetched.

    Parameters
    ----------
    dicom : DicomWeb
        The store they come from; asked only for the images that a SEG or RTSTRUCT was drawn on.
    folders : mapping of str to Path
        Series UID -> its files.
    """
    run = _Completion(bucket)
    changes = []
    documents = index.get_many(folders, _READ)
    for uid, folder in folders.items():
        document = documents.get(uid) or {}
        if not store_of(document) or _is_whole(uid, document, bucket):
            continue
        files = Store(dicom.store.name, "dicomweb", profile="google-folder", path=str(folder))
        with open_dicomweb(files) as staged:
            ref = staged.find_series(uid)
            instances = staged.metadata(ref)
            picturing = dicom if text(instances[0], "Modality") in _MASKS else staged
            changes.append(run.change(picturing, ref, document, instances, None))
    written = run.note(index.update(changes)) if changes else 0
    status = Status.PARTIAL if run.issues else Status.DONE if changes else Status.NOTHING
    return WorkflowResult(status, {"documents completed": written, **run.counts}, issues=run.issues)


def arrival_of(document: Mapping[str, Any]) -> Arrival | None:
    """Return when, in which project and dataset a document was written; None where it does not say."""
    if not (at := document.get(_ARRIVED)):
        return None
    time = datetime.strptime(str(at), DATETIME).replace(tzinfo=UTC)
    return Arrival(time, _first(document.get(_PROJECT)), _first(document.get(_DATASET)))


@dataclass(slots=True)
class _Completion:
    bucket: Bucket | None
    counts: Counter[str] = field(default_factory=Counter)
    issues: list[Issue] = field(default_factory=list)

    def changes(
        self,
        dicom: DicomWeb,
        series: Sequence[tuple[SeriesRef, Mapping[str, Any]]],
        session: HttpSession | None,
        told: Any,
    ) -> Iterator[Change]:
        dicom.prepare(series_uids=[ref.series_uid for ref, _ in series])
        for done, (ref, document) in enumerate(series, start=1):
            told(done)
            try:
                instances = dicom.metadata(ref)
            except (NotFoundError, SeriesNotFoundError):
                instances = []
            if instances:
                yield self.change(dicom, ref, document, instances, session)
            else:
                self.issues.append(not_found(ref.series_uid, f"{dicom.store.name} has no instances of it any more"))

    def change(
        self,
        dicom: DicomWeb,
        ref: SeriesRef,
        document: Mapping[str, Any],
        instances: Sequence[DicomJson],
        session: HttpSession | None,
    ) -> Change:
        """Return what makes `document` that of its instances, after its thumbnail was written."""
        if self.bucket is not None:
            pictured = store_thumbnail(dicom, self.bucket, ref, instances, session)
            self.counts["thumbnails" if pictured else "thumbnails of words alone"] += 1
        return Change(ref.series_uid, series_document(first_instance(instances), arrival_of(document)))

    def note(self, report: WriteReport) -> int:
        code = IssueCode.DOCUMENT_REFUSED
        for refused in report.refused:
            self.issues.append(Issue(code.code, refused.reason, record=refused.series_uid, suggestion=code.suggestion))
        return report.written


def _incomplete(
    index: SeriesIndex, bucket: Bucket | None, series_uids: Collection[str] | None
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    wanted = None if series_uids is None else frozenset(series_uids)
    for uid, document in index.scan(_READ):
        named = wanted is None or uid in wanted
        if named and store_of(document) and not _is_whole(uid, document, bucket):
            yield uid, document


def _unregistered(index: SeriesIndex, series_uids: Collection[str]) -> list[str]:
    known = index.get_many(series_uids, ORIGIN_FIELDS) if series_uids else {}
    unknown = [uid for uid in dict.fromkeys(series_uids) if uid not in known]
    if not unknown:
        return []
    shown = first_few(unknown)
    return [f"not in the index, so register first (multimodal query --register): {len(unknown)} series ({shown})"]


def _is_whole(uid: str, document: Mapping[str, Any], bucket: Bucket | None) -> bool:
    return is_complete(document) and (bucket is None or bucket.exists(thumbnail_key(uid)))


def _first(value: Any) -> str:
    return str((value[0] if isinstance(value, list) and value else value) or "")
