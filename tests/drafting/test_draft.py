"""A draft is a mapping file that the language reads, and says what is left to decide."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from multimodal.drafting import decided, draft_yaml, open_lines, scalar
from multimodal.mapping import load_mapping, run_mapping
from multimodal.mapping.document import Document
from multimodal.model.errors import ConfigurationError
from multimodal.tables.errors import HeaderError
from multimodal.workflows.check_mapping import find_todos
from multimodal.workflows.suggest_mapping import mapping_id, suggest_mapping

COHORT = """Patienten-ID;Geschlecht;Geburtsdatum;Untersuchungsdatum;Gewicht [kg];Hb [g/dl];Diabetes;Bemerkung;Arm
K-001;m;01.02.1950;03.04.2020;82,5;13,4;ja;kommt mit Frau;A
K-002;w;13.07.1961;05.04.2020;64;12,1;nein;;B
K-003;w;30.11.1948;11.04.2020;71,25;k.A.;nein;;A
K-001;m;01.02.1950;21.09.2020;80;13,9;ja;;A
"""


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    file = tmp_path / "Kohorte Größe.csv"
    file.write_text(COHORT, encoding="utf-8")
    return file


def test_a_draft_reads_and_only_its_todos_are_left(cohort: Path, tmp_path: Path) -> None:
    suggestion = suggest_mapping([cohort])
    file = tmp_path / "draft.yaml"
    file.write_text(suggestion.text, encoding="utf-8")
    assert Document(file).content["id"] == "kohorte-grosse" == mapping_id([cohort])
    assert [todo.where for todo in find_todos(file)] == ["subject.system", "columns.Arm.ignore"]
    assert "# confidence 0.99:" in suggestion.text
    assert "key: [Patienten-ID, Untersuchungsdatum]" in suggestion.text
    assert "kommt mit Frau" not in suggestion.text


def test_a_decided_draft_imports_its_own_table(cohort: Path, tmp_path: Path) -> None:
    text = suggest_mapping([cohort], system="urn:test:pid").text.replace("TODO: say what this column is", "the arm")
    file = tmp_path / "draft.yaml"
    file.write_text(text, encoding="utf-8")
    run = run_mapping(load_mapping(file), [cohort])
    results = list(run)
    assert [issue for result in results for issue in result.issues] == []
    kinds = sorted(made.type for result in results for made in result.resources)
    assert kinds == ["Condition"] * 2 + ["Observation"] * 8 + ["Patient"] * 3
    absent = [made.resource() for result in results for made in result.resources if b"dataAbsentReason" in made.body]
    assert [made["effectiveDateTime"] for made in absent] == ["2020-04-11"]


def test_what_is_decided_can_be_previewed_before_the_rest_is(cohort: Path, tmp_path: Path) -> None:
    draft = decided(suggest_mapping([cohort]).draft)
    file = tmp_path / "draft.yaml"
    file.write_text(draft_yaml(draft, id_="draft", system="urn:test:pid"), encoding="utf-8")
    assert find_todos(file) == []
    assert list(run_mapping(load_mapping(file), [cohort]))


def test_a_workbook_of_two_sheets_gets_two_forms(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    first, second = book.active, book.create_sheet("labs")
    assert first is not None
    first.title = "patients"
    for row in (["patient_id", "sex"], ["1", "m"], ["2", "f"]):
        first.append(row)
    for row in (["patient_id", "crp (mg/L)", "lab_date"], ["1", 3.5, "2020-01-02"], ["1", 4, "2020-02-02"]):
        second.append(row)
    book.create_sheet("empty")
    book.save(tmp_path / "cohort.xlsx")
    text = suggest_mapping([tmp_path / "cohort.xlsx"], system="urn:test:pid").text
    (tmp_path / "draft.yaml").write_text(text, encoding="utf-8")
    mapping = load_mapping(tmp_path / "draft.yaml")
    assert {form.name: form.key for form in mapping.forms} == {
        "patients": ("patient_id",), "labs": ("patient_id", "lab_date")
    }  # fmt: skip
    assert len(list(run_mapping(mapping, [tmp_path / "cohort.xlsx"]))) >= 4


def test_the_only_sheet_with_rows_is_named(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    first = book.active
    assert first is not None
    for row in (["patient_id", "visit_date", "weight (kg)"], ["1", "2020-01-02", 80], ["1", "2020-02-02", 81]):
        first.append(row)
    book.create_sheet("empty")
    book.save(tmp_path / "cohort.xlsx")
    suggestion = suggest_mapping([tmp_path / "cohort.xlsx"], system="urn:test:pid")
    (tmp_path / "draft.yaml").write_text(suggestion.text, encoding="utf-8")
    mapping = load_mapping(tmp_path / "draft.yaml")
    assert mapping.forms[0].key == ("patient_id", "visit_date")
    assert len([r for r in run_mapping(mapping, [tmp_path / "cohort.xlsx"]) if r.resources]) >= 2
    assert any("'empty'" in note for note in suggestion.draft.notes)


def test_a_dictionary_among_the_files_describes_the_others(tmp_path: Path) -> None:
    (tmp_path / "dictionary.csv").write_text(
        '"Variable / Field Name","Form Name","Field Type","Field Label","Choices, Calculations, OR Slider Labels"\n'
        'record_id,base,text,Record ID,\nv1,base,radio,Sex,"1, Male | 2, Female"\nv2,base,text,Weight (kg),\n'
    )
    (tmp_path / "data.csv").write_text("record_id,v1,v2,base_complete\n1,1,80,2\n2,2,61.5,2\n")
    suggestion = suggest_mapping([tmp_path / "dictionary.csv", tmp_path / "data.csv"])
    assert suggestion.dictionary == tmp_path / "dictionary.csv"
    assert {one.column: one.id for one in suggestion.draft.proposals} == {
        "record_id": "patient-id", "v1": "gender", "v2": "weight", "base_complete": "bookkeeping"
    }  # fmt: skip
    assert "type: redcap" in suggestion.text
    assert "dictionary: dictionary.csv" in suggestion.text


def test_an_idc_table_with_its_index(tmp_path: Path) -> None:
    (tmp_path / "clinical_index.csv").write_text(
        "collection_id,table_name,column,column_label,values\n"
        "made_up,project.idc.made_up_clinical,dicom_patient_id,id,[]\n"
        "made_up,project.idc.made_up_clinical,sex,Gender,\"[{'option_code': 'Male'}, {'option_code': 'Female'}]\"\n"
        "made_up,project.idc.made_up_clinical,py,Pack years,[]\n"
    )
    (tmp_path / "made_up_clinical.csv").write_text("dicom_patient_id,case_id,sex,py\nP1,1,Male,20\nP2,2,Female,31\n")
    suggestion = suggest_mapping([tmp_path / "clinical_index.csv", tmp_path / "made_up_clinical.csv"])
    for line in ("type: idc", "dictionary: clinical_index.csv", "collection: made_up", "table: made_up_clinical"):
        assert f"  {line}\n" in suggestion.text
    assert [one.id for one in suggestion.draft.proposals] == ["patient-id", "", "gender", "pack-years"]


@given(st.recursive(st.text(max_size=20), lambda inner: st.dictionaries(st.text(max_size=10), inner, max_size=3)))
def test_whatever_is_written_is_read_back(value: object) -> None:
    assert YAML(typ="safe", pure=True).load(f"x: {scalar(value)}\n")["x"] == value


def titled_workbook(file: Path, title: list[str]) -> Path:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Ambulanz"
    header = ["Patienten-ID", "Visitendatum", "Gewicht [kg]"]
    for row in (title, header, ["A1", "2024-01-02", 80.5], ["A1", "2024-02-02", 81], ["A2", "2024-03-02", 64]):
        sheet.append(row)
    book.save(file)
    return file


def test_a_title_above_the_header_is_left_out(tmp_path: Path) -> None:
    table = titled_workbook(tmp_path / "titled.xlsx", ["Ambulanz, Stand 01.11.2024"])
    suggestion = suggest_mapping([table], system="urn:test:pid")
    assert "  # row 2 names the columns; what stands above is left out\n" in suggestion.text
    assert any("row 2" in note for note in suggestion.draft.notes)
    (tmp_path / "draft.yaml").write_text(suggestion.text, encoding="utf-8")
    mapping = load_mapping(tmp_path / "draft.yaml")
    assert mapping.forms[0].key == ("Patienten-ID", "Visitendatum")
    assert sum(len(result.resources) for result in run_mapping(mapping, [table])) == 5


def test_two_header_rows_are_proposed_together(tmp_path: Path) -> None:
    table = titled_workbook(tmp_path / "two.xlsx", ["Patient", "", "Messung"])
    text = suggest_mapping([table]).text
    assert "  sheets: {Ambulanz: {header_row: [1, 2]}}\n" in text
    assert "Messung Gewicht [kg]" in text
    assert "  sheets: {Ambulanz: {header_row: 2}}\n" in suggest_mapping([table], header_row=(2,)).text


def test_every_todo_is_counted_with_its_line(cohort: Path, tmp_path: Path) -> None:
    file = tmp_path / "draft.yaml"
    file.write_text(suggest_mapping([cohort]).text, encoding="utf-8")
    lines = [todo.line for todo in find_todos(file)]
    assert open_lines(file.read_text(encoding="utf-8")) == lines
    assert f"{len(lines)} TODO left to decide, in lines {lines[0]}, {lines[1]}." in file.read_text(encoding="utf-8")


def test_a_header_row_is_chosen_in_workbooks_only(cohort: Path) -> None:
    with pytest.raises(ConfigurationError, match="in workbooks"):
        suggest_mapping([cohort], header_row=(2,))


def test_a_title_above_a_text_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "titled.csv").write_text("Auszug 2024;;\npid;day;hb\nA1;01.02.2024;13,5\nA2;02.02.2024;12\n")
    with pytest.raises(HeaderError, match="delete the lines above the header"):
        suggest_mapping([tmp_path / "titled.csv"])
