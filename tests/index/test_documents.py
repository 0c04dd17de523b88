from datetime import UTC, datetime
from typing import Any

import pytest

from multimodal.index.documents import Arrival, age_in_years, series_document

CT: dict[str, Any] = {
    "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
    "0020000E": {"vr": "UI", "Value": ["1.2.3.1"]},
    "00080060": {"vr": "CS", "Value": ["CT"]},
    "00080008": {"vr": "CS", "Value": ["ORIGINAL", "PRIMARY", "AXIAL"]},
    "00080020": {"vr": "DA", "Value": ["20240131"]},
    "00080030": {"vr": "TM", "Value": ["101500.25"]},
    "0008002A": {"vr": "DT", "Value": ["20240131101500.000000"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane", "Ideographic": "山田"}]},
    "00100020": {"vr": "LO", "Value": ["DEMO-001 "]},
    "00101010": {"vr": "AS", "Value": ["063Y"]},
    "00180050": {"vr": "DS", "Value": [2.5]},
    "00280030": {"vr": "DS", "Value": ["0.9", "0.9"]},
    "00200011": {"vr": "IS", "Value": ["2"]},
    "00081140": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.9"]}}]},
    "00089215": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["A"]}}, {}]},
    "00991001": {"vr": "LO", "Value": ["private"]},
    "7FE00010": {"vr": "OW", "BulkDataURI": "http://elsewhere/bulk"},
    "00080050": {"vr": "SH"},
}


def test_keys_and_values_by_vr() -> None:
    document = series_document(CT)
    assert document["0020000E SeriesInstanceUID_keyword"] == "1.2.3.1"
    assert document["00080008 ImageType_keyword"] == ["ORIGINAL", "PRIMARY", "AXIAL"]
    assert document["00080020 StudyDate_date"] == "2024-01-31"
    assert document["00080030 StudyTime_time"] == "10:15:00.250000"
    assert (
        document["0008002A AcquisitionDateTime_datetime"] == "2024-01-31 09:15:00.000000"
    )  # UTC, taken for the platform's home
    assert document["00100010 PatientName_keyword_alphabetic"] == "Doe^Jane"
    assert document["00100010 PatientName_keyword_ideographic"] == "山田"
    assert document["00100020 PatientID_keyword"] == "DEMO-001"
    assert document["00180050 SliceThickness_float"] == 2.5
    assert document["00280030 PixelSpacing_float"] == [0.9, 0.9]
    assert document["00200011 SeriesNumber_integer"] == 2
    assert document["00081140 ReferencedImageSequence_object"] == {
        "00081155 ReferencedSOPInstanceUID_keyword": "1.9",
    }


def test_what_cannot_be_a_field_is_left_out() -> None:
    keys = " ".join(series_document(CT))
    assert "00991001" not in keys  # private
    assert "7FE00010" not in keys  # binary
    assert "00089215" not in keys  # a sequence of several items
    assert "00080050" not in keys  # empty


def test_what_the_gallery_needs_is_derived() -> None:
    document = series_document({tag: element for tag, element in CT.items() if tag != "0008002A"})
    assert document["00000000 CuratedModality_keyword"] == "CT"
    assert document["00000000 Timestamp_datetime"] == "2024-01-31 09:15:00.250000"
    assert document["00000000 TimeTagUsed_keyword"] == "StudyDate + StudyTime"
    assert document["00000000 DayOfWeek_integer"] == 2
    assert document["00000000 DerivedPatientAge_integer"] == 63


def test_a_localizer_counts_as_radiograph() -> None:
    localizer = {**CT, "00080008": {"vr": "CS", "Value": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}}
    assert series_document(localizer)["00000000 CuratedModality_keyword"] == "XR"


@pytest.mark.parametrize(("born", "age"), [("19600131", 64), ("19600201", 63)])
def test_a_birth_date_tells_the_age_better(born: str, age: int) -> None:
    document = series_document({**CT, "00100030": {"vr": "DA", "Value": [born]}})
    assert document["00000000 DerivedPatientAge_integer"] == age


