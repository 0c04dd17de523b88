"""One row while it becomes resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from multimodal.mapping.cells import translate
from multimodal.mapping.dates import days_after
from multimodal.mapping.errors import CellError
from multimodal.mapping.expressions import Expression
from multimodal.mapping.hiding import moved
from multimodal.mapping.plan import Effective
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.tables.rows import Row
from multimodal.terminology.translation import TranslationTable

Resource = dict[str, Any]
Read = Callable[[str], Any]
Noted = Callable[[str, str, str], None]
Date = tuple[str | None, bytes]
"""A FHIR date, and as JSON; None and ``b""`` where there is none."""


# Dates repeat; a column of all-different times must not fill the memory.
_MOST_DATES = 20_000
_NONE: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class FormCells:
    """What the rows of one table share when their cells are read.

    Parameters
    ----------
    headers : mapping of str to str
        Header in the mapping to header in the file.
    readers : mapping of str to callable
        Typed reader of each column, None for a missing cell.
    noted : callable
        Told column, kind and value of what a person should know.
    dated : frozenset of str
        Columns in the mapping whose values are dates that are moved.
    hide : callable
        Gives what stands for a row's key in resource ids.
    dates : dict
        Dates that were read, by what says how to read them, and text; an error where the text is none. A number of a
        workbook is another text than the same digits: it may be the serial number of a day.
    written : dict
        Dates of statements that nothing moves, by what says how to read them, and text: as text, and as JSON.
    """

    headers: Mapping[str, str]
    readers: Mapping[str, Read]
    noted: Noted
    dated: frozenset[str] = frozenset()
    hide: Callable[[str], str] = str
    dates: dict[tuple[int, str, type], str | CellError] = field(default_factory=dict)
    written: dict[tuple[int, str], Date] = field(default_factory=dict)

    def date(self, effective: Effective, text: str) -> str:
        """Return the date that `text` is, or raise the `CellError` that it is none."""
        mark = (id(effective), text, type(text))
        found = self.dates.get(mark)
        if found is None:
            if len(self.dates) >= _MOST_DATES:
                self.dates.clear()
            try:
                found = effective.reader.read(text)
            except CellError as error:
                found = error
            self.dates[mark] = found
        if isinstance(found, CellError):
            raise found.with_traceback(None)
        return found


def issue_at(row: Row, code: IssueCode, message: str, column: str = "", value: str = "", suggestion: str = "") -> Issue:
    """Return an issue of a row, in the place of its cell where that is not simply the row's."""
    place = row.places.get(column) if row.places else None
    return Issue(
        code=code.code,
        message=message,
        row=place.row if place else row.number,
        sheet=row.sheet,
        record=row.record,
        event=row.event,
        instance=row.instance,
        column=place.column if place else column,
        value=value,
        suggestion=suggestion or code.suggestion,
    )


