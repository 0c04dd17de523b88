"""The line of a checkbox field: each option a Condition of its own, where its label says which."""

from __future__ import annotations

from multimodal.drafting.facts import Facts
from multimodal.drafting.matching import candidates
from multimodal.drafting.proposals import Proposal, undecided
from multimodal.tables.dictionary import Field

_SHARE = 0.6


def checkbox_proposal(field: Field, threshold: float) -> Proposal:
    """Return the line of a checkbox `field`; options whose label nobody recognised keep it as text."""
    options: dict[str, object] = {}
    known = 0
    for code, label in field.choices.items():
        one = Field(field.name, label, "boolean", field.form)
        found = [found for found in candidates(one, Facts()) if found.entry.verb == "condition"]
        if found and found[0].confidence >= threshold and found[0].reasons[0].startswith("label"):
            options[code] = found[0].entry.concept
            known += 1
        else:
            options[code] = {"text": label}
    if not known or known < _SHARE * len(field.choices):
        return undecided(field, Facts(), [])
    reason = f"{known} of {len(field.choices)} options are conditions"
    line = {"checkbox": "condition", "options": options}
    return Proposal(field.name, "checkbox", "conditions", line, 0.7 + 0.25 * known / len(field.choices), (reason,))
