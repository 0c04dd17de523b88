"""What FHIRPath's words do, as closures from the nodes in focus and the row index to nodes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from multimodal.model.errors import ConfigurationError

Nodes = list[Any]
Evaluate = Callable[[Nodes, int], Nodes]

# Choice elements of R4 by their common name; looked for under their typed names where a path leaves the type open.
CHOICES = frozenset({
    "abatement", "allowed", "asNeeded", "author", "born", "chosen", "collected", "content", "deceased", "defaultValue",
    "diagnosis", "dose", "due", "effective", "event", "fastingStatus", "identified", "item", "location", "medication",
    "minimumVolume", "multipleBirth", "occurred", "occurrence", "onset", "performed", "procedure", "product",
    "rate", "reported", "scheduled", "serviced", "source", "statusReason", "subject", "target", "time", "timing",
    "topic", "used", "value",
})  # fmt: skip
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "decimal": (int, float),
    "string": (str,),
}


class PathError(ConfigurationError):
    """An expression of a view that is wrong or not supported."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        super().__init__(f"the path {path!r}: {problem}")


def this(nodes: Nodes, _: int) -> Nodes:
    """Return the focus."""
    return nodes


def row_index(_: Nodes, index: int) -> Nodes:
    """Return the place of the row among those of its ``forEach``, from 0."""
    return [index]


def constant(value: Any) -> Evaluate:
    """Return a value, whatever the focus."""
    found = [value]
    return lambda nodes, index: found


class Members:
    """The elements along a chain of names, from some focus.

    Nearly all paths are such chains over a single resource without repeated elements on the way, so that is walked
    directly; what does not fit is gathered step by step.
    """

    def __init__(self, focus: Evaluate, names: tuple[str, ...]) -> None:
        self.focus = focus
        self.names = names
        self._steps = [(name, name in CHOICES) for name in names]

    def __call__(self, nodes: Nodes, index: int) -> Nodes:
        """Return the elements."""
        if self.focus is not this:
            nodes = self.focus(nodes, index)
        if len(nodes) == 1:
            node = nodes[0]
            for name, choice in self._steps:
                if node.__class__ is list and len(node) == 1:
                    node = node[0]
                if node.__class__ is not dict:
                    break
                found = node.get(name)
                if found is None:
                    if choice or node.get("resourceType") == name:
                        break
                    return []
                node = found
            else:
                return node if node.__class__ is list else [node]
        for name, choice in self._steps:
            nodes = _step(nodes, name, choice)
        return nodes


def members(focus: Evaluate, name: str) -> Evaluate:
    """Return the element `name` of all nodes."""
    if isinstance(focus, Members):
        return Members(focus.focus, (*focus.names, name))
    return Members(focus, (name,))


def _step(nodes: Nodes, name: str, choice: bool) -> Nodes:
    found: Nodes = []
    for node in nodes:
        if node.__class__ is not dict:
            continue
        value = node.get(name)
        if value is None:
            # A path may begin with the type of its resource: Patient.name.
            if choice:
                found.extend(node[key] for key in node if key.startswith(name) and key[len(name)].isupper())
            elif node.get("resourceType") == name:
                found.append(node)
        elif value.__class__ is list:
            found.extend(value)
        else:
            found.append(value)
    return found


def of_type(typed: Evaluate, untyped: Evaluate, type_: str) -> Evaluate:
    """Return the element under its typed name, else what of the plain one has the type."""
    filtered = _of_type(untyped, type_)
    return lambda nodes, index: typed(nodes, index) or filtered(nodes, index)


def _of_type(focus: Evaluate, type_: str) -> Evaluate:
    types = _JSON_TYPES.get(type_, ())

    def fits(node: Any) -> bool:
        if node.__class__ is dict:
            return bool(node.get("resourceType") == type_)
        return node.__class__ in types

    return lambda nodes, index: [node for node in focus(nodes, index) if fits(node)]


