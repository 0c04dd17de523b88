"""The line of a checkbox field: each option a Condition of its own, where its label says which."""

from __future__ import annotations

from multimodal.drafting.diagnoses import condition_of
from multimodal.drafting.facts import Facts
from multimodal.drafting.proposals import Proposal, undecided
from multimodal.tables.dictionary import Field

_SHARE = 0.6


def checkbox_proposal(field: Field, threshold: float) -> Proposal:
    """Return the line of a checkbox `field`; options whose label nobody recognised keep it as text."""
    concepts = {code: condition_of(label, threshold) for code, label in field.choices.items()}
    known = sum(bool(concept) for concept in concepts.values())
    if not known or known < _SHARE * len(concepts):
        return undecided(field, Facts(), [])
    options = {code: concept or {"text": field.choices[code]} for code, concept in concepts.items()}
    reason = f"{known} of {len(concepts)} options are conditions"
    line = {"checkbox": "condition", "options": options}
    return Proposal(field.name, "checkbox", "conditions", line, 0.7 + 0.25 * known / len(concepts), (reason,))
