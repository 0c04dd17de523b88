"""Table -> FHIR -> table: every mapped column comes back, whatever its kind and source."""

from __future__ import annotations

import csv
import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from multimodal.bucket import FolderBucket
from multimodal.fhirstore import FhirServer, NdjsonFolder
from multimodal.fhirstore.views import View
from multimodal.mapping.load import load_mapping
from multimodal.mapping.plan import Mapping
from multimodal.mapping.run import run_mapping
from multimodal.mapping.views import column_views
from multimodal.model.errors import ConfigurationError
from multimodal.transport.session import HttpSession
from multimodal.workflows.import_clinical import import_clinical
from multimodal.workflows.table_views import KeysNeededError, differences, keys_of, table_of

MAPPINGS = Path(__file__).parents[2] / "mappings"
EVERY_KIND = """
fhirmap: 1
id: every-kind
source:
  type: csv
  key: [pid, visit]
  dates: ["%d.%m.%Y", "%m/%Y"]
  missing: {NK: unknown, "-": drop}
subject: {id: pid, system: urn:test:pid}
tables:
  stage: {map: {I: 'OPS#1 "one"', II: 'OPS#2 "two"', 2: 'OPS#2 "two"'}, otherwise: text}
columns:
  pid: {patient: id}
  hospital_id: {patient: identifier, system: urn:test:hospital}
  sex: {patient: gender, table: {m: male, w: female}}
  born: {patient: birthDate}
  died: {patient: deceased}
  visit: {helper: date of values, type: date}
  hb: {observation: 'LNC#718-7 "Hb"', type: number, unit: g/dL, effective: visit}
  weight: {observation: 'LNC#29463-7 "Weight"', type: number, unit: "[lb_av]", convert_to: kg}
  glucose: {observation: 'LNC#2345-7 "Glucose"', type: number, unit: mmol/L, convert_to: mg/dL, factor: 18.016}
  crp: {observation: 'LNC#1988-5 "CRP"', type: number, unit_column: crp_unit, convert_to: mg/L}
  crp_unit: {helper: unit of crp}
  falls: {observation: 'LNC#8302-2 "Falls"', type: integer}
  days: {observation: {text: "Patient's days"}, type: integer, unit: d}
  smoker: {observation: {text: Smoker}, type: boolean}
  seen: {observation: {text: Last seen}, type: date}
  note: {observation: {text: Remark}}
  stage: {observation: 'SCT#399537006 "Stage"', type: code, table: stage}
  stage_again: {observation: 'SCT#399537006 "Stage"', type: code, table: stage}
  copd: {condition: {COPD: 'SCT#13645005 "COPD"', Asthma: 'SCT#195967001 "Asthma"'}, onset: visit}
  age: {into: cancer.onsetAge, type: age, unit: a}
  grade: {into: 'cancer.stage[0].summary', type: code, table: stage}
resources:
  cancer: {resourceType: Condition, code: {text: Cancer}, subject: '{{ subject }}'}
"""
HEADERS = (
    "pid", "hospital_id", "sex", "born", "died", "visit", "hb", "weight", "glucose", "crp", "crp_unit", "falls", "days",
    "smoker", "seen", "note", "stage", "stage_again", "copd", "age", "grade",
)  # fmt: skip
ROWS = [
    ("1", "H-7", "w", "03/1950", "24.12.2020", "1.2.2020", "12,5", "154", "5,5", "<5", "mg/dL", "2", "14", "ja",
     "02.03.2021", "it's \\ fine", "II", "IIIa", "COPD", "70,25", "I"),
    ("1", "H-7", "w", "03/1950", "24.12.2020", "2.2.2020", "10-12,5", "NK", "6", "3,5", "mg/L", "NK", "", "no",
     "2021", "-", "2", "NK", "", "", ""),
    ("2", "", "m", "1960", "no", "3.2.2020", "-1,5", "", ">10", "", "mg/L", "0", ">7", "NK", "NK", " x ", "I", "", "",
     "80", "4"),
]  # fmt: skip


def mapping_of(folder: Path, text: str = EVERY_KIND) -> Mapping:
    path = folder / "mapping.yaml"
    path.write_text(text, encoding="utf-8")
    return load_mapping(path)


def table(folder: Path, rows: Sequence[Sequence[str]] = ROWS, headers: Sequence[str] = HEADERS) -> Path:
    path = folder / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerows([headers, *rows])
    return path


def made(mapping: Mapping, *files: Path) -> list[dict[str, Any]]:
    return [one.resource() for result in run_mapping(mapping, files) for one in result.resources]


def check(mapping: Mapping, *files: Path) -> list[dict[str, Any]]:
    """Assert that nothing differs, in any order of the resources; return them."""
    resources = made(mapping, *files)
    assert list(differences(mapping, files, resources[::-1])) == []
    return resources