def indexed(focus: Evaluate, position: Evaluate) -> Evaluate:
    """Return the node at a position, counted from 0."""

    def one(nodes: Nodes, index: int) -> Nodes:
        at = position(nodes, index)
        if len(at) != 1 or type(at[0]) is not int:
            raise PathError("[...]", "the index is no whole number")
        found = focus(nodes, index)
        return found[at[0] : at[0] + 1] if at[0] >= 0 else []

    return one


def truth(nodes: Nodes, where: str) -> bool | None:
    """Return the truth value of an operand; None where it is empty.

    Raises
    ------
    PathError
        If it is no truth value.
    """
    if not nodes:
        return None
    if len(nodes) > 1 or nodes[0].__class__ is not bool:
        raise PathError(where, "its value is not true or false; compare it, or ask exists()")
    return bool(nodes[0])


def connected(word: str, left: Evaluate, right: Evaluate) -> Evaluate:
    """Return ``and``, ``or`` or ``xor`` in three-valued logic (FHIRPath 6.5)."""
    decisive = {"and": False, "or": True}.get(word)

    def both(nodes: Nodes, index: int) -> Nodes:
        first = truth(left(nodes, index), word)
        if first is not None and first is decisive:
            return [first]
        second = truth(right(nodes, index), word)
        if second is not None and second is decisive:
            return [second]
        if first is None or second is None:
            return []
        return [first is not second if decisive is None else not decisive]

    return both


def _equal(left: Nodes, right: Nodes) -> bool:
    return len(left) == len(right) and all(
        a == b and (a.__class__ is bool) is (b.__class__ is bool) for a, b in zip(left, right, strict=True)
    )


def _single(nodes: Nodes) -> Any:
    if len(nodes) > 1:
        raise PathError("...", "an operand has several values; choose one, e.g. with first()")
    return nodes[0]


def _ordering(compare: Callable[[Any, Any], bool]) -> Callable[[Nodes, Nodes], bool]:
    def ordered(left: Nodes, right: Nodes) -> bool:
        try:
            return compare(_single(left), _single(right))
        except TypeError as error:
            raise PathError("...", "values of different types cannot be compared") from error

    return ordered


COMPARISONS: dict[str, Callable[[Nodes, Nodes], bool]] = {
    "=": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordering(operator.lt),
    ">": _ordering(operator.gt),
    "<=": _ordering(operator.le),
    ">=": _ordering(operator.ge),
}


def compared(compare: Callable[[Nodes, Nodes], bool], left: Evaluate, right: Evaluate) -> Evaluate:
    """Return a comparison, empty where an operand is."""

    def result(nodes: Nodes, index: int) -> Nodes:
        first, second = left(nodes, index), right(nodes, index)
        return [compare(first, second)] if first and second else []

    return result


def _calculated(apply: Callable[[Any, Any], Any]) -> Callable[[Evaluate, Evaluate], Evaluate]:
    def make(left: Evaluate, right: Evaluate) -> Evaluate:
        def result(nodes: Nodes, index: int) -> Nodes:
            first, second = left(nodes, index), right(nodes, index)
            if not first or not second:
                return []
            try:
                return [apply(_single(first), _single(second))]
            except ZeroDivisionError:
                return []
            except TypeError as error:
                raise PathError("...", "only numbers, or texts with +, can be calculated with") from error

        return result

    return make


