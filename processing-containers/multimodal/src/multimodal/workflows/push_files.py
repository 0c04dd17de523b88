"""DICOM files of a folder -> a store."""

from __future__ import annotations

from pathlib import Path

from multimodal.dicomweb import DicomWeb, PushReport, is_meant_as_dicom
from multimodal.model.errors import DataRefusedError
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.model.results import Status, WorkflowResult


def push_files(dicom: DicomWeb, folder: Path, *, progress: Progress = silent) -> WorkflowResult:
    """Send every DICOM file below `folder` (files and folders whose names begin with a dot apart).

    Returns
    -------
    WorkflowResult
        ``partial`` with an issue for each file that the store did not take; ``nothing`` for a folder without DICOM
        files. Other files are left and counted in a warning.

    Raises
    ------
    DataRefusedError
        If the folder is none, or not one of its files came to be in the store.
    """
    if not folder.is_dir():
        raise DataRefusedError(f"no such folder: {folder}")
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not _hidden(path.relative_to(folder)))
    files = [path for path in found if is_meant_as_dicom(path)]
    warnings = _left(len(found) - len(files))
    if not files:
        return WorkflowResult(Status.NOTHING, warnings=warnings)
    report = dicom.push(files, progress=progress)
    if not report.stored and not report.already:
        first = report.failed[0]
        raise DataRefusedError(f"{dicom.store.name} took none of {len(files)} files; {first.path}: {first.reason}")
    return WorkflowResult(
        Status.PARTIAL if report.failed else Status.DONE,
        {
            "files": len(files),
            "instances stored": len(report.stored),
            "instances there before": len(report.already),
            "bytes sent": report.sent_bytes,
        },
        warnings=warnings,
        issues=_issues(report, folder),
    )


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _left(number: int) -> list[str]:
    if not number:
        return []
    return ["1 file is no DICOM and was left" if number == 1 else f"{number} files are no DICOM and were left"]


def _issues(report: PushReport, folder: Path) -> list[Issue]:
    code = IssueCode.INSTANCE_NOT_STORED.code
    return [
        Issue(code, failed.reason, sheet=str(failed.path.relative_to(folder)), record=failed.sop_uid)
        for failed in report.failed
    ]
