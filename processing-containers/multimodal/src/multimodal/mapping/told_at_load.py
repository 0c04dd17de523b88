"""What a person should know of a mapping that is right: values without a code, dates that nothing reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from multimodal.mapping.plan import Column, Effective, Form, Node, Template


def told_of(form: Form) -> list[str]:
    """Return one line for each thing in `form` that is allowed, and seldom meant."""
    where = f"{form.name}: " if form.name else ""
    return [where + line for line in (*_without_code(form.columns), *_unread_dates(form))]


def _without_code(columns: Mapping[str, Column]) -> Iterator[str]:
    for header, column in columns.items():
        if column.verb not in ("condition", "observation") or column.table is None:
            continue
        entries = column.table.entries
        texts = sum(isinstance(entry.target, str) for entry in entries.values())
        if texts:
            have = "has no code and is" if texts == 1 else "have no code and are"
            yield f"{texts} of {len(entries)} values of {header!r} {have} kept as text"


def _unread_dates(form: Form) -> Iterator[str]:
    if all(column.effective for column in form.columns.values() if _is_observed(column)):
        return
    read = set(_read(form))
    for header, column in form.columns.items():
        if column.verb == "helper" and column.type == "date" and header not in read:
            yield (
                f"the date column {header!r} is read by nothing: the values have no date; declare `effective: {header}`"
            )


def _is_observed(column: Column) -> bool:
    return column.verb == "observation" or column.makes == "observation"


def _read(form: Form) -> Iterator[str]:
    """Yield the columns that others read, under the names of the mapping."""
    for column in form.columns.values():
        yield from (column.unit_column, column.note_column, column.low_column, column.high_column)
        if column.when is not None:
            yield from (form.aliases.get(name, name) for name in column.when.columns)
        if column.effective is not None:
            yield from _dated_by(column.effective)
    for template in form.templates.values():
        yield from (form.aliases.get(name, name) for name in _read_by(template))


def _dated_by(effective: Effective) -> Iterator[str]:
    yield from (effective.column, effective.offset_column)
    for other in effective.events.values():
        yield from _dated_by(other)


def _read_by(template: Template) -> Iterator[str]:
    for expression in (template.when, template.each, template.item_when, *template.key):
        if expression is not None:
            yield from expression.columns
    yield from columns_of(template.body)


def columns_of(node: Node) -> Iterator[str]:
    """Yield the columns that the expressions of a template read."""
    if node.expression is not None:
        yield from node.expression.columns
    for child in (*(node.elements or {}).values(), *(node.items or ())):
        yield from columns_of(child)
