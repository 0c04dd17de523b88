"""The workflows of a Kaapana project, started as its pages start them, by the platform's backend."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import orjson

from multimodal.transport.errors import BrokenAnswerError, LoginRefusedError, StoreFailedError, UnreachableError
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store
from multimodal.workflows.started_runs import NoSuchWorkflowError, RunState, Start, awaited

# Its column for a workflow's name has room for 64, and it appends six signs and a dash.
_LONGEST_WORKFLOW = 36
_ENDED = frozenset({"finished", "failed", "deleted"})


class KaapanaBackend:
    """The workflows that are enabled for one project.

    Parameters
    ----------
    address : str
        Of the backend, as the platform tells each pod (``KAAPANA_BACKEND_URL``).
    project : mapping
        The run's ``project_form``, by which the backend knows the project.
    username : str
        Who starts; stands in the platform's list of workflows.
    settle : float
        Seconds to look for a workflow whose start was not answered.

    Notes
    -----
    The backend gives a workflow an id of its own at each call: a second call would start a second workflow. So a start
    is sent once, and where its answer is lost, looked for by its name, which is made of the run that starts it.
    """

    def __init__(self, address: str, project: Mapping[str, Any], username: str = "", *, settle: float = 20.0) -> None:
        store = Store("kaapana-backend", "http", url=address.rstrip("/"))
        self.name = store.name
        self._project = dict(project)
        self._username = username or "multimodal"
        self._settle = settle
        self._session = HttpSession(store)
        self._once = HttpSession(replace(store, attempts=1))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()
        self._once.close()

    def check(self, workflow: str) -> None:
        """Nothing is known before the start: the backend lists workflows to people's browsers alone."""

    def start(self, start: Start) -> str:
        """Start a workflow and return the name that the platform's list shows; the same start twice is one.

        Raises
        ------
        NoSuchWorkflowError
            If it is not enabled for the project.
        """
        name = f"{start.workflow[:_LONGEST_WORKFLOW]}-{start.number}"
        if found := self._find(name):
            return found
        body = {
            "workflow_name": name,
            "dag_id": start.workflow,
            "instance_names": [self._instance()],
            "conf_data": dict(start.conf),
            "username": self._username,
            "federated": False,
        }
        try:
            answer = self._once.request("POST", "client/workflow", headers=self._headers(), data=orjson.dumps(body))
        except LoginRefusedError as error:
            why = "it is not enabled for this project (Kaapana: Add Software to Project)"
            raise NoSuchWorkflowError(self.name, start.workflow, why) from error
        except (UnreachableError, BrokenAnswerError, StoreFailedError):
            # It may have been started all the same.
            if found := awaited(lambda: self._find(name), self._settle):
                return found
            raise
        with suppress(orjson.JSONDecodeError, KeyError, TypeError):
            return str(orjson.loads(answer.content)["workflow_name"])
        if found := self._find(name):
            return found
        raise StoreFailedError(self.name, f"its answer to the start of {start.workflow} names no workflow")

    def state(self, run: str, workflow: str) -> RunState:
        """Return how far a workflow is: ended when all of its jobs have ended, failed when one of them has.

        Notes
        -----
        The backend makes the jobs after it has answered; until they are there the workflow counts as running.
        """
        jobs = self._asked(f"client/jobs?{urlencode({'workflow_name': run})}")
        found = {str(job.get("status")) for job in jobs if isinstance(job, dict)}
        if not found:
            return RunState.RUNNING if self._find(run) else RunState.GONE
        if found - _ENDED:
            return RunState.RUNNING
        if "failed" in found:
            return RunState.FAILED
        return RunState.GONE if found == {"deleted"} else RunState.SUCCESS

    def _find(self, name: str) -> str | None:
        query = urlencode({"search": name, "limit": 50})
        answer = self._asked(f"client/workflows?{query}")
        rows = answer[0] if answer and isinstance(answer[0], list) else []
        names = (str(row.get("workflow_name", "")) for row in rows if isinstance(row, dict))
        return next((one for one in names if one == name or one.startswith(f"{name}-")), None)

    def _instance(self) -> str:
        found = self._json("client/kaapana-instance")
        if not isinstance(found, dict) or not found.get("instance_name"):
            raise StoreFailedError(self.name, "does not say which instance it is")
        return str(found["instance_name"])

    def _asked(self, path: str) -> list[Any]:
        found = self._json(path)
        if not isinstance(found, list):
            raise StoreFailedError(self.name, f"the answer to {path.partition('?')[0]} is no list")
        return found

    def _json(self, path: str) -> Any:
        where, _, query = path.partition("?")
        answer = self._session.request("GET", where, query=query, headers=self._headers())
        try:
            return orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            raise StoreFailedError(self.name, f"the answer to {where} is no JSON") from None

    def _headers(self) -> dict[str, str]:
        # ASCII alone, whatever the project is called: it goes into a header.
        return {"Project": json.dumps(self._project), "Content-Type": "application/json"}
