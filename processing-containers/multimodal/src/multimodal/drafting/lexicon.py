"""The lexicon: what clinical columns are called in five languages, and what they then are."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from multimodal.drafting.words import fold, pattern_words, words

LANGUAGES = ("en", "de", "fr", "es", "it")
COLUMNS = (
    "id", "verb", "type", "concept", "units", "low", "high", "molar", "answers", "names", *LANGUAGES,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One clinical concept.

    Parameters
    ----------
    id : str
        Our name for it.
    verb : str
        What a column of it becomes: ``patient:gender``, ``observation``, ``condition``, ``helper``, ``ignore``.
    type : str
        Of the cell: number, integer, code, text, date.
    concept : str
        In FSH notation; empty where no code is certain.
    units : tuple of str
        Plausible UCUM codes; the first is the usual one.
    limits : tuple of float, optional
        Plausible values in the first unit.
    molar : str
        The concept that takes its place where the unit is one of `molar_units` (LOINC has a code for each property).
    molar_units : tuple of str
        UCUM codes of amount of substance.
    answers : str
        Kind of answers, as ``answers.csv`` names it.
    names : frozenset of str
        Short names, folded without separators, that count only as the whole name.
    phrases : tuple of tuple of str
        Words of each phrase, folded.
    words : frozenset of str
        All words of its phrases and names: beside a phrase they say the same again, as in ``AST (SGOT)``.
    """

    id: str
    verb: str
    type: str
    concept: str = ""
    units: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None
    molar: str = ""
    molar_units: tuple[str, ...] = ()
    answers: str = ""
    names: frozenset[str] = frozenset()
    phrases: tuple[tuple[str, ...], ...] = field(default=(), repr=False)
    words: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def display(self) -> str:
        """The name of the concept, for people."""
        return self.concept.partition('"')[2].rstrip('"') or self.id.replace("-", " ")


def data_rows(name: str) -> list[dict[str, str]]:
    """Return the lines of a data file of this room, comments left out."""
    text = files("multimodal.drafting").joinpath(f"data/{name}").read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("# ")))


@cache
def lexicon() -> tuple[Entry, ...]:
    """Return all entries, in the order of the file."""
    return tuple(_entry(row) for row in data_rows("lexicon.csv"))


def _entry(row: Mapping[str, str]) -> Entry:
    phrases = [pattern_words(phrase) for language in LANGUAGES for phrase in row[language].split("|") if phrase]
    molar, _, molar_units = row["molar"].rpartition('" ')
    return Entry(
        id=row["id"],
        verb=row["verb"],
        type=row["type"],
        concept=row["concept"],
        units=tuple(unit for unit in row["units"].split("|") if unit),
        limits=(float(row["low"]), float(row["high"])) if row["low"] else None,
        molar=f'{molar}"' if molar else "",
        molar_units=tuple(molar_units.split("|")) if molar else (),
        answers=row["answers"],
        names=frozenset(compact(name) for name in row["names"].split("|") if name),
        phrases=tuple(sorted(set(phrases), key=lambda phrase: (-len(phrase), phrase))),
        words=frozenset(word for phrase in phrases for word in phrase) | frozenset(words(row["names"])),
    )


def compact(name: str) -> str:
    """Return a name folded and without separators: ``CA_19-9`` and ``ca199`` are one."""
    return "".join(char for char in fold(name) if char.isalnum())


@cache
def by_first_word() -> Mapping[str, tuple[tuple[Entry, tuple[str, ...]], ...]]:
    """Return the phrases by their first word; those that begin with ``*`` or a prefix stand under ``*``."""
    found: dict[str, list[tuple[Entry, tuple[str, ...]]]] = defaultdict(list)
    for entry in lexicon():
        for phrase in entry.phrases:
            found["*" if "*" in phrase[0] else phrase[0]].append((entry, phrase))
    return {word: tuple(pairs) for word, pairs in found.items()}


@cache
def by_name() -> Mapping[str, tuple[Entry, ...]]:
    """Return the entries by their short names."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in lexicon():
        for name in entry.names:
            found[name].append(entry)
    return {name: tuple(entries) for name, entries in found.items()}


@cache
def neutral_words() -> frozenset[str]:
    """Return words that say nothing of what a column is: articles, ``patient``, ``serum``, ``baseline``."""
    return _word_list("neutral")


@cache
def other_words() -> frozenset[str]:
    """Return words that make something else of a column: ``mother``, ``unit``, ``other``, ``reason``."""
    return _word_list("other")


@cache
def history_words() -> frozenset[str]:
    """Return words that put a condition into the past, where it is one still: ``previous``, ``ever``."""
    return _word_list("history")


def _word_list(kind: str) -> frozenset[str]:
    rows = data_rows("context_words.csv")
    return frozenset(word for row in rows if row["kind"] == kind for word in words(row["words"].replace("|", " ")))
