"""REDCap projects through mappings: real exports give as many resources as they have values, from CSV and from XML."""

from __future__ import annotations

import csv
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from multimodal.mapping import load_mapping, run_mapping
from multimodal.mapping.run import MappingRun
from multimodal.tables.dictionary import Field
from multimodal.tables.errors import EmptyTableError
from multimodal.tables.redcap_project import Project
from multimodal.tables.redcap_source import read_project
from tests.tables.redcap_made import DICTIONARY, LABELS, RAW, XML

MAPPINGS = Path(__file__).parents[2] / "mappings"
PROJECTS = (
    "blank-for-gray-status", "checkboxes-1", "decimal-comma", "longitudinal", "nonnumeric-record-id",
    "potentially-problematic-values", "repeating-instruments",
)  # fmt: skip
# Of these, the values that are no date and no number, on purpose.
REFUSED = {"potentially-problematic-values": 4}
TYPES = {"number": "number", "integer": "integer", "calc": "number", "date": "date", "boolean": "boolean"}


def column_of(field: Field) -> dict[str, Any]:
    """Return the line of level 1 for a field: an Observation, of a checkbox Conditions."""
    concept = {"text": field.label or field.name}
    if field.type == "checkbox":
        options = {code: {"text": label} for code, label in field.choices.items()}
        return {"checkbox": "condition", "options": options}
    if field.type == "code":
        return {"observation": concept, "type": "code", "table": dict(field.choices)}
    return {"observation": concept, "type": TYPES.get(field.type, "text")}


def write_mapping(folder: Path, project: Project, dictionary: Path, **source: Any) -> Path:
    """Write a mapping that names every field of a project."""
    forms: dict[str, Any] = {
        form: {"columns": {f"{form}_complete": {"ignore": "form status"}}} for form in project.form_labels
    }
    for field in project.dictionary.fields.values():
        if field.name != project.record and field.type != "descriptive":
            forms[field.form]["columns"][field.name] = column_of(field)
    first = forms[project.first_form]["columns"]
    first["redcap_data_access_group"] = {"ignore": "who may see the record"}
    content = {
        "fhirmap": 1,
        "id": "made-for-test",
        "source": {"type": "redcap", "dictionary": dictionary.name, **source},
        "subject": {"id": project.record, "system": "urn:test:record"},
        "forms": forms,
        "unmapped": "error",
    }
    file = folder / "mapping.yaml"
    with file.open("w", encoding="utf-8") as out:
        YAML().dump(content, out)
    return file


def expected_counts(file: Path, project: Project) -> Counter[str]:
    """Count, without the code under test, what an export holds: filled cells, ticked options, records."""
    counts: Counter[str] = Counter()
    records = set()
    with file.open(encoding="utf-8-sig", newline="") as content:
        for line in csv.DictReader(content):
            records.add(line[project.record])
            for header, text in line.items():
                if header in project.dictionary.option_of:
                    counts["Condition"] += text == "1"
                elif header in project.dictionary.fields and header != project.record:
                    counts["Observation"] += bool(text)
    counts["Patient"] = len(records)
    return counts


def resources_of(run: MappingRun) -> tuple[dict[str, bytes], int]:
    """Return all resources by reference, and the number of issues."""
    found: dict[str, bytes] = {}
    issues = len(run.issues)
    for result in run:
        issues += len(result.issues)
        for made in result.resources:
            resource = made.resource()
            reference = f"{resource['resourceType']}/{resource['id']}"
            assert reference not in found
            found[reference] = made.line()
    return found, issues


def counted(resources: dict[str, bytes]) -> Counter[str]:
    return Counter(reference.split("/")[0] for reference in resources)


@pytest.mark.parametrize("name", PROJECTS)
def test_each_value_of_a_project_becomes_one_resource(public_data: Path, tmp_path: Path, name: str) -> None:
    folder = public_data / "redcapr" / name
    dictionary = next(folder.glob("diction*y.csv"))
    project = read_project(dictionary)
    mapping = load_mapping(write_mapping(tmp_path, project, dictionary))
    from_csv, issues = resources_of(run_mapping(mapping, [folder / "data.csv", dictionary], validate="every"))
    expected = expected_counts(folder / "data.csv", project)
    expected["Observation"] -= REFUSED.get(name, 0)
    assert counted(from_csv) == +expected
    assert issues == REFUSED.get(name, 0)
    from_xml, issues = resources_of(run_mapping(mapping, [folder / "project.xml"]))
    assert from_xml == from_csv
    assert issues == REFUSED.get(name, 0)


