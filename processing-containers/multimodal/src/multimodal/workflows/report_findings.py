"""The part of the report page on what did not come through."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.workflows.findings import Finding, Findings, State
from multimodal.workflows.import_report import ImportReport
from multimodal.workflows.masking import Masking
from multimodal.workflows.report_html import Chip, Prose, Short, folded, section, table

_SHOWN = 20
_EXAMPLES = 3
_OF_A_REASON = 5
_LOOKED_AT = 1_000  # findings of one reason, for examples that differ
# Suggestions that quote the cell differ from row to row; beyond so many of one column they are no longer told apart.
_MOST_REASONS = 200
_WRITTEN = re.compile(r"^write .+(?=, or declare)")
_TITLES = {code.code: code.title for code in IssueCode}


def findings_parts(report: ImportReport) -> Iterator[str]:
    """Yield the sections: what was refused and why, where, what is fixed, what is accepted."""
    findings = report.history
    yield _reasons(report)
    yield _first(findings, report.masking)
    yield _fixed(findings, report.masking)
    yield _accepted(findings, report.masking)


@dataclass(slots=True)
class _Reason:
    """Findings with one code, column and suggestion."""

    first: Issue
    times: int = 0
    new: int = 0
    examples: dict[str, None] = field(default_factory=dict)

    def add(self, finding: Finding, masking: Masking) -> None:
        self.times += 1
        self.new += finding.state is State.NEW
        if self.times <= _LOOKED_AT and len(self.examples) < _EXAMPLES:
            value = masking.issue(finding.issue).value
            if value:
                self.examples[value] = None

    @property
    def example(self) -> str:
        if self.examples:
            return " · ".join(self.examples)
        return "(empty)" if self.first.column and self.first.row is not None else Prose(self.first.message)


def _reasons(report: ImportReport) -> str:
    findings, masking = report.history, report.masking
    groups: dict[tuple[str, str, str], _Reason] = {}
    for finding in findings.of(State.NEW, State.PERSISTING):
        issue = finding.issue
        # A suggestion that only repeats the cell's number is one for all of them, shown with the first example.
        key = (issue.code, issue.column, _WRITTEN.sub("write", issue.suggestion))
        if key not in groups:
            if len(groups) >= _MOST_REASONS:
                key = (issue.code, issue.column, "")
            groups.setdefault(key, _Reason(masking.issue(issue)))
        groups[key].add(finding, masking)
    if not groups:
        return ""
    told = bool(findings.before) and findings.counts[State.PERSISTING] > 0
    rows = [
        [
            reason.times, *([reason.new] if told else []), f"{code} {_TITLES.get(code, '')}", column, reason.example,
            Prose(reason.first.suggestion),
        ]
        for (code, column, _), reason in sorted(groups.items(), key=lambda one: (-one[1].times, one[0]))
    ]  # fmt: skip
    head = ["times", *(["new"] if told else []), "problem", "column", "for example", "what to do"]
    note = (
        "errors.csv lists each one with its row, and the checked workbook shows it in the table. "
        "docs/errors.md of the project has a section for each code, e.g. #" + min(groups)[0].lower() + "."
    )
    return section("What was refused, and why", table(head, rows), note)


def _first(findings: Findings, masking: Masking) -> str:
    if not findings.open:
        return ""
    shown = list(islice(_varied(findings.of(State.NEW, State.PERSISTING)), _SHOWN))
    told = bool(findings.before)
    head = [*(["state"] if told else []), "row", "column", "value", "problem"]
    rows = [
        [*([Chip(finding.state.value)] if told else []), *_where(masking.issue(finding.issue))] for finding in shown
    ]
    more = findings.open - len(shown)
    note = f"{more:,} more in errors.csv." if more > 0 else ""
    title = "The first of them" if note else "Where"
    if told and findings.counts[State.NEW]:
        title = f"What is new since the import of {findings.before} comes first"
    if findings.ledger and findings.open:
        note += (
            " To accept a finding that cannot be corrected, copy its line from ledger-lines.csv into "
            f"`{findings.ledger}` and write there who and why."
        )
    return section(title, table(head, rows), note.strip())


def _varied(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield findings, first a few of each reason: the twentieth of a kind tells nothing new."""
    times: Counter[tuple[str, str]] = Counter()
    others = list[Finding]()
    for finding in islice(findings, _LOOKED_AT * _SHOWN):
        reason = (finding.issue.code, finding.issue.column)
        times[reason] += 1
        if times[reason] <= _OF_A_REASON:
            yield finding
        elif len(others) < _SHOWN:
            others.append(finding)
    yield from others


def _where(issue: Issue) -> list[str]:
    row = "" if issue.row is None else f"{issue.row}"
    visit = ", ".join(part for part in (issue.event, issue.instance) if part)
    place = f"{issue.sheet} {row}".strip() + (f" ({visit})" if visit else "")
    return [Short(place) if len(place) < _SHOWN else place, issue.column, issue.value,
            Prose(f"{issue.code}: {issue.message}")]  # fmt: skip


def _fixed(findings: Findings, masking: Masking) -> str:
    number = findings.counts[State.FIXED]
    if not number:
        return ""
    rows = _rows(findings.of(State.FIXED), masking)
    note = "They were found by the import before and are not in the tables any more."
    if number > _SHOWN:
        note += f" {number - _SHOWN:,} more in findings.csv."
    head = ["since", "column", "value", "problem"]
    return section(f"Fixed since the import of {findings.before}", table(head, rows), note)


def _accepted(findings: Findings, masking: Masking) -> str:
    number = findings.counts[State.ACCEPTED]
    if not number:
        return ""
    rows = [
        [*_where(masking.issue(finding.issue)), finding.who, finding.why]
        for finding in islice(findings.of(State.ACCEPTED), _SHOWN)
    ]
    more = f" ({number - _SHOWN:,} more in findings.csv)" if number > _SHOWN else ""
    return folded(
        f"Accepted: {number:,} by {findings.ledger}{more}",
        table(["row", "column", "value", "problem", "accepted by", "why"], rows),
    )


def _rows(findings: Iterable[Finding], masking: Masking) -> list[list[str]]:
    return [[Short(finding.since), *_where(masking.issue(finding.issue))[1:]] for finding in islice(findings, _SHOWN)]
