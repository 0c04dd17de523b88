"""check, preview and the tests of mappings, as workflows."""

from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.bucket import FolderBucket
from multimodal.fhirstore import NdjsonFolder
from multimodal.mapping import ColumnsRefusedError, MappingError
from multimodal.model.errors import ConfigurationError
from multimodal.workflows.check_mapping import UndecidedError, check_mapping
from multimodal.workflows.import_clinical import import_clinical
from multimodal.workflows.mapping_tests import find_studies, run_mapping_tests
from multimodal.workflows.preview_mapping import preview_mapping
from multimodal.workflows.preview_page import preview_page

MAPPING = """fhirmap: 1
id: study
source: {type: csv, dates: ["%d.%m.%Y"]}
subject: {id: pid, system: urn:test:pid}
columns:
  pid: {patient: id}
  sex: {patient: gender, table: {m: male, f: female}}
  day: {helper: date of the values, type: date}
  weight: {observation: 'LNC#29463-7 "Body weight"', type: number, unit: kg, effective: day}
  note: {ignore: free text}
"""
TABLE = "pid;sex;day;weight;note\nA1;m;01.02.2020;80,5;x\nA2;q;02.02.2020;abc;\nA3;q;31.02.2020;61;\n"


@pytest.fixture
def study(tmp_path: Path) -> tuple[Path, Path]:
    mapping, table = tmp_path / "study.yaml", tmp_path / "table.csv"
    mapping.write_text(MAPPING)
    table.write_text(TABLE)
    return mapping, table


def test_every_todo_is_listed_with_its_line(study: tuple[Path, Path]) -> None:
    mapping, _ = study
    mapping.write_text(MAPPING.replace("free text", "'TODO: what?'").replace("unit: kg", "unit: 'TODO: kg or g'"))
    with pytest.raises(UndecidedError) as caught:
        check_mapping(mapping)
    assert [(todo.line, todo.where) for todo in caught.value.todos] == [
        (9, "columns.weight.unit"), (10, "columns.note.ignore")
    ]  # fmt: skip
    assert caught.value.exit_code == 2


def test_an_undecided_mapping_imports_nothing(study: tuple[Path, Path], tmp_path: Path) -> None:
    mapping, table = study
    mapping.write_text(MAPPING.replace("urn:test:pid", "'TODO: which?'"))
    bucket = FolderBucket(tmp_path / "bucket", name="bucket")
    with pytest.raises(UndecidedError, match=r"subject\.system"):
        import_clinical(
            [table], mapping, target=NdjsonFolder(tmp_path / "out"), bucket=bucket, report_dir=None, run_id="r"
        )
    assert list(bucket.list()) == []


def test_a_comment_may_say_todo(study: tuple[Path, Path]) -> None:
    study[0].write_text(MAPPING + "# TODO later\n")
    assert check_mapping(study[0]).verbs == {"patient": 2, "helper": 1, "observation": 1, "ignore": 1}


def test_a_wrong_mapping_is_told_as_ever(study: tuple[Path, Path]) -> None:
    study[0].write_text(MAPPING.replace("unit: kg", "unti: kg"))
    with pytest.raises(MappingError, match="unti"):
        check_mapping(study[0])


def test_cells_that_would_not_come_through_are_counted(study: tuple[Path, Path]) -> None:
    result = check_mapping(*study[:1], [study[1]])
    assert result.rows == 3
    found = {(problem.code, problem.column): (problem.count, problem.rows) for problem in result.problems}
    assert found == {
        ("E201", "sex"): (2, (3, 4)),
        ("E301", "day"): (1, (4,)),
        ("E101", "weight"): (1, (3,)),
    }  # fmt: skip
    assert result.decimals == {"weight": ","}
    assert result.as_json()["resources"]["Observation"] == 2


def test_a_table_without_its_key_is_refused(study: tuple[Path, Path]) -> None:
    study[1].write_text("patient;sex\n1;m\n")
    with pytest.raises(ColumnsRefusedError):
        check_mapping(study[0], [study[1]])


def test_a_preview_puts_each_cell_beside_what_it_becomes(study: tuple[Path, Path]) -> None:
    preview = preview_mapping(study[0], [study[1]], rows=2)
    first, second = preview.rows
    cells = {cell.column: cell for cell in first.cells}
    assert cells["weight"].becomes == ("Observation: Body weight = 80.5 kg (2020-02-01)",)
    assert cells["sex"].becomes == ("Patient.gender = male",)
    assert cells["note"].becomes == ("left out: free text",)
    assert [made.type for made in first.resources] == ["Patient", "Observation"]
    assert {cell.column: cell.issue for cell in second.cells if cell.issue} == {
        "sex": "E201 'q' is not in the column's table",
        "weight": "E101 'abc' is not a number",
    }
    page = preview_page(preview)
    assert page.count("<section>") == 2
    assert "Patient.gender = male" in page


