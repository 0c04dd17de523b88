"""Task ``fetch-referenced``: what the archive lacks of the dataset, into ``batch/<series>/fetch-referenced``."""

from __future__ import annotations

from multimodal.host.context import TaskContext
from multimodal.host.workflow_host import open_workflow_host
from multimodal.model.errors import ConfigurationError
from multimodal.model.results import WorkflowResult
from multimodal.workflows.copies import Copies
from multimodal.workflows.run_on_dataset import fetch_missing, new_run
from multimodal.workflows.started_runs import read_settings


def run(context: TaskContext) -> WorkflowResult:
    """Fetch the series that are only referenced, and note each as a copy of this run."""
    workflow = context.form["workflow"]
    if not (chosen := context.conf.picked_series):
        raise ConfigurationError("choose a dataset; in plain Airflow that is the param identifiers")
    read_settings(context.form.get("settings") or "")  # before anything is copied
    if workflow == context.dag_id:
        raise ConfigurationError(f"{workflow} cannot start itself; name the workflow that shall run on the dataset")
    with open_workflow_host(context.stores, context.settings, context.conf) as host:
        host.check(workflow)
    known = Copies(context.bucket).run(context.run_name)
    return fetch_missing(
        context.stores,
        context.bucket,
        known or new_run(context.run_name, workflow, evict=bool(context.form["evict"])),
        chosen,
        context.series_folder,
        progress=context.progress,
    )
