"""The visits in which the rows of a run were recorded; each becomes an Encounter."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from multimodal.tables.rows import Row


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit.

    Parameters
    ----------
    id : str
        Of its Encounter.
    patient : str
        Id of the Patient.
    label : str
        Name of the event, for people; empty where the source names none.
    start, end : str
        First and last date of the rows recorded in it; empty where they have none.
    encounter_class : mapping
        FHIR Coding of ``Encounter.class``.
    """

    id: str
    patient: str
    label: str = ""
    start: str = ""
    end: str = ""
    encounter_class: Mapping[str, str] = field(default_factory=dict)


class Visits:
    """Gathers the visits of a run, whatever the order of its rows."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, str], Row, Visit]] = {}

    def add(self, row: Row, rank: tuple[int, str], visit: Visit) -> None:
        """Add what a row says of its visit; `rank` is the position of its form, and its key."""
        known = self._known.get(visit.id)
        if known is None:
            short = Row(row.number, {}, row.sheet, row.record, row.event, row.instance)
            self._known[visit.id] = (rank, short, visit)
            return
        first, short, other = known
        if rank < first:
            first, short = rank, Row(row.number, {}, row.sheet, row.record, row.event, row.instance)
            visit, other = other, visit
        dates = [date for date in (other.start, other.end, visit.start, visit.end) if date]
        self._known[visit.id] = (first, short, Visit(
            other.id, other.patient, other.label or visit.label,
            min(dates, key=_moment, default=""), max(dates, key=_moment, default=""), other.encounter_class,
        ))  # fmt: skip

    def __iter__(self) -> Iterator[tuple[Row, Visit]]:
        for _, row, visit in self._known.values():
            yield row, visit


def span(dates: list[str]) -> tuple[str, str]:
    """Return the first and the last of FHIR dates, empty texts where there is none."""
    return min(dates, key=_moment, default=""), max(dates, key=_moment, default="")


def _moment(date: str) -> tuple[str, str]:
    """Return what dates are sorted by: the moment in UTC where there is a time, then the text itself."""
    if "T" not in date:
        return date, date
    return dt.datetime.fromisoformat(date).astimezone(dt.UTC).isoformat(), date
