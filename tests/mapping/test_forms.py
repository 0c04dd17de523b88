"""Forms of one source: which rows are used, what several rows are together, and that nothing is left out in silence."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from multimodal.mapping import (
    ColumnsRefusedError,
    Mapping,
    MappingRun,
    RowResult,
    TooManyErrorsError,
    load_mapping,
    run_mapping,
)
from multimodal.mapping.rows_used import RowsUsed
from multimodal.model.ids import patient_id, resource_id
from multimodal.tables.errors import EmptyTableError
from multimodal.tables.rows import Row
from tests.mapping.made import dicts, of_type, places

MAPPING = """\
fhirmap: 1
id: made
source: {type: redcap, dictionary: dictionary.csv%s}
subject: {id: record_id, system: urn:made}
%s
forms:
  basic:
    columns:
      sex: {patient: gender, table: {"1": male, "2": female}}
      ill: {checkbox: condition, options: {"1": 'SCT#13645005 "COPD"', "-1": {text: other}}}
  labs:
    encounter: true
    effective: day
    columns:
      day: {helper: date of sampling, type: date}
      hb: {observation: 'LNC#718-7', type: number, unit: g/dL}
      died: {patient: deceased}
"""
DICTIONARY = """\
Variable / Field Name,Form Name,Section Header,Field Type,Field Label,"Choices, Calculations, OR Slider Labels"
record_id,basic,,text,Record,
sex,basic,,radio,Sex,"1, male | 2, female"
ill,basic,,checkbox,Illness,"1, COPD | -1, other"
day,labs,,text,Day,
hb,labs,,text,Hb,
died,labs,,yesno,Died,
mood,other,,text,Mood,
"""
HEADER = (
    "record_id,redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance,sex,ill___1,ill____1,basic_complete,"
    "day,hb,died,labs_complete,mood,other_complete"
)
RECORDS = [
    "R1,first,,,1,1,0,2,2024-01-02,13.5,,2,good,2",
    "R1,second,,,,0,0,,2024-02-03,12.5,1,1,,",
    "R1,second,labs,1,,,,,2024-02-04,11.5,,0,,",
    "R2,first,,,2,0,1,2,2024-01-05,,0,,,",
]


def mapping_of(folder: Path, source: str = "", more: str = "", text: str = MAPPING) -> Mapping:
    (folder / "made.yaml").write_text(text % (source, more), encoding="utf-8")
    return load_mapping(folder / "made.yaml")


def run_over(folder: Path, mapping: Mapping, records: list[str], **options: Any) -> MappingRun:
    (folder / "dictionary.csv").write_text(DICTIONARY, encoding="utf-8")
    (folder / "records.csv").write_text("\n".join([HEADER, *records]) + "\n", encoding="utf-8")
    return run_mapping(mapping, [folder / "records.csv", folder / "dictionary.csv"], **options)


def test_forms_of_a_project_are_united(tmp_path: Path) -> None:
    run = run_over(tmp_path, mapping_of(tmp_path), RECORDS)
    results = list(run)
    made = dicts(results)
    assert places([issue for result in results for issue in result.issues]) == []
    patients = {one["id"]: one for one in of_type(made, "Patient")}
    first, second = (patients[patient_id("urn:made", record)] for record in ("R1", "R2"))
    assert (first["gender"], first["deceasedBoolean"]) == ("male", True)
    assert (second["gender"], second["deceasedBoolean"]) == ("female", False)
    assert [one["code"]["text"] for one in of_type(made, "Condition")] == ["COPD", "other"]
    visits = {one["id"]: one for one in of_type(made, "Encounter")}
    periods = sorted((one["period"]["start"], one["period"]["end"]) for one in visits.values())
    assert periods == [("2024-01-02", "2024-01-02"), ("2024-01-05", "2024-01-05"), ("2024-02-03", "2024-02-04")]
    observations = of_type(made, "Observation")
    assert {one["encounter"]["reference"].split("/")[1] for one in observations} <= set(visits)
    assert [one["status"] for one in observations] == ["final", "preliminary", "preliminary"]
    assert {result.patient for result in results} == set(patients)
    # What the mapping does not name is told, and the dictionary was not taken for a table.
    assert run.coverage.forms == ["other"]
    assert any("forms 'other'" in note for note in run.notes)
    assert set(run.dictionaries) == {"basic", "labs"}
    assert set(run.coverage.mapped) == {"record_id", "sex", "ill___1", "ill____1", "hb", "died"}


def test_ids_are_those_of_the_source(tmp_path: Path) -> None:
    made = dicts(run_over(tmp_path, mapping_of(tmp_path), RECORDS[:1]))
    (one,) = of_type(made, "Observation")
    assert one["id"] == resource_id("Observation", "made", "labs", "R1", "first", "", "", "hb")


def test_shuffled_records_give_the_same(tmp_path: Path) -> None:
    mapping = mapping_of(tmp_path)
    records = [*RECORDS, "R1,third,,,2,,,2,,,0,2,,"]  # R1 is female now, and lives
    runs: list[list[RowResult]] = []
    for seed in range(4):
        random.Random(seed).shuffle(records)
        runs.append(list(run_over(tmp_path, mapping, records)))
    assert len({tuple(sorted(one for result in run for one in result.resources)) for run in runs}) == 1
    for run in runs:
        assert {issue.code for result in run for issue in result.issues} == {"E506"}


@pytest.mark.parametrize(
    ("form", "observations", "told"),
    [
        ("events: [first]", 1, "labs: 2 rows not used: of other events than first"),
        ("repeat: true", 1, "labs: 3 rows not used: not repeated"),
        ("repeat: false", 2, "labs: 1 row not used: repeated"),
    ],
)
def test_rows_that_a_form_leaves_out_are_counted(tmp_path: Path, form: str, observations: int, told: str) -> None:
    text = MAPPING.replace("    encounter: true\n", f"    encounter: true\n    {form}\n")
    run = run_over(tmp_path, mapping_of(tmp_path, text=text), RECORDS)
    made = dicts(run)
    assert len(of_type(made, "Observation")) == observations
    assert any(note.startswith(told) for note in run.notes)
    assert [note for note in run.notes if "not used" in note] == [run.notes[-1]]


@pytest.mark.parametrize(("wanted", "statuses"), [("complete", ["final"]), ("any", ["final"] + 2 * ["preliminary"])])
def test_form_status(tmp_path: Path, wanted: str, statuses: list[str]) -> None:
    run = run_over(tmp_path, mapping_of(tmp_path, f", form_status: {wanted}"), RECORDS)
    assert [one["status"] for one in of_type(dicts(run), "Observation")] == statuses
    assert any("form_status: complete" in note for note in run.notes) == (wanted == "complete")


def test_a_removed_row_makes_nothing_and_is_told(tmp_path: Path) -> None:
    mapping = mapping_of(tmp_path)
    used = RowsUsed(mapping, mapping.forms[0])
    assert used.why_not(Row(2, {}, removed=True)) == "marked as removed in the source"
    assert used.why_not(Row(2, {})) == ""


def test_an_unknown_form_may_refuse_the_input(tmp_path: Path) -> None:
    with pytest.raises(ColumnsRefusedError, match="'other' is none of the mapping's forms: basic, labs"):
        run_over(tmp_path, mapping_of(tmp_path, more="unmapped: error"), RECORDS)


def test_the_dictionary_alone_is_no_input(tmp_path: Path) -> None:
    mapping = mapping_of(tmp_path)
    (tmp_path / "dictionary.csv").write_text(DICTIONARY, encoding="utf-8")
    with pytest.raises(EmptyTableError, match="is the dictionary; give the table"):
        run_mapping(mapping, [tmp_path / "dictionary.csv"])


TABLE = """\
fhirmap: 1
id: made
source: {type: csv%s}
subject: {id: pid, system: urn:made}
%s
columns:
  pid: {patient: id}
  weight: {observation: 'LNC#29463-7', type: number, unit: kg}
