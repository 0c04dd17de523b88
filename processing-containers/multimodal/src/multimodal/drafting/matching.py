"""Which concepts of the lexicon a column may be, with how sure each is and why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from multimodal.drafting.answers import meant
from multimodal.drafting.facts import Facts
from multimodal.drafting.lexicon import (
    Entry,
    by_first_word,
    by_name,
    compact,
    history_words,
    lexicon,
    neutral_words,
    other_words,
)
from multimodal.drafting.units import bracketed, known_unit, plausible, without_units, written_units
from multimodal.drafting.words import rest, words
from multimodal.tables.dictionary import Field

_EXACT = 0.96  # the phrase is all there is, but for neutral words
_SHORT_NAME = 0.92  # a short name such as hb
_NAME_ONLY = 0.84  # a phrase that is the whole name of a field whose label does not say so
_DEFINED = 0.93  # the same where the label is a whole definition, in which a phrase says little
_PROSE = 10  # words of such a label
_NAME_PART = 0.7  # or a part of its name: often the question above it
_STRANGE = 0.13  # each word that nobody knows
_STRANGE_BESIDE_ONE = 0.2  # beside a phrase of one word: birth weight, Tanner stage
_TOO_SHORT = 0.78  # k, na, ca: they need a unit or values that fit
_MOSTLY = 0.6
_TIMEPOINT = re.compile(r"\d+|[vtdmwy]\d{1,3}|visit\d+|bl|fu\d*")  # of a repeated column: weight_v2, crp_d7
_NUMBERS = frozenset({"number", "integer"})
_CODED = frozenset({"code", "boolean"})
_DATES = frozenset({"date", "datetime"})
_SHAPES = {
    "tnm-t": re.compile(r"[cpy]*t?\s?([0-4][a-d]?[1-3]?(mi)?|is|x|a)\s*(\(.*\))?", re.IGNORECASE),
    "tnm-n": re.compile(r"[cpy]*n?\s?([0-3][a-c]?(mi)?|x|\+)\s*(\(.*\))?", re.IGNORECASE),
    "tnm-m": re.compile(r"[cpy]*m?\s?([01][a-d]?|x)\s*(\(.*\))?", re.IGNORECASE),
    "stage": re.compile(
        r"(stage|stadium|stade|estadio|stadio)?\s?(0|i{1,3}|iv|[1-4]|x)\s?(is|[a-e])?[1-3]?", re.IGNORECASE
    ),
}
_STATUS = frozenset({"status", "stat", "zustand", "statut", "etat", "estado", "stato", "outcome"})
# Words for another person: they count wherever they stand, in the name of the form too.
_PERSONS = frozenset({
    "mother", "father", "maternal", "paternal", "family", "familial", "sibling", "brother", "sister", "mutter", "vater",
    "familie", "familien", "mere", "pere", "famille", "madre", "padre", "familia", "famiglia", "donor", "newborn",
    "neonate", "infant", "baby", "fetal", "partner", "proxy",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """One concept that a column may be.

    Parameters
    ----------
    entry : Entry
        The concept.
    confidence : float
        From 0 to 1.
    reasons : tuple of str
        What speaks for it or against it.
    size : int
        Letters of the phrase that was found: of two that fit, the more exact one counts.
    """

    entry: Entry
    confidence: float
    reasons: tuple[str, ...] = ()
    size: int = 0


def candidates(field: Field, facts: Facts) -> list[Candidate]:
    """Return the concepts that `field` may be, the best first."""
    best: dict[str, Candidate] = {}
    another = bool(_PERSONS & {*words(field.name), *words(field.label), *words(field.form)})
    for found in _by_text(field):
        if another and found.entry.verb != "ignore":
            continue
        known = best.get(found.entry.id)
        if known is None or (found.confidence, found.size) > (known.confidence, known.size):
            best[found.entry.id] = found
    weighed = [weighed for found in best.values() if (weighed := _weighed(found, field, facts)) is not None]
    weighed.sort(key=lambda found: (-round(found.confidence, 2), -found.size, found.entry.id))
    return _without_wider(weighed)


def by_answers(field: Field, facts: Facts) -> Candidate | None:
    """Return what a column is whose name says only *status*, where its answers say the rest: dead, alive."""
    texts = list(field.choices.values()) or list(facts.values)
    said = set(words(field.label or field.name)) - neutral_words()
    if not said or not said <= _STATUS or facts.many:
        return None
    understood = meant("vital", texts)
    if not {"dead", "alive"} <= set(understood.values()) or len(understood) < len(texts):
        return None
    entry = next(one for one in lexicon() if one.id == "vital-status")
    return Candidate(entry, _NAME_ONLY, (f'name "{field.name}"', "answers dead, alive"))


def _without_wider(found: list[Candidate]) -> list[Candidate]:
    """Lower the first where a second of another meaning is just as good: nothing decides between them."""
    if len(found) > 1 and found[0].size == found[1].size and found[0].confidence - found[1].confidence < 0.02:
        tie = f"as good as {found[1].entry.id}"
        found[0] = replace(found[0], confidence=min(found[0].confidence, 0.6), reasons=(*found[0].reasons, tie))
    return found


def _by_text(field: Field) -> Iterator[Candidate]:
    label = field.label or field.name
    label_words = words(without_units(label))
    if len(label_words) > _PROSE and not label.rstrip().endswith("?"):
        for found in _phrases(words(field.name), _DEFINED, f'name "{field.name}"'):
            if found.confidence == _DEFINED:
                yield found
        yield from _short_names(field, field.name)
        return
    yield from _phrases(label_words, _EXACT, f'label "{_short(label)}"' if field.label else f'name "{field.name}"')
    if field.label:
        yield from _phrases(words(field.name), _NAME_ONLY, f'name "{field.name}"', apart=set(label_words))
    if not field.label or set(label_words) <= {*words(field.name), *neutral_words()} or len(label_words) < 3:
        yield from _short_names(field, label)


def _short_names(field: Field, label: str) -> Iterator[Candidate]:
    plain = _without_unit_end(field.name)
    core = [word for word in words(plain) if word not in neutral_words() and not _TIMEPOINT.fullmatch(word)]
    for short in dict.fromkeys((compact(field.name), compact(plain), compact(label), "".join(core))):
        for entry in by_name().get(short, ()):
            score = _TOO_SHORT if len(short) < 3 and entry.type in _NUMBERS else _SHORT_NAME
            yield Candidate(entry, score, (f'name "{field.name}"',), len(short))


def _without_unit_end(name: str) -> str:
    ends = [end for end in written_units(name) if known_unit(end)]
    return name[: name.rfind(ends[-1])] if ends else name


def _phrases(text: tuple[str, ...], score: float, said: str, apart: set[str] | None = None) -> Iterator[Candidate]:
    """Yield what the phrases in `text` mean; `apart`: words of the label, which a name must not go against."""
    for entry, phrase in _present(text):
        left = rest(text, phrase)
        if left is None:
            continue
        left_words = set(left) - neutral_words() - entry.words
        if entry.verb == "condition":
            left_words -= history_words()
        if left_words & other_words() or (apart is not None and apart & other_words()):
            continue
        strange = [word for word in left_words if not _TIMEPOINT.fullmatch(word) and word not in (apart or ())]
        confidence = _NAME_PART if apart is not None and left_words else score
        confidence -= (_STRANGE if len(phrase) > 1 else _STRANGE_BESIDE_ONE) * len(strange)
        if confidence > 0.3:
            yield Candidate(entry, confidence, (said,), sum(map(len, phrase)))


def _present(text: tuple[str, ...]) -> Iterator[tuple[Entry, tuple[str, ...]]]:
    index = by_first_word()
    for word in dict.fromkeys((*text, "*")):
        yield from index.get(word, ())


def _weighed(found: Candidate, field: Field, facts: Facts) -> Candidate | None:
    """Return the candidate with what type, unit and values say of it, or None where they rule it out."""
    entry = found.entry
    if entry.type in _NUMBERS:
        return _weighed_number(found, field, facts)
    if entry.type == "date":
        return _weighed_date(found, field, facts)
    if field.type in _DATES or (facts.dated and not facts.numeric):
        return None
    if entry.verb == "condition" or entry.answers:
        return _weighed_answers(found, field, facts)
    if entry.verb == "ignore" or entry.verb == "patient:id":
        return None if field.type in {"number", "checkbox"} else found
    if field.type == "checkbox" or (entry.type == "code" and facts.many):
        return None
    return found


def _weighed_number(found: Candidate, field: Field, facts: Facts) -> Candidate | None:
    entry = found.entry
    if field.type in {"checkbox", "boolean", "time", "file", *_DATES} or (facts.dated and not facts.numeric):
        return None
    if field.choices and not _scale(entry, field):
        return None
    if facts.filled and facts.numbers < _MOSTLY * facts.filled:
        return None
    found = _with_unit(found, field)
    if facts.filled and facts.low is not None and facts.high is not None and entry.limits is not None:
        return _with_values(found, facts.low, facts.high, unit_of(field, entry))
    if not facts.filled and field.type == "text":
        return _changed(found, -0.06, "free text in the dictionary")
    return found


def _scale(entry: Entry, field: Field) -> bool:
    """Whether the choices are the numbers of a scale such as ECOG 0 to 5."""
    if entry.type != "integer" or entry.limits is None:
        return False
    low, high = entry.limits
    return all(code.lstrip("-").isdigit() and low <= int(code) <= high for code in field.choices)


def unit_of(field: Field, entry: Entry) -> str:
    """Return the UCUM code of the unit that the dictionary, the label or the header names for an entry, or ``""``."""
    texts = [field.unit, *written_units(field.label), *written_units(field.name)]
    return next((code for text in texts if (code := known_unit(text)) and plausible(entry, code)), "")


def _with_unit(found: Candidate, field: Field) -> Candidate:
    stated = [known_unit(text) for text in (field.unit, *bracketed(field.label), *bracketed(field.name))]
    written = [known_unit(part) for text in (field.label, field.name) for part in written_units(text)]
    for code in (*stated, *written):
        if code and plausible(found.entry, code):
            return _changed(found, 0.03, f"unit {code}")
    against = next((code for code in stated if code), "")  # the last word of a label may merely look like a unit
    return _changed(found, -0.3, f"unit {against} is unusual for it") if against and found.entry.units else found


def _with_values(found: Candidate, low: float, high: float, unit: str) -> Candidate:
    limits = found.entry.limits or (low, high)
    shown = f"values {low:g}..{high:g}"
    if not unit and not (limits[0] <= low and high <= limits[1]) and len(found.entry.units) > 1:
        return _changed(found, -0.05, shown)  # in another unit they may be plausible
    if not unit and not (limits[0] <= (low + high) / 2 <= limits[1]):
        return _changed(found, -0.3, f"{shown} are unusual for it")
    return _changed(found, 0.03, shown)


def _weighed_date(found: Candidate, field: Field, facts: Facts) -> Candidate | None:
    if field.type in _DATES or facts.dated:
        return _changed(found, 0.02, "dates")
    if facts.dates and facts.dates + facts.years >= _MOSTLY * facts.filled:  # the name says it, and some are mistyped
        return _changed(found, -0.06, f"{facts.dates + facts.years} of {facts.filled} values are dates")
    if facts.filled or field.type not in {"", "text"}:
        return None
    return _changed(found, -0.04, "") if field.type == "text" else found


def _weighed_answers(found: Candidate, field: Field, facts: Facts) -> Candidate | None:
    kind = found.entry.answers
    strange = set(facts.values) - set(field.choices)
    if field.choices and strange and len(strange) >= 0.5 * len(facts.values):
        return _changed(found, -0.4, "its values are not those of its dictionary")
    if kind in _SHAPES:
        return _weighed_shape(found, field, facts)
    if field.type in {"number", "checkbox", "calc"} or (facts.filled and facts.many):
        return None
    if field.type == "boolean" and kind == "yes-no":
        return _changed(found, 0.02, "yes or no")
    texts = list(field.choices.values()) or list(facts.values)
    if not texts:
        return _changed(found, -0.06 if field.type == "text" else 0.0, "")
    understood = meant(kind, texts)
    if not field.choices and set(texts) <= {"0", "1"} and kind in {"yes-no", "vital"}:
        return _changed(found, -0.02 if kind == "yes-no" else -0.3, "values 0 and 1")
    if not set(understood.values()) - {"unknown", "other", "no"}:
        return None if found.entry.verb == "condition" else _changed(found, -0.3, "its values are not understood")
    return _changed(found, 0.02, f"answers {', '.join(dict.fromkeys(understood.values()))}")


def _weighed_shape(found: Candidate, field: Field, facts: Facts) -> Candidate | None:
    shape = _SHAPES[found.entry.answers]
    if field.type in {"number", "checkbox", "boolean", "calc"} or facts.many:
        return None
    texts = list(field.choices.values()) or list(facts.values)
    fitting = [text for text in texts if shape.fullmatch(text.strip())]
    if not texts:
        return found if found.size > 2 else None  # cm may be centimetres
    if len(fitting) < _MOSTLY * len(texts):
        return None
    return _changed(found, 0.02, f"values such as {fitting[0]}")


def _changed(found: Candidate, by: float, reason: str) -> Candidate:
    reasons = (*found.reasons, reason) if reason else found.reasons
    return replace(found, confidence=min(0.99, found.confidence + by), reasons=reasons)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."
