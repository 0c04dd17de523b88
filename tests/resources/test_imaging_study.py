from typing import Any

import pytest
from pydicom.sr._concepts_dict import concepts

from multimodal.model.errors import InvalidUidError
from multimodal.model.references import PatientRef, imaging_study_id
from multimodal.resources.checks import check_resource
from multimodal.resources.imaging_patient import dicom_gender, imaging_patient
from multimodal.resources.imaging_study import _body_parts, bare_imaging_study, body_site, imaging_study
from multimodal.resources.shapes import validate

PATIENT = PatientRef("urn:demo:pacs", "DEMO-001")
STUDY = {
    "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
    "00080020": {"vr": "DA", "Value": ["20240131"]},
    "00080030": {"vr": "TM", "Value": ["101500"]},
    "00081030": {"vr": "LO", "Value": ["Chest CT"]},
}
CT = {
    "0020000E": {"vr": "UI", "Value": ["1.2.3.1"]},
    "00080060": {"vr": "CS", "Value": ["CT"]},
    "00200011": {"vr": "IS", "Value": [2]},
    "0008103E": {"vr": "LO", "Value": ["thin slices"]},
    "00180015": {"vr": "CS", "Value": ["CHEST"]},
    "00201209": {"vr": "IS", "Value": ["16"]},
}
SEG = {
    "0020000E": {"vr": "UI", "Value": ["1.2.3.2"]},
    "00080060": {"vr": "CS", "Value": ["SEG"]},
    "00200011": {"vr": "IS", "Value": [1]},
    "00201209": {"vr": "IS", "Value": [1]},
}
SEG_INSTANCE = {
    "00080018": {"vr": "UI", "Value": ["1.2.3.2.1"]},
    "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.66.4"]},
    "00200013": {"vr": "IS", "Value": [1]},
}


def built(**changes: Any) -> dict[str, Any]:
    return imaging_study({**STUDY, **changes}, [CT, SEG], PATIENT, {"1.2.3.2": [SEG_INSTANCE]})


def test_a_study_and_its_series() -> None:
    study = built()
    assert study["id"] == imaging_study_id("1.2.3")
    assert study["identifier"] == [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}]
    assert study["status"] == "available"
    assert study["subject"] == {"reference": PATIENT.reference}
    assert study["started"] == "2024-01-31"
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (2, 17)
    assert [one["code"] for one in study["modality"]] == ["CT", "SEG"]
    seg, ct = study["series"]  # by series number
    assert ct["uid"] == "1.2.3.1"
    assert ct["numberOfInstances"] == 16
    assert ct["bodySite"]["code"] == "816094009"
    assert "instance" not in ct
    assert seg["instance"] == [
        {
            "uid": "1.2.3.2.1",
            "sopClass": {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1.2.840.10008.5.1.4.1.1.66.4"},
            "number": 1,
        }
    ]


def test_what_we_build_is_valid() -> None:
    for resource in (built(), bare_imaging_study("1.2.3", PATIENT), imaging_patient(PATIENT)):
        assert check_resource(resource) == []
        assert validate(resource) == []


def test_the_order_of_the_answers_does_not_matter() -> None:
    assert imaging_study(STUDY, [SEG, CT], PATIENT) == imaging_study(STUDY, [CT, SEG], PATIENT)


def test_a_zone_brings_the_time() -> None:
    assert built(**{"00080201": {"vr": "SH", "Value": ["+0100"]}})["started"] == "2024-01-31T10:15:00+01:00"


def test_hospital_data_leave_elements_out() -> None:
    study = imaging_study({"0020000D": STUDY["0020000D"]}, [{"0020000E": CT["0020000E"]}], PATIENT)
    assert "started" not in study
    assert "description" not in study
    assert study["series"] == [
        {"uid": "1.2.3.1", "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "OT"}}
    ]
    assert validate(study) == []


def test_a_negative_series_number_is_no_unsigned_int() -> None:
    study = imaging_study(STUDY, [{**CT, "00200011": {"vr": "IS", "Value": [-1]}}], PATIENT)
    assert "number" not in study["series"][0]


def test_a_text_that_is_no_uid_is_refused() -> None:
    with pytest.raises(InvalidUidError):
        built(**{"0020000D": {"vr": "UI", "Value": ["1.2.3/../4"]}})


def test_a_body_part_that_the_standard_does_not_list_keeps_its_text() -> None:
    assert body_site("Left big toe") == {"display": "Left big toe"}
    assert body_site(" ") is None
    assert body_site("chest ") == {"system": "http://snomed.info/sct", "code": "816094009", "display": "Chest"}


def test_the_body_parts_are_codes_of_the_standard() -> None:
    known = {code for meanings in concepts["SCT"].values() for code in meanings}
    assert {code for code, _ in _body_parts().values()} <= known


def test_the_patient_carries_the_identifier_and_no_more() -> None:
    patient = imaging_patient(PATIENT)
    assert patient.keys() == {"resourceType", "id", "identifier"}
    assert patient["identifier"] == [{"system": "urn:demo:pacs", "value": "DEMO-001"}]


@pytest.mark.parametrize(("sex", "gender"), [("M", "male"), ("F", "female"), ("O", "other"), ("", None), ("X", None)])
def test_a_dicom_sex_as_a_fhir_gender(sex: str, gender: str | None) -> None:
    assert dicom_gender(sex) == gender


def test_the_store_s_endpoint_stands_at_the_study_and_at_each_series() -> None:
    endpoint = {"reference": "Endpoint/n1"}
    study = imaging_study(STUDY, [CT, SEG], PATIENT, endpoint=endpoint)
    assert study["endpoint"] == [endpoint]
    assert all(series["endpoint"] == [endpoint] for series in study["series"])
    assert check_resource(study) == []
