"""Level 1 at work: closures that turn one cell into an Observation, a Condition or an element."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from multimodal.mapping.errors import CellError
from multimodal.mapping.hiding import moved
from multimodal.mapping.identity import id_maker
from multimodal.mapping.origin import Checked, Origin
from multimodal.mapping.plan import Column
from multimodal.mapping.readers import NOTHING, Outcome, ReadOutcome
from multimodal.mapping.row_state import Resource, RowState
from multimodal.resources.serialised import Serialised
from multimodal.tables.rows import NumberText

Emit = Callable[[RowState], Serialised | None]

# Cells repeat; a column of all-different values must not fill the memory.
MOST_CELLS = 20_000


class Remembered:
    """The outcomes of a column's texts, each computed and counted once."""

    def __init__(
        self, column: Column, header: str, unit_header: str, read: ReadOutcome, origin: Origin, most: int = MOST_CELLS
    ) -> None:
        self.header = header
        self.unit_header = unit_header
        self.column = column
        self.most = most
        self.read = read
        self._noted = origin.noted
        self.known: dict[Any, Outcome] = {}

    def __call__(self, state: RowState, *, quietly: bool = False) -> Outcome:
        """Return the outcome of this column's cell; tell of it, unless that was done."""
        text, unit_text, key = self._cell(state)
        outcome = self.known.get(key)
        if outcome is None:
            if len(self.known) >= self.most:
                self.known.clear()
            outcome = self.known[key] = self.read(text, unit_text)
        if not quietly and (outcome.note or outcome.error is not None):
            self.tell(outcome, text, state)
        if state.days and outcome.type == "DateTime":
            return self._moved(outcome, text, state)
        return outcome

    def forget(self, state: RowState) -> None:
        """Forget a cell that is remembered elsewhere: a table may have many columns, and many texts in each."""
        self.known.pop(self._cell(state)[2], None)

    def _cell(self, state: RowState) -> tuple[str, str, Any]:
        text = state.values[self.header].strip()
        unit_text = state.values[self.unit_header].strip() if self.unit_header else ""
        if isinstance(text, NumberText):  # equals the same digits written as text, which may mean another number
            return text, unit_text, (NumberText, text, unit_text)
        return text, unit_text, (text, unit_text) if self.unit_header else text

    def _moved(self, outcome: Outcome, text: str, state: RowState) -> Outcome:
        try:
            return replace(outcome, value=moved(outcome.value, state.days))
        except CellError as error:
            state.report(error, self.header, text)
            return NOTHING

    def tell(self, outcome: Outcome, text: str, state: RowState) -> None:
        """Note what a person should know of a cell, and report what is wrong with it."""
        if outcome.note:
            self._noted(self.header, outcome.note, text)
        if outcome.error is not None:
            state.report(outcome.error, self.header, text)


def condition(column: Column, outcomes: Remembered, origin: Origin) -> Emit:
    """Return the closure that makes the Condition of a cell."""
    make_id = id_maker("Condition", origin.parts, column.identity)
    meta = origin.meta(column.profile)
    checked = Checked(outcomes.header, origin)

    def emit(state: RowState) -> Serialised | None:
        outcome = outcomes(state)
        if outcome.type != "CodeableConcept" or not state.holds(column.when):
            return None
        made: Resource = {
            "resourceType": "Condition", "id": make_id(state.key), "meta": meta,
            "code": outcome.value, "subject": state.subject,
        }  # fmt: skip
        if state.encounter:
            made["encounter"] = state.encounter
        if column.effective and (onset := state.effective(column.effective)):
            made["onsetDateTime"] = onset
        return checked(made, (outcome.kind, len(made)), state)

    return emit
