"""A group of checkbox columns: each tick is a statement, no tick is one only where the mapping says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.mapping.made import HEAD, mapped, of_type, places

PID = "columns:\n  pid: {patient: id}\n"
HEAD_WITH_MISSING = HEAD.replace("{type: csv}", "{type: csv, missing: {UNK: unknown, NASK: drop}}")


def statements(folder: Path, column: str, table: str) -> tuple[list[dict[str, Any]], list[Any]]:
    made, issues = mapped(
        folder, f"{PID}  day: {{helper: visit, type: date}}\n  x: {column}\n", table, HEAD_WITH_MISSING
    )
    return [one for one in made if one["resourceType"] != "Patient"], issues


@pytest.mark.parametrize(
    ("makes", "type_", "ticked", "not_ticked", "date"),
    [
        ("condition", "Condition", {}, {"verificationStatus": "refuted"}, "recordedDate"),
        ("observation", "Observation", {"valueBoolean": True}, {"valueBoolean": False}, "effectiveDateTime"),
        ("procedure", "Procedure", {"status": "completed"}, {"status": "not-done"}, "performedDateTime"),
        ("medication", "MedicationStatement", {"status": "active"}, {"status": "not-taken"}, "dateAsserted"),
    ],
)
def test_what_a_tick_becomes(
    tmp_path: Path, makes: str, type_: str, ticked: dict[str, Any], not_ticked: dict[str, Any], date: str
) -> None:
    column = f"{{checkbox: {makes}, options: {{'1': 'OPS#1 \"One\"'}}, effective: day%s}}"
    table = "pid,day,x___1\nA,2012-07-21,1\nB,2012-07-21,0\nC,2012-07-21,\n"
    made, issues = statements(tmp_path, column % "", table)
    assert issues == []
    assert [one["resourceType"] for one in made] == [type_]
    assert made[0][date] == "2012-07-21"
    assert {name: made[0].get(name) for name in ticked} == ticked
    both, _ = statements(tmp_path, column % ", unchecked: absent", table)
    assert both[0] == made[0]
    said = {name: both[1][name] for name in not_ticked}
    if makes == "condition":
        said = {name: value["coding"][0]["code"] for name, value in said.items()}
    assert said == not_ticked
    assert len(both) == 2


def test_the_ticked_option_is_the_answer_to_a_question(tmp_path: Path) -> None:
    column = "{checkbox: observation, code: 'DCM#1 \"Symptoms\"', options: {'1': 'OPS#1', '-1': 'OPS#2'}}"
    made, issues = statements(tmp_path, column, "pid,day,x___1,x____1\nA,,1,0\nB,,1,1\n")
    assert issues == []
    assert [one["valueCodeableConcept"]["coding"][0]["code"] for one in made] == ["1", "1", "2"]
    assert {one["code"]["text"] for one in made} == {"Symptoms"}
    assert len({one["id"] for one in made}) == 3


def test_a_missing_option_says_why_there_is_no_answer(tmp_path: Path) -> None:
    column = "{checkbox: observation, code: 'DCM#1', options: {'1': 'OPS#1'}}"
    made, issues = statements(tmp_path, column, "pid,day,x___1,x___unk,x___nask\nA,,0,1,0\nB,,0,0,1\n")
    assert issues == []
    assert [one["dataAbsentReason"]["coding"][0]["code"] for one in made] == ["unknown"]


def test_a_missing_answer_denies_nothing(tmp_path: Path) -> None:
    column = "{checkbox: condition, options: {'1': 'OPS#1'}, unchecked: absent}"
    made, issues = statements(tmp_path, column, "pid,day,x___1,x___unk\nA,,0,1\n")
    assert (made, issues) == ([], [])


def test_a_tick_without_a_concept_is_reported(tmp_path: Path) -> None:
    column = "{checkbox: condition, options: {'1': 'OPS#1'}}"
    made, issues = statements(tmp_path, column, "pid,day,x___1,x___9\nA,,1,1\nB,,0,0\n")
    assert len(made) == 1
    assert places(issues) == [(2, "x___9", "1", "E201")]


def test_what_is_neither_ticked_nor_not_is_reported(tmp_path: Path) -> None:
    column = "{checkbox: condition, options: {'1': 'OPS#1'}}"
    made, issues = statements(tmp_path, column, "pid,day,x___1\nA,,2\nB,,Checked\nC,,Unchecked\n")
    assert len(made) == 1
    assert places(issues) == [(2, "x___1", "2", "E103")]


def test_a_status_of_its_own(tmp_path: Path) -> None:
    column = "{checkbox: medication, options: {'1': 'ATC#N02BA01'}, status: unknown, when: 'col(\"day\") is not none'}"
    made, _ = statements(tmp_path, column, "pid,day,x___1\nA,2012,1\nB,,1\n")
    assert [one["status"] for one in made] == ["unknown"]


def test_the_day_of_a_visit_is_not_the_day_of_an_operation(tmp_path: Path) -> None:
    """Only an `effective` of the column itself says when a Procedure was performed."""
    text = (
        "defaults: {effective: day}\n" + PID + "  day: {helper: visit, type: date}\n"
        "  x: {checkbox: procedure, options: {'1': 'OPS#1'}}\n"
    )
    made, _ = mapped(tmp_path, text, "pid,day,x___1\nA,2012-07-21,1\n")
    assert "performedDateTime" not in of_type(made, "Procedure")[0]
