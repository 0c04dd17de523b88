"""A loopback stand-in for Kaapana's backend: the calls that start a workflow and tell of its jobs, with named faults.

Faults
------
``not-enabled``     the project may not start the workflow (403)
``answer-lost``     the workflow is started, and the connection ends without an answer
``start-fails``     nothing is started, the first time (500)
``start-refused``   the start is refused (400)
``jobs-late``       the jobs appear after some looks
``job-failed``      the jobs end as failed
``never-ends``      the jobs stay running
``deleted``         somebody deleted the workflow
``no-instance``     the instance does not say its name
``no-json``         a proxy's page in place of each answer to a GET
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.http_server import HttpServer

FAULTS = (
    "not-enabled", "answer-lost", "start-fails", "start-refused", "jobs-late", "job-failed", "never-ends", "deleted",
    "no-instance", "no-json",
)  # fmt: skip
_LOOKS = 3


class KaapanaBackend(HttpServer):
    """Use it in a ``with`` statement.

    Attributes
    ----------
    started : list of dict
        The bodies of the starts that it took, each with the workflow's full name.
    """

    def __init__(self, *faults: str) -> None:
        assert set(faults) <= set(FAULTS)
        super().__init__(self._answer)
        self.faults = set(faults)
        self.started: list[dict[str, Any]] = []
        self.looks = 0

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        target = urlsplit(request.path)
        query = {key: values[0] for key, values in parse_qs(target.query).items()}
        json.loads(request.headers["Project"])  # as the backend does, for each of these calls
        if target.path == "/client/workflow" and request.command == "POST":
            self._start(request)
        elif "no-json" in self.faults:
            _send(request, 200, b"<html>")
        elif target.path == "/client/workflows":
            rows = [{"workflow_name": one["full_name"]} for one in self.started if query["search"] in one["full_name"]]
            _send(request, 200, [[] if "deleted" in self.faults else rows, len(rows)])
        elif target.path == "/client/kaapana-instance":
            _send(request, 200, {} if "no-instance" in self.faults else {"instance_name": "central"})
        elif target.path == "/client/jobs":
            _send(request, 200, self._jobs(query["workflow_name"]))
        else:
            _send(request, 404, {})

    def _start(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(self.requests[-1]["body"])
        if "not-enabled" in self.faults:
            _send(request, 403, {"detail": "Unauthorized to start this workflow."})
        elif "start-refused" in self.faults:
            _send(request, 400, {"detail": "A username has to be set"})
        elif "start-fails" in self.faults:
            self.faults.remove("start-fails")
            _send(request, 500, {})
        else:
            self.started.append({**body, "full_name": f"{body['workflow_name']}-{len(self.started):06d}"})
            if "answer-lost" in self.faults:
                request.close_connection = True
                return
            _send(request, 200, {"workflow_name": self.started[-1]["full_name"]})

    def _jobs(self, name: str) -> list[dict[str, Any]]:
        self.looks += 1
        there = any(one["full_name"] == name for one in self.started) and "deleted" not in self.faults
        if not there or ("jobs-late" in self.faults and self.looks < _LOOKS):
            return []
        status = "running" if "never-ends" in self.faults else "failed" if "job-failed" in self.faults else "finished"
        return [{"status": status, "run_id": f"{name}-1"}]


def _send(request: BaseHTTPRequestHandler, status: int, content: Any) -> None:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    request.send_response(status)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
