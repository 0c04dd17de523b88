"""Kinds of units that have no dimension, or hide one: what arithmetic on units alone would convert, and nobody should.

``mmol/mol`` and ``%`` are both numbers, but a ratio of amounts of substance is no share of anything that ``%`` is used
for: HbA1c of 65 mmol/mol (IFCC) is 8.1 % (NGSP), not 6.5 %, since the two scales differ by an offset
(https://doi.org/10.1373/clinchem.2003.024802).
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

_ANNOTATION = re.compile(r"\{[^{}]*\}")
_MASS = re.compile(r"[a-z]?g|\[lb_av\]|\[oz_av\]")
_VOLUME = re.compile(r"[a-z]?[lL]")
# Mere numbers, in the names of the unit registry; an angle is a number of another kind, whatever its unit.
_NUMBERS = frozenset({"percent", "ppth", "ppm", "ppb", "pptr", "_10", "_1", ""})
_ANGLES = frozenset({"radian", "degree", "turn", "minute_angle", "second_angle", "gon", "circle"})

AMOUNTS = "a ratio of amounts of substance is another scale (HbA1c: IFCC to NGSP needs an offset)"
_PARTS = "a share of mass is none of volume"
_ANNOTATED = "what stands in braces names what was counted"
_ARBITRARY = "they count different things"


def different_kinds(source: str, target: str, first: Any, second: Any) -> str:
    """Return why numbers in two units of one dimension cannot be converted; empty where they can.

    Parameters
    ----------
    source, target : str
        The UCUM codes.
    first, second : Quantity or Unit
        What they are in the unit registry.
    """
    if _own_names(first) != _own_names(second):
        return _ARBITRARY
    if dict(first.units.dimensionality):
        return ""
    kinds = {_kind(source), _kind(target)}
    if len(kinds) == 1:
        return _ANNOTATED if kinds == {"annotated"} else ""
    if "amount" in kinds:
        return AMOUNTS
    if kinds == {"mass", "volume"}:
        return _PARTS
    return _ANNOTATED if "annotated" in kinds and "1" not in (source, target) else ""


def _own_names(unit: Any) -> Counter[str]:
    """Return the units without a dimension that are no mere numbers, such as [iU]; without their prefixes."""
    registry = unit._REGISTRY
    found: Counter[str] = Counter()
    for name, power in unit.units._units.items():
        if not dict(registry.get_dimensionality(name)):
            base = registry.parse_unit_name(name)[0][1]
            if base not in _NUMBERS:
                found["angle" if base in _ANGLES else base] += power
    return Counter({name: power for name, power in found.items() if power})


def _kind(code: str) -> str:
    plain = _ANNOTATION.sub("", code)
    if not plain:
        return "annotated"
    if "mol" in plain:
        return "amount"
    first = plain.split("/")[0]
    if _MASS.fullmatch(first):
        return "mass"
    return "volume" if _VOLUME.fullmatch(first) else "number"
