"""Columns of a file that are not those of the mapping: one message that says what to do."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from multimodal.mapping import ColumnsRefusedError, run_mapping
from tests.mapping.made import mapping_of, run_of

PID = "columns:\n  pid: {patient: id}\n"
WEIGHT = "  weight: {observation: 'LNC#29463-7 \"Body weight\"', type: number, unit: kg, range: [20, 300]}\n"


@pytest.mark.parametrize("unmapped", ["error", "warn", "ignore"])
def test_a_misspelt_column_is_said_once_with_both_names(tmp_path: Path, unmapped: str) -> None:
    text = PID + "  Smokr: {observation: 'DCM#1'}\n  height_cm: {observation: 'DCM#2'}\n" + f"unmapped: {unmapped}\n"
    said = "the mapping's 'Smokr' is not in the file; the file's 'Smoker' is not in the mapping: did you mean it?"
    table = "pid,Smoker,weight_kg\nA1,x,1\n"
    if unmapped == "error":
        with pytest.raises(ColumnsRefusedError) as caught:
            run_of(tmp_path, text, table)
        assert str(caught.value) == (
            f"made.csv: {said}; the mapping does not name the columns 'weight_kg'; map them, or ignore them with a "
            "reason; the column 'height_cm' of the mapping is missing; "
            "restore the column, or name its earlier header under `was`"
        )
        assert caught.value.columns == ["Smoker", "weight_kg", "Smokr", "height_cm"]
        return
    run = run_of(tmp_path, text, table)
    assert [issue.message for issue in run.issues] == [f"made.csv: {said}", "made.csv has no column 'height_cm'"]
    assert run.coverage.unmapped == ["Smoker", "weight_kg"]
    assert run.notes == (["made.csv: the mapping does not name the columns 'weight_kg'"] if unmapped == "warn" else [])


def test_a_title_above_the_header_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ColumnsRefusedError, match=r"key column pid is missing.*the first row with cells: delete what"):
        run_of(tmp_path, PID + WEIGHT, "Our cohort\n\npid,weight\nA1,1\n")
    with pytest.raises(
        ColumnsRefusedError, match=r"key column pid is missing; the file has: PID; did you mean 'PID'\?$"
    ):
        run_of(tmp_path, PID, "PID\nA1\n")
    book = openpyxl.Workbook()
    for record in (["Our cohort"], ["pid"], ["A1"]):
        book.active.append(record)
    book.save(tmp_path / "made.xlsx")
    head = "fhirmap: 1\nid: made\nsource: {type: xlsx%s}\nsubject: {id: pid, system: u:u}\n"
    for sheets, said in [
        ("", "delete what stands above it, or declare its row: `header_row` under `source.sheets`$"),
        (", sheets: {Sheet: {header_row: 3}}", "that is row 3, as `header_row` says"),
    ]:
        with pytest.raises(ColumnsRefusedError, match=said):
            run_mapping(mapping_of(tmp_path, PID, head % sheets), [tmp_path / "made.xlsx"])
    good = mapping_of(tmp_path, PID, head % ", sheets: {Sheet: {header_row: 2}}")
    assert [len(result.resources) for result in run_mapping(good, [tmp_path / "made.xlsx"])] == [1]
