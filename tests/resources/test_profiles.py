"""Profiles are claimed by what follows them, and what is lacking is told."""

import copy
from importlib.resources import files
from typing import Any

import pytest

from multimodal.resources.profiles import ProfileSet, profile_sets
from multimodal.resources.profiles.document import read_profiles
from multimodal.resources.shapes import validate

MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition/"
MII = "https://www.medizininformatik-initiative.de/fhir/ext/modul-onko/StructureDefinition/"
SCT = "http://snomed.info/sct"


def tnm(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"coding": [{"system": SCT, "code": "399504009"}]},
        "subject": {"reference": "Patient/p1"},
        "valueCodeableConcept": {"coding": [{"system": SCT, "code": "1228929004"}]},
        **more,
    }


EIGHTH = {"method": {"coding": [{"system": SCT, "code": "897275008"}]}}


def test_sets_are_those_of_the_language() -> None:
    assert set(profile_sets()) == {"mcode-4", "mii-onko", "mii-bildgebung"}


def test_resource_that_follows_claims_the_profile() -> None:
    made, unfollowed = ProfileSet.of(["mcode-4"]).apply(tnm(**EIGHTH))
    assert made["meta"]["profile"] == [MCODE + "mcode-tnm-primary-tumor-category"]
    assert made["category"][0]["coding"][0]["code"] == "exam"
    assert unfollowed == []
    assert validate(made) == []


def test_lacking_element_is_told_and_nothing_claimed() -> None:
    made, unfollowed = ProfileSet.of(["mcode-4"]).apply(tnm())
    assert "meta" not in made
    assert unfollowed == [("mcode-tnm-primary-tumor-category", "needs method")]


def test_category_of_the_mapping_stays() -> None:
    category = [{"coding": [{"system": "urn:x", "code": "mine"}]}]
    made, _ = ProfileSet.of(["mcode-4"]).apply(tnm(**EIGHTH, category=category))
    assert made["category"] == category


def test_onko_adds_the_codings_of_the_uicc_beside_the_others() -> None:
    made, unfollowed = ProfileSet.of(["mii-onko"]).apply(tnm(**EIGHTH))
    assert unfollowed == []
    assert made["meta"]["profile"] == [MII + "mii-pr-onko-tnm-t-kategorie"]
    assert [coding["code"] for coding in made["valueCodeableConcept"]["coding"]] == ["1228929004", "T2"]
    assert [coding["code"] for coding in made["method"]["coding"]] == ["897275008", "8"]


def test_value_without_the_needed_code_is_told() -> None:
    text = tnm(**EIGHTH, valueCodeableConcept={"text": "T5"})
    made, unfollowed = ProfileSet.of(["mii-onko"]).apply(text)
    assert made["valueCodeableConcept"] == {"text": "T5"}
    assert unfollowed[0].lacks == "needs a code of https://www.uicc.org/resources/tnm in valueCodeableConcept"


def test_two_sets_are_followed_at_once_and_the_resource_itself_stays() -> None:
    before = tnm(**EIGHTH, meta={"source": "urn:x"})
    kept = copy.deepcopy(before)
    made, _ = ProfileSet.of(["mcode-4", "mii-onko"]).apply(before)
    assert made["meta"] == {
        "source": "urn:x",
        "profile": [MCODE + "mcode-tnm-primary-tumor-category", MII + "mii-pr-onko-tnm-t-kategorie"],
    }
    assert before == kept
    assert ProfileSet.of(["mcode-4", "mii-onko"]).apply(made)[0] == made


def test_wrong_kind_of_value_is_told() -> None:
    ecog = tnm(code={"coding": [{"system": "http://loinc.org", "code": "89247-1"}]})
    del ecog["valueCodeableConcept"]
    ecog["valueQuantity"] = {"value": 1}
    assert ProfileSet.of(["mcode-4"]).apply(ecog)[1] == [
        ("mcode-ecog-performance-status", "needs valueInteger in place of valueQuantity")
    ]


def test_patient_without_a_name_says_why() -> None:
    patient = {"resourceType": "Patient", "id": "p1", "identifier": [{"value": "1"}], "gender": "female"}
    made, unfollowed = ProfileSet.of(["mcode-4"]).apply(patient)
    assert unfollowed == []
    assert made["name"][0]["extension"][0]["valueCode"] == "masked"
    assert validate(made) == []


@pytest.mark.parametrize(("code", "claimed"), [("C34.1", True), ("C79.3", False), ("J44.9", False)])
def test_secondary_and_other_conditions_are_no_primary_cancer(code: str, claimed: bool) -> None:
    condition = {
        "resourceType": "Condition",
        "id": "c1",
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}]},
        "subject": {"reference": "Patient/p1"},
    }
    made, _ = ProfileSet.of(["mcode-4"]).apply(condition)
    assert ("meta" in made) == claimed


def test_imaging_measurement_gets_its_category() -> None:
    size = tnm(
        category=[
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "imaging"}]}
        ]
    )
    del size["valueCodeableConcept"]
    size["valueQuantity"] = {"value": 12, "unit": "mm", "system": "http://unitsofmeasure.org", "code": "mm"}
    made, _ = ProfileSet.of(["mii-bildgebung"]).apply(size)
    assert made["meta"]["profile"][0].endswith("/mii-pr-bildgebung-radiologische-messung")
    assert made["category"][1]["coding"][0]["code"] == "122869004"


def test_file_with_an_unknown_key_is_refused() -> None:
    text = files("multimodal.resources.profiles").joinpath("mcode-4.toml").read_text("utf-8")
    with pytest.raises(ValueError, match="nedes"):
        read_profiles(text.replace("needs", "nedes"))
