"""A cell that is a number in its workbook stays one, whatever decimal sign the column's texts have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pytest

from multimodal.mapping import MappingRun, run_mapping
from tests.mapping.made import dicts, mapping_of, of_type, places

HB = "columns:\n  pid: {patient: id}\n  hb: {observation: 'LNC#718-7', type: number, unit: g/dL, range: [2, 25]}\n"


def run_over(folder: Path, source: str, mapping: str, *cells: Any) -> MappingRun:
    book = openpyxl.Workbook()
    book.active.append(["pid", "hb"])
    for number, cell in enumerate(cells, start=1):
        book.active.append([f"A{number}", cell])
    book.save(folder / "made.xlsx")
    head = f"fhirmap: 1\nid: made\nsource: {{type: xlsx{source}}}\nsubject: {{id: pid, system: urn:made}}\n"
    return run_mapping(mapping_of(folder, mapping, head), [folder / "made.xlsx"])


def values_of(run: MappingRun) -> tuple[list[Any], list[Any]]:
    results = list(run)
    made = of_type(dicts(results), "Observation")
    values = [one["valueQuantity"]["value"] if "valueQuantity" in one else one["valueString"] for one in made]
    return values, places([issue for result in results for issue in result.issues])


@pytest.mark.parametrize("source", ["", ', decimal: ","'])
def test_a_text_cell_does_not_cost_the_numbers_of_its_column(tmp_path: Path, source: str) -> None:
    run = run_over(tmp_path, source, HB, 13.1, 12.5, "12,5")
    assert values_of(run) == ([13.1, 12.5, 12.5], [])


def test_text_cells_that_disagree_are_refused_alone(tmp_path: Path) -> None:
    run = run_over(tmp_path, "", HB, 13.1, 12.5, "12,5", "12.5", 12.5, "14")
    assert values_of(run) == ([13.1, 12.5, 12.5, 14], [(4, "hb", "12,5", "E105"), (5, "hb", "12.5", "E105")])


@pytest.mark.parametrize("cells", [("12.345", 12.345), (12.345, "12.345")])
def test_the_same_digits_as_text_and_as_number_are_told_apart(tmp_path: Path, cells: tuple[Any, Any]) -> None:
    mapping = HB.replace(", range: [2, 25]", "")
    values, issues = values_of(run_over(tmp_path, ', decimal: ",", thousands: "."', mapping, *cells))
    assert (sorted(values), issues) == ([12.345, 12345], [])


def test_a_number_is_held_to_range_and_type(tmp_path: Path) -> None:
    assert values_of(run_over(tmp_path, "", HB, 131.5)) == ([], [(2, "hb", "131.5", "E102")])
    whole = HB.replace("type: number", "type: integer")
    assert values_of(run_over(tmp_path, "", whole, 13.5)) == ([], [(2, "hb", "13.5", "E101")])


def test_expressions_read_the_number(tmp_path: Path) -> None:
    mapping = HB.replace("observation: 'LNC#718-7'", "helper: x").replace(", unit: g/dL, range: [2, 25]", "") + (
        "resources:\n  double:\n    resourceType: Observation\n    code: {text: x}\n"
        "    valueQuantity: {value: '{{ col(\"hb\") * 2 }}'}\n"
    )
    assert values_of(run_over(tmp_path, ', decimal: ","', mapping, 12.25, "1,5")) == ([24.5, 3], [])


def test_a_number_in_a_text_column_is_plain_text(tmp_path: Path) -> None:
    run = run_over(tmp_path, "", HB.replace("type: number, unit: g/dL, range: [2, 25]", "type: text"), 12.5)
    assert of_type(dicts(run), "Observation")[0]["valueString"] == "12.5"


def test_a_number_is_found_in_a_table(tmp_path: Path) -> None:
    mapping = HB.replace(
        "type: number, unit: g/dL, range: [2, 25]", "table: {'1.5': 'OPS#1'}, missing: {'9.5': unknown}"
    )
    resources = dicts(run_over(tmp_path, "", mapping, 1.5, 9.5))
    first, second = of_type(resources, "Observation")
    assert first["valueCodeableConcept"]["coding"][0]["code"] == "1"
    assert second["dataAbsentReason"]["coding"][0]["code"] == "unknown"
