"""Expressions of level 2: Jinja2's expression syntax, compiled once to closures from a whitelist.

Only Jinja2's parser is used, never its evaluation: a syntax node outside the whitelist is refused when the mapping
is loaded. There is no attribute, no subscript, no filter, no statement, and no call outside the function list, so
that a mapping file can do nothing but compute values from its row.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes

from multimodal.mapping import functions
from multimodal.mapping.errors import CellError
from multimodal.mapping.scope import Env, Evaluate, ExpressionError, Scope
from multimodal.model.issue_codes import IssueCode
from multimodal.terminology.concepts import parse_concept

_PARSER = Environment(keep_trailing_newline=True)  # noqa: S701 - parses only, renders nothing
_LONGEST = 2000
_DEEPEST = 40

_ARITHMETIC: dict[type[nodes.Node], Callable[[Any, Any], Any]] = {
    nodes.Add: operator.add,
    nodes.Sub: operator.sub,
    nodes.Mul: operator.mul,
    nodes.Div: operator.truediv,
}
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
    "in": lambda one, many: one in many,
    "notin": lambda one, many: one not in many,
}


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled text of a template.

    Parameters
    ----------
    evaluate : callable
        Called with the row; returns a typed value, None where it has none.
    columns : tuple of str
        The columns it reads, for the report.
    constant : bool
        Whether it holds no expression at all.
    concept : mapping
        The CodeableConcept, where the whole text is ``concept("...")``; otherwise empty.
    """

    evaluate: Evaluate
    columns: tuple[str, ...] = ()
    constant: bool = False
    concept: Mapping[str, Any] = field(default_factory=dict)


def compile_text(text: str, scope: Scope) -> Expression:
    """Compile a text of a template.

    Parameters
    ----------
    text : str
        Without ``{{ }}`` a constant; only ``{{ expression }}`` gives a typed value; mixed, the parts are joined,
        and the whole is None if a part is.
    scope : Scope
        The columns, tables and resources that may be named.

    Raises
    ------
    ExpressionError
        If the text cannot be parsed or uses what is not allowed.
    """
    if not any(mark in text for mark in ("{{", "{%", "{#")):
        return Expression(lambda _: text, constant=True)
    if len(text) > _LONGEST:
        raise ExpressionError(f"an expression is at most {_LONGEST} characters long")
    try:
        body = _PARSER.parse(text).body
    except TemplateSyntaxError as error:
        raise ExpressionError(f"cannot read the expression: {error.message}") from error
    except RecursionError as error:
        raise ExpressionError("the expression is nested too deeply") from error
    children: list[nodes.Node] = []
    for node in body:
        if not isinstance(node, nodes.Output):
            raise ExpressionError(f"statements ({{% %}}) are not allowed: {type(node).__name__.lower()}")
        children.extend(node.nodes)
    if not children:
        raise ExpressionError("it is a comment and gives nothing: write a text, or an expression in {{ }}")
    compiler = _Compiler(scope)
    parts = [compiler.compile(child, 0) for child in children]
    if len(parts) > 1:
        return Expression(_joined(parts), tuple(compiler.columns))
    return Expression(parts[0], tuple(compiler.columns), concept=_fixed_concept(children[0], scope))


def _fixed_concept(node: nodes.Node, scope: Scope) -> Mapping[str, Any]:
    """Return the concept that `node` is in every row; empty where it may differ or is none."""
    if not (isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == "concept"):
        return {}
    codeable: Mapping[str, Any] = parse_concept(node.args[0].as_const(), scope.systems).codeable
    return codeable


def compile_condition(text: str, scope: Scope) -> Expression:
    """Compile a condition; the ``{{ }}`` around it may be left out."""
    return compile_text(text if "{{" in text else "{{ " + text + " }}", scope)


def _joined(parts: list[Evaluate]) -> Evaluate:
    def join(env: Env) -> str | None:
        texts = [part(env) for part in parts]
        if any(text is None for text in texts):
            return None
        return "".join(functions.plain(text) for text in texts)

    return _guarded(join)


