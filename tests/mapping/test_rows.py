"""Level 1 and 2 at work: what a row becomes, and what of it does not come through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pytest

from multimodal.mapping import ColumnsRefusedError, TooManyErrorsError, run_mapping
from multimodal.model.errors import DataRefusedError
from multimodal.model.ids import patient_id, resource_id
from multimodal.resources.checks import check_resource
from multimodal.resources.shapes import validate_fully
from multimodal.tables.errors import EmptyTableError
from tests.mapping.made import HEAD, dicts, mapped, mapping_of, of_type, places, run_of

PID = "columns:\n  pid: {patient: id}\n"
WEIGHT = "  weight: {observation: 'LNC#29463-7 \"Body weight\"', type: number, unit: kg, range: [20, 300]}\n"


def only(resources: list[dict[str, Any]], type_: str = "Observation") -> dict[str, Any]:
    (found,) = of_type(resources, type_)
    return found


def test_a_row_becomes_a_patient_and_its_observations(tmp_path: Path) -> None:
    resources, issues = mapped(tmp_path, PID + WEIGHT, "pid,weight\nA1,75.5\n")
    patient = patient_id("urn:made", "A1")
    assert issues == []
    assert resources[0] == {
        "resourceType": "Patient", "id": patient, "meta": {"source": "urn:multimodal:made"},
        "identifier": [{"system": "urn:made", "value": "A1"}],
    }  # fmt: skip
    assert resources[1] == {
        "resourceType": "Observation",
        "id": resource_id("Observation", "made", "A1", "weight"),
        "meta": {"source": "urn:multimodal:made"},
        "status": "final",
        "code": {
            "coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}],
            "text": "Body weight",
        },
        "subject": {"reference": f"Patient/{patient}"},
        "valueQuantity": {"value": 75.5, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    }


@pytest.mark.parametrize(
    ("spec", "cell", "element", "value"),
    [
        ("type: number", "1.5", "valueQuantity", {"value": 1.5}),
        ("type: number, unit: 1", "x", None, None),
        ("type: integer", "7", "valueInteger", 7),
        ("type: integer", "<7", "valueQuantity", {"value": 7, "comparator": "<"}),
        ("type: number", "10-20", "valueRange", {"low": {"value": 10}, "high": {"value": 20}}),
        ("type: text", "free words", "valueString", "free words"),
        ("type: boolean", "ja", "valueBoolean", True),
        ("type: date", "2012-07", "valueDateTime", "2012-07"),
        ("type: date, format: '%d.%m.%Y'", "21.07.2012", "valueDateTime", "2012-07-21"),
        ("table: {a: low}", "a", "valueCodeableConcept", {"text": "low"}),
    ],
)
def test_each_type_has_its_element(tmp_path: Path, spec: str, cell: str, element: str | None, value: Any) -> None:
    text = PID + f"  x: {{observation: 'DCM#1', {spec.replace('unit: 1', 'unit: kg')}}}\n"
    resources, issues = mapped(tmp_path, text, f"pid,x\nA1,{cell}\n")
    if element is None:
        assert places(issues) == [(2, "x", "x", "E101")]
        return
    observation = only(resources)
    assert observation[element] == value
    assert check_resource(observation) == []
    assert validate_fully(observation) == []


def test_missing_codes_become_a_reason_or_nothing(tmp_path: Path) -> None:
    head = HEAD.replace("{type: csv}", "{type: csv, missing: {NK: unknown, '-': drop}}")
    run = run_of(tmp_path, PID + WEIGHT, "pid,weight\nA1,NK\nA2,-\nA3,\n", head)
    resources = dicts(run)
    observation = only(resources)
    assert observation["dataAbsentReason"]["coding"][0]["code"] == "unknown"
    assert "valueQuantity" not in observation
    assert run.values["weight"]["missing"] == {"NK": 1, "-": 1}


def test_a_bad_cell_drops_only_its_value(tmp_path: Path) -> None:
    text = PID + WEIGHT + "  sex: {patient: gender, table: {m: male}}\n  x: {observation: 'DCM#1', type: integer}\n"
    resources, issues = mapped(tmp_path, text, "pid,weight,sex,x\nA1,heavy,M?,5\n")
    assert places(issues) == [(2, "weight", "heavy", "E101"), (2, "sex", "M?", "E201")]
    assert all(issue.record == "A1" and issue.suggestion for issue in issues)
    assert "gender" not in only(resources, "Patient")
    assert only(resources)["valueInteger"] == 5


def test_units_come_from_a_column_and_are_converted(tmp_path: Path) -> None:
    text = PID + (
        "  hb: {observation: 'LNC#718-7', type: number, unit_column: unit, convert_to: g/dL, range: [2, 25]}\n"
        "  unit: {helper: of hb}\n"
    )
    resources, issues = mapped(
        tmp_path,
        text,
        "pid,hb,unit\nA1,135,g/L\nA2,13.5,g/dl\nA3,131,g/dL\nA4,8,mmol/L\nA5,8,spoons\nA6,,\nA7,13.5,\nA8,13.5,g/L\n",
    )
    assert [made["valueQuantity"]["value"] for made in of_type(resources, "Observation")] == [13.5, 13.5]
    assert places(issues) == [
        (4, "hb", "131", "E102"),
        (5, "unit", "mmol/L", "E402"),
        (6, "unit", "spoons", "E401"),
        (8, "unit", "", "E401"),
        (9, "hb", "13.5", "E102"),
    ]


def test_a_column_with_both_decimal_signs_is_not_guessed(tmp_path: Path) -> None:
    resources, issues = mapped(tmp_path, PID + WEIGHT, "pid;weight\nA1;75,5\nA2;75.5\nA3;80\n")
    assert places(issues) == [(2, "weight", "75,5", "E105"), (3, "weight", "75.5", "E105")]
    assert only(resources)["valueQuantity"]["value"] == 80


def test_a_decimal_comma_is_found_for_the_column(tmp_path: Path) -> None:
    run = run_of(tmp_path, PID + WEIGHT, "pid;weight\nA1;75,5\nA2;80\n")
    values = [made["valueQuantity"]["value"] for made in of_type(dicts(run), "Observation")]
    assert values == [75.5, 80]
    assert run.decimals == {"weight": ","}


def test_keys_ids_and_duplicates(tmp_path: Path) -> None:
    head = "fhirmap: 1\nid: made\nsource: {type: csv}\nsubject: {id: pid, system: u:u, pattern: '^A[0-9]+$'}\n"
    run = run_of(tmp_path, PID + WEIGHT, "pid,weight\nA1,70\nA1,71\nB1,72\n,73\nA\x1f2,74\nA2,75\n", head)
    results = list(run)
    assert places([issue for result in results for issue in result.issues]) == [
        (3, "pid", "A1", "E501"),
        (4, "pid", "B1", "E502"),
        (5, "pid", "", "E504"),
        (6, "pid", "A\x1f2", "E104"),
    ]
    assert [result.row.number for result in results if result.resources] == [2, 7]
    assert run.rows == 6


def test_rows_of_one_patient_must_agree(tmp_path: Path) -> None:
    head = "fhirmap: 1\nid: made\nsource: {type: csv, key: [pid, visit]}\nsubject: {id: pid, system: u:u}\n"
    text = PID + WEIGHT + "  visit: {helper: number}\n  sex: {patient: gender}\n"
    table = "pid,visit,weight,sex\nA1,1,70,male\nA1,2,71,male\nA1,3,72,female\n"
    resources, issues = mapped(tmp_path, text, table, head)
    assert len(of_type(resources, "Patient")) == 1
    assert len({made["id"] for made in of_type(resources, "Observation")}) == 3
    assert [(issue.row, issue.code) for issue in issues] == [(4, "E506")]


def test_conditions_dates_and_conditions_on_rows(tmp_path: Path) -> None:
    text = PID + (
        "  day: {helper: of diagnosis, type: date}\n"
        "  dx: {condition: {copd: 'SCT#13645005 \"COPD\"'}, onset: day}\n"
        "  ecog: {observation: 'LNC#89247-1', type: integer, effective: day, when: 'col(\"dx\") is not none'}\n"
    )
    table = "pid,day,dx,ecog\nA1,2012-07,copd,1\nA2,2012-13,copd,2\nA3,,,3\n"
    resources, issues = mapped(tmp_path, text, table)
    conditions = of_type(resources, "Condition")
    assert [made.get("onsetDateTime") for made in conditions] == ["2012-07", None]
    assert [made.get("effectiveDateTime") for made in of_type(resources, "Observation")] == ["2012-07", None]
    assert places(issues) == [(3, "day", "2012-13", "E301")]
    assert conditions[0]["code"]["coding"][0]["code"] == "13645005"


def test_a_patient_has_all_its_elements(tmp_path: Path) -> None:
    text = PID + (
        "  born: {patient: birthDate, format: '%d.%m.%Y'}\n  dead: {patient: deceased}\n  name: {patient: name}\n"
        "  mrn: {patient: identifier, system: urn:mrn}\n"
    )
    resources, issues = mapped(tmp_path, text, "pid,born,dead,name,mrn\nA1,1.2.1950,yes,Doe,7\nA2,,2012-07,,\n")
    assert issues == []
    first, second = of_type(resources, "Patient")
    assert first["birthDate"] == "1950-02-01"
    assert first["deceasedBoolean"] is True
    assert first["name"] == [{"text": "Doe"}]
    assert first["identifier"][1] == {"system": "urn:mrn", "value": "7"}
    assert second["deceasedDateTime"] == "2012-07"
    assert validate_fully(first) + check_resource(first) == []


TEMPLATE = (
    PID
    + """\
  stage: {helper: of the group}
  t: {observation: 'DCM#1', table: {'1': T1}, member_of: group, focus: cancer}
  hist: {into: cancer.code, table: {a: 'OPS#1 "One"'}}
  age: {into: cancer.onsetAge, type: age, unit: a}
