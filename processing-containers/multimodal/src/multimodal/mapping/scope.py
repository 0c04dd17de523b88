"""What an expression may name when it is compiled, and what it sees of a row when it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from multimodal.mapping.dates import PLAUSIBLE_YEARS
from multimodal.terminology.translation import TranslationTable


class ExpressionError(ValueError):
    """A text of the mapping that is no allowed expression; the caller knows where it stands."""


class Env(Protocol):
    """A row, as expressions see it."""

    @property
    def subject(self) -> dict[str, Any]:
        """Reference to the row's Patient."""

    @property
    def item(self) -> Any:
        """The item of ``$each`` that a resource is being made for; None outside."""

    def typed(self, column: str) -> Any:
        """Return the typed value of a column, None where it is missing or wrong (which is then reported)."""

    def reference(self, name: str) -> dict[str, Any] | list[dict[str, Any]] | None:
        """Return the reference to the resource `name` of this row, None where the row has none."""

    def member_references(self, name: str) -> list[dict[str, Any]]:
        """Return references to the Observations of this row that are members of `name`."""

    def note(self, what: str, kind: str, value: str) -> None:
        """Count what a person should know of: of `what` (a function) the kind, and the text."""

    def lookup(self, table: TranslationTable, text: str) -> Any:
        """Return what `text` means in `table`."""


Evaluate = Callable[[Env], Any]


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that an expression may use.

    Parameters
    ----------
    columns : mapping of str to str
        Each header, name and earlier header, with the header under which the mapping keeps the column.
    resources : frozenset of str
        Names of the section ``resources``.
    tables : mapping of str to TranslationTable
        Tables by name.
    systems : mapping of str to str
        Prefixes of code systems.
    zone : ZoneInfo, optional
        Of times without one.
    years : (int, int)
        First and last plausible year.
    decimal : {".", ","}
        Decimal sign of numbers in a text.
    each : bool
        Whether there is an ``item()``: inside a template with ``$each``.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    resources: frozenset[str] = frozenset()
    tables: Mapping[str, TranslationTable] = field(default_factory=dict)
    systems: Mapping[str, str] = field(default_factory=dict)
    zone: ZoneInfo | None = None
    years: tuple[int, int] = PLAUSIBLE_YEARS
    decimal: str = "."
    each: bool = False
