"""Real exports: REDCapR's test projects and GECCO, each as CSV and as XML (MULTIMODAL_TEST_DATA)."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any

import pytest

from multimodal.tables.errors import EmptyTableError
from multimodal.tables.read import read_tables
from multimodal.tables.redcap_source import read_project
from multimodal.tables.rows import SourceSpec, Table
from tests.tables.redcap_made import comparable

ROWS = {
    "blank-for-gray-status": {"demographics": 6, "health": 5, "race_and_ethnicity": 5},
    "checkboxes-1": {"form_1": 4, "form_2": 3},
    "decimal-comma": {"demographics": 4},
    "empty-rows": {"demographics": 0, "health": 0, "race_and_ethnicity": 0},
    "longitudinal": {
        "demographics": 3, "contact_info": 5, "baseline_data": 3, "visit_lab_data": 4,
        "patient_morale_questionnaire": 10, "visit_blood_workup": 4, "visit_observed_behavior": 6,
        "completion_data": 2, "completion_project_questionnaire": 3,
    },
    "nonnumeric-record-id": {"demographics": 3},
    "potentially-problematic-values": {"form_1": 2},
    "repeating-instruments": {"demographics": 2, "bp": 4},
    "simple": {"demographics": 5, "health": 5, "race_and_ethnicity": 5},
}  # fmt: skip
GECCO = {
    "einwilligungserklaerung_mii_broad_consent": 10, "studieneinschluss_einschlusskriterien": 10,
    "krankheitsbeginn_aufnahme": 16, "anamnese_risikofaktoren": 16, "bildgebung": 16, "demographie": 16,
    "epidemiologische_faktoren": 16, "komplikationen": 16, "laborwerte": 28, "symptome": 16, "medikation": 29,
    "therapie": 16, "vitalparameter": 27, "outcome_bei_entlassung": 16,
}  # fmt: skip
# A statistics program made yes and no of this project's codes, and names of its files; its groups were left out.
CHANGED_IN_CSV = {"simple": ("sex", "mugshot", "redcap_data_access_group", "interpreter_needed")}


@pytest.fixture
def redcapr(public_data: Path) -> Path:
    return public_data / "redcapr"


def dictionary_of(folder: Path) -> Path:
    return next(folder.glob("diction*y.csv"))


def tables_of(file: Path, dictionary: Path, **options: str) -> list[Table]:
    forms = tuple(read_project(dictionary).form_labels)
    return read_tables(file, SourceSpec("redcap", forms=forms, dictionary=dictionary, options=options))


def counts(found: dict[tuple[str, tuple[str, ...]], Any], forms: Any) -> dict[str, int]:
    return {form: sum(1 for name, _ in found if name == form) for form in forms}


@pytest.mark.parametrize("project", ROWS)
def test_each_project_has_the_same_rows_in_csv_and_xml(redcapr: Path, project: str) -> None:
    folder = redcapr / project
    dictionary = dictionary_of(folder)
    from_xml = comparable(tables_of(folder / "project.xml", dictionary))
    assert counts(from_xml, ROWS[project]) == ROWS[project]
    if not any(ROWS[project].values()):
        with pytest.raises(EmptyTableError, match="project without records"):
            tables_of(folder / "data.csv", dictionary)
        return
    from_csv = comparable(tables_of(folder / "data.csv", dictionary))
    for found in (from_csv, from_xml):
        for row in found.values():
            for header in CHANGED_IN_CSV.get(project, ()):
                row[-1].pop(header, None)  # type: ignore[index]
    assert from_csv == from_xml


def test_an_older_project_xml_gives_the_same_but_calculated_fields(redcapr: Path) -> None:
    folder = redcapr / "simple"
    old, new = (
        comparable(tables_of(folder / name, dictionary_of(folder))) for name in ("project-old.xml", "project.xml")
    )
    for row in (*old.values(), *new.values()):
        row[-1].pop("bmi", None)  # type: ignore[index]
    assert old == new


@pytest.mark.parametrize("project", [name for name, forms in ROWS.items() if any(forms.values())])
def test_the_order_of_records_changes_nothing(redcapr: Path, tmp_path: Path, project: str) -> None:
    folder = redcapr / project
    with (folder / "data.csv").open(encoding="utf-8-sig", newline="") as file:
        header, *records = csv.reader(file)
    random.Random(project).shuffle(records)
    shuffled = tmp_path / "data.csv"
    with shuffled.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *records])
    dictionary = dictionary_of(folder)
    assert comparable(tables_of(shuffled, dictionary)) == comparable(tables_of(folder / "data.csv", dictionary))


@pytest.mark.parametrize("project", ROWS)
def test_a_dictionary_is_the_same_in_csv_and_xml(redcapr: Path, project: str) -> None:
    folder = redcapr / project
    from_csv, from_xml = read_project(dictionary_of(folder)), read_project(folder / "project.xml")
    assert set(from_csv.dictionary.fields) <= set(from_xml.dictionary.fields)
    for name, field in from_csv.dictionary.fields.items():
        assert from_xml.dictionary.fields[name] == field
    assert from_csv.dictionary.option_of == from_xml.dictionary.option_of
    if project == "longitudinal":
        events = from_xml.dictionary.events
        assert len(events) == 12
        assert events["first_visit_arm_2"].day_offset == 10
    if project == "simple":
        assert read_project(folder / "metadata.csv").form_labels.keys() == from_csv.form_labels.keys()


def test_gecco_is_the_same_in_csv_and_xml(public_data: Path) -> None:
    folder = public_data / "gecco"
    dictionary = folder / "datadictionary.csv"
    (from_csv,) = (comparable(tables_of(file, dictionary)) for file in folder.glob("REDCap*.csv"))
    repeating = "laborwerte,medikation,vitalparameter"
    (xml,) = folder.glob("REDCap*.xml")
    assert counts(from_csv, GECCO) == GECCO
    assert comparable(tables_of(xml, dictionary, repeating=repeating)) == from_csv
    # The same without being told what repeats, as this file has a second instance of each such form.
    assert comparable(tables_of(xml, dictionary)) == from_csv
