"""The Observation of a cell: its first of each kind as a dict, which is checked, all others from its bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from multimodal.mapping.emitters import Emit, Remembered
from multimodal.mapping.identity import SEPARATOR, letter_of
from multimodal.mapping.origin import Checked, Origin
from multimodal.mapping.plan import Column
from multimodal.mapping.readers import Outcome
from multimodal.mapping.row_state import Resource, RowState
from multimodal.mapping.stencil import Stencil
from multimodal.resources.serialised import Serialised
from multimodal.tables.rows import NumberText

Beside = Callable[[RowState, Resource], None]

_SLOTS = ("effectiveDateTime", "encounter", "focus", "id", "subject", "value")
# Cells repeat; a column of all-different values must not fill the memory.
_MOST_CELLS = 20_000
_LETTER = letter_of("Observation")


class Cell(NamedTuple):
    """What a text of the column is, ready to be written.

    Parameters
    ----------
    outcome : Outcome
        What was read.
    quiet : bool
        Whether there is nothing to tell of it.
    json : bytes
        The value; empty where there is none.
    stencils : dict
        Of its kind, by what else the Observation holds; shared by all cells of the kind.
    """

    outcome: Outcome
    quiet: bool
    json: bytes
    stencils: dict[int, Stencil]


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
    """

    def __init__(self, column: Column, outcomes: Remembered, origin: Origin, beside: Beside | None = None) -> None:
        self._column = column
        self._outcomes = outcomes
        self._every = origin.every
        self._checked = Checked(outcomes.header, origin)
        self._constant: Resource = {"meta": origin.meta(column.profile), "code": column.code}
        if column.category:
            self._constant["category"] = [column.category]
        if column.method:
            self._constant["method"] = column.method
        self._cells: dict[Any, Cell] = {}
        self._stencils: dict[str, dict[int, Stencil]] = {}
        self._after = (SEPARATOR + column.identity).encode()
        self._beside = beside

    def emit(self) -> Emit:
        """Return the closure that makes the Observation of a row."""
        if self._beside is not None or self._every:
            return self._each_anew
        return self._by_stencil()

    def _by_stencil(self) -> Emit:
        header, unit_header, cells = self._outcomes.header, self._outcomes.unit_header, self._cells
        when, effective, focus = self._column.when, self._column.effective, self._column.focus
        after, look, first, new = self._after, self._look, self._first, tuple.__new__

        def emit(state: RowState) -> Serialised | None:
            values = state.values
            text = values[header]
            cell = cells.get((text, values[unit_header]) if unit_header else text)
            if cell is None or not cell.quiet or text.__class__ is not str:
                cell = look(state)
            outcome, _, value, stencils = cell
            if not outcome.element or (when is not None and not state.holds(when)):
                return None
            date = state.effective_json(effective)[1] if effective is not None else b""
            reference = state.reference(focus) if focus else None
            kind = state.mark + (2 if reference else 0) + (1 if date else 0)
            stencil = stencils.get(kind) or first(state, outcome, kind, stencils)
            if stencil is None:
                return None
            hashed = state.hashed.copy()
            hashed.update(after)
            id_ = _LETTER + hashed.hexdigest()[:40]
            focused = orjson.dumps(_listed(reference)) if reference else b""
            body = stencil.body % (date, state.encounter_json, focused, id_.encode(), state.subject_json, value)
            return new(Serialised, ("Observation", id_, body, stencil.meta))

        return emit

    def _each_anew(self, state: RowState) -> Serialised | None:
        """Make the Observation as a dict: where its parts differ from row to row, or each is to be validated."""
        cell = self._look(state)
        if not cell.outcome.element or not state.holds(self._column.when):
            return None
        made = self._dict(state, cell.outcome)
        return self._checked(made, (cell.outcome.kind, tuple(made), state.mark), state)

    def _look(self, state: RowState) -> Cell:
        """Return what the cell of a row is, telling of it what is to be told."""
        raw, unit_header = state.values[self._outcomes.header], self._outcomes.unit_header
        raw_unit = state.values[unit_header] if unit_header else ""
        text = raw.strip()
        key: Any = (raw, raw_unit) if unit_header else raw
        if isinstance(raw, NumberText):  # equals the same digits written as text, which may mean another number
            key = (NumberText, raw, raw_unit)
        cell = self._cells.get(key)
        if cell is None:
            if len(self._cells) >= _MOST_CELLS:
                self._cells.clear()
            cell = self._cells[key] = self._read(text, raw_unit.strip())
        if not cell.quiet:
            self._outcomes.tell(cell.outcome, text, state)
        return cell

    def _read(self, text: str, unit_text: str) -> Cell:
        outcome = self._outcomes.read(text, unit_text)
        quiet = not outcome.note and outcome.error is None
        # A reason in place of a value is a part of its kind.
        json = orjson.dumps(outcome.value, option=orjson.OPT_SORT_KEYS) if outcome.type else b""
        return Cell(outcome, quiet, json, self._stencils.setdefault(outcome.kind, {}))

    def _first(self, state: RowState, outcome: Outcome, kind: int, stencils: dict[int, Stencil]) -> Stencil | None:
        stencil = self._checked.stencil(self._dict(state, outcome), (outcome.kind, kind), state, _SLOTS)
        if stencil is not None:
            stencils[kind] = stencil
        return stencil

    def _dict(self, state: RowState, outcome: Outcome) -> Resource:
        """Return the Observation as a dict; what is made from bytes must be the same."""
        column = self._column
        hashed = state.hashed.copy()
        hashed.update(self._after)
        made: Resource = {"resourceType": "Observation", "id": _LETTER + hashed.hexdigest()[:40], **self._constant}
        made |= {"status": state.status, "subject": state.subject, outcome.element: outcome.value}
        if state.encounter:
            made["encounter"] = state.encounter
        if column.focus and (reference := state.reference(column.focus)):
            made["focus"] = _listed(reference)
        if column.effective is not None and (date := state.effective(column.effective)):
            made["effectiveDateTime"] = date
        if self._beside is not None:
            self._beside(state, made)
        return made


def _listed(reference: Any) -> list[Any]:
    return reference if isinstance(reference, list) else [reference]