class _Compiler:
    """Turns syntax nodes into closures; remembers which columns they read."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.columns: dict[str, None] = {}

    def compile(self, node: nodes.Node, depth: int) -> Evaluate:
        if depth > _DEEPEST:
            raise ExpressionError("the expression is nested too deeply")
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None and type(node) in _ARITHMETIC:
            method = self._arithmetic
        if method is None:
            raise ExpressionError(f"{_what(node)} is not allowed in an expression")
        compiled: Evaluate = method(node, depth + 1)
        return compiled

    def _const(self, node: nodes.Const, _: int) -> Evaluate:
        value = node.value
        return lambda env: value

    def _templatedata(self, node: nodes.TemplateData, _: int) -> Evaluate:
        text = node.data
        return lambda env: text

    def _name(self, node: nodes.Name, _: int) -> Evaluate:
        if node.name == "subject":
            return lambda env: env.subject
        raise ExpressionError(f"unknown name {node.name!r}; a column is col({node.name!r})")

    def _list(self, node: nodes.List, depth: int) -> Evaluate:
        items = [self.compile(item, depth) for item in node.items]
        return lambda env: [item(env) for item in items]

    def _concat(self, node: nodes.Concat, depth: int) -> Evaluate:
        return _joined([self.compile(item, depth) for item in node.nodes])

    def _not(self, node: nodes.Not, depth: int) -> Evaluate:
        inner = self.compile(node.node, depth)
        return lambda env: not inner(env)

    def _neg(self, node: nodes.Neg, depth: int) -> Evaluate:
        inner = self.compile(node.node, depth)
        return _guarded(lambda env: functions.negated(inner(env)))

    def _and(self, node: nodes.And, depth: int) -> Evaluate:
        left, right = self.compile(node.left, depth), self.compile(node.right, depth)
        return lambda env: left(env) and right(env)

    def _or(self, node: nodes.Or, depth: int) -> Evaluate:
        left, right = self.compile(node.left, depth), self.compile(node.right, depth)
        return lambda env: left(env) or right(env)

    def _condexpr(self, node: nodes.CondExpr, depth: int) -> Evaluate:
        test, then = self.compile(node.test, depth), self.compile(node.expr1, depth)
        other = self.compile(node.expr2, depth) if node.expr2 is not None else (lambda env: None)
        return lambda env: then(env) if test(env) else other(env)

    def _test(self, node: nodes.Test, depth: int) -> Evaluate:
        if node.name != "none" or node.args or node.kwargs:
            raise ExpressionError(f"the test `is {node.name}` is not allowed; there is `is none`")
        inner = self.compile(node.node, depth)
        return lambda env: inner(env) is None

    def _compare(self, node: nodes.Compare, depth: int) -> Evaluate:
        first = self.compile(node.expr, depth)
        rest = [(_COMPARISONS[operand.op], self.compile(operand.expr, depth)) for operand in node.ops]

        def compare(env: Env) -> bool:
            left = first(env)
            for holds, expression in rest:
                right = expression(env)
                if not holds(left, right):
                    return False
                left = right
            return True

        return _guarded(compare)

    def _arithmetic(self, node: nodes.BinExpr, depth: int) -> Evaluate:
        left, right = self.compile(node.left, depth), self.compile(node.right, depth)
        apply = _ARITHMETIC[type(node)]
        return _guarded(lambda env: functions.calculated(apply, left(env), right(env)))

    def _call(self, node: nodes.Call, depth: int) -> Evaluate:
        if not isinstance(node.node, nodes.Name):
            raise ExpressionError("only the functions of the list can be called")
        name = node.node.name
        if node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise ExpressionError(f"{name}() takes its arguments by position")
        constants = [arg.value if isinstance(arg, nodes.Const) else None for arg in node.args]
        built = functions.build(name, [self.compile(arg, depth) for arg in node.args], constants, self.scope)
        if name == "col":
            self.columns[str(constants[0])] = None
        return _guarded(built)


def _guarded(evaluate: Evaluate) -> Evaluate:
    """Turn a wrong type of a row's value into an error of that row."""

    def guarded(env: Env) -> Any:
        try:
            return evaluate(env)
        except (TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
            raise CellError(IssueCode.EXPRESSION, f"the expression cannot be computed: {error}") from error

    return guarded


def _what(node: nodes.Node) -> str:
    names = {"Getattr": "an attribute (.)", "Getitem": "a subscript ([ ])", "Filter": "a filter (|)", "Pow": "**"}
    return names.get(type(node).__name__, type(node).__name__.lower())
