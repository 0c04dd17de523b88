"""Clinical tables through a mapping file into a FHIR server or a folder, with a report of all that did not fit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, cast

from multimodal.bucket import Bucket
from multimodal.fhirstore import Deletes, Group, LoadReport, Target, load, written_by
from multimodal.mapping import Mapping as ClinicalMapping
from multimodal.mapping import MappingRun, RowResult, TooManyErrorsError, load_mapping, run_mapping
from multimodal.model.errors import ConfigurationError, DataRefusedError
from multimodal.model.progress import Progress, silent
from multimodal.model.results import WorkflowResult
from multimodal.resources.provenance import TARGETS, provenances
from multimodal.tables.redcap_api import DICTIONARY, fetch_export
from multimodal.transport.stores import Stores
from multimodal.workflows.check_mapping import refuse_undecided
from multimodal.workflows.known_patients import of_known_patients
from multimodal.workflows.ledger import read_ledger
from multimodal.workflows.manifests import manifest_in
from multimodal.workflows.told import Told

MOST_DELETES = 0.2


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
    most_deletes: float = MOST_DELETES,
    processes: int = 1,
    validate: Literal["shape", "every"] = "shape",
    verify: bool = False,
    wait: float = 0.0,
    stores: Stores | None = None,
    progress: Progress = silent,
) -> WorkflowResult:
    """Import `files` through `mapping_file` into `target`.

    Parameters
    ----------
    files : sequence of Path
        The tables; may be empty where the mapping names a store to fetch them from (``source.api``).
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
    processes : int
        How many processes map rows.
    validate : {'shape', 'every'}
        Whether the fhir.resources model sees the first resource of each kind, or each (much slower).
    verify : bool
        Look on `target` for each resource of earlier imports first, and store again what is gone or was changed there.
    wait : float
        Seconds to wait for another import with this mapping.
    stores : Stores, optional
        The named stores, for a mapping with ``source.api``.
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
        If another run still imports with this mapping after `wait`.
    RemoteError
        If the target fails for good; the same import again completes the work.
    """
    refuse_undecided(mapping_file)
    mapping = load_mapping(mapping_file)
    ledger = read_ledger(bucket, mapping.id)
    versions = {"kaapana-multimodal": version("kaapana-multimodal")}
    with TemporaryDirectory() as scratch:
        tables = [*files]
        if not tables:
            tables = _fetched(mapping, stores, Path(scratch, "fetched"), progress)
            # The project's dictionary came with its records, whatever file the mapping names for other imports.
            mapping = replace(mapping, source=replace(mapping.source, dictionary=Path(scratch, "fetched", DICTIONARY)))
        hashes = {"mapping": mapping.sha256, **{file.name: _sha256(file) for file in tables if file.is_file()}}
        diff = Path(scratch, "diff.csv")
        told = Told(mapping, tables, hashes, versions, bucket, report_dir, run_id, dry_run, ledger, diff)
        work = _Import(mapping, told, processes, validate)
        try:
            rows = work.open(tables, progress)
            with manifest_in(
                bucket, mapping.id, run=run_id, patience=wait, dry_run=dry_run, progress=progress
            ) as manifest:
                groups = work.groups(work.of_known(rows, target))
                report = load(
                    groups, target, manifest, source=mapping.id, run=run_id, dry_run=dry_run,
                    deletes=cast(Deletes, mapping.deletes), most_deletes=most_deletes, diff=diff, progress=progress,
                    verified=verify, leave=["Patient"] if mapping.subject.create == "if-missing" else (),
                )  # fmt: skip
                if not report.total and not report.unchanged:
                    told.loaded(report)
                    raise NothingUsableError(rows.rows)
                if not dry_run and (report.total or report.recovered):
                    work.state_origin(report, target, manifest)
        except DataRefusedError as error:
            told.tell(refusal=str(error))
            raise
        told.loaded(report)
        return told.tell()


def _fetched(mapping: ClinicalMapping, stores: Stores | None, folder: Path, progress: Progress) -> list[Path]:
    """Return the files of the store that the mapping names."""
    name = mapping.source.options.get("store", "")
    if not name:
        raise ConfigurationError("give at least one table; this mapping names no store to fetch one from")
    if stores is None:
        raise ConfigurationError(f"the mapping fetches its table from the store {name}; give the stores file, or files")
    return fetch_export(stores.get(name, "redcap"), folder, progress=progress)


class _Import:
    """One import: the mapping at work, and what is told of it."""

    def __init__(
        self, mapping: ClinicalMapping, told: Told, processes: int, validate: Literal["shape", "every"]
    ) -> None:
        self._mapping = mapping
        self._told = told
        self._processes = processes
        self._validate = validate

    def open(self, files: Sequence[Path], progress: Progress) -> MappingRun:
        """Open the tables; where they have too many errors, gather what is wrong before saying so."""
        try:
            rows = self._run(self._mapping, files, progress)
        except TooManyErrorsError:
            rows = self._run(replace(self._mapping, max_row_errors="", on_error="drop-value"), files, silent)
            self._told.opened(rows)
            for _ in self.groups(self._told.counted(rows)):
                pass
            raise
        self._told.opened(rows)
        return rows

    def _run(self, mapping: ClinicalMapping, files: Sequence[Path], progress: Progress) -> MappingRun:
        return run_mapping(mapping, files, progress=progress, processes=self._processes, validate=self._validate)

    def of_known(self, rows: MappingRun, target: Target) -> Iterable[RowResult]:
        """Return the rows, without those of patients that the target should have and does not."""
        subject = self._mapping.subject
        asks = subject.must_exist or subject.create == "never"
        counted = self._told.counted(rows)
        return of_known_patients(counted, self._mapping, target) if asks else counted

    def groups(self, rows: Iterable[RowResult]) -> Iterator[Group]:
        """Yield the resources of each row; keep its issues, and its text where it has any."""
        for row, resources, issues, patient in rows:
            self._told.row(row, issues)
            if resources or issues:
                yield Group(resources, row.record, row.number, row.sheet, incomplete=bool(issues), patient=patient)

    def state_origin(self, report: LoadReport, target: Target, manifest: Path) -> None:
        """Store a Provenance of what this run wrote, and of what a run wrote that it completes."""
        inputs = {"mapping": self._mapping.sha256}
        tables = sorted(sha256 for name, sha256 in self._told.hashes.items() if name != "mapping")
        inputs |= {f"table {number}": sha256 for number, sha256 in enumerate(tables, start=1)}
        software = " ".join(*self._told.versions.items())
        written = written_by(manifest, self._told.run_id)
        told = load(
            (
                Group([resource])
                for targets in iter(lambda: list(islice(written, TARGETS)), [])
                for resource in provenances(self._mapping.id, targets, inputs=inputs, software=software)
            ),
            target, manifest, source=self._mapping.id, scope="provenance", run=self._told.run_id,
        )  # fmt: skip
        report.created += told.created
        report.refused.extend(told.refused)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
