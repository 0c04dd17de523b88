"""What is published for data managers: the schema, the shipped mappings and their golden tests."""

from __future__ import annotations

from pathlib import Path

import jsonschema_rs
import orjson
import pytest

from multimodal.mapping import load_mapping
from multimodal.mapping.schema import schema
from multimodal.workflows.mapping_tests import run_mapping_tests

MAPPINGS = Path(__file__).parents[2] / "mappings"
STUDIES = sorted(path.name for path in (MAPPINGS / "tests").iterdir() if path.is_dir())


def test_the_published_schema_is_the_one_that_is_used() -> None:
    assert orjson.loads((MAPPINGS / "fhirmap.schema.json").read_bytes()) == schema()
    jsonschema_rs.Draft202012Validator(schema())


@pytest.mark.parametrize("file", sorted(MAPPINGS.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_shipped_mapping_loads(file: Path) -> None:
    mapping = load_mapping(file)
    assert mapping.columns
    assert file.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=./fhirmap.schema.json\n")


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_gives_what_is_expected(study: str) -> None:
    """What `multimodal mapping test` runs: every resource is validated by the model on the way."""
    for ended in run_mapping_tests(MAPPINGS, [study]):
        assert not ended.differences, "\n".join((ended.study, *ended.differences))
        assert ended.resources
