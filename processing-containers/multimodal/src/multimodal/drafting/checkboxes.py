"""The line of a checkbox field: each option a Condition of its own, where its label says which."""

from __future__ import annotations

from collections.abc import Mapping

from multimodal.drafting.answers import meant
from multimodal.drafting.diagnoses import condition_of
from multimodal.drafting.facts import Facts, missing_texts
from multimodal.drafting.proposals import TODO, Proposal, undecided
from multimodal.drafting.words import words
from multimodal.tables.dictionary import Field

_SHARE = 0.6
_TICKS = frozenset({"0", "1"})  # what the cells hold: as a code under `missing` they would be taken for empty cells
_NONE_OF = frozenset({
    "none", "no", "kein", "keine", "keines", "keiner", "ohne", "aucun", "aucune", "sans", "ningun", "ninguno",
    "ninguna", "sin", "nessun", "nessuno", "nessuna", "senza",
})  # fmt: skip


def checkbox_proposal(field: Field, threshold: float) -> Proposal:
    """Return the line of a checkbox `field`; options whose label nobody recognised keep it as text.

    Options that say none of them, not known or not asked are no conditions: they go under ``missing``. Of *other* a
    person has to say what it is.
    """
    concepts = {code: condition_of(label, threshold) for code, label in field.choices.items()}
    absent = absent_options(field.choices, concepts)
    known = sum(bool(concept) for concept in concepts.values())
    named = [code for code in concepts if code not in absent]
    if not known or known < _SHARE * len(named):
        return undecided(field, Facts(), [])
    options: dict[str, object] = {code: concepts[code] or {"text": field.choices[code]} for code in named}
    missing, reasons = {}, [f"{known} of {len(concepts)} options are conditions"]
    for code, meaning in absent.items():
        label = field.choices[code]
        if meaning == "other" or code in _TICKS:
            options[code] = f"{TODO}: {label} is no condition; give a code, or leave the option out"
        else:
            missing[code] = meaning
            reasons.append(f"{code} ({label}) is left out")
    line: dict[str, object] = {"checkbox": "condition", "options": options}
    if missing:
        line["missing"] = missing
    return Proposal(field.name, "checkbox", "conditions", line, 0.7 + 0.25 * known / len(concepts), tuple(reasons))


def absent_options(choices: Mapping[str, str], concepts: Mapping[str, str]) -> dict[str, str]:
    """Return the options that name nothing -> what the language says of them: ``drop``, a reason, or ``other``."""
    meanings = meant("option", choices.values())
    found = {}
    for code, label in choices.items():
        reason = missing_texts().get(label.strip().casefold(), "")
        if concepts.get(code):
            continue
        if meanings.get(label) == "none" or set(words(label)[:1]) & _NONE_OF:
            found[code] = "drop"
        elif reason:
            found[code] = reason
        elif label in meanings:
            found[code] = {"not-asked": "not-asked", "other": "other"}.get(meanings[label], "unknown")
    return found
