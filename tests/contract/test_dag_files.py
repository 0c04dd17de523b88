"""Every DAG file loads on both hosts, quickly, without network, and keeps to the hosts' limits."""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from local.airflow import ROOT, AirflowHome
from tests.contract.conftest import python

DAG_FILES = sorted((ROOT / "dags").glob("*.py"))
OPERATOR_FILES = sorted((ROOT / "operators").rglob("*.py"))

LOAD = """
import json, socket, sys
def refuse(*arguments, **more):
    raise OSError("network while a DAG file is read")
socket.create_connection = socket.socket.connect = refuse
from airflow.models import DagBag
bag = DagBag("dags", include_examples=False, read_dags_from_db=False)
assert not bag.import_errors, bag.import_errors
def task(operator):
    return {
        "upstream": sorted(operator.upstream_task_ids),
        "rule": str(operator.trigger_rule),
        "kind": [base.__name__ for base in type(operator).__mro__],
        "in": operator.operator_in_dir,
        "out": operator.operator_out_dir,
        "image": operator.image,
        "memory": getattr(operator, "ram_mem_mb", None),
        "secrets": [repr(secret) for secret in getattr(operator, "secrets", [])],
    }
print(json.dumps({
    dag.dag_id: {
        "file": dag.fileloc,
        "tasks": {operator.task_id: task(operator) for operator in dag.tasks},
        "schedule": str(dag.timetable.summary),
        "catchup": dag.catchup,
        "start": dag.start_date.isoformat(),
        "forms": dag.default_args["ui_forms"],
        "params": {name: dag.params.get_param(name).dump() for name in dag.params},
    }
    for dag in bag.dags.values()
}))
"""

# Reads all DAG files three times, each in a fork that has Airflow itself loaded and nothing else; prints the best.
PARSE_TIME = """
import os, time, warnings
warnings.simplefilter("ignore")
from pathlib import Path
from airflow.exceptions import AirflowSkipException
from airflow.models import DAG, BaseOperator, Param
from airflow.utils.context import Context
def seconds():
    out, into = os.pipe()
    if os.fork() == 0:
        began = time.process_time()
        for file in sorted(Path("dags").glob("*.py")):
            exec(compile(file.read_text(), str(file), "exec"), {"__name__": file.stem, "__file__": str(file)})
        os.write(into, str(time.process_time() - began).encode())
        os._exit(0)
    os.close(into)
    os.wait()
    return float(os.read(out, 100) or "inf")
print(min(seconds() for _ in range(3)))
"""

IMPORTS = """
import sys
from airflow.models import DagBag
bag = DagBag("dags", include_examples=False, read_dags_from_db=False)
print(sorted({name.split(".")[0] for name in sys.modules}
             & {"multimodal", "pydicom", "numpy", "highdicom", "radiomics", "opensearchpy", "kaapanapy"}))
"""


@pytest.fixture(scope="module")
def on_plain(plain: AirflowHome) -> dict[str, Any]:
    return dict(json.loads(python(LOAD, plain)))


@pytest.fixture(scope="module")
def on_kaapana(kaapana: AirflowHome) -> dict[str, Any]:
    return dict(json.loads(python(LOAD, kaapana)))


def test_both_hosts_have_the_same_workflows(on_plain: dict[str, Any], on_kaapana: dict[str, Any]) -> None:
    assert set(on_plain) == set(on_kaapana) == {file.stem.replace("_", "-") for file in DAG_FILES}
    for dag_id, dag in on_plain.items():
        there = on_kaapana[dag_id]["tasks"]
        assert set(there) - set(dag["tasks"]) == {"workflow-cleaner"}
        for task_id, task in dag["tasks"].items():
            for what in ("upstream", "rule", "in", "out"):
                assert task[what] == there[task_id][what], (dag_id, task_id, what)
        assert dag["forms"] == on_kaapana[dag_id]["forms"]


def test_the_same_operator_is_each_host_s_own(on_plain: dict[str, Any], on_kaapana: dict[str, Any]) -> None:
    for host, base in ((on_plain, "PlainContainerOperator"), (on_kaapana, "KaapanaBaseOperator")):
        for dag in host.values():
            assert all(base in task["kind"] for task in dag["tasks"].values())


def test_files_are_named_after_their_dag(on_plain: dict[str, Any]) -> None:
    assert {dag_id: Path(dag["file"]).stem.replace("_", "-") for dag_id, dag in on_plain.items()} == {
        dag_id: dag_id for dag_id in on_plain
    }


def test_ids_keep_to_kaapana_s_limits(on_kaapana: dict[str, Any]) -> None:
    for dag_id, dag in on_kaapana.items():
        assert re.fullmatch(r"[a-z0-9-]{1,44}", dag_id)
        for task_id in dag["tasks"]:
            assert re.fullmatch(r"[a-z0-9-]+", task_id)
            assert len(dag_id) + len(task_id) <= 42, f"{dag_id} + {task_id}: pod names would collide"


def test_nothing_runs_by_the_clock(on_plain: dict[str, Any]) -> None:
    for dag in on_plain.values():
        assert dag["schedule"] in ("None", "Never, external triggers only")
        assert dag["catchup"] is False
        assert dag["start"] == "2024-01-01T00:00:00+00:00"


