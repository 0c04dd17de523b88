"""Runs one task and leaves ``result.json`` and ``errors.csv`` behind."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from multimodal.host.context import TaskContext
from multimodal.model.errors import MultimodalError
from multimodal.model.issues import codes_of
from multimodal.model.results import WorkflowResult
from multimodal.transport.errors import UnknownStoreError
from multimodal.workflows.reports import write_errors

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
            with TemporaryDirectory() as scratch:
                write_errors(issues, Path(scratch) / "errors.csv")
                _keep(context, Path(scratch))
        raise
    with TemporaryDirectory() as scratch:
        write_outcome(result, Path(scratch))
        _keep(context, Path(scratch))
    _tell(context, result, time.monotonic() - started)
    return int(result.exit_code)


def write_outcome(result: WorkflowResult, folder: Path) -> None:
    """Write the files that tell what a task did into `folder`."""
    text = orjson.dumps(result.as_json(), option=orjson.OPT_INDENT_2)  # counts as they were given: what came in first
    (folder / "result.json").write_bytes(text + b"\n")
    write_errors(result.issues, folder / "errors.csv")


def _keep(context: TaskContext, folder: Path) -> None:
    """Write into the task's own folder, and into the bucket: users cannot see the folders of a run."""
    files = sorted(folder.iterdir())
    for file in files:
        _write(context.out_dir / file.name, file)
    try:
        bucket = context.bucket
    except UnknownStoreError:
        context.say("no store named bucket: the report stays in the run's folder")
        return
    for file in files:
        bucket.write_file(f"reports/{context.run_name}/{context.task_id}/{file.name}", file)


def _write(path: Path, file: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    shutil.copyfile(file, part)
    part.replace(path)


def _tell(context: TaskContext, result: WorkflowResult, seconds: float) -> None:
    for what, number in result.counts.items():
        context.say(f"{what}: {number:,}")
    for warning in result.warnings[:_WARNINGS_SHOWN]:
        context.say(f"warning: {warning}")
    if len(result.warnings) > _WARNINGS_SHOWN:
        context.say(f"... and {len(result.warnings) - _WARNINGS_SHOWN} more warnings in result.json")
    if result.issues:
        context.say(f"issues: {len(result.issues)}, see errors.csv: {', '.join(codes_of(result.issues))}")
    context.say(f"{result.status.value} after {seconds:.1f} s")
