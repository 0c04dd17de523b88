"""Level 2 at work: a template and a row to its resources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from multimodal.mapping.emitters import Remembered
from multimodal.mapping.functions import plain
from multimodal.mapping.identity import SEPARATOR, id_maker
from multimodal.mapping.origin import Origin
from multimodal.mapping.plan import PATH_STEP, Column, Node, Template
from multimodal.mapping.row_state import Resource, RowState
from multimodal.model.issue_codes import IssueCode
from multimodal.resources.rules import encounter_element, patient_element
from multimodal.resources.serialised import Serialised, serialised

_WITH_STATUS = frozenset({"Observation", "DiagnosticReport"})
# Of these an element may name a Patient; whose they are, the mapping says.
_NOBODYS = frozenset({"Device"})


class TemplateRenderer:
    """Makes the resources of a template for each row: one, or one for each item of its ``$each``.

    Parameters
    ----------
    template : Template
        The template.
    into : sequence of (Column, Remembered)
        Columns that write one element of it.
    origin : Origin
        What all resources of the form share.
    """

    def __init__(self, template: Template, into: Sequence[tuple[Column, Remembered]], origin: Origin) -> None:
        self.template = template
        self.name = template.name
        self.make_id = id_maker(template.type, origin.parts, template.name)
        self._into = [(column, _steps(column.element), outcomes) for column, outcomes in into]
        self._origin = origin
        self._patient = patient_element(template.type) if template.type not in _NOBODYS else ""
        self._encounter = encounter_element(template.type)
        self._row: RowState | None = None
        self._items: list[tuple[Any, str]] = []

    def reference(self, state: RowState) -> dict[str, Any] | list[dict[str, Any]] | None:
        """Return the reference to this resource of a row; with ``$each`` a list of them; None where there is none."""
        references = [{"reference": f"{self.template.type}/{id_}"} for _, id_ in self._of(state)]
        if self.template.each is not None:
            return references
        return references[0] if references else None

    def make(self, state: RowState) -> list[Serialised] | None:
        """Return the resources; None where one is invalid, or is an Observation whose value could not be made.

        What failed is left out when the same row is asked again, so that nothing refers to it: see `gone`.
        """
        made: list[Serialised] = []
        failed: list[str] = []
        for item, id_ in self._of(state):
            state.item = item
            one = self._one(id_, state)
            if one is None:
                failed.append(id_)
            else:
                made.append(one)
        state.item = None
        self._items = [(item, id_) for item, id_ in self._items if id_ not in failed]
        return None if failed else made

    def gone(self, state: RowState) -> bool:
        """Return whether nothing of this template is left in the row, once `make` returned None."""
        return not self._of(state)

    def _of(self, state: RowState) -> list[tuple[Any, str]]:
        """Return the items of a row with the ids of their resources; one item, None, without ``$each``."""
        if self._row is not state:
            self._row = state
            self._items = [(item, self.make_id(key)) for item, key in self._keys(state) if key]
        return self._items

    def _keys(self, state: RowState) -> Iterator[tuple[Any, str]]:
        template = self.template
        if template.each is None:
            yield None, self._key(state) if template.key else state.key
            return
        found = state.evaluate(template.each)
        items = found if isinstance(found, list) else [] if found is None else [found]
        for position, item in enumerate(items, start=1):
            state.item = item
            if not state.holds(template.item_when):
                continue
            yield item, self._key(state) if template.key else f"{state.key}{SEPARATOR}{position}"
        state.item = None

    def _key(self, state: RowState) -> str:
        """Return the declared key, empty (which is reported) where a part of it is."""
        parts = [state.evaluate(part) for part in self.template.key]
        texts = ["" if part is None else plain(part).strip() for part in parts]
        if all(texts):
            return state.hide(SEPARATOR.join(texts))
        columns = dict.fromkeys(column for part in self.template.key for column in part.columns)
        message = f"{self.name} ({self.template.type}) has no key; it was not made"
        state.add(IssueCode.MISSING_KEY, message, ", ".join(columns))
        return ""

    def _one(self, id_: str, state: RowState) -> Serialised | None:
        made: Resource = {"resourceType": self.template.type, "id": id_}
        value_failed = False
        for name, node in (self.template.body.elements or {}).items():
            before = len(state.issues)
            value = _rendered(node, state)
            if value is not None:
                made[name] = value
            elif name.startswith("value") and len(state.issues) > before:
                value_failed = True
        if value_failed and self.template.type == "Observation":
            return None
        self._complete(made, state)
        for column, steps, outcomes in self._into:
            self._write(made, column, steps, outcomes, state)
        made = self._origin.followed(made, self.name)
        problems = self._origin.problems(made)
        if problems:
            columns = ", ".join(column.header for column, _, _ in self._into)
            state.add(IssueCode.INVALID_RESOURCE, f"{self.name} ({self.template.type}): {problems[0]}", columns)
            return None
        return serialised(made)

    def _complete(self, made: Resource, state: RowState) -> None:
        """Add what need not be said in the mapping: source, patient, visit, status."""
        made["meta"] = {**self._origin.meta(), **made.get("meta", {})}
        if self._patient:
            made.setdefault(self._patient, state.subject)
        if self._encounter and state.encounter:
            made.setdefault(self._encounter, state.encounter)
        if self.template.type in _WITH_STATUS:
            made.setdefault("status", state.status)

    @staticmethod
    def _write(
        made: Resource, column: Column, steps: list[tuple[str, int | None]], outcomes: Remembered, state: RowState
    ) -> None:
        outcome = outcomes(state)
        if outcome.type and state.holds(column.when):
            value = outcome.value
            if outcome.type == "Quantity" and column.unit is None and set(value) == {"value"}:
                value = value["value"]  # a plain decimal element, e.g. of a dose count
            _place(made, steps, value)


def _rendered(node: Node, state: RowState) -> Any:
    """Return the value of a part of a template, None where nothing is left of it."""
    if node.expression is not None:
        return state.evaluate(node.expression)
    if node.elements is not None:
        found = {name: value for name, child in node.elements.items() if (value := _rendered(child, state)) is not None}
        return found or None
    if node.items is not None:
        items: list[Any] = []
        for child in node.items:
            value = _rendered(child, state)
            if isinstance(value, list):
                items.extend(value)  # an item that is a list of references joins this list
            elif value is not None:
                items.append(value)
        return items or None
    return node.constant


def _steps(path: str) -> list[tuple[str, int | None]]:
    matches = (PATH_STEP.fullmatch(step) for step in path.split("."))
    return [(match[1], int(match[2]) if match[2] else None) for match in matches if match]


def _place(made: Resource, steps: list[tuple[str, int | None]], value: Any) -> None:
    """Write `value` at a path, making the objects and lists on the way; existing ones are kept apart from others'."""
    holder: Any = made
    for position, (name, index) in enumerate(steps):
        last = position == len(steps) - 1
        if index is None:
            holder[name] = value if last else dict(holder.get(name, {}))
            holder = holder[name]
            continue
        items = holder[name] = list(holder.get(name, ()))
        while len(items) <= index:
            items.append({})
        items[index] = value if last else dict(items[index])
        holder = items[index]
