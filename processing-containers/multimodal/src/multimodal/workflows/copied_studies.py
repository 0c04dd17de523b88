"""The studies of series that were copied into the internal archive -> ImagingStudies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from multimodal.bucket import Bucket
from multimodal.dicomweb import DicomWeb, open_dicomweb
from multimodal.fhirstore import Target
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.model.references import SeriesRef
from multimodal.model.results import Status, WorkflowResult
from multimodal.transport.stores import Store
from multimodal.workflows.copies import instances_in
from multimodal.workflows.started_runs import awaited
from multimodal.workflows.sync_imaging import sync_imaging


def sync_copied(
    pacs: DicomWeb,
    folders: Mapping[str, Path],
    *,
    fhir: Target,
    bucket: Bucket,
    seconds: float,
    progress: Progress = silent,
) -> WorkflowResult:
    """Write an ImagingStudy for each study of which series were sent to the archive, once it has them whole.

    Parameters
    ----------
    pacs : DicomWeb
        The internal archive.
    folders : mapping of str to Path
        Series UID -> the files that were sent.
    seconds : float
        How long the archive may take; on Kaapana the images pass through its CTP.

    Returns
    -------
    WorkflowResult
        ``nothing`` where nothing was sent; ``partial`` with an issue for each series that has not arrived, whose study
        is told with what there is of it.
    """
    waiting = {uid: sent for uid, folder in folders.items() if (sent := _sent(uid, folder)) is not None}
    if not waiting:
        return WorkflowResult(Status.NOTHING)
    studies = sorted({ref.study_uid for ref, _ in waiting.values()})

    def all_there() -> bool | None:
        for uid in [uid for uid, (ref, sent) in waiting.items() if instances_in(pacs, ref) >= sent]:
            del waiting[uid]
        return None if waiting else True

    awaited(all_there, seconds)
    result = sync_imaging(pacs, fhir=fhir, bucket=bucket, study_uids=studies, progress=progress)
    issues = [*result.issues, *map(_not_arrived, waiting)]
    status = Status.PARTIAL if issues else Status.DONE
    return WorkflowResult(status, result.counts, warnings=result.warnings, issues=issues)


def _sent(uid: str, folder: Path) -> tuple[SeriesRef, frozenset[str]] | None:
    """Return which series lies in `folder`, and its SOP Instance UIDs; None where none does."""
    sent = frozenset(file.stem for file in folder.glob("*.dcm"))
    if not sent:
        return None
    with open_dicomweb(Store("sent", "dicomweb", profile="google-folder", path=str(folder))) as files:
        return files.find_series(uid), sent


def _not_arrived(uid: str) -> Issue:
    code = IssueCode.SERIES_NOT_ARRIVED
    return Issue(code.code, "the archive does not have it whole yet", record=uid, suggestion=code.suggestion)
