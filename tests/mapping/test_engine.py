"""However rows are mapped (from bytes or as dicts, by one process or two, in any order): the same resources."""

from __future__ import annotations

import csv
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multimodal.mapping import Mapping, MappingRun, load_mapping, run_mapping
from multimodal.mapping.form_run import FormRun
from multimodal.model.errors import DataRefusedError
from multimodal.resources.checks import check_resource
from multimodal.resources.serialised import Serialised, serialised
from multimodal.resources.shapes import validate_fully
from tests.mapping.made import mapping_of

HEAD = """\
fhirmap: 1
id: made
source: {type: csv, key: [pid, visit], missing: {NK: unknown, "-": drop}}
subject: {id: pid, system: urn:made}
defaults: {effective: day}
"""
COLUMNS = """\
tables:
  smoke: {map: {y: 'SCT#77176002 "Smoker"', n: never}, otherwise: text}
columns:
  pid: {patient: id}
  visit: {helper: number}
  sex: {patient: gender, table: {m: male, f: female}}
  born: {patient: birthDate}
  other: {patient: identifier, system: urn:other}
  day: {helper: of the visit, type: date}
  weight: {observation: 'LNC#29463-7 "Body weight"', type: number, unit: kg, range: [20, 300]}
  hb: {observation: 'LNC#718-7 "100 % Häm"', type: number, unit_column: unit, convert_to: g/dL, method: 'OPS#3'}
  unit: {helper: of hb}
  smoking: {observation: 'LNC#72166-2', table: smoke, category: 'OBSCAT#laboratory'}
  text: {observation: 'DCM#1', type: text, when: 'col("visit") is not none'}
  seen: {observation: 'DCM#2', type: date, effective: 2012-07}
  ok: {observation: 'DCM#3', type: boolean, focus: cancer}
  dx: {condition: {copd: 'SCT#13645005 "COPD"'}, onset: day}
resources:
  cancer:
    $when: col("sex") is not none
    resourceType: Condition
    code: {text: cancer}
"""
CELLS = {
    "pid": st.sampled_from(["A1", "A2", "B%b", 'C"ä', ""]),
    "visit": st.sampled_from(["1", "2", "3"]),
    "sex": st.sampled_from(["m", "f", "", "x"]),
    "born": st.sampled_from(["1950", "1950-02", "1950-03-04", "", "x"]),
    "other": st.sampled_from(["7", "8", ""]),
    "day": st.sampled_from(["2012-07-21", "2012-07", "", "NK", "21.07.2012", "x"]),
    "weight": st.sampled_from(["75.5", " 75.5", "75", "<30", "NK", "-", "1000", "60-70", "1e2", ""]),
    "hb": st.sampled_from(["13.5", "135", "<5", "", "NK"]),
    "unit": st.sampled_from(["g/dL", "g/L", "mmol/L", ""]),
    "smoking": st.sampled_from(["y", "n", "sometimes %s", "", "NK"]),
    "text": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=6),
    "seen": st.sampled_from(["2012-07-21", "2011", "", "NK", "x"]),
    "ok": st.sampled_from(["yes", "no", "", "perhaps"]),
    "dx": st.sampled_from(["copd", "", "asthma"]),
}
ROWS = st.lists(st.tuples(*CELLS.values()), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="module")
def mapping(folder: Path) -> Mapping:
    return mapping_of(folder, COLUMNS, HEAD)


def run_over(mapping: Mapping, file: Path, rows: list[tuple[str, ...]], **options: Any) -> MappingRun:
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, delimiter=";", quoting=csv.QUOTE_ALL).writerows([list(CELLS), *rows])
    return run_mapping(mapping, [file], **options)


def all_of(run: MappingRun) -> list[Serialised]:
    return [made for result in run for made in result.resources]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ROWS)
