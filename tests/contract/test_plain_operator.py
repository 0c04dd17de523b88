"""The plain twin: environment, folders, conf.json, exit codes, and what happens when it is stopped."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from local.airflow import AirflowHome, run_dag
from multimodal_operators import plain_run
from multimodal_operators.container_operator import KAAPANA_ONLY, PlainContainerOperator
from tests.contract.stand_in import signature

Home = Callable[..., AirflowHome]


def seen(folder: Path, task: str) -> dict[str, Any]:
    return dict(json.loads((folder / task / "seen.json").read_text()))


def context(**params: Any) -> dict[str, Any]:
    return {"dag_run": SimpleNamespace(run_id="manual__2026-01-01T00:00:00+00:00", conf=params), "params": params}


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets what the program of the task does, as a shell script."""
    monkeypatch.setenv("MULTIMODAL_DATA", str(tmp_path / "data"))

    def install(script: str) -> None:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("MULTIMODAL_PROGRAM", str(path))

    return install


def test_params_become_the_conf_of_kaapana(with_probe: Home) -> None:
    run = run_dag("import-clinical", {"mapping": "registry", "files": ["tables/a.csv"]}, with_probe())
    assert (run.state, run.tasks) == ("success", {"import-clinical": "success", "join-metadata": "success"})
    given = seen(run.folder, "import-clinical")
    assert given["arguments"] == ["task"]
    off = dict.fromkeys(("dry_run", "force_deletes", "validate_every", "verify"), False)
    assert given["conf"]["workflow_form"] == {"mapping": "registry", **off}
    assert given["conf"]["backend_form"] == {"selectedFilesAndFolders": ["tables/a.csv"]}
    assert given["conf"]["project_form"]["name"] == "default"
    assert given["WORKFLOW_DIR"] == str(run.folder)
    assert (given["RUN_ID"], given["DAG_ID"], given["TASK_ID"]) == (run.run_id, "import-clinical", "import-clinical")
    assert given["OPERATOR_OUT_DIR"] == "import-clinical"
    assert not [name for name in given["all"] if "AIRFLOW" in name], "Airflow's settings hold its database's password"


def test_a_conf_with_forms_passes_as_it_is(with_probe: Home) -> None:
    conf = {
        "project_form": {"name": "demo"},
        "data_form": {"identifiers": ["1.2.3"]},
        "workflow_form": {"profile": "standard", "username": "alice"},
    }
    run = run_dag("extract-radiomics", conf, with_probe())
    assert run.state == "success"
    given = seen(run.folder, "extract-radiomics")
    assert given["conf"] == {**conf, "backend_form": {}}
    assert (given["OPERATOR_IN_DIR"], given["MULTIMODAL_IMAGES_DIR"]) == ("get-input", "get-ref-series")
    assert given["BATCHES_INPUT_DIR"] == str(run.folder / "batch")
    assert seen(run.folder, "get-input")["MULTIMODAL_MODALITIES"] == "SEG,RTSTRUCT"


def test_126_skips_the_task_and_the_run_goes_on(with_probe: Home) -> None:
    run = run_dag("import-clinical", {}, with_probe(import_clinical=126))
    assert (run.state, run.tasks) == ("success", {"import-clinical": "skipped", "join-metadata": "success"})


def test_a_refusal_fails_at_once_and_stops_the_run(with_probe: Home) -> None:
    began = time.monotonic()
    run = run_dag("import-clinical", {}, with_probe(import_clinical=2))
    assert (run.state, run.tasks) == ("failed", {"import-clinical": "failed", "join-metadata": "upstream_failed"})
    assert time.monotonic() - began < 30, "it waited for a second try"
    assert "probe says hello" in run.log.read_text()


@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        ("exit 126", AirflowSkipException, "nothing to do"),
        ("echo no answer >&2; exit 4", AirflowException, "a remote system failed: no answer"),
        ("echo wrong key; exit 2", AirflowFailException, "exit code 2: wrong key"),
        ("exit 3", AirflowFailException, "exit code 3: it said nothing"),
        ("exit 1", AirflowFailException, "exit code 1"),
        ("kill -9 $$", AirflowFailException, "SIGKILL"),
    ],
)
def test_exit_codes(program: Callable[[str], None], script: str, error: type[Exception], said: str) -> None:
    program(script)
    with pytest.raises(error, match=said) as raised:
        PlainContainerOperator(name="sync-imaging").execute(context())
    assert type(raised.value) is error, "only a failed remote system is to be tried again"


def test_a_missing_program_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTIMODAL_DATA", str(tmp_path))
    monkeypatch.setenv("MULTIMODAL_PROGRAM", str(tmp_path / "nowhere"))
    with pytest.raises(AirflowFailException, match="set MULTIMODAL_PROGRAM"):
        PlainContainerOperator(name="sync-imaging").execute(context())


