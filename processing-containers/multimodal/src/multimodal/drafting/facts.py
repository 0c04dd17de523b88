"""What the values of a column show, from a bounded sample of its table."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from multimodal.drafting.lexicon import data_rows

MOST_DISTINCT = 40
_NUMBER = re.compile(r"[<>]?=?\s?[+-]?\d{1,15}(?:([.,])\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
# Pattern of a date -> formats it may have; with two of them day and month could be exchanged.
_DATES = (
    (re.compile(r"\d{4}-\d{1,2}-\d{1,2}"), ("%Y-%m-%d",)),
    (re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?"), ("%Y-%m-%d %H:%M",)),
    (re.compile(r"\d{1,2}\.\d{1,2}\.\d{4}"), ("%d.%m.%Y",)),
    (re.compile(r"\d{1,2}\.\d{1,2}\.\d{4} \d{1,2}:\d{2}"), ("%d.%m.%Y %H:%M",)),
    (re.compile(r"\d{1,2}/\d{1,2}/\d{4}"), ("%d/%m/%Y", "%m/%d/%Y")),
    (re.compile(r"\d{1,2}-\d{1,2}-\d{4}"), ("%d-%m-%Y", "%m-%d-%Y")),
    (re.compile(r"\d{4}/\d{1,2}/\d{1,2}"), ("%Y/%m/%d",)),
    (re.compile(r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}"), ("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M")),
    (re.compile(r"(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"), ("%Y%m%d",)),
)
_YEAR = re.compile(r"(?:18|19|20)\d{2}(?:-\d{2})?", re.ASCII)
_EXCHANGED = {a: b for _, formats in _DATES if len(formats) == 2 for a, b in (formats, formats[::-1])}
_SLIP = 20  # so many times rarer than the other way round, day and month were exchanged by mistake
ISO_FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M")


@dataclass(slots=True)
class Facts:
    """Statistics of one column.

    Parameters
    ----------
    rows, filled : int
        Rows seen; of them with a value that is not a missing token.
    numbers : int
        Values that are numbers.
    low, high : float, optional
        The smallest and the largest number.
    signs : set of str
        Decimal signs in use.
    values : Counter of str
        The distinct values, as far as they are at most `MOST_DISTINCT`.
    many : bool
        There are more of them.
    unique : bool
        No value stands twice, and none is empty.
    missing : Counter of str
        Texts that stand for a missing value.
    formats : tuple of str
        Date formats that fit all dates; two where day and month could be exchanged.
    dates, years : int
        Values that are dates; and years alone, which are partial dates beside whole ones.
    longest : int
        Letters of the longest value.
    """

    rows: int = 0
    filled: int = 0
    numbers: int = 0
    low: float | None = None
    high: float | None = None
    signs: set[str] = field(default_factory=set)
    values: Counter[str] = field(default_factory=Counter)
    many: bool = False
    unique: bool = True
    missing: Counter[str] = field(default_factory=Counter)
    formats: tuple[str, ...] = ()
    dates: int = 0
    years: int = 0
    longest: int = 0

    @property
    def numeric(self) -> bool:
        """Whether nearly all values are numbers."""
        return self.filled > 0 and self.numbers >= 0.9 * self.filled

    @property
    def dated(self) -> bool:
        """Whether nearly all values are dates."""
        return self.dates > 0 and self.dates + self.years >= 0.9 * self.filled

    @property
    def constant(self) -> bool:
        """Whether every row has the same value."""
        return self.rows > 1 and self.filled == self.rows and not self.many and len(self.values) == 1


@cache
def missing_texts() -> Mapping[str, str]:
    """Return texts that stand for a missing value, in small letters, with their data absent reasons."""
    return {row["text"]: row["reason"] for row in data_rows("missing.csv")}


def facts_of(values: Sequence[str]) -> Facts:
    """Return the statistics of a column's `values`, in the order of the rows."""
    facts = Facts(rows=len(values))
    seen: set[str] = set()
    shapes: Counter[tuple[str, ...]] = Counter()
    for value in values:
        text = value.strip()
        if not text:
            facts.unique = False
            continue
        if text.casefold() in missing_texts():
            facts.missing[text] += 1
            facts.unique = False
            continue
        facts.filled += 1
        facts.unique = facts.unique and text not in seen
        seen.add(text)
        facts.longest = max(facts.longest, len(text))
        _count_value(facts, text)
        _count_number(facts, text)
        if formats := date_formats(text):
            facts.dates += 1
            shapes[formats] += 1
        elif _YEAR.fullmatch(text):
            facts.years += 1
    facts.unique = facts.unique and facts.filled > 0
    facts.formats = _one_format(shapes)
    return facts


def _count_value(facts: Facts, text: str) -> None:
    if facts.many:
        return
    facts.values[text] += 1
    if len(facts.values) > MOST_DISTINCT:
        facts.many = True
        facts.values.clear()


def _count_number(facts: Facts, text: str) -> None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return
    facts.numbers += 1
    if match[1]:
        facts.signs.add(match[1])
    number = float(text.lstrip("<>= ").replace(",", "."))
    facts.low = number if facts.low is None else min(facts.low, number)
    facts.high = number if facts.high is None else max(facts.high, number)


def date_formats(text: str) -> tuple[str, ...]:
    """Return the formats in which `text` is a date of the calendar."""
    for pattern, formats in _DATES:
        if pattern.fullmatch(text):
            return tuple(format_ for format_ in formats if format_ in ISO_FORMATS or _is_date(text, format_))
    return ()


def _is_date(text: str, format_: str) -> bool:
    try:
        dt.datetime.strptime(text, format_)
    except ValueError:
        return False
    return True


def _one_format(shapes: Counter[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the formats that are left once the values that decide between two have decided."""
    counts = {formats[0]: count for formats, count in shapes.items() if len(formats) == 1}
    decided = [
        format_ for format_, count in counts.items() if count * _SLIP > counts.get(_EXCHANGED.get(format_, ""), 0)
    ]
    open_ = [formats for formats in shapes if len(formats) > 1]
    left = [format_ for formats in open_ for format_ in formats if not set(formats) & set(decided)]
    return tuple(dict.fromkeys([*decided, *left]))
