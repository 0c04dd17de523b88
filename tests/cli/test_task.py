"""`multimodal task`, as a process: what a host sees of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("multimodal")


def task(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return subprocess.run(
        [PROGRAM, "task", *arguments], cwd=cwd, env=environment | variables, capture_output=True, text=True, check=False
    )


def conf(folder: Path, **form: object) -> str:
    file = folder / "conf.json"
    file.write_text(json.dumps({"workflow_form": form}))
    return str(file)


def test_the_name_comes_from_the_host(tmp_path: Path) -> None:
    done = task(cwd=tmp_path, TASK_ID="no-such-task")
    assert done.returncode == 2
    assert done.stderr.startswith("multimodal: no task named 'no-such-task'; there are: get-input")


def test_without_a_name_it_says_so(tmp_path: Path) -> None:
    done = task(cwd=tmp_path)
    assert done.returncode == 2
    assert "name a task or set TASK_ID" in done.stderr


def test_a_foreign_form_key_is_exit_code_2_and_one_line(tmp_path: Path) -> None:
    done = task("sync-imaging", "--conf", conf(tmp_path, path="/tmp"), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "'path' is refused" in done.stderr


def test_a_missing_stores_file_is_exit_code_2_and_one_line(tmp_path: Path) -> None:
    done = task("sync-imaging", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "stores" in done.stderr


def test_a_store_that_is_down_is_exit_code_4(tmp_path: Path, unused_port: int) -> None:
    stores = tmp_path / "stores.yaml"
    url = f"http://127.0.0.1:{unused_port}"
    stores.write_text(
        f"stores:\n  pacs: {{kind: dicomweb, url: '{url}', patient_system: 'urn:x', attempts: 1}}\n"
        f"  clinical: {{kind: fhir, url: '{url}', attempts: 1}}\n"
        f"  bucket: {{kind: folder, path: '{tmp_path}/bucket'}}\n"
    )
    done = task("sync-imaging", "--stores", str(stores), cwd=tmp_path)
    assert done.returncode == 4
    assert done.stderr.startswith("multimodal: pacs: ")
    assert done.stderr.count("\n") == 1


def test_a_defect_prints_its_traceback_and_is_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "multimodal-run").mkdir()
    (tmp_path / "multimodal-run" / "batch").mkdir()
    code = """
import sys
import multimodal.tasks
multimodal.tasks.load_task = lambda name: lambda context: 1 / 0
from multimodal.cli import main
main(["task", "sync-imaging"])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError" in done.stderr


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
