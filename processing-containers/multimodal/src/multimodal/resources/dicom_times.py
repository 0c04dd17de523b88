"""DICOM dates and times as FHIR writes them: no more precise than the source, never invented."""

from __future__ import annotations

import re
from datetime import date

_DATE = re.compile(r"(\d{4})[.-]?(?:(\d{2})[.-]?(\d{2})?)?")
_TIME = re.compile(r"(\d{2}):?(\d{2}):?(\d{2})(?:\.(\d{1,6}))?")
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")


def fhir_date(text: str) -> str | None:
    """Return a DICOM DA (PS3.5 6.2) as a FHIR date; None where there is none that exists in the calendar.

    ``19930822`` and the old ``1993.08.22`` become ``1993-08-22``; ``1993`` and ``199308`` stay partial.
    """
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day = found.groups()
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    return "-".join(part for part in (year, month, day) if part)


def fhir_datetime(day: str, time: str = "", offset: str = "") -> str | None:
    """Return a study's or series' date and time as a FHIR dateTime.

    Parameters
    ----------
    day, time : str
        DA and TM (PS3.5 6.2), or their ISO forms.
    offset : str
        Timezone Offset From UTC (0008,0201), e.g. ``+0100``.

    Notes
    -----
    FHIR demands a zone beside a time. Where the file names no zone the time is left out: a zone of
    our own choosing would move the study to another hour, at midnight to another day.
    """
    on = fhir_date(day)
    at, zone = _TIME.fullmatch(time.strip()), _OFFSET.fullmatch(offset.strip())
    if on is None or len(on) < len("2000-01-01") or at is None or zone is None:
        return on
    hour, minute, second, fraction = at.groups()
    if int(hour) > 23 or int(minute) > 59 or int(second) > 59:  # a leap second has no place in FHIR
        return on
    if int(zone[2]) > 14 or int(zone[3]) > 59:
        return on
    part = f".{fraction}" if fraction and int(fraction) else ""
    sign = "+" if int(zone[2]) == int(zone[3]) == 0 else zone[1]
    return f"{on}T{hour}:{minute}:{second}{part}{sign}{zone[2]}:{zone[3]}"
