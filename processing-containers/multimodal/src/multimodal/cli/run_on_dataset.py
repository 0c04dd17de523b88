"""``multimodal run-on-dataset``: any installed workflow on a dataset of which some series are only referenced."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from multimodal.bucket import Bucket, open_bucket
from multimodal.cli.ends import bucket_option, chosen_series, errors_option, tell
from multimodal.cli.options import project_option, stores_option
from multimodal.dicomweb import open_dicomweb
from multimodal.host.conf import Conf
from multimodal.host.progress import ShownProgress
from multimodal.host.workflow_host import open_workflow_host
from multimodal.model.errors import ConfigurationError
from multimodal.model.progress import Progress
from multimodal.model.results import Status, WorkflowResult
from multimodal.transport.stores import Stores, load_stores
from multimodal.workflows.copies import Copies, DatasetRun
from multimodal.workflows.push_files import push_files
from multimodal.workflows.run_on_dataset import await_copies, evict_copies, fetch_missing, new_run, start_workflow
from multimodal.workflows.started_runs import WorkflowHost, read_settings


@click.command("run-on-dataset")
@click.option(
    "--workflow", default="", help="Id of the workflow, installed on Kaapana or the Airflow of the stores file."
)
@click.option("--series", "series_uids", multiple=True, help="Series Instance UID; may be repeated.")
@click.option("--dataset", default="", help="The series of this dataset.")
@click.option("--settings", default="", help="The form of the workflow, as a JSON object.")
@click.option("--evict", is_flag=True, help="Wait for its end, and delete the copies that were made for it.")
@click.option("--run", "name", default="", help="Name of this run; a run that was killed goes on under its name.")
@click.option("--evict-left", is_flag=True, help="Start nothing: delete the copies that earlier runs left.")
@click.option("--index-minutes", default=30.0, show_default=True, help="How long the copies may take to arrive.")
@click.option("--run-hours", default=24.0, show_default=True, help="With --evict: how long the workflow may run.")
@bucket_option
@errors_option
@stores_option
@project_option
def command(
    workflow: str, series_uids: tuple[str, ...], dataset: str, settings: str, evict: bool, name: str,
    evict_left: bool, index_minutes: float, run_hours: float, bucket: str, errors_file: Path | None,
    stores_file: Path | None, project: str,
) -> int:  # fmt: skip
    """Start a workflow on a dataset; series that lie in other stores are copied into the archive first."""
    stores = load_stores(stores_file, project=project)
    kept = open_bucket(stores.get(bucket))
    with open_workflow_host(stores, os.environ, Conf(project_form={"name": project})) as host, ShownProgress() as shown:
        if evict_left:
            known = Copies(kept).run(name) if name else None
            return tell(evict_copies(stores, kept, known, host, progress=shown), errors_file)
        chosen = chosen_series(kept, series_uids, dataset)
        if not workflow or not chosen:
            raise ConfigurationError("say which workflow (--workflow) and on which series (--dataset or --series)")
        host.check(workflow)
        read_settings(settings)
        name = name or f"by-hand-{datetime.now(UTC):%Y%m%dT%H%M%S}"
        click.echo(f"run {name}", err=True)
        run = Copies(kept).run(name) or new_run(name, workflow, evict=evict)
        result = _started(stores, kept, host, run, chosen, settings, 60 * index_minutes, shown)
        if evict:
            left = evict_copies(stores, kept, run, host, seconds=3600 * run_hours, progress=shown)
            counts = {**result.counts, **left.counts}
            status = Status.PARTIAL if left.status is Status.PARTIAL else result.status
            result = WorkflowResult(status, counts, warnings=left.warnings, issues=left.issues)
    return tell(result, errors_file)


def _started(
    stores: Stores, bucket: Bucket, host: WorkflowHost, run: DatasetRun, chosen: list[str], settings: str,
    seconds: float, progress: Progress,
) -> WorkflowResult:  # fmt: skip
    """Copy in what is missing, wait until it has arrived, and start the workflow."""
    with TemporaryDirectory() as scratch:
        fetched = fetch_missing(stores, bucket, run, chosen, lambda uid: Path(scratch, uid), progress=progress)
        if fetched.status is not Status.NOTHING:
            with open_dicomweb(stores.get("pacs", "dicomweb")) as pacs:
                push_files(pacs, Path(scratch), progress=progress)
    await_copies(stores, bucket, run, seconds=seconds)
    started = start_workflow(host, bucket, run, chosen, read_settings(settings), {})
    click.echo(f"{host.name} runs {run.workflow} as {started}", err=True)
    return WorkflowResult(Status.DONE, {**fetched.counts, "runs started": 1})