def test_what_follows_a_skipped_task_still_runs(on_kaapana: dict[str, Any]) -> None:
    for dag in on_kaapana.values():
        followers = {name: task["rule"] for name, task in dag["tasks"].items() if task["upstream"]}
        # Kaapana's own step fails where nothing was laid into the batch: it is skipped with what would have done so.
        assert followers.pop("dcmsend", "all_success") == "all_success"
        # Copies are evicted however the step before ended; this one fails itself where nothing was started.
        assert followers.pop("evict-copies", "all_done") == "all_done"
        assert set(followers.values()) <= {"none_failed"}


def test_every_task_of_ours_states_image_memory_and_secret(on_kaapana: dict[str, Any]) -> None:
    for dag in on_kaapana.values():
        for task_id, task in dag["tasks"].items():
            if task_id in {"get-input", "get-ref-series", "dcmsend", "workflow-cleaner"}:
                continue  # Kaapana's own
            assert re.fullmatch(r"registry\.example/kaapana/multimodal(-radiomics)?:0\.6\.0", task["image"])
            assert task["memory"]
            assert "multimodal-stores" in task["secrets"][0]
            assert "optional=True" in task["secrets"][0]


def test_up_to_kaapana_0_5_the_secret_is_kaapana_s_own_class(kaapana: AirflowHome) -> None:
    code = """
import sys, types
class Secret:
    def __init__(self, deploy_type, deploy_target, secret, key, optional=False):
        self.said = (deploy_type, deploy_target, secret, key, optional)
old = types.ModuleType("kaapana.kubetools.secret")
old.Secret = Secret
sys.modules |= {"kaapana.kubetools": types.ModuleType("kaapana.kubetools"), "kaapana.kubetools.secret": old}
from multimodal_operators.host import store_secrets
print([secret.said for secret in store_secrets()])
"""
    assert ast.literal_eval(python(code, kaapana)) == [
        ("env", "MULTIMODAL_STORES_YAML", "multimodal-stores", "stores.yaml", True),
        ("env", "MULTIMODAL_SECRETS_YAML", "multimodal-stores", "secrets.yaml", True),
    ]


def test_where_series_are_referenced_our_own_steps_lay_them_into_the_batch(kaapana: AirflowHome) -> None:
    own = dataclasses.replace(kaapana, variables={**kaapana.variables, "MULTIMODAL_REFERENCED_SERIES": "1"})
    here = json.loads(python(LOAD, own))["extract-radiomics"]["tasks"]
    there = json.loads(python(LOAD, kaapana))["extract-radiomics"]["tasks"]
    for step in ("get-input", "get-ref-series"):
        assert "multimodal:" in here[step]["image"]
        assert "multimodal" not in there[step]["image"]
        assert "multimodal-stores" in here[step]["secrets"][0]
        for what in ("in", "out", "rule", "upstream"):
            assert here[step][what] == there[step][what]


@pytest.mark.parametrize("host", ["plain", "kaapana"])
def test_reading_all_dag_files_is_quick(host: str, request: pytest.FixtureRequest) -> None:
    # CPU time, since other work on this machine does not count
    took = float(python(PARSE_TIME, request.getfixturevalue(host)))
    assert took < 0.3


def test_reading_dag_files_loads_nothing_heavy(plain: AirflowHome) -> None:
    assert python(IMPORTS, plain) == "[]"


@pytest.mark.parametrize("file", DAG_FILES, ids=lambda file: file.name)
def test_safe_mode_finds_the_file(file: Path) -> None:
    text = file.read_text(encoding="utf-8").lower()
    assert "airflow" in text
    assert "dag" in text


@pytest.mark.parametrize("file", DAG_FILES + OPERATOR_FILES, ids=lambda file: file.name)
def test_parses_as_python_3_12(file: Path) -> None:
    assert ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 12)).body


def python312() -> str | None:
    """Return an interpreter of Python 3.12 that really runs."""
    installed = sorted(Path.home().glob(".pyenv/versions/3.12.*/bin/python3.12"))
    for found in [os.environ.get("PYTHON312"), *map(str, installed), shutil.which("python3.12")]:
        if found and subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0:
            return found
    return None


def test_compiles_under_a_real_python_3_12() -> None:
    if (found := python312()) is None:
        pytest.skip("Python 3.12 is missing (PYTHON312 may name it); 3.11 parsed the files with 3.12's grammar")
    script = "import sys; [compile(open(file).read(), file, 'exec') for file in sys.argv[1:]]"
    subprocess.run([found, "-W", "error", "-c", script, *map(str, DAG_FILES + OPERATOR_FILES)], check=True)


@pytest.mark.parametrize(
    "file", [file for file in OPERATOR_FILES if file.name.endswith("_operator.py")], ids=lambda file: file.name
)
def test_operators_are_thin_and_name_their_image_as_the_build_looks_for_it(file: Path) -> None:
    if file.name == "container_operator.py":
        return
    lines = file.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60
    image = re.compile(r' *image=f"\{DEFAULT_REGISTRY\}/multimodal(-radiomics)?:\{KAAPANA_BUILD_VERSION\}",')
    assert sum(bool(image.fullmatch(line)) for line in lines) == 1
