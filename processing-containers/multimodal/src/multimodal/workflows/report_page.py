"""The report of an import as a page that stands alone: no script, nothing loaded from elsewhere."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.results import Status
from multimodal.workflows.import_report import ImportReport

_ISSUES_SHOWN = 20
_VALUES_SHOWN = 30
_CODE = re.compile(r"`([^`]+)`")
_WRITTEN = re.compile(r"^write .+(?=, or declare)")
_TITLES = {code.code: code.title for code in IssueCode}
_KINDS = {
    "inexact": "mapped inexactly", "text": "kept as text", "missing": "missing", "otherwise": "not in the table",
    "reference left out": "references left out",
}  # fmt: skip
_STYLE = """
:root { color-scheme: light; --ink: #1c2733; --soft: #5b6b7b; --line: #dde3ea; --good: #1d7a46; --part: #9a6200;
  --bad: #b3261e; }
body { margin: 0; background: #f4f6f8; color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2rem 1.5rem 3rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
.lead { color: var(--soft); margin: 0 0 1.5rem; }
.chip { display: inline-block; padding: .05rem .6rem; border-radius: 1rem; color: #fff; font-size: .85rem; }
.done { background: var(--good); } .partial, .nothing { background: var(--part); } .refused { background: var(--bad); }
section { background: #fff; border: 1px solid var(--line); border-radius: .5rem; padding: 1.1rem 1.25rem;
  margin-bottom: 1rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th { text-align: left; color: var(--soft); font-weight: 600; border-bottom: 2px solid var(--line); }
th, td { padding: .3rem .9rem .3rem 0; vertical-align: top; overflow-wrap: anywhere; }
td { border-bottom: 1px solid var(--line); } tr:last-child td { border-bottom: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code { font: .88em ui-monospace, Consolas, monospace; background: #eef1f4; border-radius: .2rem; padding: 0 .25rem; }
.note { color: var(--soft); margin: .75rem 0 0; } ul { margin: 0; padding-left: 1.2rem; }
.figures { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; }
.figures div { font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.figures span { display: block; font-size: .85rem; font-weight: 400; color: var(--soft); }
"""


class _Prose(str):
    """A sentence of ours, in which `backticks` mark what is written in a file; a cell of the table is none."""

    __slots__ = ()

    @property
    def html(self) -> str:
        return _CODE.sub(r"<code>\1</code>", escape(self))


def report_page(report: ImportReport) -> str:
    """Return ``report.html`` for `report`."""
    parts = [_head(report), _figures(report), _changes(report), _reasons(report.result.issues)]
    parts += [_first_issues(report.result.issues), _warnings(report.result.warnings), _columns(report)]
    parts += [_values(report), _origin(report)]
    title = escape(report.title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Import: {title}</title><style>{_STYLE}</style></head><body><main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main></body></html>\n"
    )


def _head(report: ImportReport) -> str:
    status, text = report.result.status.value, report.result.status.value
    if report.refusal:
        status, text = "refused", "refused: nothing was stored"
    elif report.result.status is Status.PARTIAL:
        text = "partial: some of it did not come through"
    dry = " Dry run: this is what would be done; nothing was stored." if report.dry_run else ""
    lead = _Prose(report.refusal).html or "Import of clinical tables into FHIR."
    return f'<h1>{escape(report.title)} <span class="chip {status}">{text}</span></h1><p class="lead">{lead}{dry}</p>'


def _figures(report: ImportReport) -> str:
    counts = report.result.counts
    changed = sum(counts.get(what, 0) for counts in report.changes.values() for what in ("created", "updated"))
    figures = {
        "rows read": counts.get("rows", 0),
        "rows with a problem": counts.get("rows with issues", 0),
        "resources to write" if report.dry_run else "resources written": changed,
        "problems": len(report.result.issues),
    }
    inner = "".join(f"<div>{number:,}<span>{escape(what)}</span></div>" for what, number in figures.items())
    return f'<section><div class="figures">{inner}</div></section>'


def _changes(report: ImportReport) -> str:
    names = ("created", "updated", "unchanged", "deleted", "absent")
    shown = [name for name in names if any(counts.get(name) for counts in report.changes.values())]
    rows = [[kind, *(counts.get(name, 0) for name in shown)] for kind, counts in sorted(report.changes.items())]
    note = ""
    if "absent" in shown:
        note = "Absent: stored by an earlier import, no longer in the table, and kept."
    return _section("Resources", _table(["type", *shown], rows), note) if shown else ""


def _reasons(issues: Sequence[Issue]) -> str:
    groups: dict[tuple[str, str, str], list[Issue]] = defaultdict(list)
    for issue in issues:
        # A suggestion that only repeats the cell's number is one for all of them, shown with the first example.
        groups[issue.code, issue.column, _WRITTEN.sub("write", issue.suggestion)].append(issue)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    rows = [
        [len(group), f"{code} {_TITLES.get(code, '')}", column, _examples(group), _Prose(group[0].suggestion)]
        for (code, column, _), group in ordered
    ]
    if not rows:
        return ""
    head = ["times", "problem", "column", "for example", "what to do"]
    return _section("What was refused, and why", _table(head, rows), "errors.csv lists each one with its row.")


def _examples(issues: Sequence[Issue]) -> str:
    values = list(dict.fromkeys(issue.value for issue in issues if issue.value))[:3]
    if values:
        return " · ".join(values)
    first = issues[0]
    return "(empty)" if first.column and first.row is not None else _Prose(first.message)


def _first_issues(issues: Sequence[Issue]) -> str:
    rows = [
        [_row_of(issue), issue.record, issue.column, issue.value, _Prose(f"{issue.code}: {issue.message}")]
        for issue in issues[:_ISSUES_SHOWN]
    ]
    if not rows:
        return ""
    note = f"{len(issues) - _ISSUES_SHOWN:,} more in errors.csv." if len(issues) > _ISSUES_SHOWN else ""
    title = "The first of them" if note else "Where"
    return _section(title, _table(["row", "record", "column", "value", "problem"], rows), note)


def _row_of(issue: Issue) -> str:
    row = "" if issue.row is None else str(issue.row)
    return f"{issue.sheet} {row}".strip()


def _warnings(warnings: Sequence[str]) -> str:
    shown = "".join(f"<li>{_Prose(warning).html}</li>" for warning in warnings[:_VALUES_SHOWN])
    note = f"{len(warnings) - _VALUES_SHOWN:,} more in report.json." if len(warnings) > _VALUES_SHOWN else ""
    return _section("To know", f"<ul>{shown}</ul>", note) if warnings else ""


def _columns(report: ImportReport) -> str:
    rows = [
        [what, ", ".join(f"{column} ({said})" if said else column for column, said in columns.items())]
        for what, columns in report.columns.items()
        if columns
    ]
    return _section("Columns", _table(["", ""], rows)) if rows else ""


def _values(report: ImportReport) -> str:
    rows = [
        [column, value or "(empty)", _KINDS.get(kind, kind), count]
        for column, kinds in report.values.items()
        for kind, values in kinds.items()
        for value, count in values.items()
    ]
    if not rows:
        return ""
    note = f"{len(rows) - _VALUES_SHOWN:,} more in report.json." if len(rows) > _VALUES_SHOWN else ""
    head = ["column", "value in the table", "", "times"]
    return _section("Values mapped with a loss", _table(head, rows[:_VALUES_SHOWN]), note)


def _origin(report: ImportReport) -> str:
    rows = [[what, f"sha256 {value}"] for what, value in report.result.hashes.items()]
    rows += [[what, value] for what, value in report.result.versions.items()]
    rows += [
        [file, ", ".join(f"{what}: {value}" for what, value in found.items())] for file, found in report.found.items()
    ]
    return _section("Made from", _table(["", ""], rows)) if rows else ""


def _section(title: str, content: str, note: str = "") -> str:
    said = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{content}{said}</section>"


def _html(value: Any) -> str:
    return value.html if isinstance(value, _Prose) else escape(str(value))


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    body = list(rows)
    numeric = [all(isinstance(row[at], int) for row in body) for at in range(len(head))]

    def cell(at: int, value: Any, tag: str) -> str:
        text = f"{value:,}" if isinstance(value, int) else _html(value)
        return f'<{tag} class="number">{text}</{tag}>' if numeric[at] else f"<{tag}>{text}</{tag}>"

    top = "".join(cell(at, name, "th") for at, name in enumerate(head)) if any(head) else ""
    lines = "".join(f"<tr>{''.join(cell(at, value, 'td') for at, value in enumerate(row))}</tr>" for row in body)
    return f"<table>{f'<thead><tr>{top}</tr></thead>' if top else ''}<tbody>{lines}</tbody></table>"
