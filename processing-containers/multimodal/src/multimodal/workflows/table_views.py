"""From FHIR back to the table: the cells of every mapped column, and whether they say what the table said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multimodal.fhirstore.bodies import is_withdrawn, source_of, writers_of
from multimodal.fhirstore.views import View
from multimodal.mapping.identity import SEPARATOR
from multimodal.mapping.opening import Opening
from multimodal.mapping.plan import Column, Form
from multimodal.mapping.plan import Mapping as MappingFile
from multimodal.mapping.rows_used import RowsUsed
from multimodal.mapping.run import run_mapping
from multimodal.mapping.sameness import Same, sameness
from multimodal.mapping.views import ColumnView, column_views
from multimodal.model.errors import ConfigurationError
from multimodal.model.issue_codes import IssueCode
from multimodal.tables.rows import Row

Cells = dict[str, str]
Key = tuple[str, ...]
# A row with one of these was not used at all.
_UNUSED = frozenset(
    code.code for code in (IssueCode.DUPLICATE_KEY, IssueCode.ID_PATTERN, IssueCode.MISSING_KEY, IssueCode.RAGGED_ROW)
)


class KeysNeededError(ConfigurationError):
    """The rows of a form are told apart by what no resource holds."""

    def __init__(self, form: Form) -> None:
        self.form = form.name
        where = f"the form {form.name!r}" if form.name else "the table"
        super().__init__(f"the rows of {where} have more of a key than their patient; give their keys (`keys_of`)")


@dataclass(frozen=True, slots=True)
class RowKey:
    """One row: its key as its source has it, and the identifier of its patient."""

    key: Key
    subject: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A cell that came back saying something else."""

    form: str
    row: int
    column: str
    value: str
    back: str


def table_of(
    mapping: MappingFile,
    resources: Iterable[Mapping[str, Any]],
    *,
    keys: Mapping[str, Sequence[RowKey]] | None = None,
    decimals: Mapping[str, str] | None = None,
) -> dict[str, list[Cells]]:
    """Return the tables that a mapping turned into these resources, with its mapped columns.

    Parameters
    ----------
    mapping : Mapping
        The mapping that made them.
    resources : iterable of mapping
        E.g. ``target.of_source(mapping.id)`` of a folder or a server; others among them do no harm, and those that were
        withdrawn (``entered-in-error``) say nothing.
    keys : mapping of str to sequence of RowKey, optional
        By form, the rows to return, in this order. Without it a form whose rows are told apart by their patient alone
        has a row for each Patient that this mapping wrote, by identifier.
    decimals : mapping of str to str, optional
        Header to decimal sign (`MappingRun.decimals`); a dot where it is not given.

    Returns
    -------
    dict of str to list of dict
        By form: header to text, in the spelling that the mapping makes possible; see `mapping.restore.restorer`. Dates
        that `privacy` shifted come back shifted.

    Raises
    ------
    KeysNeededError
        If a form needs `keys`.
    ConfigurationError
        If the mapping has pseudonyms, which are made to lead nowhere.
    """
    if mapping.privacy is not None and mapping.privacy.id == "hmac":
        raise ConfigurationError("a mapping with `privacy: {id: hmac}` has no way back from its resources to its rows")
    by_key = {f"{one['resourceType']}/{one['id']}": one for one in resources if "id" in one and not is_withdrawn(one)}
    named = _patients_by_value(mapping, by_key)
    found = {}
    for form in mapping.forms:
        views = [(view, View(view.definition)) for view in column_views(mapping, form, decimals)]
        rows = keys.get(form.name, ()) if keys is not None else _rows_by_patient(mapping, form, by_key)
        tables = [_cells(row, views, by_key, named) for row in rows]
        if keys is None and len(mapping.forms) > 1:  # not every patient need have a row in each form
            own = [view for view, compiled in views if compiled.resource != "Patient"]
            tables = [cells for cells in tables if any(cells[view.header] != view.unticked for view in own)]
        found[form.name] = tables
    return found


