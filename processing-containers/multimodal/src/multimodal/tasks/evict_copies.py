"""Task ``evict-copies``: waits for the end of the started workflow and deletes the copies that were made for it."""

from __future__ import annotations

from multimodal.host.context import TaskContext
from multimodal.host.workflow_host import open_workflow_host
from multimodal.model.results import WorkflowResult
from multimodal.workflows.copies import Copies
from multimodal.workflows.run_on_dataset import StartedRunError, evict_copies


def run(context: TaskContext) -> WorkflowResult:
    """Evict the copies of this run, where that was asked for, and what earlier runs left.

    It runs however the steps before it ended, so it is this one that fails where nothing was started.
    """
    known = Copies(context.bucket).run(context.run_name)
    if known is None:
        raise StartedRunError(context.form["workflow"], "it was not started, see the step before")
    with open_workflow_host(context.stores, context.settings, context.conf) as host:
        return evict_copies(
            context.stores,
            context.bucket,
            known,
            host,
            project=str(context.conf.project_form.get("id") or ""),
            seconds=3600.0 * context.form["run_hours"],
            progress=context.progress,
        )