def test_every_kind_of_column_comes_back(tmp_path: Path) -> None:
    mapping, file = mapping_of(tmp_path), table(tmp_path)
    resources = check(mapping, file)
    decimals = run_mapping(mapping, [file]).decimals
    rows = table_of(mapping, resources, keys=keys_of(mapping, [file]), decimals=decimals)[""]
    assert rows[0] == {
        "pid": "1", "hospital_id": "H-7", "sex": "w", "born": "03/1950", "died": "24.12.2020", "hb": "12,5",
        "weight": "154", "glucose": "5,5", "crp": "<50", "falls": "2", "days": "14", "smoker": "true",
        "seen": "02.03.2021", "note": "it's \\ fine", "stage": "II", "stage_again": "IIIa", "copd": "COPD",
        "age": "70,25", "grade": "I",
    }  # fmt: skip
    assert (rows[1]["hb"], rows[1]["weight"], rows[1]["note"], rows[1]["seen"]) == ("10-12,5", "NK", "", "2021")
    assert (rows[2]["glucose"], rows[2]["days"], rows[2]["died"], rows[2]["hb"]) == (">10", ">7", "false", "-1,5")


OTHERS = {
    "valueQuantity": {"value": 99},
    "valueString": "other",
    "valueInteger": 99,
    "valueCodeableConcept": {"text": "other"},
    "valueDateTime": "1999",
}


def test_a_changed_resource_is_a_difference(tmp_path: Path) -> None:
    mapping, file = mapping_of(tmp_path), table(tmp_path)
    resources = made(mapping, file)
    seen = set()
    for position, resource in enumerate(resources):
        for element in resource.keys() & OTHERS.keys():
            seen.add(element)
            others = [*resources[:position], {**resource, element: OTHERS[element]}, *resources[position + 1 :]]
            assert len(list(differences(mapping, [file], others))) == 1, resource
    assert seen == set(OTHERS)


def test_a_lost_resource_is_a_difference(tmp_path: Path) -> None:
    mapping, file = mapping_of(tmp_path), table(tmp_path)
    resources = made(mapping, file)
    values = [one for one in resources if any(name.startswith("value") for name in one)]
    for lost in values:
        rest = [one for one in resources if one is not lost]
        (found,) = differences(mapping, [file], rest)
        assert found.back == ""


def test_rows_with_a_key_of_more_than_their_patient_need_their_keys(tmp_path: Path) -> None:
    mapping, file = mapping_of(tmp_path), table(tmp_path)
    with pytest.raises(KeysNeededError, match="keys_of"):
        table_of(mapping, made(mapping, file))


def test_pseudonyms_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = EVERY_KIND.replace("columns:\n", "privacy: {id: hmac, key_env: THE_KEY}\ncolumns:\n", 1)
    for column in ("hospital_id: {", "note: {", "stage: {o", "stage_again: {", "grade: {"):
        opened = f"  {column}".index("{") + 1
        text = text.replace(f"  {column}", f"  {column}"[:opened] + "as_text: true, " + f"  {column}"[opened:])
    with pytest.raises(ConfigurationError, match="hmac"):
        table_of(mapping_of(tmp_path, text), [])


def test_views_are_view_definitions_that_find_their_column(tmp_path: Path) -> None:
    mapping, file = mapping_of(tmp_path), table(tmp_path)
    resources = made(mapping, file)
    views = {view.header: view.definition for view in column_views(mapping, mapping.forms[0])}
    assert set(views) == {*HEADERS} - {"visit", "crp_unit"}
    rows = list(View(views["hb"]).rows(resources))
    assert sorted(row["value"] or row["low"] for row in rows) == [-1.5, 10, 12.5]
    assert {row["effective"] for row in rows} == {"2020-02-01", "2020-02-02", "2020-02-03"}
    assert len({row["patient"] for row in rows}) == 2
    assert [row["value"] for row in View(views["days"]).rows(resources)] == [14, 7]
    assert views["age"]["select"][0]["column"][2]["path"] == "onset.ofType(Age).value"
    assert views["hb"]["name"].isidentifier()


TWO_SHEETS = """
fhirmap: 1
id: two-sheets
source: {type: csv}
subject: {id: pid, system: urn:test:pid}
forms:
  patients: {columns: {sex: {patient: gender, table: {m: male}}, age: {observation: 'LNC#30525-0 "Age"', type: number}}}
  labs: {columns: {hb: {observation: 'LNC#718-7 "Hb"', type: number}}}
"""


