"""The reports of an import: for the data manager's spreadsheet, for programs, and to read."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from multimodal.bucket import Bucket
from multimodal.model.errors import ConfigurationError
from multimodal.model.issues import ERRORS_CSV_COLUMNS, Issue
from multimodal.model.results import WorkflowResult
from multimodal.workflows.report_page import report_page

# A spreadsheet takes a cell that begins like this for a formula and would run it; numbers are harmless.
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?")


@dataclass(slots=True)
class ImportReport:
    """All that is told of one import.

    Parameters
    ----------
    title : str
        Of the mapping.
    result : WorkflowResult
        Counts, warnings, issues, versions, hashes.
    changes : mapping
        Resource type to its counts (created, updated, unchanged, deleted, absent).
    columns : mapping of str to mapping
        ``mapped``, ``ignored``, ``unmapped``, ...: column to what is said of it.
    values : mapping
        Column to kind (``inexact``, ...) to source value, counted.
    found : mapping
        File to what its reader found out.
    refusal : str
        Why nothing was stored; empty where something was.
    dry_run : bool
        Nothing was to be stored.
    quarantine : list of mapping
        Original cells of the rows with an error.
    """

    title: str
    result: WorkflowResult
    changes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    found: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    refusal: str = ""
    dry_run: bool = False
    quarantine: list[Mapping[str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the content of ``report.json``."""
        return {
            **self.result.as_json(),
            "title": self.title,
            "dry_run": self.dry_run,
            "refusal": self.refusal,
            "changes": {kind: dict(counts) for kind, counts in self.changes.items()},
            "columns": {what: dict(columns) for what, columns in self.columns.items()},
            "values": {
                column: {kind: dict(values) for kind, values in kinds.items()} for column, kinds in self.values.items()
            },
            "found": {file: dict(found) for file, found in self.found.items()},
        }


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
