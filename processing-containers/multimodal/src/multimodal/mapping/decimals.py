"""The decimal sign of each number column, decided from all of its cells before the first row is used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from multimodal.tables.rows import NumberText, Row

MIXED = "mixed"
_ONE = r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d{1,3})?"
_NUMBER = re.compile(rf"(?:<=|>=|<|>|≤|≥)?\s*{_ONE}(?:\s*[-–]\s*{_ONE})?(?:\s*%)?", re.ASCII)


def decide_decimals(rows: Iterable[Row], columns: Sequence[tuple[str, str]], thousands: str) -> dict[str, str]:
    """Return the decimal sign of each column that has one: ``.``, ``,`` or ``mixed``.

    Parameters
    ----------
    rows : iterable of Row
        All rows of the tables that share these columns.
    columns : sequence of (str, str)
        Header in the mapping, header in the file.
    thousands : str
        Declared sign between groups of digits; it is no decimal sign.

    Notes
    -----
    ``1,54`` and ``1.54`` in one column make it mixed: nothing says which of them is meant otherwise. A text that is
    no number decides nothing, nor does a cell that is a number in its workbook.
    """
    signs: dict[str, set[str]] = {name: set() for name, _ in columns}
    candidates = [sign for sign in ".," if sign != thousands]
    for row in rows:
        if not row.usable:
            continue
        for name, header in columns:
            text = row.values[header]
            found = signs[name]
            for sign in candidates:
                if sign in text and sign not in found and _sign(text, thousands) == sign:
                    found.add(sign)
    return {name: MIXED if len(found) > 1 else found.pop() for name, found in signs.items() if found}


def _sign(text: str, thousands: str) -> str:
    if isinstance(text, NumberText):
        return ""
    plain = text.strip().replace(thousands, "") if thousands else text.strip()
    signs = {sign for sign in ".," if sign in plain}
    return signs.pop() if len(signs) == 1 and _NUMBER.fullmatch(plain) else ""
