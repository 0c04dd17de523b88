"""Typed cells: the text of a cell to a checked value, or a `CellError` that says why not."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from multimodal.mapping.digit_groups import grouped, sign_between_groups, signs_like, without_groups
from multimodal.mapping.errors import CellError
from multimodal.model.issue_codes import IssueCode
from multimodal.tables.rows import NumberText
from multimodal.terminology.translation import Translation, TranslationTable
from multimodal.terminology.units import UCUM, Unit

_PLAIN = re.compile(r"[+-]?(\d+|\d*[.,]\d+|\d+[.,])([eE][+-]?\d{1,3})?", re.ASCII)
_COMPARED = re.compile(r"(<=|>=|<|>|≤|≥)\s*(.+)")
_RANGE = re.compile(r"([+-]?[\d.,]+)\s*[-–]\s*([+-]?[\d.,]+)", re.ASCII)
_SIGNS = {"≤": "<=", "≥": ">="}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
# In English, German, French, Spanish and Italian.
_TRUE = frozenset(
    {"1", "true", "yes", "y", "wahr", "ja", "j", "vrai", "oui", "o", "verdadero", "sí", "si", "s", "vero", "sì"}
)
_FALSE = frozenset({"0", "false", "no", "n", "falsch", "nein", "faux", "non", "falso"})
_LARGEST_INTEGER = 2**53


@dataclass(frozen=True, slots=True)
class Measured:
    """A number, with a comparator such as ``<`` where the cell has one."""

    value: float
    comparator: str = ""


@dataclass(frozen=True, slots=True)
class MeasuredRange:
    """Two numbers written as ``10-20``."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class NumberReader:
    """Reads the numbers of one column.

    Parameters
    ----------
    decimal : {".", ","}
        The decimal sign, decided for the whole column; a `NumberText` has its own.
    thousands : str
        Sign between groups of three digits, see `digit_groups`; none unless declared.
    whole : bool
        Whether only integers are allowed.
    limits : tuple of float, optional
        Lowest and highest plausible value.
    mixed : bool
        Whether the column holds both decimal signs and none was declared: a cell with one cannot be read.
    unsure : bool
        Whether the sign in the column's numbers could stand between thousands, and nothing was declared.
    percent : bool
        Whether a number may be followed by ``%``, which is the unit of its column.
    """

    decimal: str = "."
    thousands: str = ""
    whole: bool = False
    limits: tuple[float, float] | None = None
    mixed: bool = False
    percent: bool = False
    unsure: bool = False

    def number(self, text: str) -> float:
        """Return the number that `text` is; an int where it is written as one.

        Raises
        ------
        CellError
            E101 if it is none, E102 outside the limits, E105 where the decimal sign is unclear.
        """
        text = self._bare(text)
        return self._number(text, text)

    def _bare(self, text: str) -> str:
        """Return a text without the unit that may stand in it."""
        return text.removesuffix("%").rstrip() if self.percent and not isinstance(text, NumberText) else text

    def _number(self, text: str, cell: str) -> float:
        """Return the number `text`, which is all of `cell` or a part of it."""
        if isinstance(text, NumberText):
            return self._within(self._finite(text, text), text)
        plain = text
        if self.thousands and (plain := without_groups(text, self.thousands)) != text:
            self._check_groups(text)
        if _PLAIN.fullmatch(plain) is None:
            raise _not_a_number(text, suggestion=_thousands_to_declare(text) if not self.thousands else "")
        if "." in plain or "," in plain:
            if self.mixed:
                problem = f"the column holds numbers with . and with , so {text!r} cannot be read"
                raise CellError(IssueCode.MIXED_DECIMAL, problem)
            if self.unsure:
                digits, number = re.sub("[.,]", "", plain), plain.replace(",", ".")
                problem = f"{text!r} could be {number} or {digits}"
                sign = "," if "," in plain else "."
                suggestion = (
                    f'declare `decimal: "{sign}"` if it is {number}, or `thousands: "{sign}"` if it is {digits}: '
                    "for this column, or for all of them under `source`"
                )
                raise CellError(IssueCode.MIXED_DECIMAL, problem, suggestion=suggestion)
            if self.decimal not in plain:
                raise self._other_sign(text, cell)
            plain = plain.replace(",", ".")
        return self._within(self._finite(plain, text), text)

    def _within(self, value: float, text: str) -> float:
        if self.limits:
            check_limits(value, self.limits, text)
        return value

    def measured(self, text: str) -> Measured | MeasuredRange:
        """Return the number of `text` with its comparator, or the range that it is."""
        text = self._bare(text)
        match = _COMPARED.fullmatch(text)
        if match:
            return Measured(self._number(match[2], text), _SIGNS.get(match[1], match[1]))
        if _PLAIN.fullmatch(text) is None and (match := self._as_range(text)):
            low, high = self._number(match[1], text), self._number(match[2], text)
            if low > high:
                raise _not_a_number(text, ": the range ends before it begins")
            return MeasuredRange(low, high)
        return Measured(self.number(text))

    def _as_range(self, text: str) -> re.Match[str] | None:
        if match := _RANGE.fullmatch(text):
            return match
        if not self.thousands:
            return None
        number = rf"([+-]?\d[\d.,{re.escape(signs_like(self.thousands))}]*?)"
        return re.fullmatch(rf"{number}\s*[-–]\s*{number}", text, re.ASCII)

    def _other_sign(self, text: str, cell: str) -> CellError:
        other = "," if self.decimal == "." else "."
        plain = without_groups(cell, self.thousands)
        return CellError(
            IssueCode.NOT_A_NUMBER,
            f"{text!r} is not a number; the decimal sign of this column is {self.decimal!r}",
            suggestion=f'write {plain.replace(other, self.decimal)}, or declare `decimal: "{other}"` under `source`',
        )

    def _check_groups(self, text: str) -> None:
        if grouped(self.thousands).fullmatch(text) is None:
            raise _not_a_number(text, f"; {self.thousands!r} does not stand between groups of three digits")

    def _finite(self, plain: str, text: str) -> float:
        if plain.lstrip("+-").isdigit():
            value: float = int(plain) if len(plain) <= 17 else float(plain)
        else:
            value = float(plain)
        if not math.isfinite(value) or (isinstance(value, int) and abs(value) > _LARGEST_INTEGER):
            raise _not_a_number(text, ": too large")
        if self.whole:
            if value != int(value):
                raise _not_a_number(text, ": a whole number is expected")
            return int(value)
        return value


