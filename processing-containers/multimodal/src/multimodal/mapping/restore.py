"""From values of FHIR back to the text that a table had: each column's translation, read from right to left."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from multimodal.mapping.dates import DateReader
from multimodal.mapping.errors import CellError
from multimodal.mapping.plan import Column
from multimodal.terminology.concepts import Concept
from multimodal.terminology.units import DimensionError, converter

Values = Mapping[str, Any]
"""The row of a column's view: names of `views.ColumnView.definition` to values."""

_GROUP = re.compile(r"\(\?P<(\w)>[^)]*\)")
_ESCAPED = re.compile(r"\\(.)")
_ISO = re.compile(r"(?P<Y>\d{4})(-(?P<m>\d\d)(-(?P<d>\d\d)(T(?P<H>\d\d):(?P<M>\d\d)(:(?P<S>\d\d))?)?)?)?")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def restorer(column: Column, decimal: str = ".") -> Callable[[Values], str]:
    """Return the function from what a view found of a column to the text of its cell.

    Parameters
    ----------
    column : Column
        Verb patient, observation, condition or into.
    decimal : {".", ","}
        The decimal sign of the column.

    Notes
    -----
    The text reads to the same value, in the spelling that the mapping names first: the first of several source values
    with one meaning, the first date format that has all parts of the date, ``true`` and ``false``. A value that the
    table of the column did not have comes back as the text that was kept.
    """
    value = _of_patient(column) if column.verb == "patient" else _of_type(column, decimal)
    absent: dict[str, str] = {}
    # A code for a missing value says more than an empty cell, so that comes last.
    for text, reason in sorted(column.missing.items(), key=lambda item: not item[0]):
        absent.setdefault(reason, text)

    def restored(values: Values) -> str:
        if values.get("absent"):
            return absent.get(str(values["absent"]), "")
        return value(values)

    return restored


def _of_type(column: Column, decimal: str) -> Callable[[Values], str]:
    if column.type in ("number", "integer", "age"):
        return _number(column, decimal)
    if column.type == "code":
        return _code(column)
    if column.type == "boolean":
        return lambda values: _truth(values.get("value"))
    if column.type == "date":
        return lambda values: written_date(values.get("value") or "", column.dates)
    return lambda values: _text(values.get("value"))


def _of_patient(column: Column) -> Callable[[Values], str]:
    if column.element == "birthDate":
        return lambda values: written_date(values.get("value") or "", column.dates)
    sources = _by_target(column)
    if column.element == "gender":
        return lambda values: sources.get(_text(values.get("value")), _text(values.get("value")))
    if column.element == "deceased":
        return lambda values: _deceased(values, column, sources)
    return lambda values: _text(values.get("value"))


def _deceased(values: Values, column: Column, sources: Mapping[Any, str]) -> str:
    if values.get("date") and column.table is None:
        return written_date(values["date"], column.dates)
    text = "true" if values.get("date") else _truth(values.get("value"))
    return sources.get(text, text)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _truth(value: Any) -> str:
    return "" if value is None else "true" if value else "false"


def _number(column: Column, decimal: str) -> Callable[[Values], str]:
    back = _conversion_back(column)

    def text(value: Any) -> str:
        number = back(value)
        return (str(number) if isinstance(number, int) else f"{number:.15g}").replace(".", decimal)

    def restored(values: Values) -> str:
        if values.get("low") is not None:
            return f"{text(values['low'])}-{text(values['high'])}"
        plain = values.get("value") if values.get("value") is not None else values.get("integer")
        return "" if plain is None else f"{values.get('comparator') or ''}{text(plain)}"

    return restored


def _conversion_back(column: Column) -> Callable[[Any], Any]:
    """Return the inverse of a column's conversion; where each row has its own unit, the converted value stays."""
    if column.convert_to is None or column.unit is None or column.unit_column:
        return lambda value: value
    if column.factor:
        return lambda value: _whole(float(f"{value / column.factor:.12g}"))
    try:
        convert = converter(column.convert_to.code, column.unit.code)
    except DimensionError:
        return lambda value: value
    return lambda value: _whole(convert(value))


def _whole(number: float) -> float | int:
    return int(number) if number == int(number) and abs(number) < 1e15 else number


def _by_target(column: Column) -> dict[Any, str]:
    """Return (system, code), or plain code, to source value; of several the first that fits exactly, else the first."""
    found: dict[Any, str] = {}
    if column.table is None:
        return found
    entries = sorted(column.table.entries.items(), key=lambda entry: bool(entry[1].inexact))
    for source, translation in entries:
        target = translation.target
        found.setdefault((target.system, target.code) if isinstance(target, Concept) else target, source)
    return found


def _code(column: Column) -> Callable[[Values], str]:
    sources = _by_target(column)

    def restored(values: Values) -> str:
        text = _text(values.get("text"))
        if values.get("code"):
            return sources.get((values.get("system"), values["code"]), text or _text(values["code"]))
        return sources.get(text, text)

    return restored


def written_date(date: str, reader: DateReader) -> str:
    """Return a FHIR date in the first declared format that has the same parts and reads to it; else as it is."""
    match = _ISO.match(date)
    if match is None:
        return date
    parts = {name: part for name, part in match.groupdict().items() if part}
    wanted = {*parts} - {"S"}
    for pattern in reader.formats:
        names = {"m" if name in "bB" else name for name in _GROUP.findall(pattern.pattern)}
        if names - {"S"} == wanted:
            text = _ESCAPED.sub(r"\1", _GROUP.sub(lambda group: _part(group[1], parts), pattern.pattern))
            if _reads_to(reader, text, date):
                return text
    # The parts of a time without its zone are read in the zone of the source.
    local = "T".join(date.split("T"))[:19]
    return local if "T" in date and _reads_to(reader, local, date) else date


def _part(name: str, parts: Mapping[str, str]) -> str:
    return _MONTHS[int(parts["m"]) - 1] if name in "bB" else parts.get(name, "00")


def _reads_to(reader: DateReader, text: str, date: str) -> bool:
    try:
        return reader.read(text) == date
    except CellError:
        return False
