"""All resources of level 1 of a row in one loop: most are plain Observations, and a call for each column costs more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from multimodal.mapping.emitters import Emit
from multimodal.mapping.observation import LETTER, PlainColumn
from multimodal.mapping.row_state import RowState
from multimodal.resources.serialised import Serialised


class Emitter(NamedTuple):
    """What makes the resource of a column.

    Parameters
    ----------
    member_of : str
        The resource of level 2 whose member it is; empty for none.
    emit : callable
        Makes it.
    plain : PlainColumn, optional
        The same in parts, where nothing but its cell and one date go into it.
    """

    member_of: str
    emit: Emit
    plain: PlainColumn | None = None


def row_maker(emitters: Sequence[Emitter]) -> Callable[[RowState], list[Serialised]]:
    """Return the function that makes what all of `emitters` make of a row, in their order."""
    steps = [(emitter.plain, emitter.emit) for emitter in emitters]
    new = tuple.__new__

    def make(state: RowState) -> list[Serialised]:
        made: list[Serialised] = []
        values, dates, begun, undated = state.values, state.dates, state.hashed, state.mark
        encounter, subject, last, date, mark = state.encounter_json, state.subject_json, 0, b"", undated
        for plain, emit in steps:
            if plain is None:
                one = emit(state)
                if one is not None:
                    made.append(one)
                continue
            header, ready, after, dated, effective, maker = plain
            text = values[header]
            found = ready.get(text)
            if found is None or text.__class__ is not str:
                found = maker.otherwise(state)
            value, kind, stencils = found
            if not kind:
                continue
            if dated != last:
                date = b"" if effective is None else (dates.get(dated) or state.effective_json(effective))[1]
                last, mark = dated, undated + 1 if date else undated
            stencil = stencils.get(mark) or maker.first(state, None, mark, stencils)
            if stencil is None:
                continue
            hashed = begun.copy()
            hashed.update(after)
            id_ = LETTER + hashed.hexdigest()[:40]
            body = stencil.body % (date, encounter, b"", id_.encode(), subject, value)
            made.append(new(Serialised, ("Observation", id_, body, stencil.meta)))
        return made

    return make
