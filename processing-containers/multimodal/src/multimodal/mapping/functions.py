"""The functions of the expression language: the whole list, nothing else can be called."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from typing import Any

from multimodal.mapping.cells import Measured, MeasuredRange, NumberReader, codeable_of, quantity
from multimodal.mapping.dates import DateFormatError, DateReader, date_reader
from multimodal.mapping.patterns import Capture, PatternError
from multimodal.mapping.scope import Env, Evaluate, ExpressionError, Scope
from multimodal.terminology.concepts import Concept, ConceptError, parse_concept
from multimodal.terminology.translation import Translation
from multimodal.terminology.units import UnknownUnitError, unit

Arguments = Sequence[Evaluate]
Constants = Sequence[Any]
_LONGEST_TEXT = 10_000


def build(name: str, arguments: Arguments, constants: Constants, scope: Scope) -> Evaluate:
    """Return the closure of one call.

    Raises
    ------
    ExpressionError
        If there is no such function, or its arguments cannot be right.
    """
    if name not in _FUNCTIONS:
        raise ExpressionError(f"unknown function {name}(); known: {', '.join(sorted(_FUNCTIONS))}")
    least, most, builder = _FUNCTIONS[name]
    if not least <= len(arguments) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise ExpressionError(f"{name}() takes {wanted} arguments, not {len(arguments)}")
    return builder(arguments, constants, scope)


def plain(value: Any) -> str:
    """Return the text of a value; a concept's is its display."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return str(value.get("text", ""))
    if isinstance(value, list):
        raise TypeError("a list is no text; take one of its parts, or use it under $each")
    if isinstance(value, float) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = str(value)
    if len(text) > _LONGEST_TEXT:
        raise ValueError("the text becomes too long")
    return text


