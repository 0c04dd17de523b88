"""The line of a column that names diagnoses: each value a Condition, where the lexicon knows it."""

from __future__ import annotations

from multimodal.drafting.facts import Facts
from multimodal.drafting.matching import candidates
from multimodal.drafting.proposals import TODO, Proposal
from multimodal.drafting.words import words
from multimodal.tables.dictionary import Field

_NAMES = frozenset({
    "diagnosis", "diagnose", "diagnosen", "diagnoses", "diagnostic", "diagnostico", "diagnosi", "hauptdiagnose",
    "disease", "condition", "krankheit", "erkrankung", "comorbidity", "nebendiagnose", "maladie", "enfermedad",
    "malattia",
})  # fmt: skip
_SHARE = 0.5


def diagnosis_proposal(field: Field, facts: Facts, threshold: float) -> Proposal | None:
    """Return the line of a column whose values are diagnoses, or None where it is no such column."""
    if not _NAMES & {*words(field.name)[-1:], *words(field.label)[-1:]} or facts.many or facts.numeric:
        return None
    texts = dict(field.choices) or {value: value for value in sorted(facts.values)}
    table = {code: condition_of(text, threshold) for code, text in texts.items()}
    known = sum(bool(concept) for concept in table.values())
    if not known or known < _SHARE * len(table):
        return None
    line = {"condition": {code: concept or f"{TODO}: code of {texts[code]}" for code, concept in table.items()}}
    reason = f"{known} of {len(table)} values are conditions"
    return Proposal(field.name, "condition", "conditions", line, 0.7 + 0.25 * known / len(table), (reason,))


def condition_of(text: str, threshold: float) -> str:
    """Return the concept of the condition that a label names, or ``""``."""
    found = candidates(Field("", text, "boolean"), Facts())
    best = next((one for one in found if one.entry.verb == "condition"), None)
    return best.entry.concept if best is not None and best.confidence >= threshold else ""
