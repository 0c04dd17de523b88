"""The same DAG files as runs on Kaapana's contract: the stand-in operator, a process for each pod."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from local.airflow import AirflowHome, run_dag

CONF = {
    "project_form": {"name": "demo", "kubernetes_namespace": "project-demo"},
    "data_form": {"identifiers": ["1.2.3"]},
    "workflow_form": {"profile": "pyradiomics-compat", "username": "alice", "involved_instances": ["a"]},
}


def seen(home: AirflowHome, run_id: str, task: str) -> dict[str, Any]:
    return dict(json.loads((home.folder / "data" / run_id / task / "seen.json").read_text()))


def test_a_task_finds_the_same_on_both_hosts(kaapana: AirflowHome, plain: AirflowHome, probe: Path) -> None:
    there = run_dag("extract-radiomics", CONF, kaapana)
    here = run_dag("extract-radiomics", CONF, replace(plain, variables={"MULTIMODAL_PROGRAM": str(probe)}))
    assert there.state == here.state == "success", there.log.read_text()[-2000:]
    on_kaapana = seen(kaapana, there.run_id, "extract-radiomics")
    on_plain = json.loads((here.folder / "extract-radiomics" / "seen.json").read_text())
    for name in ("DAG_ID", "TASK_ID", "BATCH_NAME", "OPERATOR_IN_DIR", "OPERATOR_OUT_DIR", "MULTIMODAL_IMAGES_DIR"):
        assert on_kaapana[name] == on_plain[name], name
    for given in (on_kaapana, on_plain):
        assert given["BATCHES_INPUT_DIR"] == f"{given['WORKFLOW_DIR']}/batch"
        assert given["arguments"] == ["task"]
    assert on_plain["conf"] == {"backend_form": {}, **on_kaapana["conf"]}


def test_a_cleaner_that_cannot_reach_the_cluster_fails_no_run(kaapana: AirflowHome) -> None:
    run = run_dag("sync-imaging", {}, kaapana)
    assert (run.state, run.tasks["workflow-cleaner"]) == ("success", "success")
    assert "the ConfigMap of this run stays: MaxRetryError" in run.log.read_text()


def test_126_skips_there_too(kaapana: AirflowHome, probe: Path, tmp_path: Path) -> None:
    program = tmp_path / "multimodal"
    program.write_text("#!/bin/sh\nexit 126\n")
    program.chmod(0o755)
    run = run_dag(
        "import-clinical", {}, replace(kaapana, variables={**kaapana.variables, "STAND_IN_PROGRAM": str(program)})
    )
    assert run.state == "success"
    assert run.tasks == {"import-clinical": "skipped", "join-metadata": "skipped", "workflow-cleaner": "success"}