def test_a_patient_need_not_have_a_row_in_each_form(tmp_path: Path) -> None:
    mapping = mapping_of(tmp_path, TWO_SHEETS)
    first, second = tmp_path / "patients.csv", tmp_path / "labs.csv"
    first.write_text("pid,sex,age\n1,m,50\n2,m,60\n", encoding="utf-8")
    second.write_text("pid,hb\n2,12.5\n", encoding="utf-8")
    resources = check(mapping, first, second)
    assert table_of(mapping, resources) == {
        "patients": [{"sex": "m", "age": "50", "pid": "1"}, {"sex": "m", "age": "60", "pid": "2"}],
        "labs": [{"hb": "12.5", "pid": "2"}],
    }


@pytest.fixture(params=["folder", "hapi"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NdjsonFolder | FhirServer]:
    if request.param == "folder":
        yield NdjsonFolder(tmp_path / "out")
    else:
        with HttpSession(request.getfixturevalue("hapi")) as session:
            yield FhirServer(session)


def test_the_table_comes_back_from_where_it_was_stored(
    tmp_path: Path, target: NdjsonFolder | FhirServer, bucket: FolderBucket
) -> None:
    id_ = f"views-{uuid.uuid4().hex[:12]}"
    text = EVERY_KIND.replace("id: every-kind", f"id: {id_}").replace("urn:test:", f"urn:{id_}:")
    mapping, file = mapping_of(tmp_path, text), table(tmp_path)
    import_clinical([file], mapping.path, target=target, bucket=bucket, report_dir=None, run_id="r1")
    assert list(differences(mapping, [file], target.of_source(id_))) == []


def test_what_was_withdrawn_does_not_come_back(tmp_path: Path, bucket: FolderBucket) -> None:
    target = NdjsonFolder(tmp_path / "out")
    text = EVERY_KIND.replace("id: every-kind", "id: withdrawn\ndeletes: entered-in-error")
    mapping, file = mapping_of(tmp_path, text), table(tmp_path)
    for run_id, rows in (("r1", ROWS), ("r2", [*ROWS[:2], (*ROWS[2][:6], "", *ROWS[2][7:])])):
        table(tmp_path, rows)
        import_clinical([file], mapping.path, target=target, bucket=bucket, report_dir=None, run_id=run_id)
    assert list(differences(mapping, [file], target.of_source("withdrawn"))) == []


CELL = {
    "hb": st.one_of(
        st.decimals(-1000, 1000, places=3, allow_nan=False).map(lambda number: f"{number}".replace(".", ",")),
        st.sampled_from(["", "NK", "<5", ">= 7,5", "1-2,25"]),
    ),
    "weight": st.one_of(
        st.integers(0, 10_000).map(str), st.decimals(0, 999, places=2).map(lambda n: str(n).replace(".", ","))
    ),
    "glucose": st.decimals(0, 50, places=2).map(lambda number: str(number).replace(".", ",")),
    "crp": st.sampled_from(["", "1", "2,5", "<3", "NK"]),
    "crp_unit": st.sampled_from(["mg/L", "mg/dL", "g/L"]),
    "falls": st.one_of(st.just(""), st.integers(-(10**9), 10**9).map(str)),
    "days": st.integers(0, 10**6).map(str),
    "smoker": st.sampled_from(["ja", "nein", "1", "0", "TRUE", "no", "", "NK"]),
    "seen": st.one_of(
        st.dates(dt.date(1000, 1, 1)).map(lambda day: f"{day.day}.{day.month}.{day.year}"),
        st.sampled_from(["2012", "2012-07", "07/2012", "2012-07-21", "", "NK"]),
    ),
    "note": st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20),
    "stage": st.sampled_from(["I", "II", "2", "IVb", "", "NK", "-"]),
    "stage_again": st.sampled_from(["I", "II", "2", "IVb", "", "NK", "-"]),
    "copd": st.sampled_from(["COPD", "Asthma", "", "NK"]),
    "age": st.one_of(st.just(""), st.decimals(0, 120, places=4).map(lambda number: str(number).replace(".", ","))),
    "grade": st.sampled_from(["I", "II", "x", ""]),
}


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(st.lists(st.fixed_dictionaries(CELL), min_size=1, max_size=6))
def test_any_table_comes_back(tmp_path: Path, cells: list[dict[str, str]]) -> None:
    rows = [
        [*("1", "H-7", "w", "03/1950", "", f"{day}.1.2020"), *(row[header] for header in HEADERS[6:])]
        for day, row in enumerate(cells, start=1)
    ]
    check(mapping_of(tmp_path), table(tmp_path, rows))


