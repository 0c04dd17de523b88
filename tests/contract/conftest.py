"""A plain Airflow of the tests' own, and the same with a stand-in for Kaapana's plugin on the path."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local.airflow import ROOT, AirflowHome

# Airflow reads this when a test module first imports it, and would else make itself at home in the user's folder.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-")

STAND_IN = Path(__file__).parent / "stand_in"

PROBE = f"""#!{sys.executable}
import json, os, sys
from pathlib import Path
folder = Path(os.environ["WORKFLOW_DIR"])
out = folder / os.environ["OPERATOR_OUT_DIR"]
out.mkdir(parents=True, exist_ok=True)
names = ("RUN_ID", "DAG_ID", "TASK_ID", "WORKFLOW_DIR", "BATCH_NAME", "BATCHES_INPUT_DIR", "OPERATOR_IN_DIR",
         "OPERATOR_OUT_DIR", "MULTIMODAL_IMAGES_DIR", "MULTIMODAL_MODALITIES")
seen = {{name: os.environ[name] for name in names if name in os.environ}}
seen["all"] = sorted(os.environ)
seen["conf"] = json.loads((folder / "conf" / "conf.json").read_text())
seen["arguments"] = sys.argv[1:]
(out / "seen.json").write_text(json.dumps(seen))
print("probe says hello")
sys.exit(int(os.environ.get("PROBE_" + os.environ["TASK_ID"].upper().replace("-", "_"), "0")))
"""


@pytest.fixture(scope="session", autouse=True)
def airflow_at_home() -> Iterator[None]:
    yield
    shutil.rmtree(os.environ["AIRFLOW_HOME"], ignore_errors=True)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> AirflowHome:
    """A plain Airflow without stores."""
    return AirflowHome(tmp_path_factory.mktemp("airflow"))


@pytest.fixture(scope="session")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program in place of `multimodal` that writes down what it was given, and exits as PROBE_<TASK> says."""
    program = tmp_path_factory.mktemp("probe") / "multimodal"
    program.write_text(PROBE)
    program.chmod(0o755)
    return program


@pytest.fixture(scope="session")
def kaapana(tmp_path_factory: pytest.TempPathFactory, probe: Path) -> AirflowHome:
    """An Airflow with the stand-in for Kaapana's plugin."""
    folder = tmp_path_factory.mktemp("kaapana")
    return AirflowHome(
        folder,
        variables={
            "PYTHONPATH": os.pathsep.join([str(STAND_IN), str(ROOT / "operators")]),
            "STAND_IN_DATA": str(folder / "data"),
            "STAND_IN_PROGRAM": str(probe),
            "DEFAULT_REGISTRY": "registry.example/kaapana",
            "KAAPANA_BUILD_VERSION": "0.6.0",
        },
    )


@pytest.fixture
def with_probe(plain: AirflowHome, probe: Path) -> Callable[..., AirflowHome]:
    """The plain Airflow with the probe as its program; keywords set the exit codes of tasks."""

    def home(**exits: int) -> AirflowHome:
        codes = {f"PROBE_{task.upper()}": str(code) for task, code in exits.items()}
        return replace(plain, variables={"MULTIMODAL_PROGRAM": str(probe), **codes})

    return home


def python(code: str, home: AirflowHome, *arguments: str) -> str:
    """Run `code` in a fresh interpreter with the Airflow of `home` and return what it prints last."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        cwd=ROOT,
        env=home.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip().splitlines()[-1]