def test_stopping_ends_the_whole_process_group(program: Callable[[str], None], tmp_path: Path) -> None:
    child = tmp_path / "child"
    program(f"sleep 600 & echo $! > {child}.part; mv {child}.part {child}; wait")
    operator = PlainContainerOperator(name="sync-imaging")

    def stop_once_it_runs() -> None:
        deadline = time.monotonic() + 30
        while not child.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        operator.on_kill()

    stopper = threading.Thread(target=stop_once_it_runs)
    stopper.start()
    with pytest.raises(AirflowFailException, match="SIGTERM"):
        operator.execute(context())
    stopper.join()
    assert ended(int(child.read_text()))


def test_a_timeout_ends_the_process(program: Callable[[str], None], tmp_path: Path) -> None:
    program(f"echo $$ > {tmp_path}/own; echo started; sleep 600")
    operator = PlainContainerOperator(name="sync-imaging")

    class TimedOutError(Exception):
        """What Airflow raises in the middle of the task."""

    def interrupt(*_line: object) -> None:
        raise TimedOutError

    operator.log.info = interrupt
    with pytest.raises(TimedOutError):
        operator.execute(context())
    assert ended(int((tmp_path / "own").read_text()))


def ended(pid: int) -> bool:
    """Wait a little for process `pid` to be gone."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


def test_the_constructor_is_kaapana_s() -> None:
    own = {"dag", "name", "task_id", "image", "input_operator", "operator_in_dir", "operator_out_dir", "parallel_id"}
    ours = own | {"keep_parallel_id", "batch_name", "env_vars", "retries", "retry_delay", "execution_timeout"}
    airflow_s = {"trigger_rule", "priority_weight", "max_active_tis_per_dag", "pool", "pool_slots"}
    assert signature() == ours | airflow_s | KAAPANA_ONLY
    operator = PlainContainerOperator(name="sync-imaging", **dict.fromkeys(KAAPANA_ONLY))
    assert (operator.task_id, operator.operator_out_dir, operator.batch_name) == (
        "sync-imaging",
        "sync-imaging",
        "batch",
    )
    with pytest.raises(AirflowException, match="no_such"):
        PlainContainerOperator(name="sync-imaging", no_such=1)


def test_parallel_ids_follow_the_input() -> None:
    first = PlainContainerOperator(name="get-input", parallel_id="Left Lung")
    second = PlainContainerOperator(name="extract", input_operator=first)
    assert (second.task_id, second.operator_in_dir) == ("extract-left-lung", "get-input-left-lung")


@pytest.mark.parametrize(
    ("conf", "params", "expected"),
    [
        ({}, {"profile": "p", "mapping": None}, {"workflow_form": {"profile": "p"}}),
        ({"workflow_form": {"a": 1}}, {"profile": "p"}, {"workflow_form": {"a": 1}}),
        ({"form_data": {"a": 1}}, {"profile": "p"}, {"form_data": {"a": 1}}),
        (
            {"data_form": {"identifiers": ["1.2"]}},
            {"profile": "p", "identifiers": [], "data_form": {"identifiers": ["1.2"]}},
            {"workflow_form": {"profile": "p"}, "data_form": {"identifiers": ["1.2"]}},
        ),
        (
            {"project_form": {"name": "demo"}, "files": ["tables/"]},
            {"files": ["tables/"], "project_form": {"name": "demo"}},
            {
                "workflow_form": {},
                "backend_form": {"selectedFilesAndFolders": ["tables/"]},
                "project_form": {"name": "demo"},
            },
        ),
        (None, {"foreign": 1}, {"workflow_form": {"foreign": 1}}),
    ],
)
def test_conf_of_a_run(conf: dict[str, Any] | None, params: dict[str, Any], expected: dict[str, Any]) -> None:
    made = plain_run.run_conf(conf, params)
    default = {"data_form": {}, "backend_form": {}, "project_form": plain_run.run_conf({}, {})["project_form"]}
    assert made == default | expected


def test_run_folders_are_safe_and_apart() -> None:
    scheduled = "scheduled__2026-01-01T00:00:00+00:00"
    names = {plain_run.safe_run_id(dag, run) for dag in ("a", "b") for run in (scheduled, scheduled.replace(":", "-"))}
    assert len(names) == 4
    assert plain_run.safe_run_id("a", "a-260101000000000000") == "a-260101000000000000"
    assert os.sep not in plain_run.safe_run_id("a", "../../etc/passwd")
    assert len(plain_run.safe_run_id("a", "x" * 250)) <= 140
