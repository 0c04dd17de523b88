"""Rows through a mapping: resources and issues, one row at a time."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

from multimodal.mapping.decimals import MIXED, decide_decimals
from multimodal.mapping.errors import ColumnsRefusedError, TooManyErrorsError
from multimodal.mapping.form_run import FormRun, Seen
from multimodal.mapping.headers import Headers, compare, misspelt, present_headers, without_key
from multimodal.mapping.origin import Origin
from multimodal.mapping.plan import Form, Mapping
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.resources.serialised import Serialised
from multimodal.tables.dictionary import Dictionary
from multimodal.tables.errors import EmptyTableError
from multimodal.tables.read import read_tables
from multimodal.tables.rows import Row, Table

_PROGRESS_ROWS = 1000
Validate = Literal["shape", "every"]
_NUMBERS = frozenset({"number", "integer", "age"})


class RowResult(NamedTuple):
    """One row: what it became, and what of it did not come through.

    Parameters
    ----------
    row : Row
        The row.
    resources : list of Serialised
        Checked resources, the Patient first.
    issues : list of Issue
        What is wrong with the row.
    patient : str
        Id of the Patient that the resources belong to; empty where the row names none.
    """

    row: Row
    resources: list[Serialised]
    issues: list[Issue]
    patient: str = ""


@dataclass(slots=True)
class Coverage:
    """What became of each column of the file."""

    mapped: list[str] = field(default_factory=list)
    helpers: list[str] = field(default_factory=list)
    ignored: dict[str, str] = field(default_factory=dict)
    unmapped: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


class MappingRun:
    """A mapping over table files; iterate it once or again for its rows.

    Opening checks everything that concerns the input as a whole, so that nothing is yielded of a table that must be
    refused.

    Parameters
    ----------
    mapping : Mapping
        The mapping.
    paths : sequence of Path
        The table files.
    progress : Progress
        Told of ``rows``.
    validate : {"shape", "every"}
        Whether the fhir.resources model sees the first resource of each kind, or each.

    Attributes
    ----------
    issues : list of Issue
        Problems of the files, not of rows.
    notes : list of str
        What a person should know, one line each.
    found : dict of str to dict
        By file: what the reader found out, e.g. encoding and delimiter.
    dictionaries : dict of str to Dictionary
        By form: what its source knows of the columns.
    coverage : Coverage
        What became of each column.
    values : dict
        By column: kind (``inexact``, ``missing``, ``text``, ``otherwise``...) and source value, with counts.
    rows : int
        Rows read so far.
    decimals : dict of str to str
        The decimal sign that was decided for each column.
    """

    def __init__(
        self, mapping: Mapping, paths: Sequence[Path], *, progress: Progress = silent, validate: Validate = "shape"
    ) -> None:
        self.mapping = mapping
        self._every = validate == "every"
        self._paths = list(paths)
        self._progress = progress
        self.issues: list[Issue] = []
        self.notes: list[str] = []
        self.found: dict[str, dict[str, str]] = {}
        self.dictionaries: dict[str, Dictionary] = {}
        self.coverage = Coverage()
        self.values: dict[str, dict[str, Counter[str]]] = {}
        self.rows = 0
        self.decimals: dict[str, str] = {}
        self._signs: dict[str, dict[str, str]] = {}
        tables = list(self._tables())
        self._check_names()
        for form, table in tables:
            self._check_columns(form, table)
        self._check_rows([table for _, table in tables])
        self._decide_decimals(tables)
        if mapping.max_row_errors:
            self._check_quality()

    def __iter__(self) -> Iterator[RowResult]:
        self.rows = 0
        self.values.clear()
        seen = Seen()
        for form, table in self._tables():
            parts = (self.mapping.id, form.name) if form.name else (self.mapping.id,)
            origin = Origin(parts, self.mapping.meta_source, self.mapping.status, self._note, self._every)
            signs = self._signs.get(form.name, {})
            run = FormRun(self.mapping, form, present_headers(form, table), signs, seen, origin)
            for row in map(run.named, table.rows):
                self.rows += 1
                resources, issues = run.process(row)
                yield RowResult(row, resources, issues, run.patient(row))
                if self.rows % _PROGRESS_ROWS == 0:
                    self._progress("rows", self.rows)
        self._progress("rows", self.rows, self.rows)

    def _note(self, column: str, kind: str, value: str) -> None:
        self.values.setdefault(column, {}).setdefault(kind, Counter())[value] += 1

    def _tables(self) -> Iterator[tuple[Form, Table]]:
        for path in self._paths:
            for table in read_tables(path, self.mapping.source):
                yield self._form(table), table

    def _form(self, table: Table) -> Form:
        forms = {form.name: form for form in self.mapping.forms}
        if len(forms) == 1 and (not table.sheet or "" in forms):
            return next(iter(forms.values()))
        name = table.sheet or table.file.stem
        if name not in forms:
            what = f"sheet {name!r}" if table.sheet else "the file's name"
            known = ", ".join(forms)
            raise ColumnsRefusedError(table.file, [], f"{what} is none of the mapping's forms: {known}")
        return forms[name]

    def _check_names(self) -> None:
        patterns = self.mapping.file_patterns
        for path in self._paths:
            if patterns and not any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns):
                self.notes.append(f"{path.name} is not called as the mapping expects ({', '.join(patterns)})")

    def _check_columns(self, form: Form, table: Table) -> None:
        self.found[f"{table.file.name}{':' + table.sheet if table.sheet else ''}"] = dict(table.found)
        self.dictionaries[form.name] = table.dictionary
        self.notes.extend(table.notes)
        headers = compare(form, table)
        subject = form.aliases[self.mapping.subject.column]
        lost = [column for column in dict.fromkeys((subject, *form.key)) if column not in headers.present]
        if lost:
            raise ColumnsRefusedError(table.file, lost, without_key(lost, table, headers, self.mapping.source))
        if self.mapping.unmapped == "error" and (headers.unnamed or headers.absent):
            raise ColumnsRefusedError(table.file, [*headers.unnamed, *headers.absent], headers.differences())
        self._note_unnamed(table, headers)
        self._report_absent(table, headers)
        for header, actual in headers.present.items():
            column = form.columns[header]
            if column.verb == "ignore":
                self.coverage.ignored[actual] = column.reason
            elif column.verb == "helper":
                self.coverage.helpers.append(actual)
            else:
                self.coverage.mapped.append(actual)

    def _check_rows(self, tables: list[Table]) -> None:
        """Refuse an input without any row: it would look as if every row had been removed."""
        for table in tables:
            first = next(table.rows, None)
            if first is not None:
                table.rows = chain([first], table.rows)
                return
        for table in tables[:1]:
            raise EmptyTableError(table.file, "has a header but no rows")

    def _note_unnamed(self, table: Table, headers: Headers) -> None:
        self.coverage.unmapped.extend(headers.unnamed)
        names = [repr(header) for header in headers.unnamed if header not in headers.meant.values()]
        if names and self.mapping.unmapped == "warn":
            self.notes.append(f"{table.file.name}: the mapping does not name the columns {', '.join(names)}")

    def _report_absent(self, table: Table, headers: Headers) -> None:
        code = IssueCode.MISSING_COLUMN
        for header in headers.absent:
            self.coverage.missing.append(header)
            message, suggestion = f"{table.file.name} has no column {header!r}", code.suggestion
            if header in headers.meant:
                message = f"{table.file.name}: {misspelt(header, headers.meant[header])}"
                suggestion = "write the file's header in the mapping; if it was renamed, name the old one under `was`"
            self.issues.append(Issue(code.code, message, sheet=table.sheet, column=header, suggestion=suggestion))

    def _decide_decimals(self, tables: list[tuple[Form, Table]]) -> None:
        """Look at all number cells whose decimal sign nobody declared; costs one more reading of the files."""
        for form in self.mapping.forms:
            signs: dict[str, set[str]] = {}
            for other, table in tables:
                if other is not form:
                    continue
                columns = [
                    (header, actual)
                    for header, actual in present_headers(form, table).items()
                    if form.columns[header].type in _NUMBERS and form.columns[header].decimal == "auto"
                ]
                if columns:
                    for header, sign in decide_decimals(table.rows, columns, self.mapping.thousands).items():
                        signs.setdefault(header, set()).add(sign)
            decided = {header: MIXED if len(found) > 1 else found.pop() for header, found in signs.items()}
            self._signs[form.name] = decided
            self.decimals.update(decided)

    def _check_quality(self) -> None:
        """Map everything once without yielding it: a table beyond the limit must not be sent in part."""
        bad = sum(1 for result in self if result.issues)
        limit = self.mapping.max_row_errors
        allowed = self.rows * int(limit[:-1]) / 100 if limit.endswith("%") else int(limit)
        if bad > allowed:
            raise TooManyErrorsError(bad, self.rows, limit)


def run_mapping(
    mapping: Mapping, paths: Sequence[Path], *, progress: Progress = silent, validate: Validate = "shape"
) -> MappingRun:
    """Open table files under a mapping.

    Parameters
    ----------
    mapping : Mapping
        From `load_mapping`.
    paths : sequence of Path
        The table files.
    progress : Progress
        Told of ``rows``.
    validate : {"shape", "every"}
        Whether the fhir.resources model sees the first resource of each kind, or each (much slower).

    Returns
    -------
    MappingRun
        Iterate it for the rows.

    Raises
    ------
    DataRefusedError
        If the input as a whole cannot be used: a file is missing, empty, encrypted or not what its name says, a key
        column is missing, a column is unknown and the mapping says ``unmapped: error``, or too many rows have errors.
    """
    return MappingRun(mapping, paths, progress=progress, validate=validate)