def _decimal(apply: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return arithmetic in decimals, as FHIRPath has it: 0.1 + 0.2 is 0.3."""

    def applied(left: Any, right: Any) -> Any:
        if isinstance(left, str) or isinstance(right, str):
            return apply(left, right)
        number = apply(Decimal(str(left)), Decimal(str(right)))
        return int(number) if number == number.to_integral_value() else float(number)

    return applied


def _joined(left: Evaluate, right: Evaluate) -> Evaluate:
    def result(nodes: Nodes, index: int) -> Nodes:
        return ["".join(str(part) for part in (*left(nodes, index), *right(nodes, index)))]

    return result


ARITHMETIC: dict[str, Callable[[Evaluate, Evaluate], Evaluate]] = {
    "+": _calculated(_decimal(operator.add)),
    "-": _calculated(_decimal(operator.sub)),
    "*": _calculated(_decimal(operator.mul)),
    "/": _calculated(_decimal(operator.truediv)),
    "&": _joined,
}


def _where(focus: Evaluate, condition: Evaluate) -> Evaluate:
    def kept(nodes: Nodes, index: int) -> Nodes:
        return [node for node in focus(nodes, index) if truth(condition([node], index), "where(...)")]

    return kept


def _exists(focus: Evaluate, condition: Evaluate | None = None) -> Evaluate:
    found = _where(focus, condition) if condition else focus
    return lambda nodes, index: [bool(found(nodes, index))]


def _empty(focus: Evaluate) -> Evaluate:
    return lambda nodes, index: [not focus(nodes, index)]


def _not(focus: Evaluate) -> Evaluate:
    def negated(nodes: Nodes, index: int) -> Nodes:
        value = truth(focus(nodes, index), "not()")
        return [] if value is None else [not value]

    return negated


def _first(focus: Evaluate) -> Evaluate:
    return lambda nodes, index: focus(nodes, index)[:1]


def _last(focus: Evaluate) -> Evaluate:
    return lambda nodes, index: focus(nodes, index)[-1:]


def _count(focus: Evaluate) -> Evaluate:
    return lambda nodes, index: [len(focus(nodes, index))]


def _extension(focus: Evaluate, url: Evaluate) -> Evaluate:
    extensions = members(focus, "extension")

    def named(nodes: Nodes, index: int) -> Nodes:
        wanted = url(nodes, index)
        return [node for node in extensions(nodes, index) if [node.get("url")] == wanted]

    return named


def _join(focus: Evaluate, separator: Evaluate | None = None) -> Evaluate:
    def joined(nodes: Nodes, index: int) -> Nodes:
        between = separator(nodes, index) if separator else [""]
        return [str(between[0] if between else "").join(map(str, focus(nodes, index)))]

    return joined


def _starts_with(focus: Evaluate, prefix: Evaluate) -> Evaluate:
    def started(nodes: Nodes, index: int) -> Nodes:
        text, start = focus(nodes, index), prefix(nodes, index)
        return [str(_single(text)).startswith(str(_single(start)))] if text and start else []

    return started


def _resource_key(focus: Evaluate) -> Evaluate:
    def keys(nodes: Nodes, index: int) -> Nodes:
        return [f"{node['resourceType']}/{node['id']}" for node in focus(nodes, index) if "id" in node]

    return keys


def _reference_key(focus: Evaluate, type_: str) -> Evaluate:
    def keys(nodes: Nodes, index: int) -> Nodes:
        found = (_target(node.get("reference", "")) for node in focus(nodes, index) if isinstance(node, dict))
        return [key for key in found if key and (not type_ or key.startswith(f"{type_}/"))]

    return keys


def _target(reference: str) -> str:
    """Return ``Type/id`` of a reference, relative or absolute, with or without a version."""
    parts = reference.partition("/_history/")[0].split("/")
    return "/".join(parts[-2:]) if len(parts) > 1 else ""


_CALLS: dict[str, Callable[..., Evaluate]] = {
    "where": _where,
    "exists": _exists,
    "empty": _empty,
    "not": _not,
    "first": _first,
    "last": _last,
    "count": _count,
    "extension": _extension,
    "join": _join,
    "ofType": _of_type,
    "startsWith": _starts_with,
    "getResourceKey": _resource_key,
    "getReferenceKey": _reference_key,
}


def calls(name: str, path: str) -> Callable[..., Evaluate]:
    """Return the maker of a function's closure.

    Raises
    ------
    PathError
        If there is no such function here.
    """
    if name not in _CALLS:
        raise PathError(path, f"the function {name}() is not supported; known: {', '.join(sorted(_CALLS))}")
    return _CALLS[name]