def test_a_preview_shows_what_a_table_holds_as_text(study: tuple[Path, Path]) -> None:
    study[1].write_text(TABLE.replace(";x", ";<script>alert(1)</script>"))
    page = preview_page(preview_mapping(study[0], [study[1]]))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.fixture
def mappings(study: tuple[Path, Path], tmp_path: Path) -> Path:
    given = tmp_path / "tests" / "study" / "input"
    given.mkdir(parents=True)
    (given / "table.csv").write_text(TABLE)
    return tmp_path


def test_a_test_of_a_mapping_is_written_then_held(mappings: Path) -> None:
    (missing,) = run_mapping_tests(mappings)
    assert "write it with --update" in missing.differences[0]
    (updated,) = run_mapping_tests(mappings, update=True)
    assert (updated.differences, updated.rows, updated.resources, updated.issues) == ((), 3, 5, 4)
    (again,) = run_mapping_tests(mappings, ["study"])
    assert again.differences == ()


def test_a_difference_names_resource_and_element(mappings: Path) -> None:
    list(run_mapping_tests(mappings, update=True))
    table = mappings / "tests/study/input/table.csv"
    table.write_text(TABLE.replace("80,5", "81").replace("A2;q", "A2;f"))
    (ended,) = run_mapping_tests(mappings)
    text = "\n".join(ended.differences)
    assert "valueQuantity.value: expected 80.5, made 81" in text
    assert 'gender: expected nothing, made "female"' in text
    assert "errors.csv -3," in text


def test_several_inputs_have_to_give_the_same(mappings: Path) -> None:
    other = mappings / "tests/study/input-other"
    other.mkdir()
    (other / "table.csv").write_text("\n".join([TABLE.splitlines()[0], *reversed(TABLE.splitlines()[1:])]) + "\n")
    list(run_mapping_tests(mappings, update=True))
    assert [(test.study, test.differences) for test in run_mapping_tests(mappings)] == [
        ("study", ()), ("study-other", ())
    ]  # fmt: skip


def test_a_test_that_is_not_there_is_named(mappings: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no test named 'studi'.*did you mean 'study'"):
        find_studies(mappings, ["studi"])
    with pytest.raises(ConfigurationError, match="no folder of mapping tests"):
        find_studies(mappings / "nowhere")


REDCAP = """fhirmap: 1
id: study
source: {type: redcap, dictionary: dictionary.csv}
subject: {id: record_id, system: urn:test:pid}
columns:
  record_id: {patient: id}
  dead: {patient: deceased}
  with: {checkbox: condition, options: {'1': {text: COPD}, '2': {text: Gout}}, missing: {'99': drop}}
  base_complete: {ignore: status}
"""


@pytest.fixture
def project(tmp_path: Path) -> tuple[Path, list[Path]]:
    mapping, dictionary, records = tmp_path / "study.yaml", tmp_path / "dictionary.csv", tmp_path / "records.csv"
    mapping.write_text(REDCAP)
    dictionary.write_text(
        '"Variable / Field Name","Form Name","Field Type","Field Label","Choices, Calculations, OR Slider Labels"\n'
        "record_id,base,text,Record ID,\ndead,base,yesno,Dead,\n"
        'with,base,checkbox,With,"1, COPD | 2, Gout | 99, none"\n'
    )
    records.write_text("record_id,dead,with___1,with___2,with___99,base_complete\n1,0,1,0,0,2\n2,1,0,0,1,2\n")
    return mapping, [dictionary, records]


def test_a_preview_of_checkboxes(project: tuple[Path, list[Path]]) -> None:
    first, second = preview_mapping(*project).rows
    cells = {cell.column: (cell.verb, cell.becomes) for cell in first.cells}
    assert cells["with___1"] == ("checkbox", ("Condition: COPD",))
    assert cells["with___2"] == cells["with___99"] == ("checkbox", ())
    assert cells["dead"] == ("patient", ("Patient.deceased = false",))
    assert "redcap_event_name" not in cells
    assert {cell.column: cell.becomes for cell in second.cells}["dead"] == ("Patient.deceased = true",)
    assert "not in the mapping" not in preview_page(preview_mapping(*project))


def test_a_long_cell_is_cut(study: tuple[Path, Path]) -> None:
    study[1].write_text(TABLE.replace(";x", f";{'x' * 5000}"))
    cell = preview_mapping(study[0], [study[1]]).rows[0].cells[-1]
    assert cell.value == f"{'x' * 200}… (5,000 letters)"
    assert len(preview_page(preview_mapping(study[0], [study[1]]))) < 15_000
