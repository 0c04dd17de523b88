"""The part of FHIRPath that views need, compiled to closures over JSON.

What is supported is the subset that SQL on FHIR v2 asks of every runner, without the boundary functions:
https://sql-on-fhir.org/ig/StructureDefinition-ViewDefinition.html and https://hl7.org/fhirpath/. Everything else is
refused when it is compiled, never ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from multimodal.fhirstore.fhirpath_functions import (
    ARITHMETIC,
    COMPARISONS,
    Evaluate,
    PathError,
    calls,
    compared,
    connected,
    constant,
    indexed,
    members,
    of_type,
    row_index,
    this,
)

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>\d+(?:\.\d+)?)
  | (?P<date>@[\dT:.+\-Z]*\d[\dT:.+\-Z]*)
  | '(?P<string>(?:[^'\\]|\\.)*)'
  | (?P<variable>[%$][A-Za-z_][A-Za-z0-9_]*)
  | `(?P<quoted>[^`]+)`
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<sign><=|>=|!=|[.,()\[\]=<>+\-*/&|{}])
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}
_DEEPEST = 50


class Token(NamedTuple):
    """One word of an expression."""

    kind: str
    text: str


def compile_path(text: str, constants: Mapping[str, Any] | None = None) -> Evaluate:
    """Compile an expression.

    Parameters
    ----------
    text : str
        FHIRPath, e.g. ``name.where(use = 'official').given.first()``.
    constants : mapping of str to object, optional
        What ``%name`` is.

    Returns
    -------
    callable
        From the nodes in focus and the row index (``%rowIndex``) to the nodes found.

    Raises
    ------
    PathError
        If it is no FHIRPath, or uses what is not supported.
    """
    return _Compiler(text, constants or {}).whole()


def _tokens(text: str) -> list[Token]:
    found = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise PathError(text, f"unexpected {text[position:].strip()[:10]!r}")
        found.append(Token(match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return found


class _Compiler:
    """A descent through the precedence levels of the grammar (FHIRPath, appendix B)."""

    def __init__(self, text: str, constants: Mapping[str, Any]) -> None:
        self._text = text
        self._constants = constants
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0

    def whole(self) -> Evaluate:
        found = self._expression()
        if self._at < len(self._tokens):
            self._fail(f"unexpected {self._tokens[self._at].text!r}")
        return found

    def _fail(self, problem: str) -> NoReturn:
        raise PathError(self._text, problem)

    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else Token("end", "")

    def _next(self) -> Token:
        token = self._peek()
        if token.kind == "end":
            self._fail("it ends too early")
        self._at += 1
        return token

    def _takes(self, *signs: str) -> str:
        """Return the next token if it is one of these signs or words, and step over it."""
        token = self._peek()
        if token.kind in ("sign", "name") and token.text in signs:
            self._at += 1
            return token.text
        return ""

    def _needs(self, sign: str) -> None:
        if not self._takes(sign):
            self._fail(f"{sign!r} is missing before {self._peek().text!r}")

    def _expression(self) -> Evaluate:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._fail("it is too deep")
        left = self._conjunction()
        while word := self._takes("or", "xor"):
            left = connected(word, left, self._conjunction())
        self._depth -= 1
        return left

    def _conjunction(self) -> Evaluate:
        left = self._comparison()
        while self._takes("and"):
            left = connected("and", left, self._comparison())
        return left

    def _comparison(self) -> Evaluate:
        left = self._sum()
        while sign := self._takes(*COMPARISONS):
            left = compared(COMPARISONS[sign], left, self._sum())
        return left

    def _sum(self) -> Evaluate:
        left = self._product()
        while sign := self._takes("+", "-", "&"):
            left = ARITHMETIC[sign](left, self._product())
        return left

    def _product(self) -> Evaluate:
        left = self._postfixed()
        while sign := self._takes("*", "/"):
            left = ARITHMETIC[sign](left, self._postfixed())
        return left

    def _postfixed(self) -> Evaluate:
        found = self._term()
        while sign := self._takes(".", "["):
            if sign == ".":
                found = self._invocation(found)
            else:
                found = indexed(found, self._expression())
                self._needs("]")
        return found

    def _term(self) -> Evaluate:
        if self._takes("("):
            found = self._expression()
            self._needs(")")
            return found
        if self._takes("-"):
            return ARITHMETIC["-"](constant(0), self._postfixed())
        if self._takes("{"):
            self._needs("}")
            return lambda nodes, index: []
        token = self._peek()
        if token.kind in ("name", "quoted") and token.text not in ("true", "false"):
            return self._invocation(this)
        return self._literal(self._next())

    def _literal(self, token: Token) -> Evaluate:
        if token.kind == "number":
            return constant(float(token.text) if "." in token.text else int(token.text))
        if token.kind == "string":
            return constant(re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), token.text))
        if token.kind == "date":
            return constant(token.text[1:].removeprefix("T"))
        if token.kind == "name":
            return constant(token.text == "true")
        if token.text == "$this":
            return this
        if token.text == "%rowIndex":
            return row_index
        if token.kind == "variable" and token.text[1:] in self._constants:
            return constant(self._constants[token.text[1:]])
        problem = f"{token.text} is not declared" if token.kind == "variable" else f"unexpected {token.text!r}"
        raise PathError(self._text, problem)

    def _invocation(self, focus: Evaluate) -> Evaluate:
        """Return what follows a dot: an element, a choice element with its type, or a function."""
        token = self._next()
        if token.kind not in ("name", "quoted"):
            self._fail(f"{token.text!r} is no element")
        if self._takes("("):
            return self._call(token.text, focus)
        following = [token.text for token in self._tokens[self._at : self._at + 5]]
        if following[:3] == [".", "ofType", "("] and following[4:] == [")"]:
            # In JSON the type is part of the element's name: value.ofType(Quantity) is valueQuantity.
            type_ = following[3]
            self._at += 5
            return of_type(
                members(focus, token.text + type_[:1].upper() + type_[1:]), members(focus, token.text), type_
            )
        return members(focus, token.text)

    def _call(self, name: str, focus: Evaluate) -> Evaluate:
        if name in ("ofType", "getReferenceKey"):
            type_ = ""
            if not self._takes(")"):
                type_ = self._next().text
                while self._takes("."):
                    type_ = self._next().text
                self._needs(")")
            return calls(name, self._text)(focus, type_)
        arguments: list[Evaluate] = []
        while not self._takes(")"):
            if arguments:
                self._needs(",")
            arguments.append(self._expression())
        return self._checked(name, focus, arguments)

    def _checked(self, name: str, focus: Evaluate, arguments: Sequence[Evaluate]) -> Evaluate:
        make: Callable[..., Evaluate] = calls(name, self._text)
        try:
            return make(focus, *arguments)
        except TypeError:
            self._fail(f"{name}() does not take {len(arguments)} arguments")
