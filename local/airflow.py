"""Runs the DAG files of this repository on a plain Airflow: real DagRuns, no scheduler to wait for.

Each run has a process of its own, since Airflow takes its settings from the environment when it is first imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DAGS = ROOT / "dags"


@dataclass(frozen=True, slots=True)
class DagResult:
    """How a run ended.

    Parameters
    ----------
    state : str
        ``success`` or ``failed``.
    run_id : str
        Airflow's name of the run.
    tasks : mapping of str to str
        The state of each task: ``success``, ``skipped``, ``failed``, ``upstream_failed``.
    folder : Path
        Folder of the run, with the batch and each task's ``result.json``.
    log : Path
        What the run said.
    """

    state: str
    run_id: str
    tasks: Mapping[str, str]
    folder: Path
    log: Path

    def result_of(self, task_id: str) -> dict[str, Any]:
        """Return the ``result.json`` of a task; empty where it left none."""
        file = self.folder / task_id / "result.json"
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


@dataclass(frozen=True, slots=True)
class AirflowHome:
    """A folder for a plain Airflow and its data, with the stores its tasks use.

    Parameters
    ----------
    folder : Path
        ``AIRFLOW_HOME``; made and given its database when it is first used.
    stores : Path, optional
        The stores file.
    dags : Path
        Folder of DAG files.
    variables : mapping
        More environment, e.g. ``MULTIMODAL_PROGRAM``.
    """

    folder: Path
    stores: Path | None = None
    dags: Path = DAGS
    variables: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """Return the environment of a process that runs Airflow here."""
        home = self.folder.absolute()
        # What the surroundings say of Airflow concerns another one.
        inherited = {key: value for key, value in os.environ.items() if not key.lstrip("_").startswith("AIRFLOW")}
        settings = {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags.absolute()),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
            "MULTIMODAL_DATA": str(home / "data"),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "operators"), os.environ.get("PYTHONPATH", "")])),
        }
        if self.stores is not None:
            settings["MULTIMODAL_STORES"] = str(self.stores.absolute())
        return {**inherited, **settings, **self.variables}


class AirflowRunError(RuntimeError):
    """The run did not come to an end of its own; its log says why."""


def run_dag(dag_id: str, conf: Mapping[str, Any] | None, home: AirflowHome | Path) -> DagResult:
    """Run the DAG `dag_id` with `conf` (forms as on Kaapana, or values of its params) until it has ended.

    Raises
    ------
    AirflowRunError
        If the DAG does not load or the process ends without a result.
    """
    if isinstance(home, Path):
        home = AirflowHome(home)
    runs = home.folder.absolute() / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    stem = f"{len(list(runs.glob('*.log'))):03d}-{dag_id}"
    conf_file, outcome, log = runs / f"{stem}.conf.json", runs / f"{stem}.outcome.json", runs / f"{stem}.log"
    conf_file.write_text(json.dumps(conf or {}), encoding="utf-8")
    with log.open("wb") as stream:
        subprocess.run(
            [sys.executable, "-m", "local.airflow", dag_id, conf_file, outcome],
            cwd=ROOT,
            env=home.environment(),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if not outcome.exists():
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        raise AirflowRunError(f"{dag_id} came to no end ({' '.join(last)}); read {log}")
    ended = json.loads(outcome.read_text(encoding="utf-8"))
    return DagResult(ended["state"], ended["run_id"], ended["tasks"], Path(ended["folder"]), log)


def _run_here(dag_id: str, conf_file: Path, outcome: Path) -> None:
    """Run one DAG in this process and write how it ended."""
    from airflow.models import DagBag
    from airflow.utils.db import initdb

    from multimodal_operators.plain_run import run_folder

    if not (Path(os.environ["AIRFLOW_HOME"]) / "airflow.db").exists():
        initdb()
    bag = DagBag(include_examples=False, read_dags_from_db=False)
    dag = bag.dags.get(dag_id)
    if dag is None:
        sys.exit(f"no DAG {dag_id}; there are {sorted(bag.dags)}, errors: {bag.import_errors}")
    run = dag.test(run_conf=json.loads(conf_file.read_text(encoding="utf-8")))
    ended = {
        "state": str(run.state),
        "run_id": run.run_id,
        "tasks": {ti.task_id: str(ti.state) for ti in run.get_task_instances()},
        "folder": str(run_folder(dag_id, run.run_id)),
    }
    part = outcome.with_suffix(".part")
    part.write_text(json.dumps(ended, indent=2), encoding="utf-8")
    part.replace(outcome)


if __name__ == "__main__":
    _run_here(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
