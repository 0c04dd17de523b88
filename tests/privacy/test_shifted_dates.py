"""Dates move by whole days and stay as exact as they were."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimodal.privacy.dates import birth_date, shifted

DAYS = st.integers(-3000, 3000)


@given(st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)), st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)), DAYS)
def test_time_between_dates_stays(first: dt.date, second: dt.date, days: int) -> None:
    one, two = (dt.date.fromisoformat(shifted(date.isoformat(), days)) for date in (first, second))
    assert two - one == second - first


@pytest.mark.parametrize(
    ("text", "days", "moved"),
    [
        ("2012-07-21", 10, "2012-07-31"),
        ("2012-02-28", 1, "2012-02-29"),
        ("2012-07-21T23:59:00+02:00", -21, "2012-06-30T23:59:00+02:00"),
        ("2012-07", 30, "2012-08"),
        ("2012-07", 3, "2012-07"),
        ("2012", 200, "2013"),
        ("2012", -100, "2012"),
    ],
)
def test_date_moves(text: str, days: int, moved: str) -> None:
    assert shifted(text, days) == moved


@given(st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)), DAYS, st.sampled_from([4, 7, 10]))
def test_exactness_stays(date: dt.date, days: int, length: int) -> None:
    assert len(shifted(date.isoformat()[:length], days)) == length


def test_end_of_the_calendar_is_an_error() -> None:
    with pytest.raises(ValueError, match="9999-12-31 cannot be moved"):
        shifted("9999-12-31", 1)


def test_birth_date_can_be_kept_shortened_or_dropped() -> None:
    assert [birth_date("1960-05-17", kept) for kept in ("keep", "year", "drop")] == ["1960-05-17", "1960", None]
