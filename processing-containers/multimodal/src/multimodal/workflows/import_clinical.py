"""Clinical tables through a mapping file into a FHIR server or a folder, with a report of all that did not fit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import cast

from multimodal.bucket import Bucket
from multimodal.fhirstore import Deletes, Group, LoadReport, Target, load
from multimodal.mapping import Mapping as ClinicalMapping
from multimodal.mapping import MappingRun, TooManyErrorsError, load_mapping, run_mapping
from multimodal.model.errors import DataRefusedError
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.model.results import Status, WorkflowResult
from multimodal.resources.provenance import provenances
from multimodal.tables.rows import Row
from multimodal.workflows.import_report import ImportReport
from multimodal.workflows.manifests import manifest_in
from multimodal.workflows.reports import write_reports

_MOST_DELETES = 0.2
# What a mapping does to a value on purpose, and a reader of the numbers has to know.
_TOLD = {
    "inexact": "is mapped inexactly",
    "text": "is in no table and is kept as text",
    "otherwise": "is in no table and becomes what `otherwise` says",
    "dropped": "is in no table and is dropped, as `otherwise` says",
}


class NothingUsableError(DataRefusedError):
    """Not one resource of the input could be stored."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        what = f"none of the {rows} rows could be used" if rows else "the tables have no rows"
        super().__init__(f"{what}; nothing was stored, errors.csv of the report says why")


def import_clinical(
    files: Sequence[Path],
    mapping_file: Path,
    *,
    target: Target,
    bucket: Bucket,
    report_dir: Path | None,
    run_id: str,
    dry_run: bool = False,
    most_deletes: float = _MOST_DELETES,
    progress: Progress = silent,
) -> WorkflowResult:
    """Import `files` through `mapping_file` into `target`.

    Parameters
    ----------
    files : sequence of Path
        The tables.
    mapping_file : Path
        The mapping, ``fhirmap: 1``.
    target : FhirServer or NdjsonFolder
        Where to.
    bucket : Bucket
        Keeps the manifest (``state/manifests/<mapping id>.sqlite``) and the reports (``reports/<run_id>/``).
    report_dir : Path, optional
        A folder that gets the reports too.
    run_id : str
        Id of the run.
    dry_run : bool
        Read, check and compare, but store nothing.
    most_deletes : float
        Share of what earlier imports stored that may vanish at once, where the mapping deletes at all.
    progress : Progress
        Told of rows and resources.

    Returns
    -------
    WorkflowResult
        ``partial`` when anything was refused.

    Raises
    ------
    MappingError
        If the mapping is wrong; nothing was read.
    DataRefusedError
        If the input as a whole, or all of its rows, cannot be used; nothing was stored. The reports are written.
    LockedError
        If another run imports with this mapping.
    RemoteError
        If the target fails for good; the same import again completes the work.
    """
    mapping = load_mapping(mapping_file)
    hashes = {"mapping": mapping.sha256, **{file.name: _sha256(file) for file in files if file.is_file()}}
    work = _Import(mapping, hashes, report_dir=report_dir, bucket=bucket, run_id=run_id, dry_run=dry_run)
    try:
        rows = work.open(files, progress)
        with manifest_in(bucket, mapping.id, run=run_id) as manifest:
            report = load(
                work.groups(rows), target, manifest, source=mapping.id, run=run_id, dry_run=dry_run,
                deletes=cast(Deletes, mapping.deletes), most_deletes=most_deletes, progress=progress,
            )  # fmt: skip
            if not report.total and not report.unchanged:
                work.note(report)
                raise NothingUsableError(rows.rows)
            if not dry_run:
                work.state_origin(report, target, manifest)
    except DataRefusedError as error:
        work.tell(refusal=str(error))
        raise
    work.note(report)
    return work.tell()


