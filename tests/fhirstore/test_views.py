"""Resources as rows: the official tests of SQL on FHIR v2, and what they leave out."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from multimodal.fhirstore.fhirpath import compile_path
from multimodal.fhirstore.fhirpath_functions import PathError
from multimodal.fhirstore.views import View, ViewError
from multimodal.model.errors import ConfigurationError

UNSUPPORTED = tomllib.loads((Path(__file__).parent / "sql_on_fhir_unsupported.toml").read_text(encoding="utf-8"))
PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "name": [{"use": "official", "family": "A", "given": ["B", "C"]}, {"family": "D"}],
    "deceasedDateTime": "2020-01-02",
    "multipleBirthInteger": 2,
    "extension": [{"url": "urn:x", "valueCode": "F"}],
}


def outcome(resources: list[dict[str, Any]], test: dict[str, Any]) -> str:
    """Return what is wrong with our answer to one official test; empty for nothing."""
    try:
        view = View(test["view"])
        rows = list(view.rows(resources))
    except ConfigurationError as error:
        return "" if test.get("expectError") else str(error)
    if test.get("expectError"):
        return "no error"
    expected, found = (Counter(json.dumps(row, sort_keys=True) for row in table) for table in (test["expect"], rows))
    if "expectColumns" in test and list(view.columns) != test["expectColumns"]:
        return f"columns {view.columns}"
    return "" if expected == found else f"{found}"


def test_the_official_tests_pass_but_for_those_that_are_listed(public_data: Path) -> None:
    passed, failed = [], {}
    for file in sorted((public_data / "sql-on-fhir").glob("*.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        for test in content["tests"]:
            name = f"{file.stem}: {test['title']}"
            problem = outcome(content["resources"], test)
            if problem:
                failed[name] = problem
            else:
                passed.append(name)
    assert set(failed) == set(UNSUPPORTED), failed
    assert len(passed) + len(failed) == 134
    assert all(reason for reason in UNSUPPORTED.values())


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("name.given", ["B", "C"]),
        ("Patient.name.family", ["A", "D"]),
        ("name[0].given[1]", ["C"]),
        ("name[5]", []),
        ("name.last().family", ["D"]),
        ("name.count()", [2]),
        ("deceased", ["2020-01-02"]),
        ("deceased.ofType(dateTime)", ["2020-01-02"]),
        ("deceased.ofType(boolean)", []),
        ("deceased.exists()", [True]),
        ("name.where($this.family = 'D').exists()", [True]),
        ("name.exists(use = 'official')", [True]),
        ("name.given.where($this = 'B')", ["B"]),
        ("extension('urn:x').value.ofType(code)", ["F"]),
        ("active and missing", []),
        ("id.startsWith('p')", [True]),
        ("missing.startsWith('p')", []),
        ("active or missing", [True]),
        ("missing and active = false", [False]),
        ("active xor (id = 'p1')", [False]),
        ("multipleBirth.ofType(integer) * 2 + 1", [5]),
        ("0.1 + 0.2", [0.3]),
        ("1 / 0", []),
        ("-2 < 1", [True]),
        ("id & '-' & missing & 'x'", ["p1-x"]),
        ("'it\\'s'", ["it's"]),
        ("birthDate = @2020-01-01", []),
        ("active = 1", [False]),
        ("{}", []),
    ],
)
def test_paths(path: str, expected: list[Any]) -> None:
    assert compile_path(path)([PATIENT], 0) == expected


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("name..family", "is no element"),
        ("name.where(", "ends too early"),
        ("name.aggregate($this)", r"aggregate\(\) is not supported; known: count"),
        ("name.first(1, 2)", "does not take 2 arguments"),
        ("%nothing", "%nothing is not declared"),
        ("name)", r"unexpected '\)'"),
        ("(" * 100 + "1", "too deep"),
        ("@@", "unexpected '@@'"),
        ("name[0", "is missing"),
    ],
)
def test_a_wrong_path_says_what_is_wrong(path: str, pattern: str) -> None:
    with pytest.raises(PathError, match=pattern):
        compile_path(path)


@pytest.mark.parametrize("path", ["name.family < 'B'", "active < 'x'", "name.where(family)", "id + 1", "name['a']"])
def test_a_value_of_the_wrong_kind_is_told(path: str) -> None:
    with pytest.raises(PathError):
        compile_path(path)([PATIENT], 0)


@pytest.mark.parametrize(
    ("definition", "pattern"),
    [
        ({"resource": "Patient", "select": [{"column": [{"name": "a", "path": "id"}], "forAll": "x"}]}, "'forAll'"),
        ({"resource": "Patient", "select": [{"forEach": "a", "repeat": ["b"], "column": []}]}, "only one of"),
        ({"resource": "Patient", "select": [{"column": [{"name": "a"}]}]}, "needs a `name` and a `path`"),
        ({"resource": "Patient", "select": [{"column": [{"name": "a", "path": "id"}] * 2}]}, "two columns called a"),
        ({"resource": "Patient", "select": ["id"]}, "is an object"),
    ],
)
def test_a_wrong_view_says_what_is_wrong(definition: dict[str, Any], pattern: str) -> None:
    with pytest.raises(ViewError, match=pattern):
        View(definition)


def test_several_values_need_a_collection() -> None:
    view = View({"resource": "Patient", "select": [{"column": [{"name": "given", "path": "name.given"}]}]})
    with pytest.raises(PathError, match="collection: true"):
        view.rows_of(PATIENT)
