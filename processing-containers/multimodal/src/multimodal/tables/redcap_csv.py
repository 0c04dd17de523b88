"""REDCap records in CSV: raw or label export, flat (one record, event and instance a row), streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path

from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.tables.csv_source import OpenCsv, csv_records, open_csv, ragged_row
from multimodal.tables.dictionary import Dictionary
from multimodal.tables.errors import EmptyTableError, HeaderError, TableError
from multimodal.tables.redcap_labels import cell_readers, form_named, raw_headers
from multimodal.tables.redcap_project import RECORD_COLUMNS, Project
from multimodal.tables.redcap_rows import FormShape, Whereabouts, flat_shape, form_shape, tidy, untidy
from multimodal.tables.rows import Place, Row, SourceSpec, Table, header_problem

Records = Iterator[tuple[int, list[str], Row | None]]


def csv_tables(path: Path, source: SourceSpec, project: Project | None) -> list[Table]:
    """Return a table for each form of a records file; without forms in the mapping, one with all columns.

    Raises
    ------
    TableError
        If the file is no REDCap export, or not one of this project.
    """
    file = _RecordsFile(path, source, project)
    project = file.project
    if not source.forms or project is None:
        shapes = [flat_shape(file.record, file.others)]
    else:
        shapes = file.forms(project)
        missing = [form for form in source.forms if form not in {shape.form for shape in shapes}]
        if missing:
            file.notes.append(f"{path.name} has no columns of the forms {', '.join(missing)}")
    tables: list[Table] = []
    # What is wrong with the file is told by one table, which must be one that the mapping reads.
    told_by = next((shape for shape in shapes if shape.form in source.forms), shapes[0])
    for shape in shapes:
        table = Table(
            path,
            shape.headers,
            iter(()),
            sheet=shape.form,
            found=file.found,
            notes=file.notes if shape is told_by else [],
            given=shape.given,
            dictionary=project.dictionary if project else Dictionary(),
        )
        table.rows = file.rows(shape, table, report=shape is told_by)
        tables.append(table)
    return tables


@dataclass(slots=True)
class _Columns:
    """Where the columns of one table stand in a record."""

    headers: tuple[str, ...]
    cells: Callable[[list[str]], tuple[str, ...]]
    data: Callable[[list[str]], tuple[str, ...]]
    options: Callable[[list[str]], tuple[str, ...]]


def _picker(positions: Sequence[int]) -> Callable[[list[str]], tuple[str, ...]]:
    """Return the function from a record to its cells in these positions."""
    if len(positions) > 1:
        return itemgetter(*positions)
    return lambda record: tuple(record[position] for position in positions)


class _RecordsFile:
    """One records file; every table reads it anew, so that none has to be held."""

    def __init__(self, path: Path, source: SourceSpec, project: Project | None) -> None:
        self.path = path
        self._source = source
        self.project = project
        opened = self._open()
        opened.stream.close()
        self._original = opened.headers
        self._names: Sequence[str] = opened.headers
        self.found = {**opened.found, "labels": "yes"} if source.labels else dict(opened.found)
        self.notes: list[str] = []
        self._readers: Sequence[Callable[[str, str], str]] | None = None
        if source.labels:
            self._read_labels()
        if project:
            project = self.project = project.with_options(self._names)
        self.record = project.record if project else self._names[0]
        self._check_record()
        problem = header_problem(tuple(self._names), opened.header_row)
        if problem:
            raise HeaderError(path, problem)
        self._at = {name: position for position, name in enumerate(self._names)}
        own = {self.record, *RECORD_COLUMNS}
        # Columns with values of people, and their forms: not what REDCap itself adds to each row.
        fields = project.dictionary.fields if project else {}
        self._forms = {
            name: project.form_of(name)
            for name in self._names
            if project and name != self.record and (name in fields or name in project.dictionary.option_of)
        }
        self.others = tuple(name for name in self._names if name not in own)

    def _open(self) -> OpenCsv:
        try:
            return open_csv(self.path, self._source)
        except EmptyTableError as error:
            problem = "is empty: REDCap exports a project without records so; there is nothing to read"
            raise EmptyTableError(self.path, problem) from error

    def _read_labels(self) -> None:
        if self.project is None:
            raise TableError(self.path, "an export of labels needs the data dictionary: name it as `source.dictionary`")
        self._names = raw_headers(self._original, self.project)
        readers, notes = cell_readers(self._names, self.project)
        if "redcap_event_name" in self._names and not self.project.dictionary.events:
            notes.append("the data dictionary does not name the events: they are called as the labels call them")
        self._readers = [reader.get for reader in readers]
        self.notes.extend(notes)

    def _check_record(self) -> None:
        if self.record in self._names:
            return
        problem = f"has no column {self.record!r}, which is the record id of the data dictionary"
        if not self._source.labels and any("(choice=" in name or name == "Complete?" for name in self._original):
            raise TableError(self.path, f"{problem}; it looks like an export of labels: say `labels: true` in `source`")
        raise TableError(self.path, f"{problem}; export the records of this project")

    def forms(self, project: Project) -> list[FormShape]:
        """Return the forms of which the file has columns; one that the dictionary lacks stays with its neighbour."""
        columns: dict[str, list[str]] = {form: [] for form in project.form_labels}
        unknown = []
        current = project.first_form
        for name in self.others:
            form = project.form_of(name)
            if not form:
                unknown.append(name)
            current = form or current
            columns[current].append(name)
        if unknown:
            self.notes.append(f"{self.path.name}: the data dictionary does not know the columns {', '.join(unknown)}")
        events = "redcap_event_name" in self._at
        return [
            form_shape(project, form, own, events=events)
            for form, own in columns.items()
            if own or form == project.first_form
        ]

    def rows(self, shape: FormShape, table: Table, *, report: bool) -> Iterator[Row]:
        """Yield the rows of one table; the one that reports also tells what is wrong with the records of the file."""
        at = self._at
        own = tuple(header for header in shape.headers if header in at)
        columns = _Columns(
            own,
            _picker([at[header] for header in own]),
            _picker([at[header] for header in shape.data if header in at]),
            _picker([at[header] for header in shape.options if header in at]),
        )
        for number, record, ragged in self._records(table):
            where = self._where(record) if record else None
            problems = list(ragged.problems) if ragged else []
            row = None
            if where is not None:
                misplaced = self._misplaced(where)
                if misplaced:
                    problems.append(misplaced)
                elif not where.instrument or not shape.form or where.instrument == shape.form:
                    row = self._row(number, record, where, shape, columns)
                if report and not misplaced:
                    problems.extend(self._strays(record, where))
            if problems and report:
                values = ragged.values if ragged else dict(zip(self._names, record, strict=True))
                row = row or _unusable(number, values, where, shape.form)
                row = _with(row, problems, table)
            if row is not None:
                yield row

    def _records(self, table: Table) -> Records:
        """Yield records of exactly the width of the header; an empty one where its cells cannot be placed."""
        width = len(self._names)
        raw = Table(self.path, tuple(self._original), iter(()), found=self.found)
        for number, record in csv_records(self._open(), self.path):
            ragged = None
            if len(record) != width:
                row = ragged_row(number, record, raw)
                ragged = row if row.problems else None
                record = list(row.values.values()) if row.usable else []
            if self._readers is not None and record:
                record = [read(cell.strip(), cell) for read, cell in zip(self._readers, record, strict=True)]
            yield number, record, ragged

    def _where(self, record: list[str]) -> Whereabouts:
        at = self._at
        event, instrument, instance = (record[at[name]].strip() if name in at else "" for name in RECORD_COLUMNS)
        if instrument and self.project:
            instrument = form_named(instrument, self.project) or instrument
        return Whereabouts(record[at[self.record]].strip(), event, instrument, instance)

    def _row(
        self, number: int, record: list[str], where: Whereabouts, shape: FormShape, columns: _Columns
    ) -> Row | None:
        filled = (shape.always and not where.instrument) or any(map(str.strip, columns.data(record)))
        if not filled and not any(cell not in ("", "0") for cell in columns.options(record)):
            status = {shape.status: record[self._at[shape.status]]} if shape.status else {}
            if not shape.exists(status, where):
                return None
        cells = columns.cells(record)
        if untidy("\x1f".join(cells)):
            cells = tuple(map(tidy, cells))
        values = dict(zip(columns.headers, cells, strict=True))
        return shape.row(number, values, where, self._places(number, columns.headers) if self._source.labels else None)

    def _places(self, number: int, headers: Sequence[str]) -> dict[str, Place]:
        originals = ((header, self._original[self._at[header]]) for header in headers)
        return {header: Place(number, original) for header, original in originals if header != original}

    def _misplaced(self, where: Whereabouts) -> Issue | None:
        """Return why a record belongs to no form, or to no visit that can be told; None where it does."""
        if where.instance and not (where.instance.isascii() and where.instance.isdigit()):
            message = f"the instance {where.instance!r} is no number; the row was not used"
            issue = _issue(IssueCode.ID_PATTERN, message, where, "redcap_repeat_instance", where.instance)
            return replace(issue, suggestion="correct the cell: REDCap counts instances from 1")
        if self.project is None:
            return None
        if where.instrument and where.instrument not in self.project.form_labels:
            message = f"the data dictionary has no form {where.instrument!r}; the row was not used"
            return _issue(IssueCode.UNKNOWN_FORM, message, where, "redcap_repeat_instrument", where.instrument)
        events = self.project.dictionary.events
        if where.event and events and where.event not in events:
            message = f"the project has no event {where.event!r}; the row was not used"
            return _issue(IssueCode.UNKNOWN_FORM, message, where, "redcap_event_name", where.event)
        return None

    def _strays(self, record: list[str], where: Whereabouts) -> Iterator[Issue]:
        """Yield the values of other forms in the row of a repeating one, where REDCap has none: shifted cells."""
        if not where.instrument or not self._forms:
            return
        options = self.project.dictionary.option_of if self.project else {}
        for name, form in self._forms.items():
            text = record[self._at[name]]
            if text and form not in ("", where.instrument):
                if text == "0" and (name in options or name == f"{form}_complete"):
                    continue  # older exports write these zeros everywhere
                message = f"the row is of the form {where.instrument}, this value is in a column of {form}; not used"
                yield _issue(IssueCode.RAGGED_ROW, message, where, self._original[self._at[name]], text)


def _issue(code: IssueCode, message: str, where: Whereabouts, column: str, value: str) -> Issue:
    return Issue(
        code.code, message, record=where.record, event=where.event, instance=where.instance,
        column=column, value=value[:200], suggestion=code.suggestion,
    )  # fmt: skip


def _with(row: Row, problems: Sequence[Issue], table: Table) -> Row:
    """Return a row with problems of its record, which are placed in it."""
    placed = tuple(
        replace(problem, row=row.number, sheet=row.sheet, record=problem.record or row.record) for problem in problems
    )
    table.issues.extend(placed)
    return row._replace(problems=(*row.problems, *placed))


def _unusable(number: int, values: Mapping[str, str], where: Whereabouts | None, form: str) -> Row:
    """Return a row that only carries a problem: of a record that is no row of this table."""
    record, event = (where.record, where.event) if where else ("", "")
    return Row(number, values, form, record, event, usable=False)
