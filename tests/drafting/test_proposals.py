"""Columns as hospitals have them, and what is proposed for each: right, or left to a person."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimodal.drafting.draft import propose
from multimodal.drafting.facts import Facts, date_formats, facts_of
from multimodal.drafting.proposals import TODO, Proposal
from multimodal.tables.dictionary import Field


def of(name: str, values: Sequence[str] = (), **known: object) -> Proposal:
    (made,) = propose([Field(name, **known)], {name: facts_of(list(values))})  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize(
    ("header", "values", "target"),
    [
        ("Geschlecht", ["m", "w"], "gender"),
        ("Sexo", ["hombre", "mujer"], "gender"),
        ("date de naissance", ["1950-02-01", "1961-07-13"], "birth-date"),
        ("Gewicht [kg]", ["41", "123", "80,5"], "weight"),
        ("bl_weight", ["70", "81"], "weight"),
        ("SBP_v2", ["120", "141"], "blood-pressure-systolic"),
        ("pressione sistolica", ["120", "141"], "blood-pressure-systolic"),
        ("frecuencia cardiaca (lpm)", ["61", "88"], "heart-rate"),
        ("Hb", ["13.4", "12.1"], "hemoglobin"),
        ("Créatinine (µmol/L)", ["84", "71"], "creatinine"),
        ("AST (SGOT) U/l", ["20", "31"], "ast"),
        ("cT", ["cT1", "cT3", "T2"], "tnm-ct"),
        ("cM", ["cM0", "cM1"], "tnm-cm"),
        ("birth_date", ["01.02.1950", "30.02.1960", "13.07.1961"], "birth-date"),
        ("Overall.Stage", ["I", "IIIb"], "stage"),
        ("ECOG", ["0", "1", "2"], "ecog"),
        ("Raucherstatus", ["nie", "Exraucher"], "smoking-status"),
        ("comorb_copd", ["yes", "no"], "copd"),
        ("previous stroke", ["yes", "no"], "stroke"),
        ("visit_date", ["03.04.2020", "21.09.2020"], "visit-date"),
        ("born", ["12.03.1961", "1958", "23.11.1949"], "birth-date"),
        ("visit", ["12.03.2021", "13.03.2021"], "visit-date"),
        ("visit", ["baseline", "follow-up"], "visit-name"),
        ("Bemerkung", ["kommt mit Frau"], "comment"),
        ("Nachname", ["Müller"], "person-name"),
    ],
)
def test_known_columns(header: str, values: list[str], target: str) -> None:
    made = of(header, values)
    assert (made.id, made.verb != "todo") == (target, True), made
    assert made.confidence >= 0.8
    assert made.reasons


@pytest.mark.parametrize(
    ("header", "values"),
    [
        ("Studienarm", ["A", "B"]),
        ("birth weight", ["3200", "2900"]),
        ("weight_mother", ["70", "81"]),
        ("family history of diabetes", ["yes", "no"]),
        ("reason for CT", ["pain"]),
        ("urine creatinine", ["84", "71"]),
        ("Tanner stage", ["1", "2"]),
        ("sex", ["1", "2"]),  # nobody says which is which
        ("dead", ["0", "1"]),
        ("diabetes", ["Typ 1", "Typ 2"]),
        ("hb", ["positive", "negative"]),
        ("k", []),
        ("cm", []),
        ("cm", ["170", "181"]),
        ("birth_date", ["unbek.", "spring"]),
        ("date of next visit planned", ["2020-01-01"]),
    ],
)
def test_what_is_not_sure_is_left_to_a_person(header: str, values: list[str]) -> None:
    made = of(header, values)
    assert made.verb == "todo", made
    assert str(made.line["ignore"]).startswith(TODO)


def test_a_dictionary_decides_what_numbers_mean() -> None:
    made = of("sex", ["1", "2"], label="Sex", type="code", choices={"1": "Male", "2": "Female"})
    assert made.line == {"patient": "gender", "table": {"1": "male", "2": "female"}}
    made = of("dm", label="Diabetes mellitus", type="code", choices={"1": "Ja", "0": "Nein", "9": "Unbekannt"})
    assert made.line == {"condition": "diabetes"}
    assert made.tables == {"diabetes": {"map": {"1": 'SCT#73211009 "Diabetes mellitus"'}, "otherwise": "drop"}}


def test_values_that_the_dictionary_does_not_know_are_left_to_a_person() -> None:
    choices = {"1": "Yes", "0": "No"}
    assert of("dm", ["0", "1", "1"], label="Diabetes", type="code", choices=choices).verb == "condition"
    made = of("dm", ["TRUE", "FALSE"], label="Diabetes", type="code", choices=choices)
    assert made.verb == "todo"
    assert "its values are not those of its dictionary" in made.reasons


def test_the_unit_decides_between_mass_and_substance() -> None:
    assert "2160-0" in str(of("Kreatinin (mg/dl)", ["0.9", "1.1"]).line)
    assert "14682-9" in str(of("Kreatinin (µmol/l)", ["84", "71"]).line)


def test_a_unit_that_values_do_not_decide_is_asked_for() -> None:
    assert str(of("age", ["34", "61"]).line["unit"]).startswith(TODO)
    assert of("x", ["20", "31"], label="Pack years").line["unit"] == "{PackYears}"
    assert of("Leukozyten", ["5.9", "11.4"]).line["unit"] == "10*9/L"
    assert of("Leukozyten", ["5900", "11400"]).line["unit"] == "/uL"


def test_a_concept_without_a_certain_code_says_so() -> None:
    made = of("Troponin (ng/L)", ["4", "12"])
    assert made.line["observation"] == {"text": f"{TODO}: code of troponin"}


def test_a_unit_column_is_joined_to_its_value() -> None:
    fields = [Field("hb"), Field("hb_unit")]
    facts = {"hb": facts_of(["13", "140"]), "hb_unit": facts_of(["g/dL", "g/L"])}
    value, unit = propose(fields, facts)
    assert (value.line["unit_column"], unit.line) == ("hb_unit", {"helper": "unit of hb"})
    always = propose(fields, {"hb": facts_of(["13", "14"]), "hb_unit": facts_of(["g/dL", "g/dL"])})
    assert always[0].line["unit"] == "g/dL"
    assert always[1].verb == "ignore"


def test_what_a_dictionary_marks_is_left_out() -> None:
    assert of("x1", label="Case worker", identifier=True).line == {"ignore": "marked as an identifier"}
    assert of("x2", label="1", hidden=True).verb == "ignore"
    assert of("dob", label="Date of birth", type="date", identifier=True).verb == "patient:birthDate"


def test_checkboxes_become_conditions_by_their_labels() -> None:
    made = of("pmh", label="History", type="checkbox", choices={"1": "Asthma", "2": "COPD", "3": "Gout"})
    assert made.line["checkbox"] == "condition"
    assert made.line["options"]["3"] == {"text": "Gout"}
    assert of("eat", label="Eats", type="checkbox", choices={"1": "Lunch", "2": "Dinner"}).verb == "todo"


def test_values_that_are_diagnoses_become_conditions() -> None:
    made = of("diagnosis", ["COPD", "Asthma", "Gout"])
    assert made.line["condition"]["Gout"] == f"{TODO}: code of Gout"
    assert "13645005" in made.line["condition"]["COPD"]
    assert of("diagnosis", ["A", "B"]).verb == "todo"


def test_an_answer_that_is_none_of_the_known_is_asked_for() -> None:
    table = of("smoker", ["never", "often"]).line["table"]
    assert table["often"].startswith(f"{TODO}: often is never")
    sexes = of("sex", label="Sex", type="code", choices={"1": "Male", "2": "Female", "3": "X9", "9": "Unknown"})
    assert sexes.line["table"]["3"].startswith(TODO)
    assert sexes.line["table"]["9"] == "unknown"


def test_only_one_column_names_the_patient() -> None:
    made = propose([Field("patient_id"), Field("subject_id")], {"patient_id": Facts(), "subject_id": Facts()})
    assert [one.verb for one in made] == ["patient:id", "todo"]


def test_dates_are_read_only_where_day_and_month_are_certain() -> None:
    assert facts_of(["03/04/2020", "05/06/2021"]).formats == ("%d/%m/%Y", "%m/%d/%Y")
    assert facts_of(["03/04/2020", "25/06/2021"]).formats == ("%d/%m/%Y",)
    assert facts_of(["03.04.2020", "2020-04-03"]).formats == ("%d.%m.%Y", "%Y-%m-%d")
    assert of("visit_date", ["03/04/2020", "05/06/2021"]).format.startswith(TODO)
    assert date_formats("31.02.2020") == ()


def test_missing_texts_are_no_values() -> None:
    facts = facts_of(["1", "NA", "", "k.A.", "3"])
    assert (facts.filled, facts.numbers, dict(facts.missing), facts.unique) == (2, 2, {"NA": 1, "k.A.": 1}, False)


@given(st.text(max_size=30), st.lists(st.text(max_size=15), max_size=8), st.text(max_size=40))
def test_any_column_gets_a_line(name: str, values: list[str], label: str) -> None:
    made = propose([Field(name, label)], {name: facts_of(values)})
    assert len(made) == 1
    assert made[0].line
    assert 0 <= made[0].confidence <= 1


@pytest.mark.parametrize(
    ("name", "values", "target"),
    [
        ("Pat.-Nr.", ["A1", "A2"], "patient-id"),
        ("Fallnr.", ["F1", "F2"], "patient-id"),
        ("RR syst.", ["120", "135"], "blood-pressure-systolic"),
        ("RR diast. [mmHg]", ["80", "75"], "blood-pressure-diastolic"),
        ("lebt/verstorben", ["lebt", "verstorben"], "vital-status"),
        ("Raucher (ja/nein)", ["ja", "nein", "k.A."], "smoking-status"),
        ("Status", ["lebt", "verstorben", "k.A."], "vital-status"),
        ("Patient Nr.", ["A1", "A2"], "patient-id"),
        ("Diabetes (ja/nein/unbekannt)", ["ja", "nein", "unbekannt"], "diabetes"),
    ],
)
def test_headers_of_a_german_clinic(name: str, values: list[str], target: str) -> None:
    assert of(name, values).id == target


@pytest.mark.parametrize(
    ("name", "values"),
    [("Status der Mutter", ["lebt", "verstorben"]), ("Status", ["aktiv", "verstorben"]), ("Status", ["lebt"])],
)
def test_a_status_of_something_else_is_left_to_a_person(name: str, values: list[str]) -> None:
    assert of(name, values).verb == "todo"
