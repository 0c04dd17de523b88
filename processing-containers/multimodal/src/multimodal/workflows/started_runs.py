"""Starting an installed workflow and seeing how it ends: what Kaapana's backend and Airflow have in common."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

import orjson

from multimodal.model.errors import ConfigurationError

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 15.0
_T = TypeVar("_T")


class RunState(StrEnum):
    """How far a started run is."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    GONE = "gone"

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return self is not RunState.RUNNING


class NoSuchWorkflowError(ConfigurationError):
    """The host has no workflow of that name, or will not run it."""

    def __init__(self, host: str, workflow: str, why: str) -> None:
        self.host = host
        self.workflow = workflow
        super().__init__(f"{host}: cannot start {workflow!r}: {why}")


@dataclass(frozen=True, slots=True)
class Start:
    """A workflow to be started.

    Parameters
    ----------
    workflow : str
        Its id, as it is installed.
    conf : mapping
        ``data_form``, ``workflow_form``, ``project_form``: what Kaapana's pages would send.
    run : str
        Name of the run that starts it: the same run starts it once, however often it tries.
    """

    workflow: str
    conf: Mapping[str, Any]
    run: str

    @property
    def number(self) -> str:
        """Eighteen digits that are this start's own: hosts of Kaapana's kind take no other run ids."""
        digest = hashlib.sha256(f"{self.run}\0{self.workflow}".encode()).hexdigest()
        return f"{int(digest, 16) % 10**18:018d}"


def read_settings(text: str) -> dict[str, Any]:
    """Return the form of a workflow, given as the text of a JSON object; empty for no text.

    Raises
    ------
    ConfigurationError
        If it is none.
    """
    try:
        found = orjson.loads(text) if text.strip() else {}
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"the settings of the workflow are not JSON: {error.msg}") from error
    if not isinstance(found, dict):
        raise ConfigurationError('the settings of the workflow must be a JSON object, e.g. {"task": "total"}')
    return found


class WorkflowHost(Protocol):
    """Where workflows are installed."""

    @property
    def name(self) -> str:
        """How messages call it."""

    def check(self, workflow: str) -> None:
        """Raise `NoSuchWorkflowError` where it is known that a workflow cannot be started."""

    def start(self, start: Start) -> str:
        """Start a workflow and return the host's name of the run; the same start twice is one run."""

    def state(self, run: str, workflow: str) -> RunState:
        """Return how far a run is."""


def awaited(check: Callable[[], _T | None], seconds: float) -> _T | None:
    """Return what `check` returns as soon as that is not None; None when `seconds` have passed without."""
    deadline = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while (found := check()) is None:
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    return found
