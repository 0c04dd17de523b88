"""Pseudonyms and moved dates: nothing of what identifies a person reaches a resource."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multimodal.mapping import Mapping, run_mapping
from multimodal.model.ids import patient_id
from multimodal.privacy.keys import PrivacyKey, PrivacyKeyError
from multimodal.privacy.pseudonyms import Pseudonyms
from tests.mapping.made import dicts, mapping_of, of_type

KEY = "MULTIMODAL_TEST_KEY"
SECRET = "a key of this test"
HEAD = f"""\
fhirmap: 1
id: made
source: {{type: csv, key: [pid, visit]}}
subject: {{id: pid, system: urn:made}}
privacy: {{id: hmac, key_env: {KEY}, date_shift: {{max_days: 30}}, birth_date: year}}
defaults: {{effective: day}}
"""
TEXT = """\
columns:
  pid: {patient: id}
  visit: {helper: number}
  born: {patient: birthDate}
  dead: {patient: deceased}
  day: {helper: of the visit, type: date}
  weight: {observation: 'LNC#29463-7', type: number, unit: kg}
  seen: {observation: 'DCM#1', type: date}
  dx: {condition: {copd: 'SCT#13645005 "COPD"'}, onset: day}
resources:
  again:
    resourceType: Observation
    code: {text: days since}
    effectiveDateTime: '{{ col("seen") }}'
    valueInteger: '{{ years_between(col("seen"), col("day")) }}'
    $when: col("seen") is not none and col("day") is not none
"""


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hiding")


@pytest.fixture(scope="module")
def mapping(folder: Path) -> Mapping:
    return mapping_of(folder, TEXT, HEAD)


def run_over(folder: Path, mapping: Mapping, *rows: str) -> list[dict[str, object]]:
    (folder / "t.csv").write_text("\n".join(["pid;visit;born;dead;day;weight;seen;dx", *rows]), encoding="utf-8")
    return dicts(run_mapping(mapping, [folder / "t.csv"]))


def test_all_dates_of_a_patient_move_by_the_same_days(folder: Path, mapping: Mapping) -> None:
    row = "PAT-77;1;1950-02-03;2020-05-06;2019-05-06;75;2018-05-06;copd"
    made = run_over(folder, mapping, row, row.replace(";1;", ";2;").replace(";2019-05-06", ";2019-06-06"))
    pseudonyms = Pseudonyms(PrivacyKey(SECRET.encode()), "urn:made")
    days = pseudonyms.shift("PAT-77", 30)

    def moved(date: str) -> str:
        return (dt.date.fromisoformat(date) + dt.timedelta(days=days)).isoformat()

    (patient,) = of_type(made, "Patient")
    assert patient["id"] == patient_id(pseudonyms.system, pseudonyms.patient("PAT-77"))
    assert patient["identifier"] == [{"system": pseudonyms.system, "value": pseudonyms.patient("PAT-77")}]
    assert (patient["birthDate"], patient["deceasedDateTime"]) == (moved("1950-02-03")[:4], moved("2020-05-06"))
    conditions = of_type(made, "Condition")
    assert [one["onsetDateTime"] for one in conditions] == [moved("2019-05-06"), moved("2019-06-06")]
    observations = of_type(made, "Observation")
    assert {one["effectiveDateTime"] for one in observations} == {
        moved("2019-05-06"), moved("2019-06-06"), moved("2018-05-06"),
    }  # fmt: skip
    assert {one["valueDateTime"] for one in observations if "valueDateTime" in one} == {moved("2018-05-06")}
    assert all(one["meta"]["security"][0]["code"] == "PSEUDED" for one in made)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.from_regex(r"[G-Z]{4,8}-[0-9]{2}", fullmatch=True), min_size=1, max_size=5, unique=True))
def test_nothing_of_an_id_is_written(folder: Path, mapping: Mapping, ids: list[str]) -> None:
    run_over(folder, mapping, *(f"{id_};1;1950-02-03;;2019-05-06;75;2018-05-06;copd" for id_ in ids))
    lines = [made.line().decode() for result in run_mapping(mapping, [folder / "t.csv"]) for made in result.resources]
    assert len(lines) == 5 * len(ids)
    assert not [id_ for id_ in ids for line in lines if id_ in line]
    hashed = [patient_id("urn:made", id_) for id_ in ids]  # an unkeyed hash of an id can be undone by trying
    assert not [id_ for id_ in hashed for line in lines if id_ in line]


def test_the_key_has_to_be_there(folder: Path, mapping: Mapping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY)
    with pytest.raises(PrivacyKeyError, match=KEY):
        run_over(folder, mapping, "A;1;;;;75;;")
