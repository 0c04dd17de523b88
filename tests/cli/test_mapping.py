"""`multimodal mapping ...` as a person calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflows.test_check_and_preview import MAPPING, TABLE


def multimodal(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from multimodal.cli import main; main()", "mapping", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "study.yaml").write_text(MAPPING)
    (tmp_path / "table.csv").write_text(TABLE)
    given = tmp_path / "mappings/tests/study/input"
    given.mkdir(parents=True)
    (given / "table.csv").write_text(TABLE)
    (tmp_path / "mappings/study.yaml").write_text(MAPPING)
    return tmp_path


def test_suggest_then_check(folder: Path) -> None:
    done = multimodal("suggest", "table.csv", "-o", "draft.yaml", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "3 of 5 columns proposed, 4 TODO left to decide, in lines 10, 15, 17, 19; draft in draft.yaml" in done.stdout
    assert multimodal("suggest", "table.csv", "-o", "draft.yaml", folder=folder).returncode == 2
    checked = multimodal("check", "draft.yaml", folder=folder)
    assert checked.returncode == 2
    lines = [line for line in checked.stderr.splitlines() if line.startswith("draft.yaml:")]
    assert len(lines) == 4
    shown = multimodal("check", "draft.yaml", "--json", folder=folder)
    places = ["subject.system", "columns.sex.ignore", "columns.day.ignore", "columns.weight.unit"]
    assert [todo["where"] for todo in json.loads(shown.stdout)["todo"]] == places


def test_check_says_what_would_not_come_through(folder: Path) -> None:
    done = multimodal("check", "study.yaml", "table.csv", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "3 rows give" in done.stdout
    assert "E201" in done.stdout
    assert multimodal("check", "study.yaml", "nowhere.csv", folder=folder).returncode == 3
    found = json.loads(multimodal("check", "study.yaml", "table.csv", "--json", folder=folder).stdout)
    assert found["problems"][0]["count"] == 2


def test_preview_on_a_terminal_and_as_a_page(folder: Path) -> None:
    done = multimodal("preview", "study.yaml", "table.csv", "--rows", "1", folder=folder)
    assert "Observation: Body weight" in done.stdout
    assert "row 3" not in done.stdout
    assert multimodal("preview", "study.yaml", "table.csv", "--html", "p.html", folder=folder).returncode == 0
    assert (folder / "p.html").read_text().startswith("<!doctype html>")


def test_tests_of_mappings(folder: Path) -> None:
    failed = multimodal("test", folder=folder)
    assert (failed.returncode, "FAIL" in failed.stdout) == (1, True)
    assert multimodal("test", "mappings", "--update", folder=folder).returncode == 0
    passed = multimodal("test", "study", folder=folder)
    assert passed.returncode == 0, passed.stdout
    assert "1 passed, 0 failed" in passed.stdout


@pytest.mark.parametrize("row", ["two", "0", "1,3", "-1"])
def test_a_header_row_that_is_none_is_refused(row: str, folder: Path) -> None:
    done = multimodal("suggest", "table.csv", f"--header-row={row}", folder=folder)
    assert (done.returncode, "--header-row" in done.stderr) == (2, True)
