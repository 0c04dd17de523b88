"""Translation tables of a mapping as ConceptMaps."""

from __future__ import annotations

from pathlib import Path

import orjson

from multimodal.resources.checks import check_resource
from multimodal.terminology.concept_maps import read_concept_map
from multimodal.workflows.export_tables import export_tables

MAPPINGS = Path(__file__).parents[2] / "mappings"


def test_every_table_becomes_a_concept_map(tmp_path: Path) -> None:
    files = export_tables(MAPPINGS / "demo-cohort.yaml", tmp_path / "maps")
    names = {file.stem for file in files}
    assert names == {"t", "n", "m", "stage", "smoking", "sex", "vital_status"}
    for file in files:
        resource = orjson.loads(file.read_bytes())
        assert resource["resourceType"] == "ConceptMap"
        assert check_resource(resource) == []
    smoking = read_concept_map(tmp_path / "maps" / "smoking.json")
    assert smoking.entries["never"].text == "266919005"


def test_the_same_mapping_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (export_tables(MAPPINGS / "demo-cohort.yaml", tmp_path / name) for name in "ab")
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


def test_names_that_are_no_file_names(tmp_path: Path) -> None:
    mapping = tmp_path / "m.yaml"
    mapping.write_text(
        "fhirmap: 1\nid: study\nsource: {type: csv}\nsubject: {id: pid, system: urn:test:pid}\ncolumns:\n"
        "  pid: {patient: id}\n"
        "  a/b: {observation: {text: x}, table: {q: Q}}\n"
        "  a b: {observation: {text: y}, table: {q: Q}}\n"
    )
    assert [file.name for file in export_tables(mapping, tmp_path / "out")] == ["a-b.json", "a-b-2.json"]
