"""The reports of an import: for the data manager's spreadsheet, for programs, and to read."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import orjson

from multimodal.bucket import Bucket
from multimodal.model.errors import ConfigurationError
from multimodal.model.issues import ERRORS_CSV_COLUMNS, Issue
from multimodal.workflows.csv_files import issue_line, write_csv
from multimodal.workflows.diff import write_diff
from multimodal.workflows.findings import State, write_findings, write_ledger_lines
from multimodal.workflows.import_report import ImportReport
from multimodal.workflows.report_page import report_page


def write_reports(report: ImportReport, *, report_dir: Path | None, bucket: Bucket, run_id: str) -> None:
    """Write the reports that ``docs/errors.md`` lists.

    Parameters
    ----------
    report : ImportReport
        What to tell.
    report_dir : Path, optional
        A folder for them.
    bucket : Bucket
        They go to ``reports/<run_id>/`` there as well, where users of a platform can see them.
    run_id : str
        Id of the run.

    Notes
    -----
    All are written to disk line by line: a table in which everything is wrong needs no more memory than another one.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_errors(report.result.issues, folder / "errors.csv")
        _write_quarantine(report, folder / "quarantine.csv")
        if report.history.all:
            write_findings(report.history, folder / "findings.csv")
            write_ledger_lines(report.history, folder / "ledger-lines.csv")
        if report.diff is not None:
            write_diff(report.diff, folder / "diff.csv")
        _write_workbooks(report, folder)
        (folder / "report.json").write_bytes(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2) + b"\n")
        (folder / "report.html").write_text(report_page(report), encoding="utf-8", errors="backslashreplace")
        for path in sorted(folder.iterdir()):
            bucket.write_file(f"reports/{run_id}/{path.name}", path)
            if report_dir is not None:
                _put(path, report_dir)


def write_errors(issues: Iterable[Issue], path: Path) -> None:
    """Write ``errors.csv``, line by line: UTF-8 with a byte order mark, by which Excel knows the encoding."""
    write_csv(path, ERRORS_CSV_COLUMNS, map(issue_line, issues))


def _write_quarantine(report: ImportReport, path: Path) -> None:
    """Write the original text of the rows with an error, to be corrected."""
    columns = ("row", "sheet", *dict.fromkeys(name for row in report.refused for name in row.cells))
    lines = ((row.number, row.sheet, *(row.cells.get(name, "") for name in columns[2:])) for row in report.refused)
    write_csv(path, columns, lines)


def _write_workbooks(report: ImportReport, folder: Path) -> None:
    findings = report.history
    if not report.files or not (findings.open or findings.counts[State.ACCEPTED]):
        return
    # Half a second, which an import without findings does not need.
    from multimodal.workflows.checked_workbook import CheckedWorkbooks

    CheckedWorkbooks(report.source, report.keys, report.refused).write(report.files, report.found, findings, folder)


def _put(path: Path, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / path.name)
    except OSError as error:
        raise ConfigurationError(f"cannot write the report: {error.strerror}", file=folder / path.name) from error
