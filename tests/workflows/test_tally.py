from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.mapping import load_mapping
from multimodal.tables.rows import Row
from multimodal.workflows.tally import Tally, date_format

MAPPING = """\
fhirmap: 1
id: tally
source: {type: csv, key: [pid]}
subject: {id: pid, system: "urn:tally"}
columns:
  pid: {patient: id}
  birth: {patient: birthDate, missing: {unknown: unknown}}
  sex: {patient: gender, table: {f: female}}
  visit: {helper: when, was: [old visit]}
  hb: {observation: 'LNC#718-7', type: number, unit_column: unit, effective: visit}
  unit: {helper: unit of hb}
"""


def tally(folder: Path) -> Tally:
    (folder / "m.yaml").write_text(MAPPING)
    return Tally(load_mapping(folder / "m.yaml"))


def test_units_formats_and_translated_cells_are_counted(tmp_path: Path) -> None:
    counts = tally(tmp_path)
    for number, (birth, sex, visit, unit) in enumerate(
        [("1950-01-02", "f", "3.4.2020", "g/dL"), ("unknown", "", "03.04.2020", "g/dL"), ("1950", "x", "", "g/l")]
    ):
        counts.row(Row(number, {"pid": "P", "birth": birth, "sex": sex, "old visit": visit, "unit": unit}))
    counts.row(Row(5, {}, usable=False))
    assert counts.units == {"unit": {"g/dL": 2, "g/l": 1}}
    assert counts.dates == {"birth": {"YYYY-MM-DD": 1, "YYYY": 1}, "old visit": {"D.M.YYYY": 1, "DD.MM.YYYY": 1}}
    assert counts.dates == counts.dates, "may be asked again"
    assert counts.filled == {"sex": 2}


def test_a_column_of_all_different_texts_does_not_fill_the_memory(tmp_path: Path) -> None:
    counts = tally(tmp_path)
    for number in range(50_000):
        counts.row(Row(number, {"birth": f"19{number:05}-01-01", "unit": str(number)}))
    assert counts.dates == {"birth": {"9999999-99-99": 50_000}}
    assert sum(counts.units["unit"].values()) == 50_000
    assert len(counts.units["unit"]) <= 21


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("2020-01-02", "YYYY-MM-DD"),
        (" 2020-01 ", "YYYY-MM"),
        ("1.12.2020", "D.M.YYYY"),
        ("12/31/2020", "NN/NN/YYYY"),
        ("2020-01-02T10:11:12", "YYYY-MM-DD and a time"),
        ("2020-01-02 10:11", "YYYY-MM-DD and a time"),
        ("3 March 2020", "9 a 9999"),
        ("20200102", "YYYYMMDD"),
    ],
)
def test_formats_are_named_as_people_name_them(text: str, shape: str) -> None:
    assert date_format(text) == shape
