"""The Observation of a cell: its first of each kind as a dict, which is checked, all others from its bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from multimodal.mapping.emitters import Emit, Remembered
from multimodal.mapping.identity import SEPARATOR, letter_of
from multimodal.mapping.origin import Checked, Origin
from multimodal.mapping.plan import Column, Effective
from multimodal.mapping.readers import Outcome
from multimodal.mapping.row_state import Resource, RowState
from multimodal.mapping.stencil import Stencil
from multimodal.resources.serialised import Serialised, canonical

Beside = Callable[[RowState, Resource], None]

_SLOTS = ("effectiveDateTime", "encounter", "focus", "id", "subject", "value")
_OF_KIND = frozenset({"", "CodeableConcept"})
_SLOTS_OF_KIND = (*_SLOTS[:-1], "~")  # no element: a hole at the end that takes nothing
LETTER = letter_of("Observation")


Ready = tuple[bytes, str, dict[int, Stencil]]
"""A cell that can be written: its value (empty for a reason why there is none), its kind, and the stencils of it."""

_NOTHING: Ready = (b"", "", {})


class PlainColumn(NamedTuple):
    """What goes into the Observations of a column whose cell and one date are all that differ.

    Parameters
    ----------
    header : str
        Of the cell.
    ready : dict
        Cells that can be written, by their text.
    after : bytes
        What the ids of the column end with before they are hashed.
    dated : int
        Tells the date's declaration from others.
    effective : Effective, optional
        When the statement was true.
    maker : ObservationMaker
        Makes what is new.
    """

    header: str
    ready: dict[Any, Ready]
    after: bytes
    dated: int
    effective: Effective | None
    maker: ObservationMaker


class ObservationMaker:
    """Makes the Observations of a column.

    Parameters
    ----------
    column : Column
        The column.
    outcomes : Remembered
        Reads its cells.
    origin : Origin
        What the form's resources share.
    beside : callable, optional
        Adds what other columns say of the value: a remark, the limits of its reference range.
    each : bool
        Whether equal cells are different values, since each patient's dates are moved by other days.
    """

    def __init__(
        self, column: Column, outcomes: Remembered, origin: Origin, beside: Beside | None = None, *, each: bool = False
    ) -> None:
        self._column = column
        self._outcomes = outcomes
        self._each = each or origin.every
        self._checked = Checked(outcomes.header, origin)
        self._constant: Resource = {"meta": origin.meta(column.profile), "code": column.code}
        if column.category:
            self._constant["category"] = [column.category]
        if column.method:
            self._constant["method"] = column.method
        self._ready: dict[Any, Ready] = {}
        self._stencils: dict[str, dict[int, Stencil]] = {}
        self._after = (SEPARATOR + column.identity).encode()
        self._beside = beside

    def emit(self) -> Emit:
        """Return the closure that makes the Observation of a row."""
        if self._beside is not None or self._each:
            return self._each_anew
        return self._by_stencil()

    @property
    def plain(self) -> PlainColumn | None:
        """What a row needs to make the Observation without a call, where its cell and one date are all that count."""
        column, outcomes = self._column, self._outcomes
        if self._beside is not None or self._each or column.when or column.focus or outcomes.unit_header:
            return None
        return PlainColumn(outcomes.header, self._ready, self._after, id(column.effective), column.effective, self)

    def _by_stencil(self) -> Emit:
        header, unit_header, ready = self._outcomes.header, self._outcomes.unit_header, self._ready
        when, effective, focus = self._column.when, self._column.effective, self._column.focus
        after, otherwise, first, new = self._after, self.otherwise, self.first, tuple.__new__
        date_mark = id(effective)

        def emit(state: RowState) -> Serialised | None:
            values = state.values
            text = values[header]
            found = ready.get((text, values[unit_header]) if unit_header else text)
            if found is None or text.__class__ is not str:
                found = otherwise(state)
            value, kind, stencils = found
            if not kind or (when is not None and not state.holds(when)):
                return None
            date = b""
            mark = state.mark
            if effective is not None:
                date = (state.dates.get(date_mark) or state.effective_json(effective))[1]
                if date:
                    mark += 1
            focused = b""
            reference = state.reference(focus) if focus else None
            if reference:
                focused = orjson.dumps(_listed(reference))
                mark += 2
            stencil = stencils.get(mark) or first(state, reference, mark, stencils)
            if stencil is None:
                return None
            hashed = state.hashed.copy()
            hashed.update(after)
            id_ = LETTER + hashed.hexdigest()[:40]
            body = stencil.body % (date, state.encounter_json, focused, id_.encode(), state.subject_json, value)
            return new(Serialised, ("Observation", id_, body, stencil.meta))

        return emit

    def _each_anew(self, state: RowState) -> Serialised | None:
        """Make the Observation as a dict: where its parts differ from row to row, or each is to be validated."""
        outcome = self._outcomes(state)
        if not outcome.element or not state.holds(self._column.when):
            return None
        focus = self._column.focus
        made = self._dict(state, outcome, state.reference(focus) if focus else None)
        return self._checked(made, (outcome.kind, tuple(made), state.mark), state)

    def otherwise(self, state: RowState) -> Ready:
        """Return what the cell of a row is, where it is new or something is to be told of it."""
        outcome = self._outcomes(state)
        found = self._ready_for(outcome)
        unit_header = self._outcomes.unit_header
        text = state.values[self._outcomes.header]
        if not outcome.note and outcome.error is None and text.__class__ is str:
            if len(self._ready) >= self._outcomes.most:
                self._ready.clear()
            self._ready[(text, state.values[unit_header]) if unit_header else text] = found
            self._outcomes.forget(state)
        return found

    def _ready_for(self, outcome: Outcome) -> Ready:
        if not outcome.element:
            return _NOTHING
        # Each coded value is a kind of its own (a profile may add to it), as is a reason in place of a value.
        json = b"" if outcome.type in _OF_KIND else canonical(outcome.value)
        return json, outcome.kind, self._stencils.setdefault(outcome.kind, {})

    def first(self, state: RowState, reference: Any, mark: int, stencils: dict[int, Stencil]) -> Stencil | None:
        """Return the stencil of a kind that is met for the first time."""
        outcome = self._outcomes(state, quietly=True)
        slots = _SLOTS_OF_KIND if outcome.type in _OF_KIND else _SLOTS
        stencil = self._checked.stencil(self._dict(state, outcome, reference), (outcome.kind, mark), state, slots)
        if stencil is not None:
            stencils[mark] = stencil
        return stencil

    def _dict(self, state: RowState, outcome: Outcome, reference: Any) -> Resource:
        """Return the Observation as a dict; what is made from bytes must be the same."""
        column = self._column
        hashed = state.hashed.copy()
        hashed.update(self._after)
        made: Resource = {"resourceType": "Observation", "id": LETTER + hashed.hexdigest()[:40], **self._constant}
        made |= {"status": state.status, "subject": state.subject, outcome.element: outcome.value}
        if state.encounter:
            made["encounter"] = state.encounter
        if reference:
            made["focus"] = _listed(reference)
        if column.effective is not None and (date := state.effective(column.effective)):
            made["effectiveDateTime"] = date
        if self._beside is not None:
            self._beside(state, made)
        return made


def _listed(reference: Any) -> list[Any]:
    return reference if isinstance(reference, list) else [reference]