"""


def csv_run(folder: Path, mapping: Mapping, *rows: str) -> MappingRun:
    (folder / "t.csv").write_text("\n".join(["pid;weight", *rows]) + "\n", encoding="utf-8")
    return run_mapping(mapping, [folder / "t.csv"])


@pytest.mark.parametrize(
    ("rule", "value", "told"), [("first", 70, "an earlier row has"), ("last", 72, "a later row has")]
)
def test_which_of_two_rows_with_one_key_is_used(tmp_path: Path, rule: str, value: int, told: str) -> None:
    mapping = mapping_of(tmp_path, f", duplicate_key: {rule}", text=TABLE)
    run = csv_run(tmp_path, mapping, "A1;70", "A2;80", "A1;71", "A1;72")
    values = {one["subject"]["reference"]: one["valueQuantity"]["value"] for one in of_type(dicts(run), "Observation")}
    assert values == {f"Patient/{patient_id('urn:made', 'A1')}": value, f"Patient/{patient_id('urn:made', 'A2')}": 80}
    assert run.notes == [f"2 rows not used: of a key that {told} (`duplicate_key: {rule}`)"]
    assert (run.rows, len(list(run))) == (4, 2)


def test_a_wrong_cell_may_cost_its_row_or_the_import(tmp_path: Path) -> None:
    mapping = mapping_of(tmp_path, text=TABLE)
    rows = ("A1;70", "A2;heavy")
    results = list(csv_run(tmp_path, replace(mapping, on_error="quarantine-row"), *rows))
    assert [len(result.resources) for result in results] == [2, 0]
    assert places(results[1].issues) == [(3, "weight", "heavy", "E101")]
    with pytest.raises(TooManyErrorsError):
        csv_run(tmp_path, replace(mapping, on_error="abort"), *rows)
    assert len(list(csv_run(tmp_path, replace(mapping, on_error="abort"), "A1;70"))) == 1


def test_a_key_in_two_files_is_found(tmp_path: Path) -> None:
    mapping = mapping_of(tmp_path, text=TABLE)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("pid;weight\nA1;70\n", encoding="utf-8")
    results = list(run_mapping(mapping, [tmp_path / "a.csv", tmp_path / "b.csv"]))
    (issue,) = results[1].issues
    assert (issue.code, issue.sheet, issue.message) == (
        "E501", "b.csv", "row 2 of a.csv has the same key; this row was not used"
    )  # fmt: skip


def test_patients_of_rows_without_elements_come_once(tmp_path: Path) -> None:
    mapping = mapping_of(tmp_path, ", key: [pid, weight]", text=TABLE)
    made = dicts(csv_run(tmp_path, mapping, "A1;70", "A1;71", "A2;70"))
    assert [one["resourceType"] for one in made] == ["Patient", "Observation", "Observation", "Patient", "Observation"]


def test_sheets_of_two_workbooks_are_told_apart(tmp_path: Path) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        book = openpyxl.Workbook()
        book.active.append(["pid", "weight"])
        book.active.append([name, "heavy"])
        book.save(tmp_path / name)
    mapping = mapping_of(tmp_path, text=TABLE.replace("type: csv", "type: xlsx"))
    results = list(run_mapping(mapping, [tmp_path / "a.xlsx", tmp_path / "b.xlsx"]))
    assert [result.issues[0].sheet for result in results] == ["a.xlsx:Sheet", "b.xlsx:Sheet"]


def test_the_exact_date_of_birth_is_used_and_no_conflict(tmp_path: Path) -> None:
    text = TABLE.replace("columns:\n", "columns:\n  born: {patient: birthDate}\n")
    mapping = mapping_of(tmp_path, ", key: [pid, weight]", text=text)
    for rows in (["A1;70;1950", "A1;71;1950-02-03"], ["A1;71;1950-02-03", "A1;70;1950"]):
        (tmp_path / "t.csv").write_text("\n".join(["pid;weight;born", *rows]), encoding="utf-8")
        results = list(run_mapping(mapping, [tmp_path / "t.csv"]))
        assert [issue for result in results for issue in result.issues] == []
        assert of_type(dicts(results), "Patient")[0]["birthDate"] == "1950-02-03"
