"""Names and labels of columns as words that can be compared, in any of the five languages."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_MARKUP = re.compile(r"<[^<>]*>")
# birthDate, PatientID; but HbA1c, SpO2 and pH are one word each.
_CAMEL = re.compile(r"(?<=[a-z]{2})(?=[A-Z])")
_WORD = re.compile(r"[a-z0-9]+")
_LIGATURES = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o"})
_ELISION = re.compile(r"\b([ldcjmnst]|qu)['’`](?=\w)", re.IGNORECASE)  # l'examen, d'admission


def fold(text: str) -> str:
    """Return `text` in small letters without accents; ``ä``, ``ae`` and ``a`` become one.

    Headers write umlauts in all three ways (Groesse, Größe, grosse), so that only what they share can be compared.
    """
    plain = unicodedata.normalize("NFKD", text.lower().translate(_LIGATURES))
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return plain.replace("ae", "a").replace("oe", "o").replace("ue", "u")


@cache
def words(text: str) -> tuple[str, ...]:
    """Return the words of a name or label, folded."""
    text = _MARKUP.sub(" ", text)
    if " " not in text.strip():
        text = _CAMEL.sub(" ", text)
    return tuple(_WORD.findall(fold(_ELISION.sub(r"\1 ", text))))


@cache
def pattern_words(text: str) -> tuple[str, ...]:
    """Return the words of a phrase of the lexicon; ``*`` at an end of a word stays."""
    return tuple(re.findall(r"\*?[a-z0-9]+\*?", fold(text)))


def same(pattern: str, word: str) -> bool:
    """Return whether `word` is the one of the `pattern`."""
    if pattern.endswith("*"):
        return word.startswith(pattern[:-1])
    if pattern.startswith("*"):
        return word.endswith(pattern[1:])
    return pattern == word


def rest(text: tuple[str, ...], pattern: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the words of `text` around `pattern`, or None where it is not in it."""
    size = len(pattern)
    for start in range(len(text) - size + 1):
        if all(same(wanted, word) for wanted, word in zip(pattern, text[start : start + size], strict=True)):
            return text[:start] + text[start + size :]
    return None
