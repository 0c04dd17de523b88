"""One form of a REDCap project as a table: which rows it has, and what identifies them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.tables.redcap_project import EXTRA_COLUMNS, RECORD_COLUMNS, Project
from multimodal.tables.rows import Place, Row

# Value of <form>_complete -> Row.status; label exports write the words.
STATUS = {"0": "incomplete", "1": "unverified", "2": "complete"}
_STATUS_WORDS = frozenset(STATUS.values())


class Whereabouts(NamedTuple):
    """Where a record's row belongs: event, repeating instrument, and the instance of the instrument or event."""

    record: str
    event: str = ""
    instrument: str = ""
    instance: str = ""

    @property
    def visit(self) -> tuple[str, ...]:
        """As `Row.visit`; a project without events knows none."""
        if not self.event:
            return ()
        return (self.record, self.event, "" if self.instrument else self.instance)


@dataclass(frozen=True, slots=True)
class FormShape:
    """The columns of one table.

    Parameters
    ----------
    form : str
        Empty for a single table with all columns.
    record : str
        Header of the record id.
    headers : tuple of str
        All columns: record id, REDCap's own, then the form's.
    data : tuple of str
        Columns that hold values of people: one of them filled makes a row.
    options : tuple of str
        Checkbox options: one of them ticked makes a row; ``0`` says nothing.
    status : str
        Header of the form's status, empty where there is none.
    always : bool
        Whether each record has this form: the form of the record id, in a project without events.
    """

    form: str
    record: str
    headers: tuple[str, ...]
    data: tuple[str, ...]
    options: tuple[str, ...]
    status: str
    always: bool

    @property
    def given(self) -> frozenset[str]:
        """Headers that a mapping need not name."""
        return frozenset({self.record, *RECORD_COLUMNS})

    def exists(self, values: Mapping[str, str], where: Whereabouts) -> bool:
        """Return whether this is a row, or only the empty place of one.

        REDCap exports the status 0 for a form that was saved as incomplete and for one that nobody ever opened; without
        a value it is taken for the second.
        """
        if self.always and not where.instrument:
            return True
        get = values.get
        if any(get(header) for header in self.data):
            return True
        if any(get(header, "") not in ("", "0") for header in self.options):
            return True
        return bool(self.status) and status_of(get(self.status, "")) not in ("", "incomplete")

    def row(
        self, number: int, values: dict[str, str], where: Whereabouts, places: Mapping[str, Place] | None = None
    ) -> Row:
        """Return the row; `values` gets the columns that REDCap adds to each record."""
        values[self.record] = where.record
        values.update(zip(RECORD_COLUMNS, where[1:], strict=True))
        instance = where.instance if self.form else f"{where.instrument} {where.instance}".strip()
        cell = values.get(self.status, "")
        status = status_of(cell)
        row = Row(
            number, values, self.form, where.record, where.event, instance, key=tuple(where), visit=where.visit,
            status=status, places=places or {},
        )  # fmt: skip
        return row._replace(problems=(self._no_status(row, cell),)) if cell and not status else row

    def _no_status(self, row: Row, cell: str) -> Issue:
        place = row.places.get(self.status, Place(row.number, self.status))
        return Issue(
            IssueCode.NOT_IN_TABLE.code,
            f"{cell!r} is no status of a form (0, 1 or 2); the row counts as one without",
            row=place.row,
            sheet=self.form,
            record=row.record,
            event=row.event,
            instance=row.instance,
            column=place.column,
            value=cell,
            suggestion="correct the status in REDCap, and export again",
        )


def status_of(cell: str) -> str:
    """Return the `Row.status` of a status cell: its code, or the word of a label export."""
    known = STATUS.get(cell)
    if known is None:
        word = cell.strip().lower()
        known = word if word in _STATUS_WORDS else STATUS.get(word, "")
    return known


def tidy(text: str) -> str:
    """Return a text without line breaks and doubled blanks.

    An XML attribute cannot keep a line break (XML 1.0, 3.3.3), and REDCap's own reports write two blanks for one; so
    that one project gives the same values in all its exports, each run of white space is one blank.
    """
    return " ".join(text.split()) if untidy(text) else text


def untidy(text: str) -> bool:
    """Return whether `tidy` would change anything within a text."""
    return "\n" in text or "  " in text or "\t" in text or "\r" in text


def form_shape(project: Project, form: str, columns: Iterable[str], *, events: bool) -> FormShape:
    """Return the shape of a form with these columns (the record id and REDCap's own apart).

    Parameters
    ----------
    project : Project
        The project.
    form : str
        Name of the form.
    columns : iterable of str
        Headers.
    events : bool
        Whether the records name events.
    """
    dictionary, status = project.dictionary, f"{form}_complete"
    own = tuple(dict.fromkeys(columns))
    options = tuple(header for header in own if header in dictionary.option_of)
    silent = {status, *options, *EXTRA_COLUMNS, f"{form}_timestamp", f"{form}_return_code"}
    return FormShape(
        form=form,
        record=project.record,
        headers=(project.record, *RECORD_COLUMNS, *own),
        data=tuple(header for header in own if header not in silent),
        options=options,
        status=status if status in own else "",
        always=form == project.first_form and not events,
    )


def flat_shape(record: str, columns: Iterable[str]) -> FormShape:
    """Return the shape of a single table with all columns; each record of the file is a row of it."""
    own = tuple(dict.fromkeys(columns))
    return FormShape("", record, (record, *RECORD_COLUMNS, *own), own, (), "", always=True)
