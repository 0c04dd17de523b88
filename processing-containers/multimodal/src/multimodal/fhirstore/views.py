"""FHIR resources as table rows, by a ViewDefinition (SQL on FHIR v2).

https://sql-on-fhir.org/ig/StructureDefinition-ViewDefinition.html; paths are those of `fhirpath`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from multimodal.fhirstore.fhirpath import compile_path
from multimodal.fhirstore.fhirpath_functions import Evaluate, Nodes, PathError, truth
from multimodal.model.errors import ConfigurationError

Row = dict[str, Any]
Rows = Callable[[Nodes, int], list[Row]]
_ITERATIONS = ("forEach", "forEachOrNull", "repeat")
_KNOWN = frozenset({"column", "select", "unionAll", *_ITERATIONS})


class ViewError(ConfigurationError):
    """A ViewDefinition that is wrong, or asks for what is not supported."""


class View:
    """A compiled ViewDefinition.

    Parameters
    ----------
    definition : mapping
        ``resource``, ``select`` (``column``, ``select``, ``unionAll``, ``forEach``, ``forEachOrNull``, ``repeat``),
        ``where`` and ``constant``.

    Attributes
    ----------
    resource : str
        Type of the resources that it reads.
    columns : tuple of str
        Names of its columns, in order.

    Raises
    ------
    ViewError
        If an element is missing or of the wrong type, or columns have one name or differ between the parts of a union.
    PathError
        If a path is wrong or not supported.
    """

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self.resource = str(definition.get("resource") or "")
        selects = definition.get("select")
        if not self.resource or not isinstance(selects, list) or not selects:
            raise ViewError("a view needs a `resource` and a `select`")
        constants = _constants(definition.get("constant", []))
        self.columns, self._rows = _selects(selects, constants)
        twice = {name for name in self.columns if self.columns.count(name) > 1}
        if twice:
            raise ViewError(f"the view has two columns called {', '.join(sorted(twice))}")
        self._where = [(one["path"], compile_path(one["path"], constants)) for one in definition.get("where", [])]

    def rows(self, resources: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
        """Yield the rows of all resources of the view's type; others are passed over."""
        for resource in resources:
            if resource.get("resourceType") == self.resource:
                yield from self.rows_of(resource)

    def rows_of(self, resource: Mapping[str, Any]) -> list[Row]:
        """Return the rows of one resource of the view's type.

        Raises
        ------
        PathError
            If a column that is no ``collection`` has several values, or a condition is neither true nor false.
        """
        nodes: Nodes = [resource]
        if all(truth(condition(nodes, 0), path) for path, condition in self._where):
            return self._rows(nodes, 0)
        return []


def _constants(definitions: Any) -> dict[str, Any]:
    found = {}
    for definition in definitions:
        values = [value for key, value in definition.items() if key.startswith("value")]
        if len(values) != 1 or not definition.get("name"):
            raise ViewError(f"the constant {definition.get('name')!r} needs a name and one value[x]")
        found[definition["name"]] = values[0]
    return found


def _selects(selects: list[Any], constants: Mapping[str, Any]) -> tuple[tuple[str, ...], Rows]:
    """Return the columns and rows of selects beside each other: every row of one with every row of the others."""
    parts = [_select(select, constants) for select in selects]
    columns = tuple(name for names, _ in parts for name in names)
    makers = [rows for _, rows in parts]
    if len(makers) == 1:
        return columns, makers[0]

    def product(nodes: Nodes, index: int) -> list[Row]:
        found: list[Row] = [{}]
        for make in makers:
            more = make(nodes, index)
            if len(more) == 1 and len(found) == 1:
                found[0].update(more[0])
            else:
                found = [{**left, **right} for left in found for right in more]
        return found

    return columns, product