class _Import:
    """One import: what is gathered on the way for its reports."""

    def __init__(
        self,
        mapping: ClinicalMapping,
        hashes: Mapping[str, str],
        *,
        report_dir: Path | None,
        bucket: Bucket,
        run_id: str,
        dry_run: bool,
    ) -> None:
        self._mapping = mapping
        self._hashes = hashes
        self._report_dir = report_dir
        self._bucket = bucket
        self._run_id = run_id
        self._dry_run = dry_run
        self._rows: MappingRun | None = None
        self._load = LoadReport()
        self._issues: list[Issue] = []
        self._quarantine: list[Mapping[str, str]] = []
        self._references: list[str] = []
        self._versions = {"kaapana-multimodal": version("kaapana-multimodal")}

    def open(self, files: Sequence[Path], progress: Progress) -> MappingRun:
        """Open the tables; where they have too many errors, gather what is wrong before saying so."""
        try:
            self._rows = run_mapping(self._mapping, files, progress=progress)
        except TooManyErrorsError:
            self._rows = run_mapping(replace(self._mapping, max_row_errors=""), files)
            for _ in self.groups(self._rows):
                pass
            raise
        return self._rows

    def groups(self, rows: MappingRun) -> Iterator[Group]:
        """Yield the resources of each row; keep its issues, and its text where it has any."""
        for row, resources, issues, patient in rows:
            if issues:
                self._issues.extend(issues)
                self._quarantine.append(_original(row))
            self._references.extend(resource.reference for resource in resources)
            if resources or issues:
                yield Group(resources, row.record, row.number, row.sheet, incomplete=bool(issues), patient=patient)

    def note(self, report: LoadReport) -> None:
        """Keep what the load says."""
        self._load = report
        self._issues.extend(report.refused)

    def state_origin(self, report: LoadReport, target: Target, manifest: Path) -> None:
        """Store a Provenance of what was written; after a load that completes another, of all there is."""
        written = report.written
        if report.recovered:
            refused = {issue.message.partition(":")[0] for issue in report.refused}
            written = sorted(set(self._references) - refused)
        if not written:
            return
        inputs = {"mapping": self._mapping.sha256}
        tables = sorted(sha256 for name, sha256 in self._hashes.items() if name != "mapping")
        inputs |= {f"table {number}": sha256 for number, sha256 in enumerate(tables, start=1)}
        software = " ".join(*self._versions.items())
        stated = provenances(self._mapping.id, written, inputs=inputs, software=software)
        groups = (Group([resource]) for resource in stated)
        told = load(groups, target, manifest, source=self._mapping.id, scope="provenance", run=self._run_id)
        report.created += told.created
        report.refused.extend(told.refused)

    def tell(self, refusal: str = "") -> WorkflowResult:
        """Write the reports and return the result."""
        rows, load_report = self._rows, self._load
        issues = [*(rows.issues if rows else ()), *self._issues]
        counts = {"rows": rows.rows if rows else 0}
        if self._quarantine:
            counts["rows with issues"] = len(self._quarantine)
        counts |= load_report.counts()
        result = WorkflowResult(
            Status.PARTIAL if issues else Status.DONE,
            counts=counts,
            warnings=[*self._warnings(), *load_report.warnings],
            issues=issues,
            versions=self._versions,
            hashes=dict(self._hashes),
        )
        report = ImportReport(
            self._mapping.title or self._mapping.id,
            result,
            changes=_changes(load_report),
            columns=_columns(rows) if rows else {},
            values=_losses(rows) if rows else {},
            found=rows.found if rows else {},
            refusal=refusal,
            dry_run=self._dry_run,
            quarantine=self._quarantine,
        )
        write_reports(report, report_dir=self._report_dir, bucket=self._bucket, run_id=self._run_id)
        return result

    def _warnings(self) -> Iterator[str]:
        if self._dry_run:
            yield "dry run: nothing was stored; the counts say what would be"
        if self._load.recovered:
            yield "an earlier import did not end; this one completed it"
        if self._load.absent:
            yield f"{self._load.absent.total()} resources of earlier imports are not in the tables now; they were kept"
        if self._rows:
            yield from self._rows.notes
            for column, kinds in self._rows.values.items():
                for kind, told in _TOLD.items():
                    for value, times in kinds.get(kind, {}).items():
                        yield f"{column}: {value!r} {told} ({times} times)"


def _original(row: Row) -> dict[str, str]:
    return {"row": str(row.number), "sheet": row.sheet, **row.values}


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
    }


def _losses(rows: MappingRun) -> dict[str, dict[str, dict[str, int]]]:
    return {column: {kind: dict(values) for kind, values in kinds.items()} for column, kinds in rows.values.items()}


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
