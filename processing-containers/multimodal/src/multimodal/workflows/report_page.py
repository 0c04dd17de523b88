"""The report of an import as a page that stands alone: no script, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from multimodal.model.results import Status
from multimodal.workflows.diff import first_changes
from multimodal.workflows.findings import State
from multimodal.workflows.import_report import ImportReport
from multimodal.workflows.report_findings import findings_parts
from multimodal.workflows.report_html import Chip, Prose, Short, figures, page, section, table

_VALUES_SHOWN = 30
_NAMES_SHOWN = 200
_KINDS = {
    "inexact": "mapped inexactly", "text": "kept as text", "missing": "missing", "otherwise": "not in the table",
    "dropped": "dropped", "reference left out": "references left out", "no match": "did not fit the pattern",
}  # fmt: skip
_CHANGES = ("created", "updated", "unchanged", "deleted", "absent")
_CHANGING = ("updated", "deleted")
_CHANGES_SHOWN = 20
_ID_SHOWN = 12
_WOULD = {"created": "to create", "updated": "to update", "deleted": "to delete"}


def report_page(report: ImportReport) -> str:
    """Return ``report.html`` for `report`, without what identifies a person."""
    return page(f"Import: {report.title}", _parts(report))


def _parts(report: ImportReport) -> Iterator[str]:
    yield _head(report)
    yield figures(_figures(report))
    yield _changes(report)
    yield from findings_parts(report)
    yield _warnings(report.result.warnings)
    yield _columns(report)
    yield _translated(report)
    yield _values(report)
    yield _written(report)
    yield _origin(report)


def _head(report: ImportReport) -> str:
    status, text = report.result.status.value, report.result.status.value
    if report.refusal:
        status, text = "refused", "refused: nothing was stored"
    elif report.result.status is Status.PARTIAL:
        text = "partial: some of it did not come through"
    dry = " Dry run: this is what would be done; nothing was stored." if report.dry_run else ""
    lead = Prose(report.refusal).html or "Import of clinical tables into FHIR."
    return f'<h1>{escape(report.title)} <span class="chip {status}">{text}</span></h1><p class="lead">{lead}{dry}</p>'


def _figures(report: ImportReport) -> dict[str, int]:
    counts, findings = report.result.counts, report.history
    changed = sum(counts.get(what, 0) for counts in report.changes.values() for what in ("created", "updated"))
    numbers = {
        "rows read": counts.get("rows", 0),
        "rows with a problem": counts.get("rows with issues", 0),
        "resources to write" if report.dry_run else "resources written": changed,
        "problems": findings.open,
    }
    if findings.before:
        numbers |= {f"of them new since {findings.before}": findings.counts[State.NEW]}
        numbers |= {"fixed since then": findings.counts[State.FIXED]}
    if findings.counts[State.ACCEPTED]:
        numbers |= {"accepted": findings.counts[State.ACCEPTED]}
    return numbers


def _changes(report: ImportReport) -> str:
    shown = [name for name in _CHANGES if any(counts.get(name) for counts in report.changes.values())]
    if not shown:
        return ""
    rows: list[list[str | int]] = [
        [kind, *(counts.get(name, 0) for name in shown)] for kind, counts in sorted(report.changes.items())
    ]
    if len(rows) > 1:
        rows.append(["all", *(sum(counts.get(name, 0) for counts in report.changes.values()) for name in shown)])
    head = ["type", *((_WOULD.get(name, name) if report.dry_run else name) for name in shown)]
    note = ""
    if "absent" in shown:
        note = "Absent: stored by an earlier import, no longer in the table, and kept."
    return section("What would change" if report.dry_run else "Resources", table(head, rows) + _which(report), note)


def _which(report: ImportReport) -> str:
    """Return which resources change; of a first import all are new, which its dry run need not list."""
    if report.diff is None or not any(counts.get(name) for counts in report.changes.values() for name in _CHANGING):
        return ""
    shown, changes = first_changes(report.diff, _CHANGES_SHOWN)
    rows = [
        [
            Chip(line["change"]),
            line["type"],
            Short(f"{line['id'][:_ID_SHOWN]}…"),
            f"{line['sheet']} {line['row']}".strip(),
        ]
        for line in shown
    ]
    more = f'<p class="note">{changes - len(rows):,} more in diff.csv.</p>' if changes > len(rows) else ""
    return f"<h3>Which</h3>{table(['', 'type', 'id', 'row'], rows)}{more}" if rows else ""


def _warnings(warnings: Sequence[str]) -> str:
    shown = "".join(f"<li>{Prose(warning).html}</li>" for warning in warnings[:_VALUES_SHOWN])
    note = f"{len(warnings) - _VALUES_SHOWN:,} more in report.json." if len(warnings) > _VALUES_SHOWN else ""
    return section("To know", f"<ul>{shown}</ul>", note) if warnings else ""


def _columns(report: ImportReport) -> str:
    rows = [
        [what, len(columns), _names(columns)] for what, columns in report.columns.items() if columns
    ]  # fmt: skip
    return section("Columns", table(["", "", ""], rows)) if rows else ""


def _names(columns: Mapping[str, str]) -> str:
    names = [f"{column} ({said})" if said else column for column, said in columns.items()]
    more = f" and {len(names) - _NAMES_SHOWN:,} more in report.json" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more


def _translated(report: ImportReport) -> str:
    told = {column: kinds for column, kinds in report.translated().items() if kinds["cells"]}
    if not told:
        return ""
    names = list(dict.fromkeys(name for kinds in told.values() for name, times in kinds.items() if times))
    rows = [[column, *(kinds.get(name, 0) for name in names)] for column, kinds in told.items()]
    return section("Values translated by a table", table(["column", *(_KINDS.get(name, name) for name in names)], rows))


def _values(report: ImportReport) -> str:
    rows = [
        [column, value or "(empty)", _KINDS.get(kind, kind), count]
        for column, kinds in report.masking.values(report.values).items()
        for kind, values in kinds.items()
        for value, count in values.items()
    ]
    if not rows:
        return ""
    note = f"{len(rows) - _VALUES_SHOWN:,} more in report.json." if len(rows) > _VALUES_SHOWN else ""
    head = ["column", "value in the table", "", "times"]
    return section("Values mapped with a loss", table(head, rows[:_VALUES_SHOWN]), note)


def _written(report: ImportReport) -> str:
    """Return how the cells of the tables are written, as far as the mapping had to know."""
    blocks = []
    for title, counted in (("Units", report.units), ("Dates", report.dates)):
        if counted:
            rows = [
                [column, ", ".join(f"{text} ({n:,})" for text, n in texts.items())] for column, texts in counted.items()
            ]
            blocks.append(f"<h3>{title}</h3>{table(['column', 'written as'], rows)}")
    decided = {column: sign for column, sign in report.decimals.items() if sign}
    if decided:
        signs: dict[str, list[str]] = {}
        for column, sign in decided.items():
            signs.setdefault(sign, []).append(column)
        rows = [[sign, ", ".join(columns)] for sign, columns in sorted(signs.items())]
        blocks.append(f"<h3>Decimal sign found</h3>{table(['sign', 'columns'], rows)}")
    return section("How the cells are written", "".join(blocks)) if blocks else ""


def _origin(report: ImportReport) -> str:
    files = [
        [file, ", ".join(f"{what}: {_visible(value)}" for what, value in found.items())]
        for file, found in report.found.items()
    ]
    rows = [[what, f"sha256 {value}"] for what, value in report.result.hashes.items()]
    rows += [[what, value] for what, value in report.result.versions.items()]
    rows += [[what, value] for what, value in report.run.items() if value]
    parts = f"<h3>Tables</h3>{table(['', ''], files)}" if files else ""
    parts += f"<h3>Run</h3>{table(['', ''], rows)}" if rows else ""
    return section("Made from", parts) if parts else ""


def _visible(value: str) -> str:
    return {"\t": "tab", " ": "blank"}.get(value, value)
