"""Tasks that a host starts: each takes a TaskContext, calls one workflow, and is at most a page."""

from __future__ import annotations

import importlib

from multimodal.host.run import Task
from multimodal.model.errors import ConfigurationError

TASKS = (
    "get-input", "get-ref-series", "import-clinical", "draft-mapping", "sync-imaging", "extract-radiomics",
    "store-measurements",
    "join-metadata", "fetch-external", "dcmsend", "import-dicomweb",
    "fetch-referenced", "run-workflow", "evict-copies", "collect-results",
)  # fmt: skip


def load_task(name: str) -> Task:
    """Return the task `name`, importing its module only now: what one task needs, another has not installed.

    Raises
    ------
    ConfigurationError
        If there is none of that name.
    """
    if name not in TASKS:
        raise ConfigurationError(f"no task named {name[:80]!r}; there are: {', '.join(TASKS)}")
    task: Task = importlib.import_module(f"multimodal.tasks.{name.replace('-', '_')}").run
    return task
