"""Whether two texts say the same in a column: ``50,0`` and ``50``, two spellings of one date or of one concept."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from multimodal.mapping.cells import read_boolean
from multimodal.mapping.errors import CellError
from multimodal.mapping.plan import Column
from multimodal.mapping.readers import Outcome, ReadOutcome, number_reader, outcome_reader

_PRECISION = 1e-9

Same = Callable[[str, str, str], bool]
"""From the text of a cell, the text that came back, and the unit beside the cell, to whether they say the same."""


def sameness(column: Column, decimal: str) -> Same:
    """Return the comparison of a column's cells.

    Parameters
    ----------
    column : Column
        Verb patient, observation, condition, checkbox or into.
    decimal : str
        Its decimal sign.
    """
    if column.verb == "checkbox":
        return lambda given, back, unit: _ticked(column, given) == _ticked(column, back)
    if column.verb == "patient":
        return lambda given, back, unit: _same_of_patient(column, given, back)
    read = outcome_reader(column, number_reader(column, decimal))
    return lambda given, back, unit: _same_value(column, read, (given, unit), back)


def _ticked(column: Column, text: str) -> bool | None:
    """Return whether an option is ticked; what makes nothing says nothing."""
    if text in column.missing or text.casefold() == "unchecked":
        return None
    ticked = text.casefold() == "checked" or read_boolean(text)
    return ticked or None


def _same_of_patient(column: Column, given: str, back: str) -> bool:
    if given in column.missing or not given:
        return True  # another row may have said it
    return given == back or _meaning(column, given) == _meaning(column, back)


def _meaning(column: Column, text: str) -> Any:
    if column.table is not None:
        found = column.table.get(text)
        text = found.text if found else text
    if column.element == "gender":
        return text
    for read in (column.dates.read_day if column.element == "birthDate" else column.dates.read, read_boolean):
        try:
            return read(text)
        except CellError:
            continue
    return text


def _same_value(column: Column, read: ReadOutcome, given: tuple[str, str], back: str) -> bool:
    unit = column.convert_to.code if column.convert_to and column.unit_column else given[1]
    first, second = read(*given), read(back, unit)
    if column.when is not None and not back:
        return True
    if column.verb in ("into", "condition") and not first.type:
        # No reason for a missing value has a place there; in place of it may stand what the template says.
        return column.verb == "into" or not back
    return _alike(_said(first), _said(second))


def _said(outcome: Outcome) -> Mapping[str, Any]:
    return {"element": outcome.element, "value": outcome.value} if outcome.element else {}


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=_PRECISION)
    return bool(one == other)
