"""The cell readers of a run: known once the decimal sign of each column is decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from multimodal.mapping.cells import (
    Measured,
    MeasuredRange,
    NumberReader,
    check_limits,
    codeable_of,
    quantity,
    read_boolean,
    read_text,
    translate,
)
from multimodal.mapping.decimals import MIXED, UNSURE
from multimodal.mapping.errors import CellError
from multimodal.mapping.plan import DROP, Column
from multimodal.model.issue_codes import IssueCode
from multimodal.terminology.concepts import Concept, code_systems
from multimodal.terminology.units import DimensionError, Unit, UnknownUnitError, converter, unit

# A value of these types is checked by its typed cell; the resource around it is checked once for each type.
_CHECKED_BY_CELL = frozenset({"Quantity", "Range", "Integer", "String", "Boolean", "DateTime", "Age"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one text of a column is: a value, a reason why there is none, nothing, or an error.

    Parameters
    ----------
    type : str
        FHIR type as it ends a choice element, e.g. ``Quantity``; empty where there is no value.
    value : Any
        The value, or the data-absent-reason; shared by all resources that hold it.
    element : str
        Element of an Observation that holds it; empty where there is nothing to hold.
    kind : str
        Resources of one kind are alike in all that the typed cell does not check.
    note : str
        What a person should know, e.g. ``inexact``.
    error : CellError, optional
        Why it cannot be used.
    """

    type: str = ""
    value: Any = None
    element: str = ""
    kind: str = ""
    note: str = ""
    error: CellError | None = None


NOTHING = Outcome()


def _holding(type_: str, value: Any, note: str = "") -> Outcome:
    compared = isinstance(value, dict) and "comparator" in value
    kind = f"{type_}{' compared' if compared else ''}" if type_ in _CHECKED_BY_CELL else f"{type_} {value}"
    return Outcome(type_, value, "value" + type_, kind, note)


def _absent(text: str, reason: str) -> Outcome:
    """Return the outcome of a missing code (obs-6: a reason in place of a value, never beside it)."""
    note = "missing" if text else ""
    if reason == DROP:
        return Outcome(note=note) if note else NOTHING
    return Outcome("", Concept(code_systems()["DAR"], reason).codeable, "dataAbsentReason", reason, note)


ReadOutcome = Callable[[str, str], Outcome]


def number_reader(column: Column, decimal: str) -> NumberReader:
    """Return the reader of a column's numbers; `decimal` may be ``mixed`` or ``unsure``."""
    return NumberReader(
        decimal="." if decimal in (MIXED, UNSURE) else decimal,
        thousands=column.thousands,
        whole=column.type == "integer",
        # Where each row has its own unit, the limits are in the unit that is written.
        limits=None if column.unit_column else column.limits,
        mixed=decimal == MIXED,
        unsure=decimal == UNSURE,
        percent=column.unit is not None and column.unit.code == "%",
    )


def plain_reader(column: Column, numbers: NumberReader) -> Callable[[str], Any]:
    """Return the reader that expressions use: number, truth value, date or text; None for a missing cell."""
    typed: Callable[[str], Any] = {
        "number": numbers.number,
        "integer": numbers.number,
        "age": numbers.number,
        "boolean": read_boolean,
        "date": column.dates.read,
    }.get(column.type, read_text)
    missing = column.missing
    return lambda text: None if text in missing else typed(text)


def outcome_reader(column: Column, numbers: NumberReader) -> ReadOutcome:
    """Return the function from a cell's text (and its unit's) to its outcome; it raises nothing."""
    read = _TYPED[column.type](column, numbers)

    def outcome(text: str, unit_text: str) -> Outcome:
        reason = column.missing.get(text)
        if reason is not None:
            return _absent(text, reason)
        try:
            return read(text, unit_text)
        except CellError as error:
            return Outcome(error=error)

    return outcome


def _measured(column: Column, numbers: NumberReader) -> ReadOutcome:
    def read(text: str, unit_text: str) -> Outcome:
        number = numbers.measured(text)
        measure, convert = unit_of(column, unit_text)
        if column.unit_column and column.limits:
            ends = (number.low, number.high) if isinstance(number, MeasuredRange) else (number.value,)
            for end in ends:
                check_limits(convert(end), column.limits, f"{text} {unit_text}")
        if isinstance(number, MeasuredRange):
            low, high = (quantity(Measured(convert(value)), measure) for value in (number.low, number.high))
            return _holding("Range", {"low": low, "high": high})
        if column.type == "integer" and measure is None and not number.comparator:
            return _holding("Integer", number.value)
        return _holding("Quantity", quantity(Measured(convert(number.value), number.comparator), measure))

    return read


def unit_of(column: Column, unit_text: str) -> tuple[Unit | None, Callable[[float], float]]:
    """Return the unit to write, and the conversion to it from the unit of the cell."""
    source = column.unit
    if column.unit_column:
        try:
            source = unit(unit_text)
        except UnknownUnitError as error:
            problem = f"unknown unit {unit_text!r}" if unit_text else "the unit cell is empty"
            suggestion = "" if unit_text else "write the unit in it, e.g. g/dL; a value without its unit is not stored"
            raise CellError(
                IssueCode.UNKNOWN_UNIT, problem, suggestion=suggestion, column=column.unit_column, value=unit_text
            ) from error
    if column.convert_to is None or source is None:
        return source, _same
    factor = column.factors.get(source.code, 0.0) if column.unit_column else column.factor
    if factor:
        return column.convert_to, lambda value: float(f"{value * factor:.12g}")
    try:
        return column.convert_to, converter(source.code, column.convert_to.code)
    except DimensionError as error:
        declare = f"declare what such a number is multiplied with: `factor: {{{unit_text}: ...}}`"
        suggestion = declare if error.molar else f"keep the unit, or {declare}" if error.kinds else ""
        raise CellError(
            IssueCode.DIMENSION, str(error), suggestion=suggestion, column=column.unit_column, value=unit_text
        ) from error


def _same(value: float) -> float:
    return value


def _code(column: Column, _: NumberReader) -> ReadOutcome:
    table = column.table
    if table is None:
        raise AssertionError("a column of type code has a table")  # the loader sees to it

    def read(text: str, unit_text: str) -> Outcome:
        notes: list[str] = []
        found = translate(table, text, lambda kind, _: notes.append(kind))
        note = notes[0] if notes else ""
        return Outcome(note=note) if found is None else _holding("CodeableConcept", codeable_of(found), note=note)

    return read


def _simple(type_: str, read_one: Callable[[Column, NumberReader], Callable[[str], Any]]) -> Any:
    def make(column: Column, numbers: NumberReader) -> ReadOutcome:
        read = read_one(column, numbers)
        return lambda text, unit_text: _holding(type_, read(text))

    return make


def _age(column: Column, numbers: NumberReader) -> ReadOutcome:
    def read(text: str, unit_text: str) -> Outcome:
        value = numbers.number(text)
        if value < 0:
            raise CellError(IssueCode.OUT_OF_RANGE, f"the age {text} is negative")
        return _holding("Age", quantity(Measured(value), column.unit))

    return read


_TYPED: dict[str, Callable[[Column, NumberReader], ReadOutcome]] = {
    "number": _measured,
    "integer": _measured,
    "age": _age,
    "code": _code,
    "text": _simple("String", lambda column, numbers: read_text),
    "boolean": _simple("Boolean", lambda column, numbers: read_boolean),
    "date": _simple("DateTime", lambda column, numbers: column.dates.read),
}
