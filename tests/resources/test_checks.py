"""What a server may accept and R4 forbids is found before anything is sent."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimodal.resources.checks import check_resource, is_date_time
from multimodal.resources.rules import allowed_codes, resource_types, rules_of
from multimodal.resources.shapes import shape_of, validate, validate_fully

CODE: dict[str, Any] = {"text": "x"}
SUBJECT = {"reference": "Patient/p1"}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation", "id": "o1", "status": "final", "code": CODE, "subject": SUBJECT,
    "valueQuantity": {"value": 1.5, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
}  # fmt: skip
VERIFIED = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "confirmed"}]}
CONDITION: dict[str, Any] = {
    "resourceType": "Condition",
    "id": "c1",
    "subject": SUBJECT,
    "verificationStatus": VERIFIED,
}
CODING = {"coding": [{"system": "http://loinc.org", "code": "1"}]}


def changed(resource: dict[str, Any], **elements: Any) -> dict[str, Any]:
    made = {**copy.deepcopy(resource), **elements}
    return {name: value for name, value in made.items() if value is not ...}


def clinical(name: str, *codes: str) -> dict[str, Any]:
    system = f"http://terminology.hl7.org/CodeSystem/{name}"
    return {"coding": [{"system": system, "code": code} for code in codes]}


STATEMENT: dict[str, Any] = {
    "resourceType": "MedicationStatement", "status": "active", "subject": SUBJECT, "medicationCodeableConcept": CODE,
}  # fmt: skip
ALLERGY: dict[str, Any] = {
    "resourceType": "AllergyIntolerance", "patient": SUBJECT, "type": "allergy", "category": ["food"],
    "clinicalStatus": clinical("allergyintolerance-clinical", "active"),
}  # fmt: skip
CONSENT: dict[str, Any] = {
    "resourceType": "Consent", "status": "active", "scope": CODE, "category": [CODE], "policyRule": CODE,
    "dateTime": "2012-07", "patient": SUBJECT,
}  # fmt: skip
OTHERS: list[dict[str, Any]] = [
    STATEMENT,
    ALLERGY,
    CONSENT,
    {"resourceType": "MedicationAdministration", "status": "completed", "subject": SUBJECT,
     "medicationCodeableConcept": CODE, "effectiveDateTime": "2012", "dosage": {"dose": {"value": 1}}},
    {"resourceType": "Immunization", "status": "completed", "patient": SUBJECT, "vaccineCode": CODE,
     "occurrenceString": "as a child", "recorded": "2012-07"},
    {"resourceType": "FamilyMemberHistory", "status": "partial", "patient": SUBJECT, "relationship": CODE,
     "condition": [{"code": CODE, "onsetString": "early"}]},
    {"resourceType": "Specimen", "status": "available", "subject": SUBJECT, "receivedTime": "2012-07-21"},
    {"resourceType": "EpisodeOfCare", "status": "finished", "patient": SUBJECT},
    {"resourceType": "ServiceRequest", "status": "active", "intent": "order", "subject": SUBJECT},
    {"resourceType": "ResearchStudy", "status": "active", "title": "x"},
    {"resourceType": "ResearchSubject", "status": "on-study", "individual": SUBJECT,
     "study": {"reference": "ResearchStudy/r1"}},
    {"resourceType": "DiagnosticReport", "status": "final", "code": CODE, "subject": SUBJECT},
    {"resourceType": "Procedure", "status": "completed", "subject": SUBJECT, "code": CODE},
    {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}, "subject": SUBJECT},
]  # fmt: skip


@pytest.mark.parametrize("resource", [OBSERVATION, CONDITION, *OTHERS], ids=lambda resource: resource["resourceType"])
def test_a_good_resource_has_no_problem(resource: dict[str, Any]) -> None:
    assert check_resource(resource) == []
    assert validate_fully(resource) == []


@pytest.mark.parametrize(
    ("resource", "problem"),
    [
        (changed(OBSERVATION, status=...), "status is required"),
        (changed(OBSERVATION, code=...), "code is required"),
        (changed(OBSERVATION, status="done"), "status 'done' is none of"),
        (changed(OBSERVATION, component=[{"valueInteger": 1}]), "component.code is required"),
        (changed(OBSERVATION, valueString="x"), r"only one value\[x\]"),
        (changed(OBSERVATION, dataAbsentReason=CODE), "obs-6"),
        (changed(OBSERVATION, code=CODING, component=[{"code": CODING, "valueInteger": 1}]), "obs-7"),
        (changed(OBSERVATION, referenceRange=[{"appliesTo": [CODE]}]), "obs-3"),
        (changed(OBSERVATION, id="has space"), "id 'has space'"),
        (changed(OBSERVATION, id="x" * 65), "id 'x"),
        (changed(OBSERVATION, subject={"reference": "p1"}), "'p1' is no reference"),
        (changed(OBSERVATION, subject={"reference": "Patient/a b"}), "is no reference"),
        (changed(OBSERVATION, subject={"reference": 7}), "must be a text"),
        (changed(OBSERVATION, effectiveDateTime="21.07.2012"), "is no dateTime"),
        (changed(OBSERVATION, effectiveDateTime="2012-07-21T08:30:00"), "is no dateTime"),
        (changed(OBSERVATION, effectiveDateTime="2011-02-29"), "is no dateTime"),
        (changed(OBSERVATION, issued="2012-07-21"), "is no instant"),
        (changed(OBSERVATION, valueQuantity={"value": float("nan")}), "not a finite number"),
        (changed(OBSERVATION, valueQuantity={"value": float("inf")}), "not a finite number"),
        (changed(OBSERVATION, valueQuantity={"value": 1, "comparator": "~"}), "comparator '~' is none of"),
        (changed(OBSERVATION, valueQuantity={}), "valueQuantity is empty"),
        (changed(OBSERVATION, category=[]), "category is an empty list"),
        (changed(OBSERVATION, category=None), "category is null"),
        (changed(OBSERVATION, code={"text": " "}), "code.text is empty"),
        (changed(OBSERVATION, code={"text": "a\x00"}), "control character"),
        (changed(OBSERVATION, code={"coding": [{"code": " x"}]}), "is no code"),
        (changed(OBSERVATION, code={"coding": [{"system": "a b", "code": "x"}]}), "is no URI"),
        (changed(OBSERVATION, valueQuantity={"value": object()}), "not JSON"),
        (changed(CONDITION, subject=...), "subject is required"),
        (changed(CONDITION, stage=[{"type": CODE}]), "con-1"),
        (changed(CONDITION, abatementDateTime="2012"), "con-4"),
        (changed(CONDITION, verificationStatus=CODE), "verificationStatus needs a code of"),
        (changed(CONDITION, onsetDateTime="2012", onsetString="then"), r"only one onset\[x\]"),
        ({"resourceType": "Patient", "gender": "M"}, "gender 'M' is none of"),
        ({"resourceType": "Patient", "birthDate": "2012-07-21T00:00:00Z"}, "is no date"),
        ({"resourceType": "ImagingStudy", "status": "available"}, "subject is required"),
        ({"resourceType": "ImagingStudy", "status": "available", "subject": SUBJECT, "series": [{"uid": "1"}]},
         "series.modality is required"),
        ({"resourceType": "Device", "deviceName": [{"name": "x", "type": "brand"}]}, "'brand' is none of"),
        ({"resourceType": "BodyStructure"}, "patient is required"),
        ({"resourceType": "Provenance", "target": [SUBJECT], "recorded": "2012-07-21T08:30:00Z"}, "agent is required"),
        ({"resourceType": "Encounter", "status": "finished"}, "class is required"),
        ({"resourceType": "Endpoint", "status": "active", "connectionType": {"code": "x"}}, "payloadType is required"),
        ({"resourceType": "OperationOutcome", "issue": [{"severity": "bad", "code": "invalid"}]}, "'bad' is none of"),
        (changed(STATEMENT, status="taken"), "status 'taken' is none of"),
        (changed(STATEMENT, medicationCodeableConcept=...), r"medication\[x\] is required"),
        (changed(STATEMENT, dateAsserted="1.2.2012"), "is no dateTime"),
        (changed(STATEMENT, context={"reference": "Patient/p1"}), "context refers to a Patient; allowed: Encounter"),
        (changed(STATEMENT, subject={"reference": "http://x/fhir/Device/d1"}), "subject refers to a Device"),
        (changed(ALLERGY, clinicalStatus=...), "ait-1"),
        (changed(ALLERGY, verificationStatus=clinical("allergyintolerance-verification", "entered-in-error")), "ait-2"),
        (changed(ALLERGY, clinicalStatus=clinical("condition-clinical", "active")), "clinicalStatus needs a code of"),
        (changed(ALLERGY, category=["animals"]), "category 'animals' is none of"),
        (changed(CONSENT, policyRule=...), "ppc-1"),
        (changed(CONSENT, provision={"type": "maybe"}), "'maybe' is none of"),
        (changed(OTHERS[3], dosage={"text": "x"}), "mad-1"),
        (changed(OTHERS[4], occurrenceDateTime="2012"), r"only one occurrence\[x\]"),
        (changed(OTHERS[5], ageString="9", bornString="x"), "fhs-1"),
        (changed(OTHERS[5], estimatedAge=True), "fhs-2"),
        (changed(OBSERVATION, component=[{"code": CODE, "valueInteger": 1, "valueString": "x"}]),
         r"only one component.value\[x\]"),
        (changed(OBSERVATION, hasMember=[{"reference": "Condition/c1"}]), "hasMember refers to a Condition"),
        ({"resourceType": "Provenance", "target": [SUBJECT], "recorded": "2012-07-21", "agent": [{"who": SUBJECT}]},
         "is no instant"),
        ({"resourceType": "ConceptMap", "status": "active", "group": [{"element": [
            {"code": "a", "target": [{"code": "b", "equivalence": "inexact"}]}]}]}, "cmd-1"),
        ({"resourceType": "Medication"}, "is none that this program writes"),
        ({}, "is none that this program writes"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_named(resource: dict[str, Any], problem: str) -> None:
    import re

    assert any(re.search(problem, found) for found in check_resource(resource)), check_resource(resource)


def test_an_entered_in_error_condition_has_no_clinical_status() -> None:
    base = "http://terminology.hl7.org/CodeSystem/condition-"
    verified = {"coding": [{"system": base + "ver-status", "code": "entered-in-error"}]}
    status = {"coding": [{"system": base + "clinical", "code": "active"}]}
    found = check_resource(changed(CONDITION, verificationStatus=verified, clinicalStatus=status))
    assert any("con-5" in problem for problem in found)
    assert check_resource(changed(CONDITION, verificationStatus=verified)) == []


@pytest.mark.parametrize("type_", resource_types())
def test_every_required_element_is_required(type_: str) -> None:
    rules = rules_of(type_)
    assert rules is not None
    top = {path[0] for path in rules.required if len(path) == 1}
    found = set(check_resource({"resourceType": type_}))
    assert {f"{name} is required" for name in top} <= found


def test_codes_of_a_binding_can_be_asked_for() -> None:
    assert allowed_codes("Patient", "gender") == ("male", "female", "other", "unknown")


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("2012", True), ("2012-07", True), ("2012-07-21", True), ("2012-07-21T08:30:00Z", True),
        ("2012-07-21T08:30:00.123+02:00", True), ("2012-7-1", False), ("2012-07T08:30:00Z", False),
        ("2012-07-21T24:00:00Z", False), ("2012-07-21T08:30Z", False), ("2012-13", False), ("", False),
    ],
)  # fmt: skip
def test_date_times(text: str, fits: bool) -> None:
    assert is_date_time(text) is fits


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda part: st.lists(part) | st.dictionaries(st.text(), part),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["status", "code", "valueQuantity", "component", "subject", "id", "stage"]), JSON)
)
def test_no_input_breaks_the_checks(elements: dict[str, Any]) -> None:
    for type_ in ("Observation", "Condition", "Patient"):
        assert isinstance(check_resource({"resourceType": type_, **elements}), list)


def test_the_model_is_asked_once_for_each_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    from multimodal.resources import shapes

    asked: list[str] = []
    fully = shapes.validate_fully
    monkeypatch.setattr(shapes, "validate_fully", lambda resource: asked.append(resource["id"]) or fully(resource))
    monkeypatch.setattr(shapes, "_valid", set())
    for number, value in enumerate((1.5, 2.5, 3.5)):
        assert validate(changed(OBSERVATION, id=f"o{number}", valueQuantity={"value": value})) == []
    assert asked == ["o0"]
    # The same paths with another kind of value are another shape; a bad shape is never remembered as good.
    for number in (7, 8):
        assert validate(changed(OBSERVATION, id=f"o{number}", valueQuantity={"value": "much"})) != []
    assert asked == ["o0", "o7", "o8"]


@pytest.mark.parametrize(
    ("resource", "problem"),
    [
        (changed(OBSERVATION, colour="red"), "colour"),
        (changed(OBSERVATION, status=...), "status"),
        ({"resourceType": "NoSuchType"}, "has no model"),
        ({"resourceType": "../os"}, "has no model"),
    ],
)
def test_the_model_names_what_it_refuses(resource: dict[str, Any], problem: str) -> None:
    assert problem in " ".join(validate_fully(resource))


def test_a_shape_is_paths_and_kinds() -> None:
    shape = shape_of({"a": [{"b": 1}, {"b": 2}], "c": "x"})
    assert shape == frozenset({(".a[].b", "int"), (".c", "str")})
