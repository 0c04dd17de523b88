"""Clinical tables through a mapping file into a FHIR server or a folder, with a report of all that did not fit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import cast

from multimodal.bucket import Bucket
from multimodal.fhirstore import Deletes, Group, LoadReport, Target, load
from multimodal.mapping import Mapping as ClinicalMapping
from multimodal.mapping import MappingRun, TooManyErrorsError, load_mapping, run_mapping
from multimodal.model.errors import DataRefusedError
from multimodal.model.progress import Progress, silent
from multimodal.model.results import WorkflowResult
from multimodal.resources.provenance import provenances
from multimodal.workflows.ledger import read_ledger
from multimodal.workflows.manifests import manifest_in
from multimodal.workflows.told import Told

_MOST_DELETES = 0.2


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
    versions = {"kaapana-multimodal": version("kaapana-multimodal")}
    ledger = read_ledger(bucket, mapping.id)
    work = _Import(mapping, Told(mapping, files, hashes, versions, bucket, report_dir, run_id, dry_run, ledger))
    try:
        rows = work.open(files, progress)
        with manifest_in(bucket, mapping.id, run=run_id) as manifest:
            report = load(
                work.groups(rows), target, manifest, source=mapping.id, run=run_id, dry_run=dry_run,
                deletes=cast(Deletes, mapping.deletes), most_deletes=most_deletes, progress=progress,
            )  # fmt: skip
            if not report.total and not report.unchanged:
                work.told.loaded(report)
                raise NothingUsableError(rows.rows)
            if not dry_run:
                work.state_origin(report, target, manifest)
    except DataRefusedError as error:
        work.told.tell(refusal=str(error))
        raise
    work.told.loaded(report)
    return work.told.tell()


class _Import:
    """One import: the mapping at work, and what is told of it."""

    def __init__(self, mapping: ClinicalMapping, told: Told) -> None:
        self._mapping = mapping
        self.told = told
        self._references: list[str] = []

    def open(self, files: Sequence[Path], progress: Progress) -> MappingRun:
        """Open the tables; where they have too many errors, gather what is wrong before saying so."""
        try:
            rows = run_mapping(self._mapping, files, progress=progress)
        except TooManyErrorsError:
            rows = run_mapping(replace(self._mapping, max_row_errors=""), files)
            self.told.opened(rows)
            for _ in self.groups(rows):
                pass
            raise
        self.told.opened(rows)
        return rows

    def groups(self, rows: MappingRun) -> Iterator[Group]:
        """Yield the resources of each row; keep its issues, and its text where it has any."""
        for row, resources, issues, patient in rows:
            self.told.row(row, issues)
            self._references.extend(resource.reference for resource in resources)
            if resources or issues:
                yield Group(resources, row.record, row.number, row.sheet, incomplete=bool(issues), patient=patient)

    def state_origin(self, report: LoadReport, target: Target, manifest: Path) -> None:
        """Store a Provenance of what was written; after a load that completes another, of all there is."""
        written = report.written
        if report.recovered:
            refused = {issue.message.partition(":")[0] for issue in report.refused}
            written = sorted(set(self._references) - refused)
        if not written:
            return
        inputs = {"mapping": self._mapping.sha256}
        tables = sorted(sha256 for name, sha256 in self.told.hashes.items() if name != "mapping")
        inputs |= {f"table {number}": sha256 for number, sha256 in enumerate(tables, start=1)}
        software = " ".join(*self.told.versions.items())
        stated = provenances(self._mapping.id, written, inputs=inputs, software=software)
        groups = (Group([resource]) for resource in stated)
        told = load(groups, target, manifest, source=self._mapping.id, scope="provenance", run=self.told.run_id)
        report.created += told.created
        report.refused.extend(told.refused)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
