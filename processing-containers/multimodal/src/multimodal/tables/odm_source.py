"""CDISC ODM 1.3 files as tables: one for each item group (ODM 1.3.2, https://www.cdisc.org/standards/odm)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.tables.dictionary import Dictionary, Event, Field
from multimodal.tables.errors import EmptyTableError, HeaderError, TableError
from multimodal.tables.odm_document import NOWHERE, OdmDocument
from multimodal.tables.odm_rows import FormColumns, Record, Transactions
from multimodal.tables.rows import Place, Row, SourceSpec, Table

UNIT = ".unit"
_KEYS = ("SubjectKey", "StudyEventOID", "StudyEventRepeatKey", "FormOID", "FormRepeatKey", "ItemGroupRepeatKey")
_GIVEN = (*_KEYS, "StudyOID")


class OdmSource:
    """Reads ODM: a table for each ItemGroupOID, a row for each ItemGroupData, a column for each ItemOID.

    Beside its items a row has ``SubjectKey``, ``StudyEventOID``, ``StudyEventRepeatKey``, ``FormOID``,
    ``FormRepeatKey``, ``ItemGroupRepeatKey`` and ``StudyOID``; what a vendor adds to SubjectData under its own name
    (``StudySubjectID``), to the levels below with the element before it (``StudyEventData.StartDate``); and for each
    item with units ``<ItemOID>.unit``. A mapping may use them and need not name them.

    The file is read once, whatever its size, into a temporary file; in memory are the metadata and sixteen bytes for
    each row, of a transactional file also the keys of all rows.

    The option ``study`` chooses one StudyOID of a file with several.
    """

    suffixes = (".xml", ".odm")

    def read(self, path: Path, source: SourceSpec) -> list[Table]:
        """Open `path`; see `TableSource.read`."""
        document = OdmDocument(path)
        wanted = source.options.get("study", "")
        transactions = Transactions(transactional=document.file_type == "Transactional")
        reference: set[str] = set()
        for group in document.groups():
            if group.subject is NOWHERE:
                reference.add(group.group.get("ItemGroupOID"))
            elif not wanted or group.study.get("StudyOID") == wanted:
                transactions.take(group)
        if wanted and not transactions.studies:
            raise TableError(path, f"holds no clinical data of the study {wanted!r} that `source.study` names")
        forms = list(dict.fromkeys((*document.definitions.groups, *transactions.columns)))
        if not forms:
            raise EmptyTableError(path, "holds no item group, neither data nor metadata")
        tables = [_table(document, form, transactions) for form in forms]
        tables[0].notes[:0] = _notes(document, transactions, reference)
        return tables


def _table(document: OdmDocument, form: str, transactions: Transactions) -> Table:
    met = transactions.columns.get(form, FormColumns())
    definitions = document.definitions
    defined = definitions.groups[form].refs if form in definitions.groups else ()
    items = tuple(dict.fromkeys((*defined, *met.items)))
    with_unit = [
        oid for oid in items if oid in met.with_unit or (oid in definitions.items and definitions.items[oid].units)
    ]
    given = tuple(dict.fromkeys((*_GIVEN, *transactions.extra, *(oid + UNIT for oid in with_unit))))
    clash = [oid for oid in items if oid in given]
    if clash:
        raise HeaderError(document.path, f"an item of {form} is called {clash[0]!r}, as a key is; rename the item")
    table = Table(
        file=document.path,
        headers=(*given, *items),
        rows=iter(()),
        sheet=form,
        found=_found(document),
        given=frozenset(given),
        dictionary=Dictionary(
            fields={oid: definitions.field_of(oid, form) for oid in items}
            | {oid + UNIT: Field(oid + UNIT, label=f"unit of {oid}", form=form) for oid in with_unit},
            events={oid: Event(oid, event.name) for oid, event in definitions.events.items()},
        ),
    )
    if definitions.groups:
        unknown = [oid for oid in met.items if oid not in definitions.items]
        if form not in definitions.groups:
            table.notes.append(f"{document.path.name}: the item group {form} is not in the file's metadata")
        elif unknown:
            names = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
            table.notes.append(f"{document.path.name}: {form}: not in the file's metadata: {names}")
    units = {oid: definitions.unit_of(item) for oid in with_unit if (item := definitions.items.get(oid))}
    maker = _RowMaker(form, dict.fromkeys(table.headers, ""), tuple(with_unit), units, definitions.unit_texts)
    table.rows = _rows(transactions, maker, table)
    return table


def _rows(transactions: Transactions, maker: _RowMaker, table: Table) -> Iterator[Row]:
    for record in transactions.file.records(table.sheet):
        if record.items or record.removed:
            row = maker.row(record)
            table.issues.extend(row.problems)
            yield row


@dataclass(frozen=True, slots=True)
class _RowMaker:
    """Turns the records of one item group into rows.

    `units` are those that the metadata gives to each item, `texts` what the unit beside a value is called.
    """

    form: str
    blank: Mapping[str, str]
    with_unit: tuple[str, ...]
    units: Mapping[str, str]
    texts: Mapping[str, str]

    def row(self, record: Record) -> Row:
        """Return the row of a record."""
        subject, event, event_repeat, _, form_repeat, repeat = key = tuple(record.key)
        values = {**self.blank, **record.extra, **dict(zip(_KEYS, key, strict=True)), "StudyOID": record.study}
        lines = {}
        for oid, (value, line, _) in record.items.items():
            values[oid] = value
            lines[oid] = line
        for oid in self.with_unit:
            if oid in record.items and record.items[oid][0]:
                _, lines[oid + UNIT], unit = record.items[oid]
                values[oid + UNIT] = self.texts.get(unit, unit.removeprefix("MU.")) if unit else self.units.get(oid, "")
        return Row(
            number=record.line,
            values=values,
            sheet=self.form,
            record=subject,
            event=f"{event} [{event_repeat}]" if event_repeat else event,
            instance=" / ".join(part for part in (form_repeat, repeat) if part),
            problems=tuple(self._twice(record, *twice) for twice in record.twice),
            key=key,
            visit=(subject, event, event_repeat) if event else (),
            removed=record.removed,
            places=_Lines(lines),
        )

    def _twice(self, record: Record, oid: str, value: str, line: int) -> Issue:
        first = record.items[oid][1] if oid in record.items else record.line
        return Issue(
            code=IssueCode.DUPLICATE_VALUE.code,
            message=f"the item stands in line {first} already; this value was not used",
            row=line,
            sheet=self.form,
            record=record.key[0],
            event=record.key[1],
            column=oid,
            value=value,
            suggestion=IssueCode.DUPLICATE_VALUE.suggestion,
        )


class _Lines(Mapping[str, Place]):
    """The places of a row's values: each in a line of its own. Made when asked for, as few are."""

    __slots__ = ("_lines",)

    def __init__(self, lines: dict[str, int]) -> None:
        self._lines = lines

    def __getitem__(self, header: str) -> Place:
        return Place(self._lines[header], header)

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)


