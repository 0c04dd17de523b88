"""Date cells to FHIR dates (https://hl7.org/fhir/R4/datatypes.html#dateTime), partial ones kept partial."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from multimodal.mapping.errors import CellError
from multimodal.mapping.months import month_of
from multimodal.model.issue_codes import IssueCode

_DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})",
    "m": r"(?P<m>\d{1,2})",
    "d": r"(?P<d>\d{1,2})",
    "H": r"(?P<H>\d{1,2})",
    "M": r"(?P<M>\d{2})",
    "S": r"(?P<S>\d{2})",
    "b": r"(?P<b>[A-Za-zÀ-ÿ]{3,10}\.?)",
    "B": r"(?P<b>[A-Za-zÀ-ÿ]{3,10}\.?)",
}
# Two digits each, where nothing stands between two of them: 2012111 could be two days.
_NARROW = {name: rf"(?P<{name}>\d{{2}})" for name in "mdH"}
# Day 0 of the two date systems of spreadsheets. In that of 1900, day 60 is a 29 February that never was.
_EPOCHS = {"excel": dt.date(1899, 12, 30), "excel-1904": dt.date(1904, 1, 1)}
_LEAP_DAY_THAT_NEVER_WAS = 60
# Nobody who is in a clinical table was born before, nothing was planned for after: 0024 and 9999 are slips.
PLAUSIBLE_YEARS = (1800, 2150)
_SERIAL = re.compile(r"(\d{1,7})(?:[.,](\d{1,12}))?", re.ASCII)
_ISO = re.compile(
    r"(?P<Y>\d{4})(-(?P<m>\d{2})(-(?P<d>\d{2})([T ](?P<H>\d{2}):(?P<M>\d{2})(:(?P<S>\d{2})(\.\d+)?)?"
    r"(?P<zone>Z|[+-](0\d|1[0-4]):[0-5]\d)?)?)?)?",
    re.ASCII,
)
_NUMERIC = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})", re.ASCII)


class DateFormatError(ValueError):
    """A date format of the mapping that cannot be read."""


def compile_format(text: str) -> re.Pattern[str]:
    """Return the pattern of a date format with the directives %Y %m %d %H %M %S %b %B (month names, see `months`).

    Raises
    ------
    DateFormatError
        If the format has another directive, e.g. ``%y``: two digits do not name a century.
    """
    pattern, seen = "", set()
    parts = re.split(r"%(.)", text)
    for position, part in enumerate(parts):
        if position % 2 == 0:
            pattern += re.escape(part)
            continue
        if part not in _DIRECTIVES or part in seen:
            why = " (two digits do not name a century)" if part == "y" else ""
            raise DateFormatError(
                f"%{part} in the date format {text!r} is not supported{why}; known: %Y %m %d %H %M %S %b %B"
            )
        seen.add(part)
        touches = (position > 1 and not parts[position - 1]) or (position < len(parts) - 2 and not parts[position + 1])
        pattern += _NARROW.get(part, _DIRECTIVES[part]) if touches else _DIRECTIVES[part]
    wanted = [{"Y"}, {"m", "b", "B"}, {"d"}, {"H"}, {"M"}]
    present = [bool(names & seen) for names in wanted]
    if not present[0] or present != sorted(present, reverse=True) or text.endswith("%"):
        raise DateFormatError(f"the date format {text!r} must name a year, then month, day and time without gaps")
    return re.compile(pattern, re.ASCII)


def date_reader(
    formats: Sequence[str], zone: ZoneInfo | None = None, years: tuple[int, int] = PLAUSIBLE_YEARS
) -> DateReader:
    """Return the reader of dates in these formats, of which one may be ``excel`` or ``excel-1904``.

    Raises
    ------
    DateFormatError
        If a format cannot be read.
    """
    serial = [text for text in formats if text in _EPOCHS]
    if len(serial) > 1:
        raise DateFormatError("a number is a day of either excel or excel-1904, not of both")
    patterns = tuple(compile_format(text) for text in formats if text not in _EPOCHS)
    return DateReader(patterns, zone, serial[0] if serial else "", years)


@dataclass(frozen=True, slots=True)
class DateReader:
    """Reads the dates of one column.

    Parameters
    ----------
    formats : sequence of patterns
        Declared formats; a text that two of them read differently is ambiguous. Without any, ISO 8601 and
        numeric dates whose day and month cannot be confused.
    zone : ZoneInfo, optional
        For times without one. A time that its clocks showed twice, or never, is refused.
    serial : {"", "excel", "excel-1904"}
        Whether a number is a day of a spreadsheet's calendar, and of which.
    years : (int, int)
        First and last plausible year.
    """

    formats: Sequence[re.Pattern[str]] = ()
    zone: ZoneInfo | None = None
    serial: str = ""
    years: tuple[int, int] = PLAUSIBLE_YEARS

    def read(self, text: str) -> str:
        """Return the FHIR date or dateTime of `text`.

        Raises
        ------
        CellError
            E301 if it is no date or its year is not plausible, E302 if day and month could be exchanged.
        """
        if self.serial and (number := _SERIAL.fullmatch(text)):
            return self._of_serial(number, text)
        found = {self._assemble(match, text) for pattern in self.formats if (match := pattern.fullmatch(text))}
        if len(found) > 1:
            raise self._ambiguous(text)
        if found:
            return found.pop()
        match = _ISO.fullmatch(text)
        if match:
            return self._assemble(match, text)
        if not self.formats and not self.serial and (match := _NUMERIC.fullmatch(text)):
            return self._numeric(match, text)
        raise CellError(IssueCode.BAD_DATE, f"{text!r} is no date in a known format")

    def read_day(self, text: str) -> str:
        """Return the FHIR date of `text`, without its time."""
        return self.read(text)[:10]

    def _numeric(self, match: re.Match[str], text: str) -> str:
        first, second, year = int(match[1]), int(match[3]), int(match[4])
        if first <= 12 and second <= 12 and first != second:
            raise self._ambiguous(text)
        day, month = (first, second) if first > 12 else (second, first)
        return self._checked(text, year, month, day).isoformat()

    def _assemble(self, match: re.Match[str], text: str) -> str:
        parts = match.groupdict()
        month = parts.get("m")
        if parts.get("b"):
            month = str(month_of(parts["b"]))
        if not month:
            return f"{self._checked(text, int(parts['Y']), 1, 1).year:04d}"
        if not parts.get("d"):
            return self._checked(text, int(parts["Y"]), int(month), 1).isoformat()[:7]
        day = self._checked(text, int(parts["Y"]), int(month), int(parts["d"]))
        if not parts.get("H"):
            return day.isoformat()
        return self._time(day, parts, text)

    def _of_serial(self, match: re.Match[str], text: str) -> str:
        count = int(match[1])
        if self.serial == "excel":
            if count in (0, _LEAP_DAY_THAT_NEVER_WAS):
                raise CellError(IssueCode.BAD_DATE, f"{text!r} is no day of a spreadsheet's calendar")
            count += count < _LEAP_DAY_THAT_NEVER_WAS
        try:
            moment = dt.datetime.combine(_EPOCHS[self.serial] + dt.timedelta(days=count), dt.time())
            moment += dt.timedelta(seconds=round(float(f"0.{match[2] or 0}") * 86400))
        except OverflowError as error:
            raise CellError(IssueCode.BAD_DATE, f"{text!r} is no day of a spreadsheet's calendar") from error
        self._plausible(moment.year)
        if not match[2] or not int(match[2]):
            return moment.date().isoformat()
        return self._zoned(moment, text)

    def _time(self, day: dt.date, parts: dict[str, str | None], text: str) -> str:
        try:
            clock = dt.time(int(parts["H"] or 0), int(parts["M"] or 0), int(parts.get("S") or 0))
        except ValueError as error:
            raise CellError(IssueCode.BAD_DATE, f"{text!r} has no such time of day") from error
        if parts.get("zone"):
            return f"{day.isoformat()}T{clock.isoformat()}{parts['zone']}"
        return self._zoned(dt.datetime.combine(day, clock), text)

    def _zoned(self, moment: dt.datetime, text: str) -> str:
        """Return the time with the offset that the zone's clocks had, the change of summer time apart."""
        if self.zone is None:
            raise CellError(
                IssueCode.BAD_DATE,
                f"{text!r} has a time but no zone, which FHIR asks for",
                suggestion="declare `source.timezone`, e.g. Europe/Berlin",
            )
        earlier, later = (moment.replace(tzinfo=self.zone, fold=fold).utcoffset() for fold in (0, 1))
        if earlier != later:
            gap = (earlier or dt.timedelta()) < (later or dt.timedelta())
            raise CellError(
                IssueCode.BAD_DATE if gap else IssueCode.AMBIGUOUS_DATE,
                f"the clocks of {self.zone.key} {'never showed' if gap else 'showed twice'} {text!r}",
                suggestion="write the time with its offset, e.g. 2012-10-28T02:30:00+01:00",
            )
        # Before standard time, zones differ by odd seconds, which FHIR cannot write.
        minutes = round((earlier or dt.timedelta()).total_seconds() / 60)
        return moment.replace(tzinfo=dt.timezone(dt.timedelta(minutes=minutes))).isoformat()

    def _checked(self, text: str, year: int, month: int, day: int) -> dt.date:
        try:
            date = dt.date(year, month, day)
        except ValueError as error:
            part = "year" if year < 1 else "month" if not 1 <= month <= 12 else "day"
            problem = f"{text!r} is no day of the calendar"
            raise CellError(IssueCode.BAD_DATE, problem, suggestion=f"correct the {part}") from error
        self._plausible(year)
        return date

    def _plausible(self, year: int) -> None:
        first, last = self.years
        if not first <= year <= last:
            suggestion = (
                "correct the year; declare a text that stands for a missing date under `missing`, "
                f"other plausible years than {first} to {last} under `source.years`"
            )
            raise CellError(IssueCode.BAD_DATE, f"the year {year} is not plausible", suggestion=suggestion)

    @staticmethod
    def _ambiguous(text: str) -> CellError:
        return CellError(IssueCode.AMBIGUOUS_DATE, f"in {text!r} day and month could be exchanged")


def days_after(date: str, days: float | str) -> str:
    """Return the day that lies `days` after a FHIR date.

    Raises
    ------
    CellError
        E301 if `date` does not say a day, `days` is no whole number, or the calendar ends before.
    """
    try:
        count = int(str(days))
        return (dt.date.fromisoformat(date[:10]) + dt.timedelta(days=count)).isoformat()
    except (ValueError, OverflowError) as error:
        raise CellError(IssueCode.BAD_DATE, f"there is no day {days} days after {date!r}") from error
