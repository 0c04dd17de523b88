"""What an import refuses, gathered while it runs: the issues, and the rows that have any."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from multimodal.model.issues import Issue
from multimodal.tables.rows import Row
from multimodal.workflows.spool import Spooled

_FIELDS = tuple(field.name for field in fields(Issue))
_values = attrgetter(*_FIELDS)
_ROWS_IN_MEMORY = 200  # a registry has a thousand columns and more


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row with at least one issue, in its original text.

    Parameters
    ----------
    number : int
        As a spreadsheet shows it; of XML the line.
    sheet : str
        Sheet or form.
    cells : mapping of str to str
        Header to text.
    issues : sequence of Issue
        What is wrong with it.
    columns : sequence of str
        For each issue the header in `cells` that it is about, empty where it is about the row.
    """

    number: int
    sheet: str
    cells: Mapping[str, str]
    issues: Sequence[Issue] = ()
    columns: Sequence[str] = ()


class Refused:
    """Gathers issues and refused rows; memory stays the same however many there are.

    Attributes
    ----------
    issues : Spooled of Issue
        All of them, in the order in which they were met.
    rows : Spooled of RefusedRow
        The rows that have any.
    """

    def __init__(self) -> None:
        self.issues = spooled_issues()
        self.rows: Spooled[RefusedRow] = Spooled(_row_to_json, _row_from_json, in_memory=_ROWS_IN_MEMORY)
        self._kept: set[tuple[str, int]] | None = None  # only once a row comes again

    def add(self, issues: Iterable[Issue]) -> None:
        """Keep issues that belong to no row, or to one that is not at hand."""
        self.issues.extend(issues)

    def add_row(self, row: Row, issues: Sequence[Issue], *, again: bool = False) -> None:
        """Keep a row with its issues; one without any is not kept.

        Parameters
        ----------
        row : Row
            The row.
        issues : sequence of Issue
            What is wrong with it.
        again : bool
            Whether it may be kept already, for other issues: it is not kept twice.
        """
        if not issues:
            return
        self.issues.extend(issues)
        if again:
            if self._kept is None:
                self._kept = {(kept.sheet, kept.number) for kept in self.rows}
            if (row.sheet, row.number) in self._kept:
                return
            self._kept.add((row.sheet, row.number))
        headers = {place.column: header for header, place in row.places.items()}
        at = {(place.row, place.column): header for header, place in row.places.items()}
        columns = [
            at.get((issue.row or row.number, issue.column)) or headers.get(issue.column, issue.column)
            for issue in issues
        ]
        self.rows.append(RefusedRow(row.number, row.sheet, row.values, tuple(issues), columns))


def spooled_issues(issues: Iterable[Issue] = ()) -> Spooled[Issue]:
    """Return a disk-backed sequence of issues."""
    spooled: Spooled[Issue] = Spooled(_values, _issue)
    spooled.extend(issues)
    return spooled


def _issue(values: Sequence[Any]) -> Issue:
    return Issue(*values)


def _row_to_json(row: RefusedRow) -> list[Any]:
    return [row.number, row.sheet, dict(row.cells), [_values(issue) for issue in row.issues], list(row.columns)]


def _row_from_json(values: Sequence[Any]) -> RefusedRow:
    number, sheet, cells, issues, columns = values
    return RefusedRow(number, sheet, cells, [_issue(issue) for issue in issues], columns)