def test_bytes_are_what_the_dicts_give(folder: Path, mapping: Mapping, rows: list[tuple[str, ...]]) -> None:
    filled = run_over(mapping, folder / "a.csv", [*rows, *(("Z1", *row[1:]) for row in rows)])
    plain = run_mapping(mapping, [folder / "a.csv"], validate="every")
    assert list(filled) == list(plain)
    assert filled.values == plain.values
    for made in all_of(filled):
        resource = made.resource()
        assert serialised(resource) == made
        assert check_resource(resource) + validate_fully(resource) == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(
    folder: Path, mapping: Mapping, rows: list[tuple[str, ...]], chance: random.Random
) -> None:
    unique = list({row[:2]: row for row in rows}.values())
    shuffled = list(unique)
    chance.shuffle(shuffled)
    first = all_of(run_over(mapping, folder / "b.csv", unique))
    assert sorted(first) == sorted(all_of(run_over(mapping, folder / "b.csv", shuffled)))
    assert len({made.reference for made in first}) == len(first)


@pytest.mark.parametrize("duplicates", ["error", "first", "last"])
def test_several_processes_give_the_same(folder: Path, mapping: Mapping, duplicates: str) -> None:
    chance = random.Random(7)
    mapping = replace(mapping, duplicate_key=duplicates)
    rows = [
        (
            f"P{chance.randint(0, 900)}", str(chance.randint(0, 1)), chance.choice("mfx"), chance.choice(["", "1950"]),
            "", chance.choice(["2012-07-21", "2012-07", "", "x"]), f"{chance.gauss(75, 30):.1f}", "13",
            chance.choice(["g/dL", "x"]), "perhaps", "%", "", "yes", "",
        )
        for _ in range(1100)
    ]  # fmt: skip
    run = run_over(mapping, folder / "c.csv", rows)
    alone = list(run)
    shared = run_mapping(mapping, [folder / "c.csv"], processes=2)
    assert list(shared) == alone
    assert (shared.values, shared.notes, shared.rows) == (run.values, run.notes, run.rows)
    assert any("not used" in note for note in run.notes) == (duplicates != "error")
    assert any(issue.code == "E501" for result in alone for issue in result.issues) == (duplicates == "error")


def test_rows_and_results_larger_than_what_waits_between_processes(tmp_path: Path) -> None:
    file = tmp_path / "long.csv"
    file.write_text("pid,note\n" + "".join(f"P{n},{'long ' * 2000}\n" for n in range(900)), encoding="utf-8")
    text = "columns:\n  pid: {patient: id}\n  note: {observation: 'DCM#1 \"Note\"', type: text}\n"
    results = run_mapping(mapping_of(tmp_path, text), [file], processes=2)
    assert sum(len(result.resources) for result in results) == 1800


def test_a_run_over_processes_may_be_left(folder: Path, mapping: Mapping) -> None:
    rows = [(f"P{number}", "1", *[""] * 12) for number in range(3000)]
    results = iter(run_over(mapping, folder / "d.csv", rows, processes=2))
    assert next(results).row.number == 2
    results.close()  # type: ignore[attr-defined]


def test_what_fails_in_a_process_fails_here(folder: Path, mapping: Mapping, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = FormRun.process

    def broken(self: FormRun, row: Any) -> Any:
        if row.number == 250:
            raise DataRefusedError("row 250")
        return whole(self, row)

    monkeypatch.setattr(FormRun, "process", broken)
    rows = [(f"A{number}", "1", *[""] * 12) for number in range(400)]
    with pytest.raises(DataRefusedError, match="row 250"):
        list(run_over(mapping, folder / "e.csv", rows, processes=2))


def test_validate_every_sees_each_resource(folder: Path, mapping: Mapping, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def watched(resource: dict[str, Any]) -> list[str]:
        seen.append(resource["id"])
        return validate_fully(resource)

    monkeypatch.setattr("multimodal.mapping.origin.validate_fully", watched)
    rows = [(f"P{number}", "1", "m", "", "", "", "75.5", *[""] * 7) for number in range(3)]
    made = all_of(run_over(mapping, folder / "f.csv", rows, validate="every"))
    assert sorted(seen) == sorted(one.id for one in made)


def test_a_mapping_of_one_row_a_patient_has_the_patient_first(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("pid,sex\nA1,male\nA2,\nA3,male\n", encoding="utf-8")
    text = "columns:\n  pid: {patient: id}\n  sex: {patient: gender}\n"
    results = list(run_mapping(mapping_of(tmp_path, text), [tmp_path / "t.csv"]))
    assert [result.patient for result in results] == [result.resources[0].id for result in results]
    assert load_mapping(tmp_path / "made.yaml").id == "made"
