"""The reports of an import: for the data manager's spreadsheet, for programs, and to read."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from multimodal.bucket import Bucket
from multimodal.model.errors import ConfigurationError
from multimodal.model.issues import ERRORS_CSV_COLUMNS, Issue
from multimodal.workflows.import_report import ImportReport
from multimodal.workflows.report_page import report_page

# A spreadsheet takes a cell that begins like this for a formula and would run it; numbers are harmless.
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?")


def write_reports(report: ImportReport, *, report_dir: Path | None, bucket: Bucket, run_id: str) -> None:
    """Write errors.csv, quarantine.csv, report.json and report.html.

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
    """
    contents = {
        "errors.csv": errors_csv(report.result.issues),
        "quarantine.csv": quarantine_csv(report.quarantine),
        "report.json": orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2) + b"\n",
        "report.html": report_page(report).encode(),
    }
    for name, content in contents.items():
        bucket.write(f"reports/{run_id}/{name}", content)
        if report_dir is not None:
            _write(report_dir / name, content)


def errors_csv(issues: Sequence[Issue]) -> bytes:
    """Return ``errors.csv``: UTF-8 with a byte order mark, by which Excel knows the encoding."""
    rows = [{name: getattr(issue, name) for name in ERRORS_CSV_COLUMNS} for issue in issues]
    return _csv(ERRORS_CSV_COLUMNS, rows)


def quarantine_csv(rows: Sequence[Mapping[str, str]]) -> bytes:
    """Return ``quarantine.csv``: the original text of rows with an error, to be corrected."""
    columns = dict.fromkeys(["row", "sheet", *(name for row in rows for name in row)])
    return _csv(tuple(columns), rows)


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([_harmless(name) for name in columns])
    writer.writerows([_harmless(row.get(name)) for name in columns] for row in rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode("utf-8", "backslashreplace")


def _harmless(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise ConfigurationError(f"cannot write the report: {error.strerror}", file=path) from error
