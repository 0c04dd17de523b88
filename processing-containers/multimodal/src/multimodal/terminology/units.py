"""Units: what people write to UCUM (https://ucum.org), and conversion between equal dimensions."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from multimodal.terminology.unit_kinds import different_kinds

UCUM = "http://unitsofmeasure.org"
_LONGEST = 40
_PH = "pH_value"
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_SIGNS = str.maketrans("µμ²³·×", "uu23.x")
_POWER = re.compile("10([⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_TIMES = re.compile(r"^x\s*10\*")
_SLASH = re.compile(r"\s*/\s*")


class UnknownUnitError(ValueError):
    """A text that is neither UCUM nor a known spelling."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f"unknown unit {text!r}; write it in UCUM, e.g. g/dL or 10*9/L")


class DimensionError(ValueError):
    """Two units that measure different things.

    Parameters
    ----------
    source, target : str
        UCUM codes.
    molar : bool
        Whether one is a mass and the other an amount of substance: only the molar mass of what was measured joins them.
    kinds : str
        Why two numbers of one dimension are not of one kind.
    """

    def __init__(self, source: str, target: str, *, molar: bool = False, kinds: str = "") -> None:
        self.source = source
        self.target = target
        self.molar = molar
        self.kinds = kinds
        why = ": that needs the molar mass of what was measured" if molar else f": {kinds}" * bool(kinds)
        super().__init__(f"{source} cannot be converted to {target}{why}")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: its UCUM code, and how people read it."""

    code: str
    display: str


@cache
def _spellings() -> dict[str, Unit]:
    text = files("multimodal.terminology").joinpath("data/units.csv").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return {row["spelling"]: Unit(row["ucum"], row["display"] or row["ucum"]) for row in csv.DictReader(lines)}


@cache
def _whatever_case() -> dict[str, Unit | None]:
    """Return the spellings without their case; None where case decides (g/L, G/L)."""
    found: dict[str, Unit | None] = {}
    for spelling, unit_ in _spellings().items():
        folded = spelling.casefold()
        same = found.setdefault(folded, unit_)
        if same is None or same.code != unit_.code:
            found[folded] = None
    return {folded: unit_ for folded, unit_ in found.items() if len(folded) > 1}  # S is no second, A no year


@cache
def _registry() -> Any:
    # Loaded only when a unit outside the data file is met: it costs about a second.
    from pint import get_application_registry
    from ucumvert import PintUcumRegistry

    registry = PintUcumRegistry()
    # ucumvert (0.3) calls [pH] by this name but defines no such unit; it parses with the registry of the application.
    for one in (registry, get_application_registry()):
        if _PH not in one:
            one.define(f"{_PH} = []")
    return registry


@cache
def unit(text: str) -> Unit:
    """Return the unit that `text` means.

    Parameters
    ----------
    text : str
        A UCUM code or a spelling of the data file ``units.csv``, in any case where case does not decide.

    Raises
    ------
    UnknownUnitError
        If it is neither.
    """
    name = text.strip()
    plain = _plainly(name)
    known = _spellings().get(name) or _spellings().get(plain) or _whatever_case().get(plain.casefold())
    if known is not None:
        return known
    if plain.startswith("{") and plain.endswith("}") and plain.isascii() and plain[1:-1].isidentifier():
        return Unit(plain, plain[1:-1])
    # A mere number is UCUM too, but in a unit column it is a slipped cell.
    if not plain or len(plain) > _LONGEST or not plain.isascii() or plain.isdigit() or "{}" in plain:
        raise UnknownUnitError(text)
    _parse(plain)
    return Unit(plain, plain)


def _plainly(name: str) -> str:
    """Return a spelling as UCUM would have it: both micro signs as u, raised digits lowered, no blanks at a slash."""
    plain = _POWER.sub(lambda match: "10*" + match[1].translate(_RAISED), name)
    plain = _SLASH.sub("/", plain.translate(_SIGNS)).replace("10^", "10*").replace("10**", "10*")
    return _TIMES.sub("10*", plain)


@cache
def _parse(code: str) -> Any:
    from lark.exceptions import LarkError
    from pint.errors import PintError

    try:
        parsed = _registry().from_ucum(code)
        # A mere annotation, e.g. {score}, is the unit 1 (UCUM 2.4, §12).
        return parsed if hasattr(parsed, "units") else _registry().from_ucum("1")
    except (LarkError, PintError, ValueError, TypeError, AttributeError) as error:
        raise UnknownUnitError(code) from error


@cache
def converter(source: str, target: str) -> Callable[[float], float]:
    """Return the function that converts a number from UCUM code `source` to `target`.

    Molar to mass concentration needs the molar mass and is no plain conversion: it is refused, since only the mapping
    can know the factor.

    Raises
    ------
    DimensionError
        If the units measure different things.
    UnknownUnitError
        If one of them is no UCUM code.
    """
    if source == target:
        return _same
    from pint.errors import DimensionalityError

    first, second = _parse(source), _parse(target)
    if first.units.dimensionality == second.units.dimensionality:
        kinds = different_kinds(source, target, first, second)
        if kinds:
            raise DimensionError(source, target, kinds=kinds)
    try:
        zero, one = (_convert(first, second, number) for number in (0.0, 1.0))
    except DimensionalityError as error:
        raise DimensionError(source, target, molar=_molar(first, second)) from error
    if zero:  # degrees: an offset, not a mere factor
        return lambda number: float(f"{_convert(first, second, number):.12g}")
    return lambda number: float(f"{number * one:.12g}")


def _molar(first: Any, second: Any) -> bool:
    """Return whether two units differ by mass per amount of substance, as g/L and mmol/L do."""
    ratio = dict((first.units / second.units).dimensionality)
    return ratio in ({"[mass]": 1, "[substance]": -1}, {"[mass]": -1, "[substance]": 1})


def _convert(source: Any, target: Any, number: float) -> float:
    registry = _registry()
    return float(
        registry.Quantity(number * getattr(source, "magnitude", 1), source.units).to(target.units).magnitude
    ) / (getattr(target, "magnitude", 1))


def _same(number: float) -> float:
    return number
