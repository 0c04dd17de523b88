"""A typed cell of a workbook to the text that a person sees."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from multimodal.tables.rows import NumberText

_REMEMBERED = 1 << 16


def cell_text(cell: Any) -> str:
    """Return the text of a typed cell: 5.0 is ``5``, a date ISO 8601, a truth value ``true`` or ``false``.

    Parameters
    ----------
    cell : str, bool, int, float, datetime, date, time, timedelta or None
        As calamine or openpyxl give it. A date and time at midnight is a date, as people enter it; seconds are rounded
        as Excel shows them, since its days are floating-point numbers. A duration is ``hours:minutes:seconds``.

    Notes
    -----
    Numbers get the 15 digits that Excel shows, so that 0.1 + 0.2 reads ``0.3``. One with a decimal sign is a
    `NumberText`: that sign is Python's, not the one of the column's text cells.
    """
    if isinstance(cell, str):
        return cell
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        text = f"{cell + 0.0:.15g}"  # -0.0 becomes 0
        return NumberText(text) if "." in text else text
    if isinstance(cell, dt.datetime):
        whole = (cell + dt.timedelta(microseconds=500_000)).replace(microsecond=0)
        return whole.date().isoformat() if whole.time() == dt.time() else whole.isoformat()
    if isinstance(cell, dt.time):
        return cell.replace(microsecond=0).isoformat()
    if isinstance(cell, dt.timedelta):
        return _duration(cell)
    return cell.isoformat() if isinstance(cell, dt.date) else str(cell)


def _duration(span: dt.timedelta) -> str:
    seconds = round(span.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


class _Texts(dict[Any, str]):
    """Texts of the values of one Python type: most of a sheet's numbers and dates occur again."""

    def __missing__(self, cell: Any) -> str:
        text = cell_text(cell)
        if len(self) < _REMEMBERED:
            self[cell] = text
        return text


def record_texts() -> Callable[[list[Any]], list[str]]:
    """Return a function that turns the cells of a record into texts, and remembers those it has met."""
    numbers, dates = _Texts(), _Texts()

    def texts(record: list[Any]) -> list[str]:
        return [
            cell if (kind := type(cell)) is str
            else numbers[cell] if kind is float
            else dates[cell] if kind is dt.date
            else cell_text(cell)
            for cell in record
        ]  # fmt: skip

    return texts
