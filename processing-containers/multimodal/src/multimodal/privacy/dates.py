"""Dates of FHIR moved by whole days, and birth dates made less exact."""

from __future__ import annotations

import calendar
import datetime as dt
from typing import Literal

BirthDate = Literal["keep", "year", "drop"]


def shifted(text: str, days: int) -> str:
    """Return a FHIR date or dateTime, moved by `days`, as exact as it was.

    The clock time and its zone stay; the day moves. A month or a year moves by what its middle moves, so that a partial
    date neither gains exactness nor drifts.

    Parameters
    ----------
    text : str
        ``YYYY``, ``YYYY-MM``, ``YYYY-MM-DD`` or a dateTime (FHIR R4 datatypes, dateTime).
    days : int
        By how many days; negative for earlier.

    Raises
    ------
    ValueError
        If `text` is none of these, or the calendar ends before the new date.
    """
    day, rest = text[:10], text[10:]
    try:
        return _day(day, days) + rest
    except OverflowError as error:
        raise ValueError(f"{text} cannot be moved by {days} days") from error


def _day(text: str, days: int) -> str:
    move = dt.timedelta(days=days)
    if len(text) == 4:
        return f"{(dt.date(int(text), 7, 2) + move).year:04d}"
    if len(text) == 7:
        year, month = int(text[:4]), int(text[5:])
        middle = dt.date(year, month, (calendar.monthrange(year, month)[1] + 1) // 2)
        return (middle + move).isoformat()[:7]
    return (dt.date.fromisoformat(text) + move).isoformat()


def birth_date(text: str, kept: BirthDate) -> str | None:
    """Return what may be told of a birth date: all, its year, or nothing."""
    if kept == "drop":
        return None
    return text[:4] if kept == "year" else text
