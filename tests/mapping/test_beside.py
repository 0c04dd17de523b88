"""Remarks and reference ranges from other columns; factors; dates that are counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mapping.made import mapped, of_type, places

PID = "columns:\n  pid: {patient: id}\n"
GLUCOSE = PID + (
    "  x: {observation: 'DCM#1', unit: mmol/L, convert_to: mg/dL, factor: 18.016, low_column: lo, high_column: hi,\n"
    "      note_column: rem}\n"
    "  lo: {helper: limit}\n  hi: {helper: limit}\n  rem: {helper: remark}\n"
)


def test_a_value_with_its_reference_range_and_remark(tmp_path: Path) -> None:
    table = 'pid,x,lo,hi,rem\nA,5,"3,9","6,1",fasting\nB,5,,"6,1",\nC,5,,,\n'
    made, issues = mapped(tmp_path, GLUCOSE, table)
    first, second, third = of_type(made, "Observation")
    assert issues == []
    assert first["valueQuantity"]["value"] == 90.08
    limits = first["referenceRange"][0]
    assert (limits["low"]["value"], limits["high"]["value"], limits["low"]["code"]) == (70.2624, 109.8976, "mg/dL")
    assert first["note"] == [{"text": "fasting"}]
    assert list(second["referenceRange"][0]) == ["high"]
    assert not {"referenceRange", "note"} & set(third)


def test_wrong_limits_cost_only_themselves(tmp_path: Path) -> None:
    made, issues = mapped(tmp_path, GLUCOSE, "pid,x,lo,hi,rem\nA,5,9,6,\nB,5,x,6,\nC,x,1,2,a\n")
    assert places(issues) == [(2, "lo", "9", "E102"), (3, "lo", "x", "E101"), (4, "x", "x", "E101")]
    first, second = of_type(made, "Observation")
    assert "referenceRange" not in first
    assert list(second["referenceRange"][0]) == ["high"]


def test_each_unit_has_its_factor(tmp_path: Path) -> None:
    text = PID + (
        "  x: {observation: 'DCM#1', unit_column: u, convert_to: mg/dL, factor: {mmol/l: 18.016, umol/L: 0.018016}}\n"
        "  u: {helper: unit}\n"
    )
    made, issues = mapped(
        tmp_path, text, "pid,x,u\nA,5,MMOL/L\nB,90,mg/dL\nC,0.9,g/L\nD,5000,µmol/L\nE,5,kg\nF,1-2,mmol/L\n"
    )
    values = [one.get("valueQuantity", {}).get("value") for one in of_type(made, "Observation")]
    assert values == [90.08, 90, 90, 90.08, None]
    assert places(issues) == [(6, "u", "kg", "E402")]


@pytest.mark.parametrize(
    ("effective", "table", "dates"),
    [
        ("{from: d, offset_days: 14}", "pid,x,d,n\nA,1,2012-07-21,\nB,1,,\n", ["2012-08-04", None]),
        ("{from: d, offset_days: -1}", "pid,x,d,n\nA,1,2012-03-01,\n", ["2012-02-29"]),
        ("{from: d, offset_days: n}", "pid,x,d,n\nA,1,2012-07-21,3\nB,1,2012-07-21,\n", ["2012-07-24", None]),
        ("{column: d, format: '%d/%m/%Y'}", "pid,x,d,n\nA,1,3/4/2012,\n", ["2012-04-03"]),
    ],
)
def test_dates_that_are_counted(tmp_path: Path, effective: str, table: str, dates: list[str | None]) -> None:
    text = PID + (
        f"  x: {{observation: 'DCM#1', type: number, effective: {effective}}}\n"
        "  d: {helper: day, type: date}\n  n: {helper: days, type: integer}\n"
    )
    made, issues = mapped(tmp_path, text, table)
    assert issues == []
    assert [one.get("effectiveDateTime") for one in of_type(made, "Observation")] == dates


def test_a_month_has_no_day_to_count_from(tmp_path: Path) -> None:
    text = PID + "  x: {observation: 'DCM#1', effective: {from: d, offset_days: 1}}\n  d: {helper: day, type: date}\n"
    made, issues = mapped(tmp_path, text, "pid,x,d\nA,1,2012-07\n")
    assert places(issues) == [(2, "d", "2012-07", "E301")]
    assert "effectiveDateTime" not in of_type(made, "Observation")[0]
