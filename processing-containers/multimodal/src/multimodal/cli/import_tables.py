"""``multimodal import``: tables through a mapping file, into a FHIR server or a folder."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from multimodal.bucket import Bucket, FolderBucket, open_bucket
from multimodal.cli.options import project_option, stores_option
from multimodal.cli.show import show
from multimodal.fhirstore import FhirServer, NdjsonFolder, Target
from multimodal.host.progress import ShownProgress
from multimodal.model.errors import DataRefusedError
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import load_stores
from multimodal.workflows.import_clinical import import_clinical


@click.command("import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--mapping", required=True, type=click.Path(path_type=Path), help="The mapping file (fhirmap: 1).")
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="Write NDJSON into this folder.")
@click.option("--store", help="Write into this FHIR server of the stores file.")
@click.option("--dry-run", is_flag=True, help="Check everything and say what would be written, but store nothing.")
@click.option(
    "--report", "report_dir", type=click.Path(path_type=Path, file_okay=False), help="Folder for the reports."
)
@click.option("--bucket", default="bucket", show_default=True, help="With --store: the store that keeps the state.")
@click.option("--allow-deletes", is_flag=True, help="Let more than a fifth of what was stored before vanish at once.")
@stores_option
@project_option
def command(
    files: tuple[Path, ...],
    mapping: Path,
    folder: Path | None,
    store: str | None,
    dry_run: bool,
    report_dir: Path | None,
    bucket: str,
    allow_deletes: bool,
    stores_file: Path | None,
    project: str,
) -> int:
    """Import tables (CSV, XLSX) through a mapping file.

    What does not come through is listed in errors.csv of the report, with row, column, value and reason. A second
    import of the same tables writes nothing.
    """
    if (folder is None) == (store is None):
        raise click.UsageError("say where to: either --to DIR or --store NAME")
    run_id = f"import-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
    with _target(folder, store, bucket, stores_file, project) as (target, state):
        reports = report_dir or _reports(state, run_id)
        try:
            with ShownProgress() as progress:
                result = import_clinical(
                    files, mapping, target=target, bucket=state, report_dir=report_dir, run_id=run_id,
                    dry_run=dry_run, most_deletes=1.0 if allow_deletes else 0.2, progress=progress,
                )  # fmt: skip
        except DataRefusedError:
            click.echo(f"reports in {reports}")
            raise
    code = show(result, errors_csv=f"{reports}/errors.csv", dry_run=dry_run)
    if folder is not None and not dry_run:
        click.echo(f"resources in {folder}")
    click.echo(f"reports in {reports}")
    return code


def _reports(state: Bucket, run_id: str) -> Path | str:
    """Return where the reports lie: a path to open, where the bucket is a folder."""
    key = f"reports/{run_id}"
    return state.root / key if isinstance(state, FolderBucket) else f"{state.name}: {key}"


@contextmanager
def _target(
    folder: Path | None, store: str | None, bucket: str, stores_file: Path | None, project: str
) -> Iterator[tuple[Target, Bucket]]:
    if folder is not None:
        yield NdjsonFolder(folder), FolderBucket(folder / ".state", name=f"{folder}/.state")
        return
    stores = load_stores(stores_file, project=project)
    with HttpSession(stores.get(store or "", "fhir")) as session:
        yield FhirServer(session), open_bucket(stores.get(bucket))
