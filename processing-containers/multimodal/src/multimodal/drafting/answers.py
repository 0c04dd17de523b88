"""What the answers of a column mean: male and female, yes and no, dead and alive, never and current."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from multimodal.drafting.lexicon import data_rows
from multimodal.drafting.words import words


@cache
def _meanings(kind: str) -> Mapping[tuple[str, ...], tuple[str, str]]:
    found = {}
    for row in data_rows("answers.csv"):
        if row["kind"] == kind:
            for word in row["words"].split("|"):
                found[words(word)] = (row["meaning"], row["target"])
    return found


@cache
def targets(kind: str) -> Mapping[str, str]:
    """Return meaning -> what it becomes, of one kind of answers."""
    return {row["meaning"]: row["target"] for row in data_rows("answers.csv") if row["kind"] == kind}


@cache
def _letter_sets(kind: str) -> Mapping[frozenset[str], Mapping[str, str]]:
    rows = [row for row in data_rows("letters.csv") if row["kind"] == kind]
    return {
        frozenset(row["letters"].split()): dict(zip(row["letters"].split(), row["meanings"].split(), strict=True))
        for row in rows
    }


def meant(kind: str, answers: Iterable[str]) -> dict[str, str]:
    """Return what each of `answers` means, of those whose meaning is certain.

    Parameters
    ----------
    kind : str
        ``gender``, ``yes-no``...
    answers : iterable of str
        All labels or values of the column: single letters are understood together.
    """
    texts = list(answers)
    folded = {text: " ".join(words(text)) for text in texts}
    letters = frozenset(word for word in folded.values() if len(word) == 1)
    singles = next((found for known, found in _letter_sets(kind).items() if letters and letters <= known), {})
    if len(letters) < 2:  # m alone may be male or mujer
        singles = {}
    known = _meanings(kind)
    found = {}
    for text, word in folded.items():
        if word in singles:
            found[text] = singles[word]
        elif meaning := known.get(words(text)) or known.get(words(text)[:1] if kind == "yes-no" else ()):
            found[text] = meaning[0]
    return found
