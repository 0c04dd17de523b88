"""One row while it becomes resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from multimodal.mapping.cells import translate
from multimodal.mapping.dates import days_after
from multimodal.mapping.errors import CellError
from multimodal.mapping.expressions import Expression
from multimodal.mapping.plan import Effective
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.tables.rows import Row
from multimodal.terminology.translation import TranslationTable

Resource = dict[str, Any]
Read = Callable[[str], Any]
Noted = Callable[[str, str, str], None]


class RowState:
    """What is known of a row: its cells, its subject, the references it can give, and its issues.

    Parameters
    ----------
    row : Row
        The row.
    key : str
        Its key parts, joined by U+001F.
    subject : dict
        Reference to its Patient.
    headers : mapping of str to str
        Header in the mapping to header in the file.
    readers : mapping of str to callable
        Typed reader of each column, None for a missing cell.
    noted : callable
        Told column, kind and value of what a person should know.

    Attributes
    ----------
    status : str
        Of this row's Observations: that of its form, or ``preliminary`` where the form is not complete.
    encounter : dict, optional
        Reference to the Encounter of its visit, where the form asks for one.
    """

    __slots__ = (
        "_dates",
        "_headers",
        "_noted",
        "_readers",
        "_reported",
        "encounter",
        "issues",
        "item",
        "key",
        "members",
        "references",
        "row",
        "status",
        "subject",
        "values",
    )

    def __init__(
        self,
        row: Row,
        key: str,
        subject: dict[str, Any],
        headers: Mapping[str, str],
        readers: Mapping[str, Read],
        noted: Noted,
    ) -> None:
        self.row = row
        self.key = key
        self.subject = subject
        self.values = row.values
        self.status = ""
        self.encounter: dict[str, Any] | None = None
        self.references: dict[str, dict[str, Any]] = {}
        self.members: dict[str, list[dict[str, Any]]] = {}
        self.issues: list[Issue] = []
        self._headers = headers
        self._readers = readers
        self._noted = noted
        self._dates: dict[int, str | None] = {}
        self._reported: set[tuple[str, str, str]] = set()
        self.item: Any = None  # of $each, while a resource is made for it

    def report(self, error: CellError, column: str = "", value: str = "") -> None:
        """Report a cell, once however many places read it."""
        column = error.column or column
        self.add(error.code, error.message, column, value if error.value is None else error.value, error.suggestion)

    def add(self, code: IssueCode, message: str, column: str = "", value: str = "", suggestion: str = "") -> None:
        """Add an issue of this row."""
        mark = (code.code, column, value)
        if mark in self._reported:
            return
        self._reported.add(mark)
        row = self.row
        self.issues.append(
            Issue(
                code=code.code,
                message=message,
                row=row.number,
                sheet=row.sheet,
                record=row.record,
                event=row.event,
                instance=row.instance,
                column=column,
                value=value,
                suggestion=suggestion or code.suggestion,
            )
        )

    def text(self, column: str) -> str:
        """Return the text of a cell, ``""`` where the file has no such column."""
        header = self._headers.get(column)
        return self.values[header].strip() if header is not None else ""

    def typed(self, column: str) -> Any:
        """Return the typed value of a cell; a wrong one is reported and None."""
        text = self.text(column)
        try:
            return self._readers[column](text)
        except CellError as error:
            self.report(error, self._headers.get(column, column), text)
            return None

    def lookup(self, table: TranslationTable, text: str) -> Any:
        """Return what `text` means in `table`."""
        return translate(table, text, lambda kind, value: self._noted(f"table {table.name}", kind, value))

    def reference(self, name: str) -> dict[str, Any] | None:
        """Return the reference to the resource `name`; a missing one is counted for the report."""
        found = self.references.get(name)
        if found is None:
            self._noted(f"resource {name}", "reference left out", "")
        return found

    def member_references(self, name: str) -> list[dict[str, Any]]:
        """Return references to the members of `name`."""
        return self.members.get(name, [])

    def effective(self, effective: Effective) -> str | None:
        """Return the date of a statement, None where its cell is empty or wrong."""
        if effective.fixed:
            return effective.fixed
        mark = id(effective)
        if mark not in self._dates:  # most often it is: the cells of a row share their date
            self._dates[mark] = self._date_of(effective)
        return self._dates[mark]

    def _date_of(self, effective: Effective) -> str | None:
        if effective.events:
            chosen = effective.events.get(self.row.event)
            return self.effective(chosen) if chosen else None
        column = effective.column
        days = self.typed(effective.offset_column) if effective.offset_column else effective.offset
        text = self.text(column)
        if days is None or text in effective.missing:
            return None
        try:
            date = effective.reader.read(text)
            return days_after(date, days) if days else date
        except CellError as error:
            self.report(error, self._headers.get(column, column), text)
            return None

    def holds(self, condition: Expression | None) -> bool:
        """Return whether a ``when`` is true for this row."""
        return condition is None or bool(self.evaluate(condition))

    def evaluate(self, expression: Expression) -> Any:
        """Return the value of an expression; a failure is reported with the columns it reads, and None."""
        try:
            return expression.evaluate(self)
        except CellError as error:
            column = expression.columns[0] if len(expression.columns) == 1 else ", ".join(expression.columns)
            value = self.text(column) if len(expression.columns) == 1 else ""
            self.report(error, self._headers.get(column, column), value)
            return None
