from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.cli.show import show
from multimodal.model.issues import Issue
from multimodal.model.results import Status, WorkflowResult


def test_counts_warnings_and_the_place_of_the_issues_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    result = WorkflowResult(
        Status.PARTIAL,
        counts={"rows": 1234, "Patient created": 7},
        warnings=["[bold]not markup"],
        issues=[Issue("E201", "m"), *[Issue("E101", "not a number", row=3)] * 1200, Issue("X999", "m")],
    )
    assert show(result, errors_csv=Path("out/errors.csv")) == 0
    text = capsys.readouterr().out
    assert "rows" in text
    assert "1,234" in text
    assert "warning: [bold]not markup" in text
    assert text.endswith(
        "1202 issues; see out/errors.csv\n  1,200 x E101 not-a-number\n  1 x E201 not-in-table\n  1 x X999\n"
    )


def test_nothing_to_do_exits_with_126(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(WorkflowResult(Status.NOTHING)) == 126
    assert "nothing to do" in capsys.readouterr().out


def test_a_dry_run_says_would_be(capsys: pytest.CaptureFixture[str]) -> None:
    counts = {"rows": 3, "Patient created": 1, "Condition updated": 1, "Patient unchanged": 1, "Condition deleted": 1}
    show(WorkflowResult(Status.DONE, counts=counts), dry_run=True)
    shown = [line.rsplit(maxsplit=1)[0].strip() for line in capsys.readouterr().out.splitlines()]
    assert shown == [
        "rows", "Patient would be created", "Condition would be updated", "Patient unchanged",
        "Condition would be deleted",
    ]  # fmt: skip


def test_many_warnings_are_cut_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    show(WorkflowResult(Status.DONE, warnings=[f"w{number}" for number in range(25)]))
    text = capsys.readouterr().out
    assert "w19" in text
    assert "w20" not in text
    assert "5 more warnings" in text
