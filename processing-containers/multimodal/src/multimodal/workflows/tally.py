"""What the report tells of the cells themselves: units, date formats, and how many cells a table had to translate."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from multimodal.mapping.plan import Column, Mapping
from multimodal.tables.rows import Row

_DIGIT = re.compile(r"\d", re.ASCII)
_WORD = re.compile(r"[^\W\d_]+")
_NAMED = {
    "9999-99-99": "YYYY-MM-DD", "9999-99": "YYYY-MM", "9999": "YYYY", "99.99.9999": "DD.MM.YYYY",
    "9.9.9999": "D.M.YYYY", "99.9.9999": "D.M.YYYY", "9.99.9999": "D.M.YYYY", "99/99/9999": "NN/NN/YYYY",
    "9/9/9999": "N/N/YYYY", "99/9/9999": "N/N/YYYY", "9/99/9999": "N/N/YYYY", "99999999": "YYYYMMDD",
}  # fmt: skip
_MOST_TEXTS = 20_000  # of a column, before their formats alone are kept
_MOST_SHOWN = 20
_OTHERS = "others"


class Tally:
    """Counts, while the rows go by, what cells look like; a few dictionary look-ups a row.

    Parameters
    ----------
    mapping : Mapping
        Says which columns hold units and dates, and which are translated.
    """

    def __init__(self, mapping: Mapping) -> None:
        units, dates, filled = set[str](), set[str](), set[str]()
        self._missing: dict[str, frozenset[str]] = {}
        for form in mapping.forms:
            for column in form.columns.values():
                headers = {column.header, *column.aliases}
                if column.unit_column:
                    units |= _headers(form.columns.values(), column.unit_column)
                if column.type == "date" or (column.verb == "patient" and column.element == "birthDate"):
                    dates |= headers
                if column.effective is not None and column.effective.column:
                    dates |= _headers(form.columns.values(), column.effective.column)
                if column.table is not None:
                    filled |= headers
                for header in headers:
                    self._missing[header] = frozenset(column.missing)
        self._filled_of = tuple(sorted(filled))
        self._texts_of = tuple(sorted(units | dates))
        self._dates_of = frozenset(dates)
        self._texts: dict[str, Counter[str]] = {header: Counter() for header in self._texts_of}
        self._shapes: dict[str, Counter[str]] = {header: Counter() for header in self._dates_of}
        self.filled: Counter[str] = Counter()

    def row(self, row: Row) -> None:
        """Count the cells of a row."""
        values = row.values
        for header in self._texts_of:
            text = values.get(header)
            if text:
                counter = self._texts[header]
                counter[text] += 1
                if len(counter) > _MOST_TEXTS:
                    self._fold(header)
        for header in self._filled_of:
            if values.get(header):
                self.filled[header] += 1

    @property
    def units(self) -> dict[str, dict[str, int]]:
        """By unit column: the units that it holds, with counts."""
        columns = (header for header in self._texts_of if header not in self._dates_of)
        return {header: _most(self._texts[header]) for header in columns if self._texts[header]}

    @property
    def dates(self) -> dict[str, dict[str, int]]:
        """By date column: the formats in which its dates are written, with counts."""
        for header in self._dates_of:
            self._fold(header)
        return {header: _most(self._shapes[header]) for header in sorted(self._dates_of) if self._shapes[header]}

    def _fold(self, header: str) -> None:
        texts = self._texts[header]
        if header in self._dates_of:
            missing = self._missing.get(header, frozenset())
            for text, times in texts.items():
                if text.strip() not in missing:
                    self._shapes[header][date_format(text)] += times
            texts.clear()
        else:
            self._texts[header] = Counter(_most(texts))


def date_format(text: str) -> str:
    """Return the format of a date as people name it; of an unusual one with 9 for each digit and a for each word."""
    shape = _WORD.sub("a", _DIGIT.sub("9", text.strip()))
    day = shape[:10]
    if len(shape) > 10 and day in _NAMED and shape[10] in " a":
        return f"{_NAMED[day]} and a time"
    return _NAMED.get(shape, shape[:30])


def _headers(columns: Iterable[Column], header: str) -> set[str]:
    return {header} | {alias for column in columns if column.header == header for alias in column.aliases}


def _most(counter: Counter[str]) -> dict[str, int]:
    """Return the most frequent texts, and how many others there were."""
    named = Counter({text: times for text, times in counter.items() if text != _OTHERS})
    kept = dict(named.most_common(_MOST_SHOWN))
    rest = counter.total() - sum(kept.values())
    return {**kept, _OTHERS: rest} if rest else kept