CHECKBOXES = """
fhirmap: 1
id: boxes
source: {type: csv, missing: {UNK: unknown}}
subject: {id: pid, system: urn:test:pid}
columns:
  pid: {patient: id}
  disease: {checkbox: condition, options: {"1": 'SCT#13645005 "x"', "-1": 'SCT#73211009 "y"'}, unchecked: absent}
  finding: {checkbox: observation, options: {a: 'OPS#1 "a"', b: 'OPS#2 "b"'}, unchecked: absent}
  chosen: {checkbox: observation, code: 'OPS#9 "chosen"', options: {a: 'OPS#1 "a"', b: 'OPS#2 "b"'}}
  done: {checkbox: procedure, options: {a: 'OPS#3 "x"'}, unchecked: absent}
  taken: {checkbox: medication, options: {a: 'OPS#4 "y"'}}
"""
BOXES = (
    "disease___1",
    "disease____1",
    "finding___a",
    "finding___b",
    "chosen___a",
    "chosen___b",
    "done___a",
    "taken___a",
)


def test_checkboxes_come_back(tmp_path: Path) -> None:
    mapping = mapping_of(tmp_path, CHECKBOXES)
    rows = [("1", *"10101010"), ("2", *"01010101"), ("3", *"00000000"), ("4", *"11111111")]
    file = table(tmp_path, rows, ("pid", *BOXES))
    resources = check(mapping, file)
    assert [tuple(row.values()) for row in table_of(mapping, resources)[""]] == rows


FORMS = """
fhirmap: 1
id: registry
source: {type: redcap, dictionary: dictionary.csv, missing: {UNK: unknown}}
subject: {id: record_id, system: urn:test:record}
forms:
  base:
    columns:
      sex: {patient: gender, table: {"1": male, "2": female}}
      disease: {checkbox: condition, options: {"1": 'SCT#13645005 "COPD"', "2": 'SCT#73211009 "Diabetes"'}}
  labs:
    repeat: true
    columns:
      hb: {observation: 'LNC#718-7 "Hb"', type: number, unit: g/dL}
"""
DICTIONARY = """Variable / Field Name,Form Name,Section Header,Field Type,Field Label,"Choices, Calculations, \
OR Slider Labels"
record_id,base,,text,Record,
sex,base,,radio,Sex,"1, male | 2, female"
disease,base,,checkbox,Disease,"1, COPD | 2, Diabetes"
hb,labs,,text,Hb,
"""
RECORDS = """record_id,redcap_repeat_instrument,redcap_repeat_instance,sex,disease___1,disease___2,base_complete,hb,\
labs_complete
1,,,2,1,0,2,,
1,labs,1,,,,,12.5,2
1,labs,2,,,,,UNK,1
2,,,1,0,1,2,,
2,labs,1,,,,,<7,2
"""


def test_a_redcap_project_comes_back(tmp_path: Path) -> None:
    mapping = mapping_of(tmp_path, FORMS)
    dictionary, records = tmp_path / "dictionary.csv", tmp_path / "records.csv"
    dictionary.write_text(DICTIONARY, encoding="utf-8")
    records.write_text(RECORDS, encoding="utf-8")
    resources = check(mapping, records, dictionary)
    tables = table_of(mapping, resources, keys=keys_of(mapping, [records, dictionary]))
    assert [row["hb"] for row in tables["labs"]] == ["12.5", "UNK", "<7"]
    assert [(row["sex"], row["disease___1"], row["disease___2"]) for row in tables["base"]] == [
        ("2", "1", "0"), ("1", "0", "1"),
    ]  # fmt: skip


INPUTS = sorted(MAPPINGS.glob("tests/*/input*"))


@pytest.mark.parametrize("folder", INPUTS, ids=[f"{folder.parent.name}/{folder.name}" for folder in INPUTS])
def test_shipped_examples_come_back(folder: Path) -> None:
    check(load_mapping(MAPPINGS / f"{folder.parent.name}.yaml"), *sorted(folder.iterdir()))


def test_lung1_comes_back_without_its_keys(public_data: Path) -> None:
    (file,) = (public_data / "nsclc-radiomics-lung1").glob("*.csv")
    mapping = load_mapping(MAPPINGS / "nsclc-radiomics-lung1.yaml")
    resources = check(mapping, file)
    rows = table_of(mapping, resources)[""]
    with file.open(encoding="utf-8-sig", newline="") as stream:
        given = sorted(csv.DictReader(stream), key=lambda row: row["PatientID"])
    assert len(rows) == len(given) == 422
    # Nearly every cell has the very text of the source; where an `into` column is NA, the template's default stands.
    columns = [header for header in rows[0] if header not in ("Histology", "age")]
    assert [[row[header] for header in columns] for row in rows] == [
        [row[header] for header in columns] for row in given
    ]


def test_the_public_odm_snapshot_comes_back(public_data: Path) -> None:
    check(load_mapping(MAPPINGS / "odm-trial.yaml"), public_data / "odm/odm-data-snapshot.xml")


def test_the_public_gecco_records_come_back(public_data: Path) -> None:
    (records,) = (public_data / "gecco").glob("REDCap_Realistic_Data*.csv")
    check(load_mapping(MAPPINGS / "gecco.yaml"), records, public_data / "gecco/datadictionary.csv")