tables:
  stage: {map: {I: '1', II: '2'}}
resources:
  cancer:
    resourceType: Condition
    code: {text: cancer}
    stage: [{assessment: ['{{ ref("group") }}']}]
  group:
    $when: col("stage") is not none
    resourceType: Observation
    code: {text: stage}
    valueString: '{{ "Stage " ~ lookup("stage", col("stage")) }}'
    hasMember: '{{ members("group") }}'
"""
)


def test_templates_refer_to_each_other(tmp_path: Path) -> None:
    resources, issues = mapped(tmp_path, TEMPLATE, "pid,stage,t,hist,age\nA1,I,1,a,70.5\n")
    assert issues == []
    cancer, group, member = resources[1:]
    assert group["id"] == resource_id("Observation", "made", "A1", "group")
    assert cancer["stage"] == [{"assessment": [{"reference": f"Observation/{group['id']}"}]}]
    assert group["hasMember"] == [{"reference": f"Observation/{member['id']}"}]
    assert (group["status"], group["valueString"]) == ("final", "Stage 1")
    assert member["focus"] == [{"reference": f"Condition/{cancer['id']}"}]
    assert cancer["code"]["text"] == "One"
    assert cancer["onsetAge"]["code"] == "a"
    assert cancer["subject"] == {"reference": resources[0]["resourceType"] + "/" + resources[0]["id"]}


def test_a_resource_the_row_does_not_have_is_not_referred_to(tmp_path: Path) -> None:
    run = run_of(tmp_path, TEMPLATE, "pid,stage,t,hist,age\nA1,,1,,\n")
    (result,) = run
    assert result.issues == []
    resources = dicts([result])
    assert "stage" not in only(resources, "Condition")
    assert run.values["resource group"]["reference left out"][""] == 1


def test_an_observation_whose_value_failed_is_left_out_with_all_references(tmp_path: Path) -> None:
    resources, issues = mapped(tmp_path, TEMPLATE, "pid,stage,t,hist,age\nA1,IV,1,b,old\n")
    assert sorted(places(issues)) == [(2, "age", "old", "E101"), (2, "hist", "b", "E201"), (2, "stage", "IV", "E201")]
    cancer = only(resources, "Condition")
    assert "stage" not in cancer
    assert cancer["code"] == {"text": "cancer"}
    assert [made["valueCodeableConcept"] for made in of_type(resources, "Observation")] == [{"text": "T1"}]


def test_an_invalid_resource_is_reported_and_not_sent(tmp_path: Path) -> None:
    text = PID + "resources:\n  x: {resourceType: Observation, code: {text: x}, status: '{{ lower(\"DONE\") }}'}\n"
    resources, issues = mapped(tmp_path, text, "pid\nA1\n")
    assert of_type(resources, "Observation") == []
    assert issues[0].code == "E601"
    assert "status 'done' is none of" in issues[0].message


def test_an_element_that_fhir_does_not_know_is_reported(tmp_path: Path) -> None:
    text = PID + "resources:\n  x: {resourceType: Observation, code: {text: x, colour: red}}\n"
    _, issues = mapped(tmp_path, text, "pid\nA1\n")
    assert [(issue.row, issue.code) for issue in issues] == [(2, "E601")]
    assert "colour" in issues[0].message


@pytest.mark.parametrize(
    ("otherwise", "values", "kind"),
    [("text", [{"text": "z"}], "text"), ("drop", [], "dropped"), ("'OPS#9 \"Other\"'", ["9"], "otherwise")],
)
def test_a_table_says_what_happens_to_other_values(
    tmp_path: Path, otherwise: str, values: list[Any], kind: str
) -> None:
    text = PID + f"  x: {{observation: 'DCM#1', table: t}}\ntables: {{t: {{map: {{a: b}}, otherwise: {otherwise}}}}}\n"
    run = run_of(tmp_path, text, "pid,x\nA1,z\n")
    resources = dicts(run)
    found = [made["valueCodeableConcept"] for made in of_type(resources, "Observation")]
    assert [value["coding"][0]["code"] if "coding" in value else value for value in found] == values
    assert run.values["x"][kind] == {"z": 1}


def test_a_renamed_header_changes_nothing(tmp_path: Path) -> None:
    before, _ = mapped(tmp_path, PID + WEIGHT, "pid,weight\nA1,75.5\n")
    text = PID + WEIGHT.replace("weight:", "Gewicht [kg]:").replace("type:", "was: [weight], type:")
    after, _ = mapped(tmp_path, text, "pid,Gewicht [kg]\nA1,75.5\n")
    old_file, _ = mapped(tmp_path, text, "pid,weight\nA1,75.5\n")
    assert before == after == old_file
    named = PID + WEIGHT.replace("weight:", "W:").replace("type:", "name: weight, type:")
    assert mapped(tmp_path, named, "pid,W\nA1,75.5\n")[0] == before


def test_a_renamed_key_column_changes_nothing(tmp_path: Path) -> None:
    before, _ = mapped(tmp_path, PID + WEIGHT, "pid,weight\nA1,75.5\n")
    text = "columns:\n  patient_no: {patient: id, was: [pid]}\n" + WEIGHT
    assert mapped(tmp_path, text, "patient_no,weight\nA1,75.5\n")[0] == before


@pytest.mark.parametrize("unmapped", ["error", "warn", "ignore"])
def test_an_unknown_column(tmp_path: Path, unmapped: str) -> None:
    text = PID + f"unmapped: {unmapped}\n"
    if unmapped == "error":
        with pytest.raises(ColumnsRefusedError, match="does not name the columns 'x'") as caught:
            run_of(tmp_path, text, "pid,x\nA1,1\n")
        assert caught.value.columns == ["x"]
        assert isinstance(caught.value, DataRefusedError)
        return
    run = run_of(tmp_path, text, "pid,x\nA1,1\n")
    assert run.coverage.unmapped == ["x"]
    assert bool(run.notes) == (unmapped == "warn")


def test_a_column_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ColumnsRefusedError, match="key column pid is missing; the file has: id, weight"):
        run_of(tmp_path, PID + WEIGHT, "id,weight\nA1,1\n")
    with pytest.raises(ColumnsRefusedError, match="'weight' of the mapping is missing"):
        run_of(tmp_path, PID + WEIGHT + "unmapped: error\n", "pid\nA1\n")
    run = run_of(tmp_path, PID + WEIGHT, "pid\nA1\n")
    assert [(issue.code, issue.column) for issue in run.issues] == [("E505", "weight")]
    assert [len(result.resources) for result in run] == [1]


@pytest.mark.parametrize("table", ["", "pid\n", "pid\n\n"])
def test_an_empty_table_is_refused(tmp_path: Path, table: str) -> None:
    with pytest.raises(EmptyTableError):
        run_of(tmp_path, PID, table)


@pytest.mark.parametrize(("limit", "refused"), [("20%", True), ("50%", False), ("0", True), ("1", False)])
def test_too_many_errors_refuse_the_table(tmp_path: Path, limit: str, refused: bool) -> None:
    text = PID + WEIGHT + f"quality: {{max_row_errors: {limit}}}\n"
    table = "pid,weight\nA1,70\nA2,71\nA3,heavy\n"
    if refused:
        with pytest.raises(TooManyErrorsError, match="1 of 3 rows"):
            run_of(tmp_path, text, table)
    else:
        assert len(list(run_of(tmp_path, text, table))) == 3


def test_a_run_can_be_read_again(tmp_path: Path) -> None:
    run = run_of(tmp_path, PID + WEIGHT, "pid,weight\nA1,70\nA2,71\n")
    assert list(run) == list(run)


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    first, _ = mapped(tmp_path, PID + WEIGHT, "pid,weight\nA1,70\nA2,71\n")
    second, _ = mapped(tmp_path, PID + WEIGHT, "weight,pid\n71,A2\n70,A1\n")
    assert sorted(map(str, first)) == sorted(map(str, second))


def test_a_file_of_another_name_is_noted(tmp_path: Path) -> None:
    head = "fhirmap: 1\nid: made\nsource: {type: csv, files: ['cohort_*.csv']}\nsubject: {id: pid, system: u:u}\n"
    assert "is not called as the mapping expects" in run_of(tmp_path, PID, "pid\nA1\n", head).notes[0]


FORMS = """\
forms:
  Patients:
    columns:
      pid: {patient: id}
      sex: {patient: gender}
  Visits:
    key: [pid, visit]
    effective: day
    columns:
      pid: {patient: id}
      visit: {helper: number}
      day: {helper: of the visit, type: date}
      weight: {observation: 'LNC#29463-7', type: number, unit: kg}
