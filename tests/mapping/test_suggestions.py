"""What a person is told to do: nothing that would change the meaning of a cell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mapping.made import mapped

PID = "columns:\n  pid: {patient: id}\n"
SOURCE = "fhirmap: 1\nid: made\nsource: {type: csv, decimal: '%s'}\nsubject: {id: pid, system: urn:made}\n"
DX = "  x: {condition: dx}\ntables: {dx: {map: {C34.3: 'OPS#1', lower lobe: 'OPS#2'}}}\n"


def suggestion(folder: Path, mapping: str, cell: str, decimal: str = ".") -> str:
    _, (issue,) = mapped(folder, PID + mapping, f"pid;x\nA1;{cell}\n", SOURCE % decimal)
    return issue.suggestion


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("C34.9", "correct the cell, or add the value to the table"),
        ("c34.3", "did you mean 'C34.3'? correct the cell, or declare `ignore_case: true`"),
        ("lower  lobe", "did you mean 'lower lobe'? correct the cell, or add the value to the table"),
    ],
)
def test_no_other_diagnosis_is_proposed(tmp_path: Path, cell: str, said: str) -> None:
    assert suggestion(tmp_path, DX, cell) == said


def test_a_table_inside_a_column_is_declared_first(tmp_path: Path) -> None:
    said = suggestion(tmp_path, "  x: {patient: gender, table: {m: male}}\n", "M")
    assert said == "did you mean 'm'? correct the cell, or declare the table under `tables:` with `ignore_case: true`"


@pytest.mark.parametrize(
    ("decimal", "cell", "said"),
    [
        (".", "81,5", 'write 81.5, or declare `decimal: ","` under `source`'),
        (",", "81.5", 'write 81,5, or declare `decimal: "."` under `source`'),
        (".", "<81,5", 'write <81.5, or declare `decimal: ","` under `source`'),
        (".", "10,5-20,5", 'write 10.5-20.5, or declare `decimal: ","` under `source`'),
        (".", "heavy", "correct the cell, or declare the text under `missing`"),
    ],
)
def test_a_number_with_the_other_decimal_sign(tmp_path: Path, decimal: str, cell: str, said: str) -> None:
    assert suggestion(tmp_path, "  x: {observation: 'DCM#1', type: number}\n", cell, decimal) == said


@pytest.mark.parametrize(("cell", "part"), [("2011-02-29", "day"), ("2011-13-01", "month"), ("0000-01-01", "year")])
def test_a_day_that_does_not_exist(tmp_path: Path, cell: str, part: str) -> None:
    assert suggestion(tmp_path, "  x: {observation: 'DCM#1', type: date}\n", cell) == f"correct the {part}"


def test_mass_and_amount_of_substance(tmp_path: Path) -> None:
    text = PID + "  x: {observation: 'DCM#1', unit_column: u, convert_to: g/dL}\n  u: {helper: of x}\n"
    _, issues = mapped(tmp_path, text, "pid,x,u\nA1,8,mmol/L\nA2,8,kg\n")
    assert "that needs the molar mass of what was measured" in issues[0].message
    assert issues[0].suggestion == "declare what such a number is multiplied with: `factor: {mmol/L: ...}`"
    assert issues[1].suggestion == "the units measure different things; correct the unit"