def _patients_by_value(mapping: MappingFile, by_key: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the Patients by the mapping's identifier, where scans name them otherwise; else their id tells."""
    if not mapping.subject.image_column:
        return {}
    return {
        known["value"]: resource
        for resource in by_key.values()
        if resource["resourceType"] == "Patient"
        for known in resource.get("identifier", ())
        if known.get("system") == mapping.subject.system
    }


def _cells(
    row: RowKey,
    views: list[tuple[ColumnView, View]],
    by_key: Mapping[str, Mapping[str, Any]],
    named: Mapping[str, Mapping[str, Any]],
) -> Cells:
    joined = SEPARATOR.join(row.key)
    cells = {}
    for view, compiled in views:
        resource = by_key.get(view.key_of(joined, row.subject))
        if compiled.resource == "Patient" and row.subject in named:
            resource = named[row.subject]
        values = compiled.rows_of(resource) if resource is not None else []
        cells[view.header] = view.restore(values[0]) if values else view.unticked
    return cells


def _rows_by_patient(mapping: MappingFile, form: Form, by_key: Mapping[str, Mapping[str, Any]]) -> list[RowKey]:
    if form.key != (form.aliases[mapping.subject.column],) or mapping.source.type in ("redcap", "odm"):
        raise KeysNeededError(form)
    written = {one.get("subject", {}).get("reference") for one in by_key.values() if source_of(one) == mapping.id}
    values = []
    for key, resource in by_key.items():
        ours = key in written or source_of(resource) == mapping.id or mapping.id in writers_of(resource)
        if resource["resourceType"] == "Patient" and ours:
            known = resource.get("identifier", [])
            values += [one["value"] for one in known if one.get("system") == mapping.subject.system]
    return [RowKey((value,), value) for value in sorted(values)]


def keys_of(mapping: MappingFile, paths: Sequence[Path]) -> dict[str, list[RowKey]]:
    """Return the keys of all rows of table files that the mapping uses, by form."""
    found: dict[str, list[RowKey]] = {form.name: [] for form in mapping.forms}
    for form, _, row_key, _ in _source_rows(mapping, Opening(mapping, paths)):
        found[form.name].append(row_key)
    return found


def _source_rows(mapping: MappingFile, opening: Opening) -> Iterator[tuple[Form, Mapping[str, str], RowKey, Row]]:
    """Yield each row that is used with its form, the form's headers in the file, and its key."""
    for opened, table in zip(opening.forms, opening.tables(), strict=True):
        form, present = opened.form, opened.headers.present
        used = RowsUsed(mapping, form)
        subject = present[form.aliases[mapping.subject.column]]
        key_headers = [present[column] for column in form.key if column in present]
        actual = dict(present)
        for header, options in opened.headers.options.items():
            actual |= {_option(header, code): name for code, name in options.items()}
        for row in table.rows:
            if row.usable and not used.why_not(row):
                key = row.key or tuple(row.values[header].strip() for header in key_headers)
                yield form, actual, RowKey(tuple(key), row.values[subject].strip()), row


def _option(header: str, code: str) -> str:
    return f"{header}___{f'_{code[1:]}' if code.startswith('-') else code}"


def differences(
    mapping: MappingFile, paths: Sequence[Path], resources: Iterable[Mapping[str, Any]]
) -> Iterator[Difference]:
    """Yield the cells of table files that come back from FHIR saying something else.

    Cells and rows that the import refused (they are in ``errors.csv``) are passed over, as are cells that a ``when``
    of the mapping left out. Two texts say the same if the column reads them to one value: ``50,0`` and ``50``.
    """
    run = run_mapping(mapping, paths)
    refused = {(issue.row, issue.column) for result in run for issue in result.issues}
    unused = {issue.row for result in run for issue in result.issues if issue.code in _UNUSED or not issue.column}
    rows = list(_source_rows(mapping, Opening(mapping, paths)))
    keys: dict[str, list[RowKey]] = {form.name: [] for form in mapping.forms}
    for form, _, row_key, _ in rows:
        keys[form.name].append(row_key)
    tables = table_of(mapping, resources, keys=keys, decimals=run.decimals)
    backs = {name: iter(cells) for name, cells in tables.items()}
    compared = {form.name: _Compared(mapping, form, run.decimals) for form in mapping.forms}
    for form, actual, _, row in rows:
        back = next(backs[form.name])
        if row.number in unused:
            continue
        for header, name in actual.items():
            place = row.places.get(name)
            lines = {row.number, place.row if place else row.number}
            if header not in back or any((line, name) in refused for line in lines):
                continue
            given = row.values.get(name, "").strip()
            if not compared[form.name].same(header, given, back[header], row, actual):
                yield Difference(form.name, row.number, name, given, back[header])


class _Compared:
    """The comparisons of a form's columns, by header."""

    def __init__(self, mapping: MappingFile, form: Form, decimals: Mapping[str, str]) -> None:
        self._of: dict[str, tuple[Column, Same]] = {}
        for view in column_views(mapping, form, decimals):
            column = view.column
            sign = decimals.get(column.header, ".") if column.decimal == "auto" else column.decimal
            self._of[view.header] = column, sameness(column, "," if sign == "," else ".")

    def same(self, header: str, given: str, back: str, row: Row, actual: Mapping[str, str]) -> bool:
        column, same = self._of[header]
        unit_header = actual.get(column.unit_column, column.unit_column)
        return same(given, back, row.values.get(unit_header, "").strip() if unit_header else "")
