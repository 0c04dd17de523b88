"""Columns that belong to another one: its unit, its note in free text."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from multimodal.drafting.facts import Facts
from multimodal.drafting.matching import candidates
from multimodal.drafting.proposals import TODO, Proposal, ignored, proposed
from multimodal.drafting.units import known_unit
from multimodal.drafting.words import words
from multimodal.tables.dictionary import Field

_UNIT_ENDS = frozenset({"unit", "units", "einheit", "unite", "unidad", "unidades", "unita", "uom"})
_NOTE_ENDS = frozenset({
    "specify", "textfeld", "freitext", "precise", "precisez", "preciser", "especificar", "especifique", "specificare",
    "text", "details", "detail", "detalle", "dettagli", "spezifieren", "spezifizieren", "txt", "other", "andere",
    "sonstige", "sonstiges", "autre", "otro", "otra", "altro", "spec", "oth", "desc", "describa", "describe",
    "decrire", "decrivez", "beschreiben", "descrivere", "explain", "reason", "motivo", "motif", "grund",
})  # fmt: skip
# A text that a terminology completes is none in people's own words.
_CODED = frozenset({"loinc", "snomed", "snomedct", "icd10", "icd", "icd10cm", "ontology", "code", "hpo", "orphanet"})
_THRESHOLD = 0.8


def unit_columns(fields: Sequence[Field], facts: Mapping[str, Facts], made: list[Proposal]) -> list[Proposal]:
    """Return the proposals with columns of units joined to what they are the unit of, and free texts left out."""
    by_name = {field.name: at for at, field in enumerate(fields)}
    for at, field in enumerate(fields):
        base = _base(field, by_name)
        if base is not None:
            _join(fields, facts, made, at, base)
        elif made[at].verb == "todo" and _is_note(field, facts.get(field.name, Facts())):
            made[at] = ignored(field.name, "free text, may hold names", 0.82, "text in people's own words", "comment")
    return made


def _base(field: Field, by_name: Mapping[str, int]) -> int | None:
    """Return where the column stands whose unit `field` holds, or None."""
    parts = words(field.name)
    if len(parts) < 2 or not _UNIT_ENDS & {parts[-1], parts[0]}:
        return None
    wanted = parts[:-1] if parts[-1] in _UNIT_ENDS else parts[1:]
    return next((at for name, at in by_name.items() if words(name) == wanted), None)


def _join(fields: Sequence[Field], facts: Mapping[str, Facts], made: list[Proposal], at: int, base: int) -> None:
    field, of = fields[at], fields[base]
    known = list(field.choices.values()) or list(facts.get(field.name, Facts()).values)
    codes = {text: known_unit(text) for text in known}
    if len(codes) == 1 and (only := next(iter(codes.values()))):
        if not of.unit:
            found = candidates(dataclasses.replace(of, unit=only), facts.get(of.name, Facts()))
            if found and found[0].confidence >= _THRESHOLD and made[base].verb in {"todo", "observation"}:
                made[base] = proposed(dataclasses.replace(of, unit=only), facts.get(of.name, Facts()), found[0])
        made[at] = ignored(field.name, f"unit of {of.name}, always {only}", 0.93, f"its only value is {only}", "unit")
        return
    if not codes or not all(codes.values()):
        return
    reason = f"units {', '.join(sorted(codes))}"
    made[at] = Proposal(field.name, "helper", "unit", {"helper": f"unit of {of.name}"}, 0.93, (reason,))
    line = dict(made[base].line)
    if made[base].verb == "observation" and "unit" in line:
        line.pop("unit")
        line.pop("range", None)  # in a unit that is not said
        if field.choices:  # the cells hold codes of units, which the language does not translate
            line["unit"] = (
                f"{TODO}: {field.name} says {', '.join(f'{code} {text}' for code, text in field.choices.items())}"
            )
        else:
            line["unit_column"] = field.name
        made[base] = dataclasses.replace(made[base], line=line)


def _is_note(field: Field, facts: Facts) -> bool:
    """Whether people write here what the choices before it do not offer."""
    if field.type not in {"text", ""} or field.unit or facts.numeric or facts.dated:
        return False
    if not field.type and facts.longest < 40:
        return False
    if _CODED & set(words(field.label)):
        return False
    ends = {*words(field.name)[-1:], *words(field.label)}
    return bool(ends & _NOTE_ENDS) or facts.longest >= 80
