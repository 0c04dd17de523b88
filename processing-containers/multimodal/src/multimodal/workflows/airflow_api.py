"""A plain Airflow's workflows, by its REST API: ``/api/v1`` of Airflow 2, ``/api/v2`` of Airflow 3."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any, Self

import orjson

from multimodal.model.errors import ConfigurationError
from multimodal.transport.session import HttpSession, StoreFailedError
from multimodal.transport.stores import Store
from multimodal.workflows.started_runs import NoSuchWorkflowError, RunState, Start

_DAG_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
_ENDS = {"success": RunState.SUCCESS, "failed": RunState.FAILED}


class AirflowApi:
    """The workflows of one Airflow.

    Parameters
    ----------
    store : Store
        Of the kind ``airflow``; its address ends in the version of the API.

    Raises
    ------
    ConfigurationError
        If it does not.
    """

    def __init__(self, store: Store) -> None:
        if not re.search(r"/api/v\d+$", store.url):
            raise ConfigurationError(f"store {store.name}: its url must end in /api/v1 (Airflow 2) or /api/v2 (3)")
        self.name = store.name
        self._session = HttpSession(store)
        self._newer = not store.url.endswith("/api/v1")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def check(self, workflow: str) -> None:
        """Raise `NoSuchWorkflowError` where there is none of that id, or it is paused: its run would wait for ever."""
        if not _DAG_ID.fullmatch(workflow):
            raise NoSuchWorkflowError(self.name, workflow[:80], "that is no id of a workflow")
        found = self._asked(f"dags/{workflow}")
        if found is None:
            raise NoSuchWorkflowError(self.name, workflow, "no workflow of this id is installed")
        if found.get("is_paused"):
            raise NoSuchWorkflowError(self.name, workflow, "it is paused; switch it on first")

    def start(self, start: Start) -> str:
        """Start a workflow and return the id of its run; the same start twice is one run."""
        self.check(start.workflow)
        run = f"{start.workflow}-{start.number}"
        body: dict[str, Any] = {"dag_run_id": run, "conf": dict(start.conf)}
        if self._newer:
            body["logical_date"] = None  # required there; None: now, without a schedule's date
        # 409: an earlier attempt started it.
        path = f"dags/{start.workflow}/dagRuns"
        answer = self._session.request(
            "POST", path, headers={"Content-Type": "application/json"}, data=orjson.dumps(body), expect=frozenset({409})
        )
        if answer.status_code == 409 and self.state(run, start.workflow) is RunState.GONE:
            raise StoreFailedError(self.name, f"another run of {start.workflow} began just now; try again", status=409)
        return run

    def state(self, run: str, workflow: str) -> RunState:
        """Return how far a run is."""
        found = self._asked(f"dags/{workflow}/dagRuns/{run}")
        return RunState.GONE if found is None else _ENDS.get(str(found.get("state")), RunState.RUNNING)

    def _asked(self, path: str) -> dict[str, Any] | None:
        where, _, query = path.partition("?")
        answer = self._session.request("GET", where, query=query, expect=frozenset({404}))
        if answer.status_code == 404:
            return None
        try:
            content = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            content = None
        if not isinstance(content, dict):
            raise StoreFailedError(
                self.name, f"the answer to {path} is not Airflow's; is {self._session.store.url} it?"
            )
        return content


def describe_airflow(store: Store) -> str:
    """Return what answers at `store` and that it lets us in, in one line."""
    with AirflowApi(store) as airflow:
        version = (airflow._asked("version") or {}).get("version", "of an unknown version")
        listed = airflow._asked("dags?limit=1") or {}
    return f"Airflow {version} with {listed.get('total_entries', 0)} workflows"
