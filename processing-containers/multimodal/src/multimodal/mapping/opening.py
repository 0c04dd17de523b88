"""The input as a whole held to the mapping, before the first row of it is used."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path

from multimodal.mapping.decimals import UNSURE, could_be_thousands, decided, signs_said
from multimodal.mapping.errors import ColumnsRefusedError
from multimodal.mapping.form_run import OpenForm
from multimodal.mapping.headers import Headers, compare, misspelt, without_key
from multimodal.mapping.plan import Form, Mapping
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.tables.dictionary import Dictionary
from multimodal.tables.errors import EmptyTableError
from multimodal.tables.read import read_tables
from multimodal.tables.rows import SourceSpec, Table

_ASCII_BASED = frozenset({"utf-8", "utf-8-sig", "cp1252"})
_DOT_BY_STANDARD = ("redcap", "odm", "idc")
_NUMBERS = frozenset({"number", "integer", "age"})


@dataclass(slots=True)
class Coverage:
    """What became of each column of the file, and of forms that the mapping does not name."""

    mapped: list[str] = field(default_factory=list)
    helpers: list[str] = field(default_factory=list)
    ignored: dict[str, str] = field(default_factory=dict)
    unmapped: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    forms: list[str] = field(default_factory=list)


class Opening:
    """Reads the headers of all tables, and their numbers' decimal signs.

    Parameters
    ----------
    mapping : Mapping
        The mapping.
    paths : sequence of Path
        The table files; one that is called like the source's dictionary is that.

    Attributes
    ----------
    issues, notes, found, coverage, decimals, dictionaries
        As in `MappingRun`.
    forms : list of OpenForm
        One for each table that is used, in their order.
    keyed : bool
        Whether the source identifies its rows by itself.
    """

    def __init__(self, mapping: Mapping, paths: Sequence[Path]) -> None:
        self.mapping = mapping
        self.source, self._paths = _dictionary_apart(mapping.source, paths)
        self.issues: list[Issue] = []
        self.notes: list[str] = list(mapping.notes)
        self.found: dict[str, dict[str, str]] = {}
        self.coverage = Coverage()
        self.decimals: dict[str, str] = {}
        self.dictionaries: dict[str, Dictionary] = {}
        self.forms: list[OpenForm] = []
        self.keyed = False
        self._check_names()
        self._open()

    def tables(self) -> Iterator[Table]:
        """Open the files anew and yield the tables that are used, in the order of `forms`."""
        return (table for form, table in self._all_tables() if form is not None)

    def _all_tables(self) -> Iterator[tuple[Form | None, Table]]:
        for path in self._paths:
            for table in read_tables(path, self.source):
                yield self._form(table), table

    def _form(self, table: Table) -> Form | None:
        forms = {form.name: form for form in self.mapping.forms}
        if len(forms) == 1 and (not table.sheet or "" in forms):
            return next(iter(forms.values()))
        name = table.sheet or table.file.stem
        if name in forms:
            return forms[name]
        if table.sheet and self.source.forms and self.mapping.unmapped != "error":
            return None
        what = f"sheet {name!r}" if table.sheet else "the file's name"
        what = f"form {name!r}" if self.source.forms and table.sheet else what
        known = ", ".join(forms)
        raise ColumnsRefusedError(table.file, [], f"{what} is none of the mapping's forms: {known}")

    def _open(self) -> None:
        opened = list(self._all_tables())
        if not opened:
            raise EmptyTableError(self._paths[0], "holds no table") if self._paths else _only_dictionary(self.source)
        self._note_forms(opened)
        used = [(form, table) for form, table in opened if form is not None]
        labels = _labels([table for _, table in used])
        headers = [self._check_columns(form, table, label) for (form, table), label in zip(used, labels, strict=True)]
        self._check_rows([table for _, table in used])
        signs = self._decide_decimals(used)
        images = self._images() if self.mapping.subject.image_column else {}
        for (form, table), label, found in zip(used, labels, headers, strict=True):
            events = table.dictionary.events
            self.forms.append(OpenForm(form, found, label, signs.get(form.name, {}), events, images))
            self.dictionaries[form.name] = table.dictionary

    def _images(self) -> dict[str, str]:
        """Return the DICOM Patient ID of each patient that has one; costs one more reading of the form that says it.

        Other rows of the patient, before or after, need it as well: it is what names the Patient.
        """
        subject, found = self.mapping.subject, dict[str, str]()
        for form, table in self._all_tables():
            if form is None or subject.image_column not in form.aliases:
                continue
            present = compare(form, table).present
            column = form.columns[form.aliases[subject.image_column]]
            named, image = present.get(form.aliases[subject.column]), present.get(column.header)
            if named is None or image is None:
                continue
            for row in table.rows:
                value, text = row.values.get(named, "").strip(), row.values.get(image, "").strip()
                if value and text and text not in column.missing:
                    self._note_image(found, value, text)
        return found

    def _note_image(self, found: dict[str, str], value: str, text: str) -> None:
        known = found.setdefault(value, text)
        if known != text:  # whatever the order of rows
            found[value] = min(known, text)
            code, column = IssueCode.CONFLICTING_PATIENT, self.mapping.subject.image_column
            message = f"the patient has two DICOM Patient IDs, {min(known, text)!r} was used"
            issue = Issue(
                code.code, message, record=value, column=column, value=max(known, text), suggestion=code.suggestion
            )
            if issue not in self.issues:
                self.issues.append(issue)

    def _check_names(self) -> None:
        patterns = self.mapping.file_patterns
        for path in self._paths:
            if patterns and not any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns):
                self.notes.append(f"{path.name} is not called as the mapping expects ({', '.join(patterns)})")

    def _note_forms(self, opened: list[tuple[Form | None, Table]]) -> None:
        """Tell of forms that only the input has, or only the mapping."""
        self.coverage.forms = list(dict.fromkeys(table.sheet for form, table in opened if form is None))
        if self.coverage.forms and self.mapping.unmapped == "warn":
            self.notes.append(f"the mapping does not name the forms {', '.join(map(repr, self.coverage.forms))}")
        given = {form.name for form, _ in opened if form is not None}
        for form in self.mapping.forms:
            if form.name not in given:
                code, message = IssueCode.MISSING_COLUMN, f"no table is given for the form {form.name!r}"
                suggestion = "give the file that holds it; what earlier imports stored of it is missing now"
                self.issues.append(Issue(code.code, message, sheet=form.name, suggestion=suggestion))

    def _check_columns(self, form: Form, table: Table, label: str) -> Headers:
        self.found[f"{table.file.name}{':' + table.sheet if table.sheet else ''}"] = dict(table.found)
        self.notes.extend(table.notes)
        headers = compare(form, table)
        subject = form.aliases[self.mapping.subject.column]
        if self.mapping.privacy.drop_identifier_fields:
            self._drop_identifying(form, table, headers, subject)
        lost = [column for column in dict.fromkeys((subject, *form.key)) if column not in headers.present]
        if lost:
            raise ColumnsRefusedError(table.file, lost, without_key(lost, table, headers, self.source))
        if self.mapping.unmapped == "error" and (headers.unnamed or headers.absent):
            raise ColumnsRefusedError(table.file, [*headers.unnamed, *headers.absent], headers.differences())
        self._note_unnamed(table, headers)
        self._report_absent(table, label, headers)
        self._cover(form, headers)
        return headers

    def _drop_identifying(self, form: Form, table: Table, headers: Headers, subject: str) -> None:
        """Leave out what the dictionary marks as identifying a person; the id is needed, and hidden otherwise."""
        for header, actual in list(headers.present.items()):
            described = table.dictionary.fields.get(actual)
            if (
                described
                and described.identifier
                and header not in (subject, self.mapping.subject.image_column, *form.key)
            ):
                del headers.present[header]
                self.coverage.ignored[actual] = "marked as identifying in the dictionary"

    def _cover(self, form: Form, headers: Headers) -> None:
        actual = {header: [name] for header, name in headers.present.items()}
        actual |= {header: list(options.values()) for header, options in headers.options.items()}
        for header, names in actual.items():
            column = form.columns[header]
            if column.verb == "ignore":
                self.coverage.ignored.update(dict.fromkeys(names, column.reason))
            elif column.verb == "helper":
                self.coverage.helpers.extend(names)
            else:
                self.coverage.mapped.extend(names)

    def _check_rows(self, tables: list[Table]) -> None:
        """Refuse an input without any row: it would look as if every row had been removed."""
        for table in tables:
            first = next(table.rows, None)
            if first is not None:
                self.keyed = bool(first.key)
                table.rows = chain([first], table.rows)
                return
        for table in tables[:1]:
            raise EmptyTableError(table.file, "has a header but no rows")

    def _note_unnamed(self, table: Table, headers: Headers) -> None:
        self.coverage.unmapped.extend(headers.unnamed)
        names = [repr(header) for header in headers.unnamed if header not in headers.meant.values()]
        if names and self.mapping.unmapped == "warn":
            where = f"{table.file.name}{', ' + table.sheet if table.sheet else ''}"
            self.notes.append(f"{where}: the mapping does not name the columns {', '.join(names)}")

    def _report_absent(self, table: Table, label: str, headers: Headers) -> None:
        code = IssueCode.MISSING_COLUMN
        for header in headers.absent:
            self.coverage.missing.append(header)
            message, suggestion = f"{table.file.name} has no column {header!r}", code.suggestion
            if header in headers.meant:
                message = f"{table.file.name}: {misspelt(header, headers.meant[header])}"
                suggestion = "write the file's header in the mapping; if it was renamed, name the old one under `was`"
            self.issues.append(Issue(code.code, message, sheet=label, column=header, suggestion=suggestion))

    def _decide_decimals(self, tables: list[tuple[Form, Table]]) -> dict[str, dict[str, str]]:
        """Look at all number cells whose decimal sign nobody declared; costs one more reading of the files."""
        by_form: dict[str, dict[str, str]] = {}
        for form in self.mapping.forms:
            signs: dict[str, set[str]] = {}
            for other, table in tables:
                columns = [
                    (header, actual)
                    for header, actual in compare(form, table).present.items()
                    if form.columns[header].type in _NUMBERS and form.columns[header].decimal == "auto"
                ]
                if other is form and columns and _needs_no_look(table):
                    for header, _ in columns:
                        if form.columns[header].thousands != ".":
                            signs.setdefault(header, set()).add(".")
                elif other is form and columns:
                    thousands = {header: form.columns[header].thousands for header, _ in columns}
                    for header, said in signs_said(table.rows, columns, thousands).items():
                        signs.setdefault(header, set()).update(said)
            by_form[form.name] = {header: decided(said) for header, said in signs.items()}
            self._settle_by_standard(by_form[form.name], signs)
            self.decimals.update(by_form[form.name])
        return by_form

    def _settle_by_standard(self, decimals: dict[str, str], signs: dict[str, set[str]]) -> None:
        """Tell of columns that could hold thousands; in XML and what is exported for machines the sign is a dot."""
        for header in [header for header, sign in decimals.items() if sign == UNSURE]:
            sign = min(signs[header])[:1]
            if sign == "." and self.source.type in _DOT_BY_STANDARD:
                decimals[header] = sign
                continue
            example = f"150{sign}000"
            self.notes.append(
                f"all numbers of {header!r} with a {sign!r} have three digits behind it, as {example}: these could be "
                f'thousands and are not used; declare `decimal: "{sign}"` if {example} is 150, or '
                f'`thousands: "{sign}"` if it is 150000: for the column, or for all of them under `source`'
            )


def _needs_no_look(table: Table) -> bool:
    """Return whether the bytes of a text table show that each number has a dot or nothing, and no thousands.

    Looking through them takes a hundredth of the time that reading the cells takes.
    """
    delimiter, encoding = table.found.get("delimiter", ""), table.found.get("encoding", "")
    if len(delimiter) != 1 or encoding not in _ASCII_BASED:
        return False
    sought = b'"' if delimiter == "," else b","
    with table.file.open("rb") as file:
        if any(sought in chunk for chunk in iter(partial(file.read, 1 << 20), b"")):
            return False
        file.seek(0)
        return not could_be_thousands(iter(partial(file.read, 1 << 20), b""))


def _dictionary_apart(source: SourceSpec, paths: Sequence[Path]) -> tuple[SourceSpec, list[Path]]:
    """Return the source with the dictionary that is among the given files, and the other files."""
    if source.dictionary is None:
        return source, list(paths)
    name = source.dictionary.name
    given = [path for path in paths if path.name == name]
    tables = [path for path in paths if path.name != name]
    return (replace(source, dictionary=given[0]) if given else source), tables


def _only_dictionary(source: SourceSpec) -> EmptyTableError:
    return EmptyTableError(source.dictionary or Path(), "is the dictionary; give the table that it describes too")


def _labels(tables: Sequence[Table]) -> list[str]:
    """Return what issues call each table: its sheet, with its file where sheets of several files share a name."""
    times = Counter(table.sheet for table in tables)
    alone = [table.sheet if times[table.sheet] == 1 else "" for table in tables]
    return [
        label or (table.file.name + (f":{table.sheet}" if table.sheet else "") if times[table.sheet] > 1 else "")
        for label, table in zip(alone, tables, strict=True)
    ]
