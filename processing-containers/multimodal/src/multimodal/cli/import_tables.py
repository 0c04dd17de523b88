"""``multimodal import``: tables through a mapping file, into a FHIR server or a folder, and back again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

from multimodal.bucket import Bucket, FolderBucket, open_bucket
from multimodal.cli.options import project_option, stores_option
from multimodal.cli.show import show
from multimodal.fhirstore import FhirServer, NdjsonFolder, Target
from multimodal.host.progress import ShownProgress
from multimodal.mapping import load_mapping
from multimodal.model.errors import DataRefusedError
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Stores, load_stores
from multimodal.workflows.import_clinical import MOST_DELETES, import_clinical
from multimodal.workflows.undo_import import undo_import


@dataclass(frozen=True, slots=True)
class _Ends:
    """Where an import writes to, and what it remembers."""

    target: Target
    state: Bucket
    stores: Stores | None


@click.command("import")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--mapping", required=True, type=click.Path(path_type=Path), help="The mapping file (fhirmap: 1).")
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="Write NDJSON into this folder.")
@click.option("--store", help="Write into this FHIR server of the stores file.")
@click.option("--dry-run", is_flag=True, help="Check everything, say what would be written (diff.csv), store nothing.")
@click.option(
    "--report", "report_dir", type=click.Path(path_type=Path, file_okay=False), help="Folder for the reports."
)
@click.option("--bucket", default="bucket", show_default=True, help="With --store: the store that keeps the state.")
@click.option(
    "--force-deletes",
    "--allow-deletes",
    is_flag=True,
    help="Let more than a fifth of what was stored before vanish at once (where the mapping's `deletes` is not keep).",
)
@click.option(
    "--processes", type=click.IntRange(1), default=1, show_default=True, help="Map rows in so many processes."
)
@click.option(
    "--validate",
    type=click.Choice(["shape", "every"]),
    default="shape",
    show_default=True,
    help="Put the first resource of each shape through the fhir.resources model, or every one (slow).",
)
@click.option(
    "--verify",
    is_flag=True,
    help="Look on the server for each resource of earlier imports first: what is gone, or was changed there, is stored "
    "again. Without it only a few of them are looked at.",
)
@click.option(
    "--wait",
    type=click.FloatRange(0),
    default=180.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait so long while another import with this mapping runs, then give up (exit code 4).",
)
@click.option(
    "--undo",
    metavar="RUN",
    help="Take back the import RUN (its id is printed at its end, and is the name of its report folder). Give the "
    "mapping and the target of that import, and no files.",
)
@stores_option
@project_option
def command(
    files: tuple[Path, ...],
    mapping: Path,
    folder: Path | None,
    store: str | None,
    bucket: str,
    undo: str | None,
    wait: float,
    stores_file: Path | None,
    project: str,
    **options: Any,
) -> int:
    """Import tables (CSV, XLSX, REDCap, ODM) through a mapping file.

    What does not come through is listed in errors.csv of the report, with row, column, value and reason. A second
    import of the same tables writes nothing; after a correction, only what changed is written. Without FILE the
    table is fetched from the REDCap store that the mapping names.

    \b
    multimodal import patients.csv --mapping study.yaml --to out --report report
    multimodal import patients.xlsx --mapping study.yaml --store clinical --dry-run
    multimodal import --undo import-20260102T101500-4711 --mapping study.yaml --store clinical
    """
    if (folder is None) == (store is None):
        raise click.UsageError("say where to: either --to DIR or --store NAME")
    if undo and files:
        raise click.UsageError("--undo takes no files: it takes back what an earlier import wrote")
    fetches = not (files or undo) and bool(load_mapping(mapping).source.options.get("store"))
    ends_of = _ends(folder, store, bucket, stores_file, project, fetches=fetches)
    with ends_of as ends, ShownProgress() as progress:
        if undo:
            result = undo_import(undo, mapping, target=ends.target, bucket=ends.state, wait=wait, progress=progress)
            for issue in result.issues:
                click.echo(f"{issue.code}: {issue.message}", err=True)  # its record names a person
            return show(result)
        return _import(files, mapping, folder, ends, wait=wait, progress=progress, **options)


def _import(
    files: tuple[Path, ...],
    mapping: Path,
    folder: Path | None,
    ends: _Ends,
    *,
    dry_run: bool,
    report_dir: Path | None,
    force_deletes: bool,
    processes: int,
    validate: Literal["shape", "every"],
    verify: bool,
    wait: float,
    progress: ShownProgress,
) -> int:
    run_id = f"import-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
    reports = report_dir or _reports(ends.state, run_id)
    try:
        result = import_clinical(
            files, mapping, target=ends.target, bucket=ends.state, report_dir=report_dir, run_id=run_id,
            dry_run=dry_run, most_deletes=1.0 if force_deletes else MOST_DELETES, processes=processes,
            validate=validate, verify=verify, wait=wait, stores=ends.stores, progress=progress,
        )  # fmt: skip
    except DataRefusedError:
        click.echo(f"reports in {reports}")
        raise
    code = show(result, errors_csv=f"{reports}/errors.csv", dry_run=dry_run)
    if not dry_run:
        click.echo(f"run {run_id}" + (f", resources in {folder}" if folder is not None else ""))
    click.echo(f"reports in {reports}")
    return code


def _reports(state: Bucket, run_id: str) -> Path | str:
    """Return where the reports lie: a path to open, where the bucket is a folder."""
    key = f"reports/{run_id}"
    return state.root / key if isinstance(state, FolderBucket) else f"{state.name}: {key}"


@contextmanager
def _ends(
    folder: Path | None, store: str | None, bucket: str, stores_file: Path | None, project: str, *, fetches: bool
) -> Iterator[_Ends]:
    if folder is not None:
        stores = load_stores(stores_file, project=project) if fetches else None
        yield _Ends(NdjsonFolder(folder), FolderBucket(folder / ".state", name=f"{folder}/.state"), stores)
        return
    stores = load_stores(stores_file, project=project)
    with HttpSession(stores.get(store or "", "fhir")) as session:
        yield _Ends(FhirServer(session), open_bucket(stores.get(bucket)), stores)
