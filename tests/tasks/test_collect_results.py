"""What is laid out for Kaapana's own step to send, and when nothing is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from multimodal.host.context import make_context
from multimodal.model.results import Status, WorkflowResult
from multimodal.tasks import load_task

MASK = "1.2.3"


def collected(folder: Path, *, profile: str, send: bool) -> WorkflowResult:
    store = f"{{kind: dicomweb, profile: {profile}, url: 'http://127.0.0.1:9', patient_system: u}}"
    (folder / "stores.yaml").write_text(f"stores:\n  pacs: {store}\n")
    (folder / "conf.json").write_text(json.dumps({"workflow_form": {"send_results": send}}))
    settings = {
        "WORKFLOW_DIR": str(folder / "run"), "DAG_ID": "extract-radiomics", "OPERATOR_IN_DIR": "extract-radiomics",
    }  # fmt: skip
    context = make_context(
        "collect-results", settings, conf_file=folder / "conf.json", stores_file=folder / "stores.yaml"
    )
    return load_task("collect-results")(context)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A run whose extraction left a report, a segmentation and a table."""
    folder = tmp_path / "run" / "extract-radiomics" / MASK
    folder.mkdir(parents=True)
    for name in ("1.2.sr.dcm", "1.2.seg.dcm", "features.csv"):
        (folder / name).write_text(name)
    return tmp_path


def test_an_archive_that_takes_no_stow_is_sent_the_results_by_the_next_step(results: Path) -> None:
    result = collected(results, profile="kaapana", send=True)
    assert (result.status, result.counts) == (Status.DONE, {"SR and SEG to send": 2})
    laid = results / "run" / "batch" / MASK / "collect-results"
    assert sorted(file.name for file in laid.iterdir()) == ["1.2.seg.dcm", "1.2.sr.dcm"]
    again = collected(results, profile="kaapana", send=True)  # its folder is wiped first
    assert again.counts == result.counts


@pytest.mark.parametrize(("profile", "send"), [("orthanc", True), ("kaapana", False)])
def test_where_they_were_stored_or_are_not_wanted_the_step_is_skipped(results: Path, profile: str, send: bool) -> None:
    assert collected(results, profile=profile, send=send).status is Status.NOTHING
    assert not (results / "run" / "batch").exists()


def test_without_results_there_is_nothing_to_send(tmp_path: Path) -> None:
    assert collected(tmp_path, profile="kaapana", send=True).status is Status.NOTHING
