"""Runs one task and leaves ``result.json`` and ``errors.csv`` behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import orjson

from multimodal.host.context import TaskContext
from multimodal.model.errors import MultimodalError
from multimodal.model.results import WorkflowResult
from multimodal.transport.errors import UnknownStoreError
from multimodal.workflows.reports import errors_csv

Task = Callable[[TaskContext], WorkflowResult]
_WARNINGS_SHOWN = 20


def run_task(task: Task, context: TaskContext) -> int:
    """Run `task` and return its exit code.

    Raises
    ------
    MultimodalError
        What ended the task; its ``issues``, where it has some, are in ``errors.csv`` first. Any other
        exception is a defect of ours and passes as it is, so that its traceback is printed.
    """
    started = time.monotonic()
    context.say(f"starts, run {context.run_name}, project {context.conf.project}")
    try:
        result = task(context)
    except MultimodalError as error:
        if issues := tuple(getattr(error, "issues", ())):
            _keep(context, {"errors.csv": errors_csv(issues)})
        raise
    _keep(context, outcome(result))
    _tell(context, result, time.monotonic() - started)
    return int(result.exit_code)


def outcome(result: WorkflowResult) -> dict[str, bytes]:
    """Return the files that tell what a task did, by name."""
    text = orjson.dumps(result.as_json(), option=orjson.OPT_INDENT_2)  # counts as they were given: what came in first
    return {"result.json": text + b"\n", "errors.csv": errors_csv(result.issues)}


def _keep(context: TaskContext, contents: dict[str, bytes]) -> None:
    """Write into the task's own folder, and into the bucket: users cannot see the folders of a run."""
    for name, content in contents.items():
        _write(context.out_dir / name, content)
    try:
        bucket = context.bucket
    except UnknownStoreError:
        context.say("no store named bucket: the report stays in the run's folder")
        return
    for name, content in contents.items():
        bucket.write(f"reports/{context.run_name}/{context.task_id}/{name}", content)


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def _tell(context: TaskContext, result: WorkflowResult, seconds: float) -> None:
    for what, number in result.counts.items():
        context.say(f"{what}: {number:,}")
    for warning in result.warnings[:_WARNINGS_SHOWN]:
        context.say(f"warning: {warning}")
    if len(result.warnings) > _WARNINGS_SHOWN:
        context.say(f"... and {len(result.warnings) - _WARNINGS_SHOWN} more warnings in result.json")
    if result.issues:
        context.say(f"issues: {len(result.issues)}, see errors.csv")
    context.say(f"{result.status.value} after {seconds:.1f} s")