def _found(document: OdmDocument) -> dict[str, str]:
    about = {
        "ODM version": document.attributes.get("ODMVersion", ""),
        "file type": document.file_type,
        "source system": " ".join(
            document.attributes.get(name, "") for name in ("SourceSystem", "SourceSystemVersion")
        ).strip(),
        "rows": "lines of the XML file",
    }
    return {name: text for name, text in about.items() if text}


def _notes(document: OdmDocument, transactions: Transactions, reference: set[str]) -> list[str]:
    """Return what a person should know of the file as a whole."""
    notes = []
    if not document.definitions.groups:
        notes.append("the file has no metadata (MetaDataVersion): types, labels, units and code lists are not known")
    if len(transactions.studies) > 1:
        names = ", ".join(sorted(transactions.studies))
        notes.append(
            f"the file holds data of several studies ({names}); name one under `source.study` to read it alone"
        )
    if document.file_type == "Transactional":
        notes.append(
            "a transactional file: what it does not hold counts as gone; give it whole, from the first entry on"
        )
    if transactions.removed_unknown:
        count = transactions.removed_unknown
        notes.append(f"{count} removals of subjects, events or forms concern no row of this file")
    if reference:
        notes.append(f"ReferenceData is about no subject and was not read: {', '.join(sorted(reference))}")
    return [f"{document.path.name}: {note}" for note in notes]