def _select(select: Any, constants: Mapping[str, Any]) -> tuple[tuple[str, ...], Rows]:
    if not isinstance(select, dict):
        raise ViewError("a select is an object with `column`, `select` or `unionAll`")
    unknown = [key for key in select if key not in _KNOWN and key not in ("id", "extension")]
    if unknown:
        raise ViewError(f"a select takes no {unknown[0]!r}; known: {', '.join(sorted(_KNOWN))}")
    ways = [key for key in _ITERATIONS if select.get(key)]
    if len(ways) > 1:
        raise ViewError(f"a select takes only one of {', '.join(ways)}")
    parts: list[tuple[tuple[str, ...], Rows]] = []
    if select.get("column"):
        parts.append(_columns(select["column"], constants))
    if select.get("select"):
        parts.append(_selects(select["select"], constants))
    if select.get("unionAll"):
        parts.append(_union(select["unionAll"], constants))
    columns = tuple(name for names, _ in parts for name in names)
    rows = _together([rows for _, rows in parts])
    return columns, _iterated(ways[0], select[ways[0]], rows, constants) if ways else rows


def _together(makers: list[Rows]) -> Rows:
    if len(makers) == 1:
        return makers[0]

    def product(nodes: Nodes, index: int) -> list[Row]:
        found: list[Row] = [{}]
        for make in makers:
            found = [{**left, **right} for left in found for right in make(nodes, index)]
        return found

    return product


def _columns(columns: Any, constants: Mapping[str, Any]) -> tuple[tuple[str, ...], Rows]:
    values = []
    for column in columns:
        if not column.get("name") or not isinstance(column.get("path"), str):
            raise ViewError("a column needs a `name` and a `path`")
        evaluate = compile_path(column["path"], constants)
        values.append((column["name"], _listed(evaluate) if column.get("collection") else _one(evaluate, column)))

    def rows(nodes: Nodes, index: int) -> list[Row]:
        return [{name: value(nodes, index) for name, value in values}]

    return tuple(name for name, _ in values), rows


def _listed(evaluate: Evaluate) -> Callable[[Nodes, int], Any]:
    return lambda nodes, index: list(evaluate(nodes, index))


def _one(evaluate: Evaluate, column: Mapping[str, Any]) -> Callable[[Nodes, int], Any]:
    def value(nodes: Nodes, index: int) -> Any:
        found = evaluate(nodes, index)
        if len(found) > 1:
            raise PathError(column["path"], f"has several values in column {column['name']!r}; set `collection: true`")
        return found[0] if found else None

    return value


def _union(selects: Any, constants: Mapping[str, Any]) -> tuple[tuple[str, ...], Rows]:
    parts = [_select(select, constants) for select in selects]
    columns = parts[0][0]
    differing = next((names for names, _ in parts if names != columns), None)
    if differing is not None:
        raise ViewError(f"the parts of a unionAll have different columns: {', '.join(columns)}; {', '.join(differing)}")
    makers = [rows for _, rows in parts]
    return columns, lambda nodes, index: [row for make in makers for row in make(nodes, index)]


def _iterated(way: str, path: Any, rows: Rows, constants: Mapping[str, Any]) -> Rows:
    paths = path if way == "repeat" else [path]
    if not isinstance(paths, list) or not all(isinstance(one, str) for one in paths):
        raise ViewError(f"{way} takes {'a list of paths' if way == 'repeat' else 'a path'}, not {path!r}")
    steps = [compile_path(one, constants) for one in paths]

    def each(nodes: Nodes, index: int) -> list[Row]:
        found = _descendants(nodes, steps) if way == "repeat" else steps[0](nodes, index)
        if not found and way == "forEachOrNull":
            return rows([], 0)
        return [row for position, node in enumerate(found) for row in rows([node], position)]

    return each


def _descendants(nodes: Nodes, steps: list[Evaluate]) -> Nodes:
    """Return what the paths reach from the nodes, and from what they reach, each before what is below it."""
    found: Nodes = []
    waiting = [node for step in steps for node in step(nodes, 0)][::-1]
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting.extend([below for step in steps for below in step([node], 0)][::-1])
    return found