def test_labels_of_a_segmentation() -> None:
    segments = [{"00620005": {"vr": "LO", "Value": [name]}} for name in ("Tumour, left", "Lung")]
    seg = {"00080060": {"vr": "CS", "Value": ["SEG"]}, "00620002": {"vr": "SQ", "Value": segments}}
    document = series_document(seg)
    assert document["00000000 AnnotationLabel_keyword"] == ["Tumour- left", "Lung"]
    assert document["00000000 AnnotationLabelsList_keyword"] == "Lung,Tumour- left"


def test_labels_of_a_structure_set() -> None:
    rois = [{"30060026": {"vr": "LO", "Value": ["GTV-1"]}}]
    rtstruct = {"00080060": {"vr": "CS", "Value": ["RTSTRUCT"]}, "30060020": {"vr": "SQ", "Value": rois}}
    assert series_document(rtstruct)["00000000 AnnotationLabel_keyword"] == ["GTV-1"]


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        ("00080020", "DA", "20241399"),
        ("00080020", "DA", "yesterday"),
        ("00080030", "TM", "9"),
        ("00200011", "IS", "two"),
        ("00180050", "DS", "nan"),
        ("00180050", "DS", "1e999"),
        ("0008002A", "DT", "2024"),
    ],
)
def test_an_odd_value_does_not_keep_the_series_out(tag: str, vr: str, value: str) -> None:
    document = series_document({**CT, tag: {"vr": vr, "Value": [value]}})
    assert not [key for key in document if key.startswith(tag)]
    assert document["0020000E SeriesInstanceUID_keyword"] == "1.2.3.1"


def test_a_series_without_any_date_has_no_time() -> None:
    document = series_document({"00080060": CT["00080060"]})
    assert document == {
        "00080060 Modality_keyword": "CT",
        "00000000 CuratedModality_keyword": "CT",
        "00000000 PredictedBodypart_keyword": "N/A",
    }


@pytest.mark.parametrize(
    ("value", "utc"),
    [
        ("20240715101500", "2024-07-15 08:15:00.000000"),
        ("202407151015", "2024-07-15 08:15:00.000000"),
        ("20240715101500-0500", "2024-07-15 08:15:00.000000"),
        ("20240715", "2024-07-14 23:00:00.000000"),
        ("20240331023000", "2024-03-31 01:30:00.000000"),  # an hour that the summer time leaves out
    ],
)
def test_a_datetime_is_taken_for_one_of_the_platforms_home(value: str, utc: str) -> None:
    document = series_document({"0008002A": {"vr": "DT", "Value": [value]}})
    assert document["0008002A AcquisitionDateTime_datetime"] == utc


def test_an_arrival_tells_when_and_where_to_a_series_came() -> None:
    arrival = Arrival(datetime(2024, 7, 16, 10, 5, tzinfo=UTC), "demo", "lung")
    document = series_document(CT, arrival)
    assert document["00000000 TimestampArrived_datetime"] == "2024-07-16 10:05:00.000000"
    assert document["00000000 TimestampArrived_date"] == "2024-07-16"
    assert document["00000000 TimestampArrivedHour_integer"] == 10
    assert document["00120010 ClinicalTrialSponsorName_keyword"] == "lung"
    assert document["00120020 ClinicalTrialProtocolID_keyword"] == "demo"
    undated = series_document({"00080060": CT["00080060"]}, arrival)
    assert undated["00000000 TimeTagUsed_keyword"] == (
        "date not found -> arriving date + time not found -> arriving time"
    )


@pytest.mark.parametrize(("age", "years"), [("063Y", 63), ("018M", 1.5), ("", None), ("63", None), ("old", None)])
def test_age_strings(age: str, years: float | None) -> None:
    assert age_in_years(age) == years
