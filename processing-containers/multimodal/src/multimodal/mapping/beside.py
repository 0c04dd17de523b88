"""What other columns say of a value: a remark on it, and the limits of its reference range."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from multimodal.mapping.cells import Measured, quantity
from multimodal.mapping.errors import CellError
from multimodal.mapping.plan import Column
from multimodal.mapping.readers import unit_of
from multimodal.mapping.row_state import Resource, RowState
from multimodal.model.issue_codes import IssueCode

_RANGED = ("valueQuantity", "valueRange", "valueInteger")


def beside(column: Column, headers: Mapping[str, str]) -> Callable[[RowState, Resource], None] | None:
    """Return the closure that adds ``note`` and ``referenceRange`` to the Observation of a row.

    Parameters
    ----------
    column : Column
        The column of the value.
    headers : mapping of str to str
        Header in the mapping to header in the file, for the columns that the file has.

    Returns
    -------
    callable or None
        None where no other column says anything of this one. The limits are in the unit of the cell, and converted
        with it (https://hl7.org/fhir/R4/observation-definitions.html#Observation.referenceRange).
    """
    note = column.note_column if column.note_column in headers else ""
    limits = [
        (name, limit) for name, limit in (("low", column.low_column), ("high", column.high_column)) if limit in headers
    ]
    if not note and not limits:
        return None
    unit_header = headers.get(column.unit_column, "")

    def add(state: RowState, made: Resource) -> None:
        if note and (text := state.typed(note)) is not None:
            made["note"] = [{"text": str(text)}]
        if limits and any(element in made for element in _RANGED):
            found = _range(state)
            if found:
                made["referenceRange"] = [found]

    def _range(state: RowState) -> dict[str, Any]:
        numbers = {name: value for name, limit in limits if (value := state.typed(limit)) is not None}
        if len(numbers) == 2 and numbers["low"] > numbers["high"]:
            message = f"the reference range {numbers['low']:g} to {numbers['high']:g} ends before it begins"
            state.add(IssueCode.OUT_OF_RANGE, message, headers[column.low_column], state.text(column.low_column))
            return {}
        try:
            measure, convert = unit_of(column, state.values[unit_header].strip() if unit_header else "")
        except CellError:  # reported with the value, which has the same unit
            return {}
        return {name: quantity(Measured(convert(number)), measure) for name, number in numbers.items()}

    return add
