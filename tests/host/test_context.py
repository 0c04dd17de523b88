from __future__ import annotations

import json
from pathlib import Path

import pytest

from multimodal.host.context import TaskContext, make_context
from multimodal.model.errors import ConfigurationError, InvalidUidError


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """What a host sets."""
    return {
        "RUN_ID": "manual__2026-01-01T00:00:00+00:00",
        "DAG_ID": "extract-radiomics",
        "TASK_ID": "extract-radiomics",
        "WORKFLOW_DIR": str(tmp_path / "run:1"),
        "BATCH_NAME": "batch",
        "OPERATOR_IN_DIR": "get-input",
        "OPERATOR_OUT_DIR": "features",
    }


def batch(settings: dict[str, str], *uids: str) -> Path:
    folder = Path(settings["WORKFLOW_DIR"]) / "batch"
    for uid in uids:
        for step in ("get-input", "features"):
            (folder / uid / step).mkdir(parents=True)
            (folder / uid / step / "old").touch()
    return folder


def make(settings: dict[str, str], task: str = "extract-radiomics") -> TaskContext:
    return make_context(task, settings)


def test_folders_of_the_host(settings: dict[str, str], tmp_path: Path) -> None:
    folder = batch(settings, "1.2.3", "1.2.10")
    (folder / "loose-file").touch()
    context = make(settings)
    assert context.out_dir == tmp_path / "run:1" / "features"
    assert context.out_dir.is_dir()
    assert [series.uid for series in context.series()] == ["1.2.10", "1.2.3"]
    assert context.series_folder("1.2.3") == folder / "1.2.3" / "features"
    assert context.series()[0].of("get-input") == folder / "1.2.10" / "get-input"
    assert context.run_name == "run-1"


def test_only_the_own_folders_are_wiped(settings: dict[str, str]) -> None:
    folder = batch(settings, "1.2.3")
    context = make(settings)
    (context.out_dir / "left").touch()
    (folder / "1.2.3" / "features").mkdir()
    assert not (folder / "1.2.3" / "features" / "old").exists()
    assert (folder / "1.2.3" / "get-input" / "old").exists()
    assert not any(make(settings).out_dir.iterdir())


def test_a_link_is_removed_and_not_what_it_leads_to(settings: dict[str, str], tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "data").touch()
    workflow = Path(settings["WORKFLOW_DIR"])
    workflow.mkdir()
    (workflow / "features").symlink_to(precious)
    assert not make(settings).out_dir.is_symlink()
    assert (precious / "data").exists()


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("OPERATOR_OUT_DIR", "get-input"),
        ("OPERATOR_OUT_DIR", "batch"),
        ("OPERATOR_OUT_DIR", "conf"),
        ("OPERATOR_OUT_DIR", ".."),
        ("OPERATOR_OUT_DIR", "a/b"),
        ("OPERATOR_IN_DIR", "../other-run"),
        ("BATCH_NAME", "/data"),
    ],
)
def test_a_folder_that_is_not_the_task_s_is_refused_and_nothing_wiped(
    settings: dict[str, str], variable: str, name: str
) -> None:
    folder = batch(settings, "1.2.3")
    with pytest.raises(ConfigurationError, match=variable):
        make(settings | {variable: name})
    assert (folder / "1.2.3" / "features" / "old").exists()


def test_a_wrong_form_wipes_nothing(settings: dict[str, str]) -> None:
    folder = batch(settings, "1.2.3")
    conf = Path(settings["WORKFLOW_DIR"]) / "conf" / "conf.json"
    conf.parent.mkdir()
    conf.write_text(json.dumps({"workflow_form": {"operator_out_dir": "get-input"}}))
    with pytest.raises(ConfigurationError, match="refused"):
        make(settings)
    assert (folder / "1.2.3" / "features" / "old").exists()


def test_a_folder_that_is_no_uid_is_refused(settings: dict[str, str]) -> None:
    batch(settings, "not-a-uid")
    with pytest.raises(InvalidUidError):
        make(settings)


def test_stores_are_read_when_asked_for_and_with_the_project(
    settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIMODAL_STORES", str(tmp_path / "none.yaml"))
    conf = Path(settings["WORKFLOW_DIR"]) / "conf" / "conf.json"
    conf.parent.mkdir(parents=True)
    conf.write_text(json.dumps({"project_form": {"name": "demo"}}))
    context = make(settings)  # no stores file is needed so far
    file = tmp_path / "stores.yaml"
    file.write_text(f"stores:\n  bucket: {{kind: folder, path: '{tmp_path}/{{project}}'}}\n")
    context = make_context("extract-radiomics", settings, stores_file=file)
    assert context.stores.get("bucket").path == f"{tmp_path}/demo"
    context.bucket.write("reports/x", b"")
    assert (tmp_path / "demo/reports/x").exists()


def test_by_hand_no_variable_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    context = make_context("import-clinical", {})
    assert context.out_dir == tmp_path / "multimodal-run" / "import-clinical"
    assert context.form == {"dry_run": False, "force_deletes": False, "validate_every": False, "verify": False}
    with pytest.raises(ConfigurationError, match="no such file"):
        make_context("import-clinical", {}, conf_file=tmp_path / "none.json")


def test_variables_are_not_shown(settings: dict[str, str]) -> None:
    assert "hunter2" not in repr(make(settings | {"PASSWORD": "hunter2"}))
