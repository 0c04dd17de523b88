"""The dates of rows: which tells the rows of a patient apart, and which is that of a form's values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from multimodal.drafting.facts import Facts
from multimodal.drafting.proposals import Proposal, date_format
from multimodal.tables.dictionary import Field
from multimodal.tables.rows import Row

_DATES = frozenset({"date", "datetime"})
_DATED = ("observation",)


def key_of(
    patient: str, proposals: list[Proposal], facts: Mapping[str, Facts], rows: Sequence[Row]
) -> tuple[tuple[str, ...], bool]:
    """Return the columns that, with the patient's id, tell the rows apart; and whether some do.

    A date that nobody recognised and that tells them apart is proposed as the date of the visit, in `proposals`.
    """
    if not patient or _tells_apart((patient,), rows):
        return (), True
    for one in proposals:
        if one.verb == "helper" and _tells_apart((patient, one.column), rows):
            return (patient, one.column), True
    for at, one in enumerate(proposals):
        known = facts.get(one.column, Facts())
        if one.verb == "todo" and not one.guesses and known.dated and _tells_apart((patient, one.column), rows):
            proposals[at] = _date(one, "the date that tells the rows of a patient apart", date_format(known))
            return (patient, one.column), True
    return (patient,), False


def _tells_apart(columns: tuple[str, ...], rows: Sequence[Row]) -> bool:
    keys = [tuple(row.values.get(column, "") for column in columns) for row in rows]
    return len(set(keys)) == len(keys)


def _date(one: Proposal, reason: str, format_: str = "") -> Proposal:
    line = {"helper": "date of the values", "type": "date"}
    return Proposal(one.column, "helper", "visit-date", line, 0.8, (*one.reasons, reason), format=format_)


def dated_by_form(fields: Sequence[Field], proposals: Sequence[Proposal]) -> list[Proposal]:
    """Return the proposals of a record's forms, where the observations of a form with one date have it.

    A date of birth or of death is none of the form, nor is one that seems to be something else.
    """
    by_name = {one.name: one for one in fields}
    dates: dict[str, list[str]] = {}
    for one in proposals:
        field = by_name[one.column]
        if field.type in _DATES and one.verb in {"helper", "todo"} and field.form:
            dates.setdefault(field.form, []).append(one.column)
    open_ = {one.column for one in proposals if one.verb == "todo" and one.guesses}
    only = {form: names[0] for form, names in dates.items() if len(names) == 1 and names[0] not in open_}
    wanted = {by_name[one.column].form for one in proposals if one.verb in _DATED}
    return [_dated(one, by_name[one.column], only, wanted) for one in proposals]


def _dated(one: Proposal, field: Field, only: Mapping[str, str], wanted: set[str]) -> Proposal:
    date = only.get(field.form)
    if date is None or field.form not in wanted:
        return one
    if one.column == date:
        return _date(one, f"the only date of the form {field.form}") if one.verb == "todo" else one
    if one.verb not in _DATED:
        return one
    return dataclasses.replace(one, line={**one.line, "effective": date})
