"""Whatever stands in the cells: no crash, no invalid resource, and every lost value is reported in its place."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multimodal.mapping import load_mapping, run_mapping
from multimodal.resources.checks import check_resource
from multimodal.resources.serialised import serialised
from multimodal.resources.shapes import validate

MAPPINGS = Path(__file__).parents[2] / "mappings"
COLUMNS = {
    "PatientID": ["DEMO-001", "DEMO-002", "DEMO-003"],
    "sex": ["M", "F"],
    "birth_date": ["1.2.1950", "1950-02", ""],
    "diagnosis_date": ["03.04.2020", "2020", ""],
    "age": ["70.5", "", "unknown"],
    "cT": ["cT1", ""],
    "cN": ["cN0", "unknown"],
    "cM": ["cM0"],
    "stage": ["I", "", "IIIB"],
    "hb": ["142", "12.5", "<5"],
    "hb_unit": ["g/L", "g/dL", ""],
    "crp": ["8", "<5", "1-2"],
    "smoking": ["never"],
    "survival_days": ["100"],
    "vital_status": ["dead"],
    "comment": [""],
}
NASTY = st.sampled_from(
    [
        "NaN",
        "-1",
        "1e400",
        "1,5",
        "=1+1",
        "{{ 1 }}",
        "\t",
        " ",
        "\x1f",
        "é",
        "'; DROP",
        "9" * 400,
        "0",
        "None",
        "٣",
    ]
)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@st.composite
def rows(draw: st.DrawFn) -> list[list[str]]:
    good = [st.sampled_from(cells) for cells in COLUMNS.values()]
    cell = [st.one_of(one, one, one, NASTY, TEXT) for one in good]
    return draw(st.lists(st.tuples(*cell).map(list), min_size=1, max_size=4))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any") / "clinical.csv"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows())
def test_any_cells_give_valid_resources_or_issues(table: Path, records: list[list[str]]) -> None:
    with table.open("w", encoding="utf-8", errors="replace", newline="") as file:
        csv.writer(file, delimiter=";").writerows([list(COLUMNS), *records])
    mapping = load_mapping(MAPPINGS / "demo-cohort.yaml")
    results = list(run_mapping(mapping, [table]))
    ids = [made.reference for result in results for made in result.resources]
    assert len(set(ids)) == len(ids)
    for result in results:
        here = {made.reference for made in result.resources}
        for made in result.resources:
            resource = made.resource()
            assert check_resource(resource) + validate(resource) == []
            assert serialised(resource) == made
            text = made.body.decode()
            assert {part.split('"')[0] for part in text.split('"reference":"')[1:]} <= here
        for issue in result.issues:
            assert issue.row == result.row.number
            assert set(issue.column.split(", ")) <= set(COLUMNS)
            assert issue.message
            assert issue.suggestion
        if not result.resources:
            assert result.issues, result.row