"""


def test_sheets_are_forms(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Visits"
    for record in (
        ["pid", "visit", "day", "weight"],
        ["A1", 1, "2012-07-21", 75.5],
        ["A9", 1, None, 80],
        ["A1", 1, None, 9],
    ):
        book.active.append(record)
    patients = book.create_sheet("Patients")
    for record in (["pid", "sex"], ["A1", "male"]):
        patients.append(record)
    book.save(tmp_path / "made.xlsx")
    head = "fhirmap: 1\nid: made\nsource: {type: xlsx}\nsubject: {id: pid, system: u:u}\n"
    results = list(run_mapping(mapping_of(tmp_path, FORMS, head), [tmp_path / "made.xlsx"]))
    resources = dicts(results)
    assert [made.get("gender") for made in of_type(resources, "Patient")] == ["male", None]
    first = of_type(resources, "Observation")[0]
    assert first["effectiveDateTime"] == "2012-07-21"
    assert first["id"] == resource_id("Observation", "made", "Visits", "A1", "1", "weight")
    assert [(i.sheet, i.row, i.code) for result in results for i in result.issues] == [("Visits", 4, "E501")]


def test_into_reaches_below_lists_and_takes_plain_numbers(tmp_path: Path) -> None:
    text = PID + (
        "  summary: {into: 'x.stage[0].summary', table: {I: 'OPS#1 \"One\"'}}\n"
        "  text: {into: 'x.note[1].text'}\n"
        "  count: {into: 'y.component[0].valueInteger', type: integer}\n"
        "resources:\n"
        "  x: {resourceType: Condition, code: {text: x}, note: [{text: first}]}\n"
        "  y: {resourceType: Observation, code: {text: y}, component: [{code: {text: z}}], effectiveDateTime: '2012'}\n"
    )
    resources, issues = mapped(tmp_path, text, "pid,summary,text,count\nA1,I,second,3\nA2,,,4\n")
    assert issues == []
    first, second = of_type(resources, "Condition")
    assert first["stage"][0]["summary"]["text"] == "One"
    assert [note["text"] for note in first["note"]] == ["first", "second"]
    assert second["note"] == [{"text": "first"}]
    assert [made["component"][0]["valueInteger"] for made in of_type(resources, "Observation")] == [3, 4]


def test_categories_methods_profiles_and_fixed_dates(tmp_path: Path) -> None:
    text = PID + (
        "  x:\n    observation: ['DCM#1 \"One\"', 'OPS#2']\n    type: integer\n    category: 'OBSCAT#laboratory'\n"
        "    method: {text: by hand, coding: 'OPS#3'}\n    profile: http://example.org/p\n    effective: 2012-07\n"
    )
    resources, _ = mapped(tmp_path, text, "pid,x\nA1,3\n")
    made = only(resources)
    assert [coding["code"] for coding in made["code"]["coding"]] == ["1", "2"]
    assert made["category"][0]["coding"][0]["code"] == "laboratory"
    assert made["method"] == {
        "coding": [{"system": "http://fhir.de/CodeSystem/bfarm/ops", "code": "3"}],
        "text": "by hand",
    }
    assert made["meta"]["profile"] == ["http://example.org/p"]
    assert made["effectiveDateTime"] == "2012-07"
    assert check_resource(made) + validate_fully(made) == []


def test_an_expression_that_fails_names_its_columns(tmp_path: Path) -> None:
    text = PID + (
        "  a: {helper: a text}\nresources:\n  x: {resourceType: Observation, code: {text: x}, "
        "valueInteger: '{{ col(\"a\") + 1 }}'}\n"
    )
    resources, issues = mapped(tmp_path, text, "pid,a\nA1,z\n")
    assert [(issue.row, issue.column, issue.value) for issue in issues] == [(2, "a", "z")]
    assert of_type(resources, "Observation") == []
