"""What an import gathers on its way for its reports."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from multimodal.bucket import Bucket
from multimodal.fhirstore import LoadReport
from multimodal.mapping import Mapping as ClinicalMapping
from multimodal.mapping import MappingRun, RowResult
from multimodal.model.issues import Issue
from multimodal.model.results import Status, WorkflowResult
from multimodal.tables.dictionary import Dictionary
from multimodal.tables.rows import Row
from multimodal.workflows.findings import Findings, State, compare, remember
from multimodal.workflows.import_report import ImportReport
from multimodal.workflows.ledger import Ledger
from multimodal.workflows.masking import Masking, masking_of
from multimodal.workflows.refused import Refused
from multimodal.workflows.reports import write_reports
from multimodal.workflows.tally import Tally

# What a mapping does to a value on purpose, and a reader of the numbers has to know.
_TOLD = {
    "inexact": "is mapped inexactly",
    "text": "is in no table and is kept as text",
    "otherwise": "is in no table and becomes what `otherwise` says",
    "dropped": "is in no table and is dropped, as `otherwise` says",
}


@dataclass(slots=True)
class Told:
    """Gathers what is to be told of one import, and tells it.

    Parameters
    ----------
    mapping : Mapping
        The mapping.
    files : sequence of Path
        The tables.
    hashes, versions : mapping of str to str
        Of the input and of the software.
    bucket : Bucket
        Keeps the reports, and the findings for the next import.
    report_dir : Path, optional
        A folder that gets the reports too.
    run_id : str
        Id of the run.
    dry_run : bool
        Whether nothing is to be stored.
    ledger : Ledger
        What a person has accepted.
    diff : Path
        Where the load lists what it does to each resource; there once it has.
    """

    mapping: ClinicalMapping
    files: Sequence[Path]
    hashes: Mapping[str, str]
    versions: Mapping[str, str]
    bucket: Bucket
    report_dir: Path | None
    run_id: str
    dry_run: bool
    ledger: Ledger
    diff: Path
    load: LoadReport = field(default_factory=LoadReport)
    _rows: MappingRun | None = None
    _refused: Refused = field(default_factory=Refused)
    _tally: Tally = field(init=False)
    _began: str = field(init=False)

    def __post_init__(self) -> None:
        self._tally = Tally(self.mapping)
        self._began = dt.datetime.now().astimezone().isoformat(timespec="seconds")

    def opened(self, rows: MappingRun) -> None:
        """Keep what is known of the files before their first row."""
        self._rows = rows
        self._refused.add(rows.issues)

    def counted(self, rows: MappingRun) -> Iterator[RowResult]:
        """Yield the rows of a run, their cells counted; what comes again after the last row is not counted twice."""
        for result in rows:
            if not rows.all_read:
                self._tally.row(result.row)
            yield result

    def row(self, row: Row, issues: Sequence[Issue]) -> None:
        """Keep what is to be told of a row."""
        self._refused.add_row(row, issues, again=self._rows is not None and self._rows.all_read)

    def loaded(self, report: LoadReport) -> None:
        """Keep what the load says."""
        self.load = report
        self._refused.add(report.refused)
        self._refused.add(report.doubts)

    def tell(self, refusal: str = "") -> WorkflowResult:
        """Write the reports, keep the findings for the next import, and return the result."""
        findings = compare(self._refused.issues, self.bucket, self.mapping.id, self.ledger, dry_run=self.dry_run)
        rows, masking = self._rows, masking_of(self.mapping, _dictionaries(self._rows))
        result = WorkflowResult(
            Status.PARTIAL if findings.open else Status.DONE,
            counts=self._counts(findings),
            warnings=[*self._warnings(masking), *findings.notes, *self.load.warnings],
            issues=self._refused.issues,
            versions=self.versions,
            hashes=dict(self.hashes),
        )
        report = ImportReport(
            self.mapping.title or self.mapping.id,
            result,
            changes=_changes(self.load),
            columns=_columns(rows) if rows else {},
            values=_losses(rows) if rows else {},
            filled=self._tally.filled,
            units=self._tally.units,
            dates=self._tally.dates,
            decimals=rows.decimals if rows else {},
            found=rows.found if rows else {},
            refusal=refusal,
            dry_run=self.dry_run,
            run={"run": self.run_id, "began": self._began, "import before": findings.before},
            refused=self._refused.rows,
            findings=findings,
            diff=self.diff if self.diff.exists() and not refusal else None,
            files=self.files,
            source=self.mapping.source,
            keys=_keys(self.mapping),
            masking=masking,
        )
        write_reports(report, report_dir=self.report_dir, bucket=self.bucket, run_id=self.run_id)
        if not (refusal or self.dry_run):
            wrote = self.load.total or self.load.recovered
            remember(findings, self.bucket, self.mapping.id, run=self.run_id if wrote else "")
        return result

    def _counts(self, findings: Findings) -> dict[str, int]:
        counts = {"rows": self._rows.rows if self._rows else 0}
        if self._refused.rows:
            counts["rows with issues"] = len(self._refused.rows)
        counts |= self.load.counts()
        told = (State.NEW, State.PERSISTING, State.FIXED) if findings.before else ()
        return counts | {
            f"{state.value} findings": findings.counts[state]
            for state in (*told, State.ACCEPTED)
            if findings.counts[state]
        }

    def _warnings(self, masking: Masking) -> Iterator[str]:
        if self.dry_run:
            yield "dry run: nothing was stored; the counts say what would be"
        if self.load.recovered:
            yield "an earlier import did not end; this one completed it"
        if self.load.absent:
            yield f"{self.load.absent.total()} resources of earlier imports are not in the tables now; they were kept"
        if self._rows:
            yield from self._rows.notes
            for column, kinds in masking.values(self._rows.values).items():
                for kind, told in _TOLD.items():
                    for value, times in kinds.get(kind, {}).items():
                        yield f"{column}: {value!r} {told} ({times} times)"


def _dictionaries(rows: MappingRun | None) -> list[Dictionary]:
    return list(rows.dictionaries.values()) if rows else []


def _keys(mapping: ClinicalMapping) -> list[str]:
    """Return the headers, old ones too, of the subject and of the other key columns."""
    keys: dict[str, None] = {}
    for form in mapping.forms:
        for name in (mapping.subject.column, *form.key):
            header = form.aliases.get(name, name)
            column = form.columns.get(header)
            keys.update(dict.fromkeys([header, *(column.aliases if column else ())]))
    return list(keys)


def _changes(report: LoadReport) -> dict[str, dict[str, int]]:
    counters = {
        "created": report.created, "updated": report.updated, "unchanged": report.unchanged,
        "deleted": report.deleted, "absent": report.absent,
    }  # fmt: skip
    kinds = sorted({kind for counter in counters.values() for kind in counter})
    return {kind: {what: counter[kind] for what, counter in counters.items()} for kind in kinds}


def _columns(rows: MappingRun) -> dict[str, dict[str, str]]:
    coverage = rows.coverage
    return {
        "mapped": dict.fromkeys(coverage.mapped, ""),
        "helper": dict.fromkeys(coverage.helpers, ""),
        "ignored": dict(coverage.ignored),
        "not in the mapping": dict.fromkeys(coverage.unmapped, ""),
        "not in the table": dict.fromkeys(coverage.missing, ""),
        "forms not in the mapping": dict.fromkeys(coverage.forms, ""),
    }


def _losses(rows: MappingRun) -> dict[str, dict[str, dict[str, int]]]:
    return {column: {kind: dict(values) for kind, values in kinds.items()} for column, kinds in rows.values.items()}
