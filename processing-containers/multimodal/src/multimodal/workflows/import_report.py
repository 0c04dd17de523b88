"""What is told of one import, before it becomes files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multimodal.model.issue_codes import IssueCode
from multimodal.model.results import WorkflowResult
from multimodal.tables.rows import SourceSpec
from multimodal.workflows.findings import Findings, State, first_findings
from multimodal.workflows.masking import Masking
from multimodal.workflows.refused import RefusedRow

Counted = Mapping[str, Mapping[str, int]]


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
        ``mapped``, ``ignored``, ``not in the mapping``, ...: column to what is said of it.
    values : mapping
        Column to kind (``inexact``, ...) to source value, counted.
    filled : mapping of str to int
        Column with a translation table to the number of its cells that are not empty.
    units, dates : mapping
        Column to the units, and the formats of dates, that it holds, counted.
    decimals : mapping of str to str
        Column to the decimal sign that was decided for it.
    found : mapping
        File to what its reader found out.
    refusal : str
        Why nothing was stored; empty where something was.
    dry_run : bool
        Nothing was to be stored.
    run : mapping of str to str
        What is told of the run itself: its id, when it began, where it wrote.
    refused : sequence of RefusedRow
        The rows with an error.
    findings : Findings
        The issues and their history; without one, all are new.
    diff : Path, optional
        The list of what was, or would be, done to each resource.
    files : sequence of Path
        The tables.
    source : SourceSpec
        How they were read.
    keys : sequence of str
        Headers of the columns that name a row.
    masking : Masking
        What the pages do not show.
    """

    title: str
    result: WorkflowResult
    changes: Counted = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    values: Mapping[str, Counted] = field(default_factory=dict)
    filled: Mapping[str, int] = field(default_factory=dict)
    units: Counted = field(default_factory=dict)
    dates: Counted = field(default_factory=dict)
    decimals: Mapping[str, str] = field(default_factory=dict)
    found: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    refusal: str = ""
    dry_run: bool = False
    run: Mapping[str, str] = field(default_factory=dict)
    refused: Sequence[RefusedRow] = ()
    findings: Findings | None = None
    diff: Path | None = None
    files: Sequence[Path] = ()
    source: SourceSpec = field(default_factory=SourceSpec)
    keys: Sequence[str] = ()
    masking: Masking = field(default_factory=Masking)
    _not_in_table: Counter[str] | None = None

    @property
    def history(self) -> Findings:
        """The findings; where nothing is known of earlier imports, all are new."""
        if self.findings is None:
            self.findings = first_findings(self.result.issues)
        return self.findings

    def as_json(self) -> dict[str, Any]:
        """Return the content of ``report.json``, without what identifies a person."""
        findings = self.history
        return {
            **self.result.as_json(),
            "title": self.title,
            "dry_run": self.dry_run,
            "refusal": self.refusal,
            "run": dict(self.run),
            "findings": {
                **{state.value: findings.counts[state] for state in State},
                "compared with": findings.before,
                "ledger": findings.ledger,
            },
            "changes": _plain(self.changes),
            "columns": _plain(self.columns),
            "values": self.masking.values(self.values),
            "translated": self.translated(),
            "units": _plain(self.units),
            "date formats": _plain(self.dates),
            "decimal signs": dict(self.decimals),
            "found": _plain(self.found),
        }

    def translated(self) -> dict[str, dict[str, int]]:
        """Return, for each column with a translation table, how many of its cells became what.

        ``exact``, then each kind of loss, then ``refused``. A cell may be read more than once, so that the kinds of
        loss of a column with several uses can add up to more than its cells; ``exact`` is never below zero.
        """
        told = {}
        for column, cells in self.filled.items():
            kinds = {kind: sum(counted.values()) for kind, counted in self.values.get(column, {}).items()}
            refused = self.not_in_table[column]
            exact = max(0, cells - sum(kinds.values()) - refused)
            told[column] = {"cells": cells, "exact": exact, **kinds, "refused": refused}
        return told

    @property
    def not_in_table(self) -> Counter[str]:
        """Number of cells of each column that its table does not have; counted once, there may be very many issues."""
        if self._not_in_table is None:
            code = IssueCode.NOT_IN_TABLE.code
            self._not_in_table = Counter(issue.column for issue in self.result.issues if issue.code == code)
        return self._not_in_table


def _plain(nested: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: dict(inner) for name, inner in nested.items()}