class RowState:
    """What is known of a row: its cells, its subject, the references it can give, and its issues.

    Parameters
    ----------
    row : Row
        The row.
    key : str
        Its key parts, joined by U+001F.
    patient : str
        Id of its Patient.
    cells : FormCells
        What the rows of its table share.

    Attributes
    ----------
    status : str
        Of this row's Observations: that of its form, or ``preliminary`` where the form is not complete.
    encounter : dict, optional
        Reference to the Encounter of its visit, where the form asks for one.
    subject_json, encounter_json : bytes
        The two references as JSON.
    dates : dict
        Those of its statements that were asked for, by id of the `Effective`: as text, and as JSON.
    hashed : hash
        Of what the ids of this row's Observations begin with; see `identity.begun`.
    days : int
        By which its dates are moved.
    mark : int
        Stands for status and encounter in the kind of an Observation; a multiple of 4.
    """

    __slots__ = (
        "_cells",
        "_reported",
        "dates",
        "days",
        "encounter",
        "encounter_json",
        "hashed",
        "issues",
        "item",
        "key",
        "mark",
        "members",
        "patient",
        "references",
        "row",
        "status",
        "subject_json",
        "values",
    )

    def __init__(self, row: Row, key: str, patient: str, cells: FormCells) -> None:
        self.row = row
        self.key = key
        self.patient = patient
        self.subject_json = b'{"reference":"Patient/%b"}' % patient.encode()
        self.values = row.values
        self.status = ""
        self.encounter: dict[str, Any] | None = None
        self.encounter_json = b""
        self.hashed: Any = None
        self.mark = 0
        self.days = 0
        self.references: Mapping[str, dict[str, Any] | list[dict[str, Any]]] = _NONE
        self.members: dict[str, list[dict[str, Any]]] = {}
        self.issues: list[Issue] = []
        self.item: Any = None  # of $each, while a resource is made for it
        self._cells = cells
        self.dates: dict[int, Date] = {}
        self._reported: set[tuple[str, str, str]] | None = None

    @property
    def subject(self) -> dict[str, Any]:
        """Reference to its Patient."""
        return {"reference": f"Patient/{self.patient}"}

    def report(self, error: CellError, column: str = "", value: str = "") -> None:
        """Report a cell, once however many places read it."""
        column = error.column or column
        self.add(error.code, error.message, column, value if error.value is None else error.value, error.suggestion)

    def add(self, code: IssueCode, message: str, column: str = "", value: str = "", suggestion: str = "") -> None:
        """Add an issue of this row."""
        mark = (code.code, column, value)
        if self._reported is None:
            self._reported = set()
        if mark in self._reported:
            return
        self._reported.add(mark)
        self.issues.append(issue_at(self.row, code, message, column, value, suggestion))

    def text(self, column: str) -> str:
        """Return the text of a cell, ``""`` where the file has no such column."""
        header = self._cells.headers.get(column)
        return self.values[header].strip() if header is not None else ""

    def typed(self, column: str) -> Any:
        """Return the typed value of a cell; a wrong one is reported and None."""
        text = self.text(column)
        try:
            value = self._cells.readers[column](text)
            return moved(value, self.days) if self.days and value and column in self._cells.dated else value
        except CellError as error:
            self.report(error, self._cells.headers.get(column, column), text)
            return None

    def hide(self, key: str) -> str:
        """Return what stands for a key in resource ids."""
        return self._cells.hide(key)

    def note(self, what: str, kind: str, value: str) -> None:
        """Count what a person should know of and no row has to answer for."""
        self._cells.noted(what, kind, value)

    def lookup(self, table: TranslationTable, text: str) -> Any:
        """Return what `text` means in `table`."""
        return translate(table, text, lambda kind, value: self._cells.noted(f"table {table.name}", kind, value))

    def reference(self, name: str) -> dict[str, Any] | list[dict[str, Any]] | None:
        """Return the reference to the resource `name`; a missing one is counted for the report."""
        found = self.references.get(name)
        if found is None:
            self._cells.noted(f"resource {name}", "reference left out", "")
        return found

    def member_references(self, name: str) -> list[dict[str, Any]]:
        """Return references to the members of `name`."""
        return self.members.get(name, [])

    def effective(self, effective: Effective) -> str | None:
        """Return the date of a statement, None where its cell is empty or wrong."""
        return self.effective_json(effective)[0]

    def effective_json(self, effective: Effective) -> tuple[str | None, bytes]:
        """Return the date of a statement, and as JSON; None and ``b""`` where its cell is empty or wrong."""
        found = self.dates.get(id(effective))
        if found is None:  # most often it is there: the cells of a row share their date
            found = self.dates[id(effective)] = self._written(effective)
        return found

    def _written(self, effective: Effective) -> Date:
        """Return the date of a statement; for rows with the same text it is made once."""
        cells = self._cells
        header = cells.headers.get(effective.column)
        text = self.values[header] if header is not None else None
        key = None
        if text.__class__ is str and not self.days and not effective.offset_column:
            key = (id(effective), str(text))
            known = cells.written.get(key)
            if known is not None:
                return known
        date = self._date_of(effective)
        # A FHIR date holds nothing that JSON escapes.
        found = (date, b'"%b"' % date.encode() if date else b"")
        if key is not None and date:
            if len(cells.written) >= _MOST_DATES:
                cells.written.clear()
            cells.written[key] = found
        return found

    def _date_of(self, effective: Effective) -> str | None:
        if effective.fixed:
            return moved(effective.fixed, self.days)
        if effective.events:
            # Of ODM, `event` says the repetition too; the visit has the event's own name.
            event = self.row.visit[1] if len(self.row.visit) > 1 else self.row.event
            chosen = effective.events.get(event)
            return self.effective(chosen) if chosen else None
        column = effective.column
        days = self.typed(effective.offset_column) if effective.offset_column else effective.offset
        text = self.text(column)
        if days is None or text in effective.missing:
            return None
        try:
            date = self._cells.date(effective, text)
            return moved(days_after(date, days) if days else date, self.days)
        except CellError as error:
            self.report(error, self._cells.headers.get(column, column), text)
            return None

    def holds(self, condition: Expression | None) -> bool:
        """Return whether a ``when`` is true for this row."""
        return condition is None or bool(self.evaluate(condition))

    def evaluate(self, expression: Expression) -> Any:
        """Return the value of an expression; a failure is reported with the columns it reads, and None."""
        try:
            return expression.evaluate(self)
        except CellError as error:
            headers = ", ".join(self._cells.headers.get(column, column) for column in expression.columns)
            self.report(error, headers, ", ".join(map(self.text, expression.columns)))
            return None
