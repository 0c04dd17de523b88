"""Level 2 at work: a template and a row to a resource."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multimodal.mapping.emitters import Remembered
from multimodal.mapping.identity import id_maker
from multimodal.mapping.origin import Origin
from multimodal.mapping.plan import PATH_STEP, Column, Node, Template
from multimodal.mapping.row_state import Resource, RowState
from multimodal.model.issue_codes import IssueCode
from multimodal.resources.serialised import Serialised, serialised

# Resource types whose subject and status need not be said in the mapping.
_WITH_SUBJECT = frozenset({"Observation", "Condition", "Procedure", "DiagnosticReport", "Encounter"})
_WITH_STATUS = frozenset({"Observation", "DiagnosticReport"})


class TemplateRenderer:
    """Makes the resource of a template for each row.

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

    def reference(self, state: RowState) -> dict[str, Any]:
        """Return the reference to this resource of a row."""
        return {"reference": f"{self.template.type}/{self.make_id(state.key)}"}

    def make(self, state: RowState) -> Serialised | None:
        """Return the resource; None where it is invalid, or an Observation whose value could not be made."""
        made: Resource = {"resourceType": self.template.type, "id": self.make_id(state.key)}
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
        made["meta"] = {"source": self._origin.meta_source, **made.get("meta", {})}
        if self.template.type in _WITH_SUBJECT:
            made.setdefault("subject", state.subject)
        if self.template.type in _WITH_STATUS:
            made.setdefault("status", self._origin.status)
        for column, steps, outcomes in self._into:
            self._write(made, column, steps, outcomes, state)
        problems = self._origin.problems(made)
        if problems:
            columns = ", ".join(column.header for column, _, _ in self._into)
            state.add(IssueCode.INVALID_RESOURCE, f"{self.name} ({self.template.type}): {problems[0]}", columns)
            return None
        return serialised(made)

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
