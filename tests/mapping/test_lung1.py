"""TCIA NSCLC-Radiomics (Lung1): the real table, and copies of it with seeded defects."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from multimodal.mapping import Mapping, load_mapping, run_mapping
from multimodal.model.issues import Issue
from multimodal.resources.checks import check_resource
from multimodal.resources.shapes import validate_fully
from tests.mapping.made import dicts

MAPPING = Path(__file__).parents[2] / "mappings/nsclc-radiomics-lung1.yaml"


@pytest.fixture(scope="module")
def table(public_data: Path) -> Path:
    (file,) = (public_data / "nsclc-radiomics-lung1").glob("*.csv")
    return file


@pytest.fixture(scope="module")
def mapping() -> Mapping:
    return load_mapping(MAPPING)


def resources_of(mapping: Mapping, table: Path) -> tuple[list[dict[str, Any]], list[Issue]]:
    results = list(run_mapping(mapping, [table]))
    return dicts(results), [i for result in results for i in result.issues]


def test_lung1_becomes_valid_fhir(mapping: Mapping, table: Path) -> None:
    run = run_mapping(mapping, [table])
    results = list(run)
    resources = dicts(results)
    assert Counter(made["resourceType"] for made in resources) == {
        "Patient": 422,
        "Condition": 422,
        "Observation": 2531,
    }
    assert [issue for result in results for issue in result.issues] == []
    assert len({(made["resourceType"], made["id"]) for made in resources}) == len(resources)
    assert [problem for made in resources for problem in check_resource(made) + validate_fully(made)] == []
    assert run.coverage.unmapped == run.coverage.missing == run.notes == run.issues == []
    assert len(run.coverage.mapped) + len(run.coverage.helpers) == 10
    # What the owner of the data has to confirm is counted.
    assert run.values["clinical.T.Stage"]["inexact"] == {"5": 2}
    assert run.values["Clinical.N.Stage"]["inexact"] == {"4": 3}
    assert run.values["Clinical.M.Stage"]["text"] == {"3": 4}


def test_every_reference_leads_to_a_resource_of_its_row(mapping: Mapping, table: Path) -> None:
    for result in run_mapping(mapping, [table]):
        known = {made.reference for made in result.resources}
        text = b"".join(made.body for made in result.resources).decode()
        assert {part.split('"')[0] for part in text.split('"reference":"')[1:]} <= known


def test_a_second_run_is_identical_to_the_byte(table: Path) -> None:
    first, second = (orjson.dumps(resources_of(load_mapping(MAPPING), table)[0]) for _ in range(2))
    assert first == second


def test_a_renamed_header_with_was_changes_nothing(tmp_path: Path, mapping: Mapping, table: Path) -> None:
    folder = tmp_path / "mappings"
    shutil.copytree(MAPPING.parent / "tables", folder / "tables")
    text = MAPPING.read_text(encoding="utf-8")
    renamed = text.replace("  Clinical.N.Stage:\n", "  N stage:\n    was: [Clinical.N.Stage]\n")
    assert renamed != text
    (folder / "lung1.yaml").write_text(renamed, encoding="utf-8")
    copy = tmp_path / table.name
    copy.write_bytes(table.read_bytes().replace(b"Clinical.N.Stage", b"N stage", 1))
    again = load_mapping(folder / "lung1.yaml")
    assert resources_of(again, copy)[0] == resources_of(again, table)[0] == resources_of(mapping, table)[0]


def write_changed(table: Path, copy: Path, changes: dict[int, list[str]]) -> None:
    """Write a copy in which the rows of these spreadsheet numbers are others."""
    with table.open(encoding="utf-8", newline="") as file:
        records = list(csv.reader(file))
    for number, cells in changes.items():
        records[number - 1] = cells
    with copy.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(records)


def test_six_seeded_defects_are_all_found_in_their_place(tmp_path: Path, mapping: Mapping, table: Path) -> None:
    clean, _ = resources_of(mapping, table)
    with table.open(encoding="utf-8", newline="") as file:
        records = list(csv.reader(file))
    column = {name: position for position, name in enumerate(records[0])}

    def changed(number: int, **cells: str) -> list[str]:
        record = list(records[number - 1])
        for name, text in cells.items():
            record[column[name.replace("__", ".")]] = text
        return record

    copy = tmp_path / table.name
    write_changed(
        table,
        copy,
        {
            10: records[9][:6],
            20: changed(20, gender="Male"),
            30: changed(30, Histology="SCC"),
            40: changed(40, PatientID="LUNG1-001"),
            50: changed(50, PatientID="LUNG2-011"),
            60: changed(60, Survival__time="n/a"),
        },
    )
    resources, issues = resources_of(mapping, copy)
    assert [(i.row, i.column, i.value, i.code) for i in issues] == [
        (10, "Histology", ",".join(records[9][:6]), "E503"),
        (20, "gender", "Male", "E201"),
        (30, "Histology", "SCC", "E201"),
        (40, "PatientID", "LUNG1-001", "E501"),
        (50, "PatientID", "LUNG2-011", "E502"),
        (60, "Survival.time", "n/a", "E101"),
    ]
    assert issues[1].suggestion.startswith("did you mean 'male'?")
    assert issues[2].suggestion == "correct the cell, or add the value to the table"
    # Two rows are gone (40, 50), four cells were cut off in row 10 (of which one was an element), one in row 60.
    counts = Counter(made["resourceType"] for made in resources)
    lost = Counter(made["resourceType"] for made in clean)
    lost.subtract(counts)
    assert lost["Patient"] == lost["Condition"] == 2
    per_row = {40: 6, 50: 6, 10: 2, 60: 1}
    assert lost["Observation"] == sum(per_row.values()) - _dataabsent(resources, clean)
    assert [problem for made in resources for problem in check_resource(made)] == []


def _dataabsent(resources: list[dict[str, Any]], clean: list[dict[str, Any]]) -> int:
    """Return how many Observations say now that their value is unknown, which before had one."""
    before = {made["id"]: made for made in clean}
    return sum(
        "dataAbsentReason" in made and "dataAbsentReason" not in before[made["id"]]
        for made in resources
        if made["id"] in before
    )
