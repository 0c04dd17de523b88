import pytest

from multimodal.model.dicom_json import json_tag, text, values, whole_number

DATASET = {
    "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane "}]},
    "00100020": {"vr": "LO", "Value": [" DEMO-001 "]},
    "00100040": {"vr": "CS"},
    "00200011": {"vr": "IS", "Value": ["12"]},
    "00201209": {"vr": "IS", "Value": [""]},
    "00080061": {"vr": "CS", "Value": ["CT", None, "SEG"]},
}


def test_a_value_is_found_by_its_keyword() -> None:
    assert json_tag("StudyInstanceUID") == "0020000D"
    assert text(DATASET, "StudyInstanceUID") == "1.2.3"
    assert values(DATASET, "ModalitiesInStudy") == ["CT", "SEG"]


def test_padding_goes_and_a_name_is_alphabetic() -> None:
    assert text(DATASET, "PatientID") == "DEMO-001"
    assert text(DATASET, "PatientName") == "Doe^Jane"


def test_absent_and_empty_are_nothing() -> None:
    assert text(DATASET, "PatientSex") == ""
    assert text(DATASET, "Modality") == ""
    assert values(DATASET, "PatientSex") == []


@pytest.mark.parametrize(("keyword", "number"), [("SeriesNumber", 12), ("NumberOfSeriesRelatedInstances", None)])
def test_numbers_may_be_text(keyword: str, number: int | None) -> None:
    assert whole_number(DATASET, keyword) == number


def test_an_unknown_keyword_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="PatientShoe"):
        json_tag("PatientShoe")