def test_codes_that_a_statistics_program_changed_are_refused(public_data: Path, tmp_path: Path) -> None:
    """In this CSV 0 and 1 of one column became FALSE and TRUE; its XML has the codes, and four more values."""
    folder = public_data / "redcapr/simple"
    dictionary = folder / "dictionary.csv"
    project = read_project(dictionary)
    mapping = load_mapping(write_mapping(tmp_path, project, dictionary))
    from_csv, issues = resources_of(run_mapping(mapping, [folder / "data.csv", dictionary]))
    expected = expected_counts(folder / "data.csv", project)
    expected["Observation"] -= 5
    assert issues == 5
    assert counted(from_csv) == +expected
    mapping = load_mapping(write_mapping(tmp_path, read_project(folder / "project.xml"), dictionary))
    from_xml, issues = resources_of(run_mapping(mapping, [folder / "project.xml"]))
    assert issues == 0
    assert len(from_xml) == len(from_csv) + 5 + 4
    assert set(from_csv) <= set(from_xml)


@pytest.mark.parametrize("file", ["data.csv", "project.xml"])
def test_a_project_without_records_is_refused(public_data: Path, tmp_path: Path, file: str) -> None:
    folder = public_data / "redcapr/empty-rows"
    dictionary = folder / "dictionary.csv"
    mapping = load_mapping(write_mapping(tmp_path, read_project(dictionary), dictionary))
    with pytest.raises(EmptyTableError):
        run_mapping(mapping, [folder / file, dictionary])


@pytest.mark.parametrize("name", PROJECTS)
def test_the_order_of_records_changes_no_resource(public_data: Path, tmp_path: Path, name: str) -> None:
    folder = public_data / "redcapr" / name
    dictionary = next(folder.glob("diction*y.csv"))
    mapping = load_mapping(write_mapping(tmp_path, read_project(dictionary), dictionary))
    expected, _ = resources_of(run_mapping(mapping, [folder / "data.csv", dictionary]))
    with (folder / "data.csv").open(encoding="utf-8-sig", newline="") as file:
        header, *records = csv.reader(file)
    random.Random(name).shuffle(records)
    shuffled = tmp_path / "shuffled.csv"
    with shuffled.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([header, *records])
    assert resources_of(run_mapping(mapping, [shuffled, dictionary]))[0] == expected


def test_raw_codes_labels_and_xml_give_the_same_resources(tmp_path: Path) -> None:
    dictionary = tmp_path / "dictionary.csv"
    dictionary.write_text(DICTIONARY, encoding="utf-8")
    project = read_project(dictionary)
    given = {"raw": ("records.csv", RAW), "labels": ("labels.csv", LABELS), "xml": ("project.xml", XML)}
    found = {}
    for kind, (name, content) in given.items():
        file = tmp_path / name
        file.write_text(content, encoding="utf-8")
        missing = {"missing": {"UNK": "unknown"}, "labels": kind == "labels"}
        mapping = load_mapping(write_mapping(tmp_path, project, dictionary, **missing))
        found[kind], issues = resources_of(run_mapping(mapping, [file, dictionary], validate="every"))
        assert issues == 0, kind
    assert counted(found["raw"]) == {"Patient": 2, "Observation": 17, "Condition": 1}
    assert found["labels"] == found["raw"]
    assert found["xml"] == found["raw"]


def test_gecco_in_csv_and_in_xml_is_the_same(public_data: Path) -> None:
    folder = public_data / "gecco"
    mapping = load_mapping(MAPPINGS / "gecco.yaml")
    (records,), (xml,) = folder.glob("REDCap*.csv"), folder.glob("REDCap*.xml")
    run = run_mapping(mapping, [records, folder / "datadictionary.csv"], validate="every")
    from_csv, issues = resources_of(run)
    assert issues == 9  # numbers of the laboratory without a unit
    assert counted(from_csv) == {
        "Patient": 10, "Encounter": 16, "Observation": 1265, "Condition": 317, "Immunization": 53, "Procedure": 67,
        "MedicationStatement": 377,
    }  # fmt: skip
    assert run.coverage.unmapped == run.coverage.missing == []
    from_xml, issues = resources_of(run_mapping(mapping, [xml, folder / "datadictionary.csv"]))
    assert issues == 9
    assert from_xml == from_csv
