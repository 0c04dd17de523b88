from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from multimodal.host.context import TaskContext, make_context
from multimodal.host.run import run_task
from multimodal.model.errors import DataRefusedError
from multimodal.model.issues import ERRORS_CSV_COLUMNS, Issue
from multimodal.model.results import Status, WorkflowResult

ISSUE = Issue("E101", "not a number", row=3, sheet="visits", column="age", value="=1+2; ü", suggestion="correct it")


@pytest.fixture
def context(tmp_path: Path) -> TaskContext:
    stores = tmp_path / "stores.yaml"
    stores.write_text(f"stores:\n  bucket: {{kind: folder, path: '{tmp_path}/bucket'}}\n")
    return make_context("sync-imaging", {"WORKFLOW_DIR": str(tmp_path / "run")}, stores_file=stores)


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(("status", "code"), [(Status.DONE, 0), (Status.PARTIAL, 0), (Status.NOTHING, 126)])
def test_exit_code_and_report(context: TaskContext, tmp_path: Path, status: Status, code: int) -> None:
    result = WorkflowResult(status, {"rows": 2}, ["look here"], [ISSUE], {"engine": "1"}, {"mapping": "ab"})
    assert run_task(lambda _: result, context) == code
    for folder in (context.out_dir, tmp_path / "bucket/reports/run/sync-imaging"):
        assert json.loads((folder / "result.json").read_bytes()) == {
            "status": status.value,
            "counts": {"rows": 2},
            "warnings": ["look here"],
            "issues": 1,
            "versions": {"engine": "1"},
            "hashes": {"mapping": "ab"},
        }
        (line,) = rows(folder / "errors.csv")
        assert tuple(line) == ERRORS_CSV_COLUMNS
        assert (line["row"], line["value"], line["code"]) == ("3", "'=1+2; ü", "E101")


def test_the_log_tells_a_person_what_happened(context: TaskContext, capsys: pytest.CaptureFixture[str]) -> None:
    warnings = [f"warning {number}" for number in range(30)]
    run_task(lambda _: WorkflowResult(Status.PARTIAL, {"rows": 12345}, warnings, [ISSUE]), context)
    said = capsys.readouterr().out
    for line in (
        "starts, run run, project default",
        "rows: 12,345",
        "and 10 more warnings",
        "issues: 1, see errors.csv: 1 x E101 not-a-number",
    ):
        assert f"sync-imaging: {line}" in said.replace("...", "").replace("  ", " ")
    assert "partial after" in said


def test_without_a_bucket_the_report_stays_in_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stores = tmp_path / "stores.yaml"
    stores.write_text("stores: {}\n")
    context = make_context("sync-imaging", {"WORKFLOW_DIR": str(tmp_path / "run")}, stores_file=stores)
    assert run_task(lambda _: WorkflowResult(Status.DONE), context) == 0
    assert (context.out_dir / "result.json").exists()
    assert "no store named bucket" in capsys.readouterr().out


def test_an_expected_error_passes_with_its_issues_kept(context: TaskContext) -> None:
    class RefusedError(DataRefusedError):
        issues = (ISSUE,)

    def refuse(_: TaskContext) -> Any:
        raise RefusedError("nothing of it can be used")

    with pytest.raises(RefusedError):
        run_task(refuse, context)
    assert rows(context.out_dir / "errors.csv")[0]["message"] == "not a number"
    assert not (context.out_dir / "result.json").exists()
