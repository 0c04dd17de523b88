"""``multimodal task [NAME]``: what a host starts, and what a person may start in its place."""

from __future__ import annotations

import os
from pathlib import Path

import click

from multimodal.cli.options import stores_option
from multimodal.host.context import make_context
from multimodal.host.progress import ShownProgress
from multimodal.host.run import run_task
from multimodal.host.secrets import use_secrets
from multimodal.tasks import TASKS, load_task


@click.command("task", epilog=f"Tasks: {', '.join(TASKS)}.")
@click.argument("name", required=False)
@click.option(
    "--conf",
    "conf_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The run's conf.json; else $WORKFLOW_DIR/conf/conf.json.",
)
@stores_option
def command(name: str | None, conf_file: Path | None, stores_file: Path | None) -> int:
    """Run the task NAME (default: the variable TASK_ID) as a host does, in the folder $WORKFLOW_DIR."""
    name = name or os.environ.get("TASK_ID", "")
    if not name:
        raise click.UsageError("name a task or set TASK_ID")
    use_secrets(os.environ)
    task = load_task(name)
    with ShownProgress() as progress:
        context = make_context(name, os.environ, conf_file=conf_file, stores_file=stores_file, progress=progress)
        return run_task(task, context)