def check_limits(value: float, limits: tuple[float, float], shown: str) -> None:
    """Raise E102 if `value` is outside `limits`."""
    if not limits[0] <= value <= limits[1]:
        low, high = (f"{limit:g}" for limit in limits)
        raise CellError(IssueCode.OUT_OF_RANGE, f"{shown} is not within {low} to {high}")


def _not_a_number(text: str, why: str = "", suggestion: str = "") -> CellError:
    return CellError(IssueCode.NOT_A_NUMBER, f"{text!r} is not a number{why}", suggestion=suggestion)


def _thousands_to_declare(text: str) -> str:
    sign = sign_between_groups(text)
    declared = f'`thousands: "{sign}"` for this column, or for all of them under `source`'
    return f"correct the cell, or declare {declared}" if sign else ""


def read_text(text: str) -> str:
    """Return `text` if FHIR allows it as a string (no control characters).

    Raises
    ------
    CellError
        E104 otherwise.
    """
    if _CONTROL.search(text):
        raise CellError(IssueCode.NOT_TEXT, "the cell holds a control character, which FHIR forbids")
    return str(text)


def read_key(text: str) -> str:
    """Return `text` if it can name a row or a patient: no control characters, and none that nobody sees.

    Raises
    ------
    CellError
        E104 otherwise: with a zero width space in it, an id would be another patient's, and look the same.
    """
    key = read_text(text)
    for character in () if key.isascii() else key:
        if unicodedata.category(character) == "Cf":
            raise CellError(IssueCode.NOT_TEXT, f"the cell holds the invisible character U+{ord(character):04X}")
    return key


def read_boolean(text: str) -> bool:
    """Return the truth value that `text` is: true, yes, y, 1, ja, oui, sí, ... in any case, in five languages.

    Raises
    ------
    CellError
        E103 if it is none.
    """
    folded = text.casefold()
    if folded in _TRUE or folded in _FALSE:
        return folded in _TRUE
    raise CellError(IssueCode.NOT_A_BOOLEAN, f"{text!r} is neither yes nor no")


Noted = Callable[[str, str], None]
"""Told the kind (``inexact``, ``text``) and source value of a translation that a person should know of."""


def translate(table: TranslationTable, text: str, noted: Noted) -> Translation | str | None:
    """Return what `text` means in `table`.

    Returns
    -------
    Translation, str or None
        A translation; the text itself where the table keeps unknown values as text; None where it drops them.

    Raises
    ------
    CellError
        E201 if the table does not know the value and says ``otherwise: error``.
    """
    found = table.get(text)
    if found is not None:
        if found.inexact:
            noted(found.inexact, text)
        return found
    if isinstance(table.otherwise, tuple):
        noted("otherwise", text)
        first, *others = (Translation(concept, "inexact") for concept in table.otherwise)
        return replace(first, also=tuple(others))
    if table.otherwise == "drop":
        noted("dropped", text)
        return None
    if table.otherwise == "text":
        noted("text", text)
        return read_text(text)
    where = f"table {table.name!r}" if table.name else "the column's table"
    raise CellError(IssueCode.NOT_IN_TABLE, f"{text!r} is not in {where}", suggestion=_same_but_case(table, text))


def _same_but_case(table: TranslationTable, text: str) -> str:
    same = table.same_but_case(text)
    if not same:
        return ""
    if same.casefold() != text.casefold():  # white space differs, which no declaration bridges
        return f"did you mean {same!r}? correct the cell, or add the value to the table"
    declare = "`ignore_case: true`" if table.name else "the table under `tables:` with `ignore_case: true`"
    return f"did you mean {same!r}? correct the cell, or declare {declare}"


def codeable_of(meaning: Translation | str) -> dict[str, Any]:
    """Return the CodeableConcept of a translated value; a plain text becomes its text."""
    return {"text": meaning} if isinstance(meaning, str) else meaning.codeable


def quantity(number: Measured, unit: Unit | None) -> dict[str, Any]:
    """Return the FHIR Quantity of `number` in `unit`."""
    found: dict[str, Any] = {"value": number.value}
    if number.comparator:
        found["comparator"] = number.comparator
    if unit is not None:
        found |= {"unit": unit.display, "system": UCUM, "code": unit.code}
    return found
