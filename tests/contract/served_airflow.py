"""A plain Airflow's REST API, served for a test: Airflow's own application on loopback, with a user of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import requests

from local.airflow import ROOT, AirflowHome
from local.servers import free_port
from multimodal.workflows.started_runs import awaited

USER, PASSWORD = "starter", "not-a-secret"
_SECONDS = 120


@contextmanager
def served(home: AirflowHome) -> Iterator[str]:
    """Give the address of the API, ``.../api/v1``, of the Airflow in `home`; it knows the DAG files of this folder."""
    port = free_port()
    basic = {"AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.basic_auth"}
    environment = replace(home, variables={**home.variables, **basic}).environment()
    home.folder.mkdir(parents=True, exist_ok=True)
    with (home.folder / "served.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.contract.served_airflow", str(port)],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}/api/v1"
    try:
        assert awaited(lambda: _answers(url, process), _SECONDS), (home.folder / "served.log").read_text()[-3000:]
        yield url
    finally:
        process.terminate()
        process.wait()


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool | None:
    if process.poll() is not None:
        return False
    try:
        return requests.get(f"{url}/dags", auth=(USER, PASSWORD), timeout=10).ok or None
    except requests.ConnectionError:
        return None


def _serve(port: int) -> None:
    from airflow.models import DagBag
    from airflow.utils.db import initdb
    from airflow.www.app import create_app

    if not (Path(os.environ["AIRFLOW_HOME"]) / "airflow.db").exists():
        initdb()
    DagBag(include_examples=False, read_dags_from_db=False).sync_to_db()
    app = create_app()
    with app.app_context():
        users = app.appbuilder.sm
        users.add_user(USER, "A", "Starter", "starter@example.org", users.find_role("Admin"), password=PASSWORD)
    app.run("127.0.0.1", port)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
