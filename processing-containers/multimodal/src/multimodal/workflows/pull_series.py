"""DICOM series of a store -> verified files, a folder for each series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from multimodal.dicomweb import DicomWeb, IncompleteSeriesError, SeriesNotFoundError
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.model.results import Status, WorkflowResult


def pull_series(
    dicom: DicomWeb,
    series_uids: Sequence[str],
    folder_of: Callable[[str], Path],
    *,
    progress: Progress = silent,
) -> WorkflowResult:
    """Fetch each series into the folder that `folder_of` names for its UID.

    Returns
    -------
    WorkflowResult
        ``partial`` with an issue for each series that the store does not have.

    Raises
    ------
    SeriesNotFoundError
        If it has none of them.
    IncompleteSeriesError
        If one of them is not whole, after the others were fetched; a rerun fetches only what is missing.
    """
    dicom.prepare(series_uids=series_uids)
    counts: Counter[str] = Counter()
    issues: list[Issue] = []
    incomplete: list[IncompleteSeriesError] = []
    for number, uid in enumerate(series_uids, 1):
        try:
            report = dicom.pull(dicom.find_series(uid), folder_of(uid), progress=progress)
        except SeriesNotFoundError as error:
            if len(issues) == len(series_uids) - 1:
                raise
            issues.append(not_found(uid, str(error)))
            continue
        except IncompleteSeriesError as error:
            incomplete.append(error)
            continue
        counts["series"] += 1
        counts["instances"] += len(report.instances)
        counts["instances there before"] += report.resumed
        counts["bytes fetched"] += report.fetched_bytes
        progress("series", number, len(series_uids))
    if incomplete:
        raise incomplete[0]
    status = Status.NOTHING if not series_uids else Status.PARTIAL if issues else Status.DONE
    return WorkflowResult(status, counts, issues=issues)


def not_found(series_uid: str, message: str) -> Issue:
    """Return the issue of a series that its store does not have."""
    code = IssueCode.SERIES_NOT_FOUND
    return Issue(code.code, message, record=series_uid, suggestion=code.suggestion)