def calculated(apply: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """Apply an arithmetic operator to numbers; None stays None, anything else is refused."""
    if left is None or right is None:
        return None
    return _finite(apply(_number(left), _number(right)))


def negated(value: Any) -> Any:
    """Return the negative of a number; None stays None."""
    return None if value is None else -_number(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is not a number; give its column a type")
    if abs(value) > 1e300:
        raise OverflowError("the number is too large")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise OverflowError("the number is too large")
    return value


def _constant(constants: Constants, position: int, function: str) -> str:
    value = constants[position]
    if not isinstance(value, str):
        raise ExpressionError(f'{function}() needs a fixed text in quotation marks, e.g. {function}("...")')
    return value


def _col(_: Arguments, constants: Constants, scope: Scope) -> Evaluate:
    name = _constant(constants, 0, "col")
    if name not in scope.columns:
        raise ExpressionError(f"unknown column {name!r}; declare it under `columns`, e.g. as a helper")
    header = scope.columns[name]
    return lambda env: env.typed(header)


def _coalesce(arguments: Arguments, _: Constants, __: Scope) -> Evaluate:
    def first(env: Env) -> Any:
        for argument in arguments:
            value = argument(env)
            if value is not None:
                return value
        return None

    return first


def _lookup(arguments: Arguments, constants: Constants, scope: Scope) -> Evaluate:
    name = _constant(constants, 0, "lookup")
    if name not in scope.tables:
        known = ", ".join(scope.tables) or "none"
        raise ExpressionError(f"unknown table {name!r}; known: {known}; declare it under `tables:`")
    table = scope.tables[name]

    def look(env: Env) -> Any:
        text = arguments[1](env)
        if text is None:
            return None
        found = env.lookup(table, plain(text))
        if isinstance(found, Translation):
            return codeable_of(found) if isinstance(found.target, Concept) else found.target
        return found

    return look


def _concept(_: Arguments, constants: Constants, scope: Scope) -> Evaluate:
    try:
        codeable = parse_concept(_constant(constants, 0, "concept"), scope.systems).codeable
    except ConceptError as error:
        raise ExpressionError(str(error)) from error
    return lambda env: codeable


def _quantity(arguments: Arguments, constants: Constants, scope: Scope) -> Evaluate:
    numbers = NumberReader(scope.decimal)
    try:
        fixed = unit(_constant(constants, 1, "quantity"))
    except UnknownUnitError as error:
        raise ExpressionError(str(error)) from error

    def make(env: Env) -> Any:
        value = arguments[0](env)
        if value is None:
            return None
        if not isinstance(value, str):
            return quantity(Measured(_number(value)), fixed)
        measured = numbers.measured(value)  # a part of a cell, e.g. from split()
        if isinstance(measured, MeasuredRange):
            raise TypeError(f"{value!r} is a range, not a quantity")
        return quantity(measured, fixed)

    return make


def _ref(_: Arguments, constants: Constants, scope: Scope) -> Evaluate:
    name = _known_resource(constants, "ref", scope)
    return lambda env: env.reference(name)


def _members(_: Arguments, constants: Constants, scope: Scope) -> Evaluate:
    name = _known_resource(constants, "members", scope)
    return lambda env: env.member_references(name) or None


def _known_resource(constants: Constants, function: str, scope: Scope) -> str:
    name = _constant(constants, 0, function)
    if name not in scope.resources:
        raise ExpressionError(f"unknown resource {name!r}; known: {', '.join(sorted(scope.resources)) or 'none'}")
    return name


def _date(arguments: Arguments, constants: Constants, scope: Scope) -> Evaluate:
    reader = DateReader(zone=scope.zone, years=scope.years)
    if len(arguments) == 2:
        try:
            reader = date_reader([_constant(constants, 1, "date")], scope.zone, scope.years)
        except DateFormatError as error:
            raise ExpressionError(str(error)) from error
    return _with_text(arguments[0], reader.read)


def _with_text(argument: Evaluate, apply: Callable[[str], Any]) -> Evaluate:
    def applied(env: Env) -> Any:
        value = argument(env)
        return None if value is None else apply(plain(value))

    return applied


def _day(value: Any) -> dt.date:
    text = plain(value)
    try:
        return dt.date.fromisoformat(text[:10])
    except ValueError as error:
        raise ValueError(f"{text!r} does not say which day") from error


def _add_days(arguments: Arguments, _: Constants, __: Scope) -> Evaluate:
    def add(env: Env) -> Any:
        start, days = arguments[0](env), arguments[1](env)
        if start is None or days is None:
            return None
        return (_day(start) + dt.timedelta(days=round(_number(days)))).isoformat()

    return add


def _years_between(arguments: Arguments, _: Constants, __: Scope) -> Evaluate:
    def years(env: Env) -> Any:
        start, end = arguments[0](env), arguments[1](env)
        if start is None or end is None:
            return None
        first, last = _day(start), _day(end)
        return last.year - first.year - ((last.month, last.day) < (first.month, first.day))

    return years


def _round(arguments: Arguments, constants: Constants, _: Scope) -> Evaluate:
    digits = constants[1] if len(arguments) == 2 else 0
    if not isinstance(digits, int) or not 0 <= digits <= 12:
        raise ExpressionError("round() takes a fixed number of digits from 0 to 12")

    def rounded(env: Env) -> Any:
        value = arguments[0](env)
        if value is None:
            return None
        return round(_number(value), digits) if digits else round(_number(value))

    return rounded


def _lower(arguments: Arguments, _: Constants, __: Scope) -> Evaluate:
    return _with_text(arguments[0], str.lower)


def _strip(arguments: Arguments, _: Constants, __: Scope) -> Evaluate:
    return _with_text(arguments[0], str.strip)


def _concat(arguments: Arguments, _: Constants, __: Scope) -> Evaluate:
    def joined(env: Env) -> str | None:
        texts = [plain(value) for argument in arguments if (value := argument(env)) is not None]
        return "".join(texts) or None

    return joined


def _identifier(arguments: Arguments, constants: Constants, _: Scope) -> Evaluate:
    system = _constant(constants, 0, "identifier")
    return _with_text(arguments[1], lambda text: {"system": system, "value": text})


def _split(arguments: Arguments, constants: Constants, _: Scope) -> Evaluate:
    separator = _constant(constants, 1, "split")
    if not separator:
        raise ExpressionError('split() needs a separator, e.g. split(col("drugs"), ";")')
    if len(arguments) == 2:
        return _with_text(arguments[0], lambda text: _parts(text, separator) or None)
    number = constants[2]
    if type(number) is not int or number < 0:
        raise ExpressionError("split() takes the number of a part, counted from 0")

    def part(env: Env) -> str | None:
        value = arguments[0](env)
        if value is None:
            return None
        parts = [part.strip() for part in plain(value).split(separator)]
        if number < len(parts):
            return parts[number] or None
        env.note(f"split {separator} {number}", "no match", "")
        return None

    return part


def _parts(text: str, separator: str) -> list[str]:
    """Return the parts of a list in a cell; what is empty between two separators is none."""
    return [stripped for part in text.split(separator) if (stripped := part.strip())]


def _regex(arguments: Arguments, constants: Constants, _: Scope) -> Evaluate:
    pattern = _constant(constants, 1, "regex")
    group = constants[2] if len(arguments) == 3 else None
    if len(arguments) == 3 and type(group) is not int:
        raise ExpressionError("regex() takes the number of a group of the pattern")
    try:
        capture = Capture(pattern, group)
    except PatternError as error:
        raise ExpressionError(f"no regular expression: {pattern!r} {error}") from error

    def captured(env: Env) -> str | None:
        value = arguments[0](env)
        if value is None:
            return None
        found = capture.of(plain(value))
        if found is None:
            env.note(f"regex {pattern}", "no match", "")  # without the text, which may name a person
        return found

    return captured


def _item(_: Arguments, __: Constants, scope: Scope) -> Evaluate:
    if not scope.each:
        raise ExpressionError("item() is the item of $each, which this template does not have")
    return lambda env: env.item


_FUNCTIONS: dict[str, tuple[int, int, Callable[[Arguments, Constants, Scope], Evaluate]]] = {
    "add_days": (2, 2, _add_days),
    "coalesce": (1, 20, _coalesce),
    "col": (1, 1, _col),
    "concat": (1, 20, _concat),
    "concept": (1, 1, _concept),
    "date": (1, 2, _date),
    "identifier": (2, 2, _identifier),
    "item": (0, 0, _item),
    "lookup": (2, 2, _lookup),
    "lower": (1, 1, _lower),
    "members": (1, 1, _members),
    "quantity": (2, 2, _quantity),
    "ref": (1, 1, _ref),
    "regex": (2, 3, _regex),
    "round": (1, 2, _round),
    "split": (2, 3, _split),
    "strip": (1, 1, _strip),
    "years_between": (2, 2, _years_between),
}
FUNCTIONS = frozenset(_FUNCTIONS)
