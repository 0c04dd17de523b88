"""Task ``run-workflow``: starts the chosen workflow on the dataset, once the archive and the index have all of it."""

from __future__ import annotations

from multimodal.host.context import TaskContext
from multimodal.host.workflow_host import open_workflow_host
from multimodal.model.errors import ConfigurationError
from multimodal.model.results import Status, WorkflowResult
from multimodal.workflows.copies import Copies
from multimodal.workflows.run_on_dataset import await_copies, start_workflow
from multimodal.workflows.started_runs import read_settings


def run(context: TaskContext) -> WorkflowResult:
    """Wait until the copies have arrived, and start the workflow."""
    form, chosen = context.form, context.conf.picked_series
    known = Copies(context.bucket).run(context.run_name)
    if known is None:
        raise ConfigurationError("the step fetch-referenced of this run left no record in the bucket; start a new run")
    copies = await_copies(context.stores, context.bucket, known, seconds=60.0 * form["index_minutes"])
    settings = read_settings(form.get("settings") or "")
    with open_workflow_host(context.stores, context.settings, context.conf) as host:
        started = start_workflow(host, context.bucket, known, chosen, settings, context.conf.project_form)
        context.say(f"{host.name} runs {known.workflow} as {started}")
    return WorkflowResult(Status.DONE, {"series of the dataset": len(chosen), "copies": copies, "runs started": 1})
