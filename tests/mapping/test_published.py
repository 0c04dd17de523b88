"""What is published for data managers: the schema, the shipped mappings and their golden tests."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema_rs
import orjson
import pytest

from multimodal.mapping import load_mapping, run_mapping
from multimodal.mapping.schema import schema
from multimodal.model.issue_codes import IssueCode
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


def test_the_example_of_the_readme_runs(tmp_path: Path) -> None:
    text = (MAPPINGS / "README.md").read_text(encoding="utf-8")
    (tmp_path / "my-study.yaml").write_text(text.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    table = tmp_path / "my-table.csv"
    table.write_text(
        "PatientID;sex;born;visit;weight;hb;hb_unit;diagnosis;comment\n1;m;1.2.1950;21.07.2012;75,5;135;g/L;COPD;\n"
        "1;m;1.2.1950;22.07.2012;75,4;;;;\n2;f;NK;2012;-;<9;g/dL;;x\n"
    )
    results = list(run_mapping(load_mapping(tmp_path / "my-study.yaml"), [table]))
    assert [issue for result in results for issue in result.issues] == []
    assert [len(result.resources) for result in results] == [3, 1, 1, 1, 1]  # the two Patients at the end
    known = set(re.findall(r"\bE\d{3}\b", text))
    assert {code.code for code in IssueCode if code.code < "E602"} | {IssueCode.EXPRESSION.code} <= known
