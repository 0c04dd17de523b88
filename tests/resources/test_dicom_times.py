from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimodal.resources.dicom_times import fhir_date, fhir_datetime


@pytest.mark.parametrize(
    ("dicom", "fhir"),
    [
        ("20080918", "2008-09-18"),
        ("2008.09.18", "2008-09-18"),
        ("2008-09-18", "2008-09-18"),
        ("200809", "2008-09"),
        ("2008", "2008"),
        ("", None),
        ("20081345", None),
        ("20090229", None),
        ("000000", None),
        ("yesterday", None),
    ],
)
def test_a_date_is_no_more_precise_than_its_source(dicom: str, fhir: str | None) -> None:
    assert fhir_date(dicom) == fhir


@pytest.mark.parametrize(
    ("time", "offset", "fhir"),
    [
        ("101500", "+0100", "2008-09-18T10:15:00+01:00"),
        ("101500.250000", "-0330", "2008-09-18T10:15:00.250000-03:30"),
        ("101500.000000", "+0000", "2008-09-18T10:15:00+00:00"),
        ("101500", "-0000", "2008-09-18T10:15:00+00:00"),
        ("101500", "", "2008-09-18"),  # no zone: a time would need an invented one
        ("", "+0100", "2008-09-18"),
        ("1015", "+0100", "2008-09-18"),
        ("101560", "+0100", "2008-09-18"),
        ("101500", "+9900", "2008-09-18"),
    ],
)
def test_a_time_needs_a_zone(time: str, offset: str, fhir: str) -> None:
    assert fhir_datetime("20080918", time, offset) == fhir


def test_without_a_date_there_is_no_time() -> None:
    assert fhir_datetime("", "101500", "+0100") is None
    assert fhir_datetime("2008", "101500", "+0100") == "2008"


@given(st.dates())
def test_every_date_of_the_calendar_survives(day: date) -> None:
    assert fhir_date(day.isoformat().replace("-", "")) == day.isoformat()
