"""The rows of all item groups of one ODM file, after its transactions, kept on disk beyond a few megabytes.

An ODM file mixes its item groups, and a mapping reads them one by one: so the file is read once, and all rows lie in a
temporary file until they are asked for. A snapshot needs sixteen bytes of memory for each row; a transactional file,
where any later line may change an earlier row, also its key.
"""

from __future__ import annotations

import tempfile
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from multimodal.tables.odm_document import CONTEXT, NOWHERE, REMOVE, Group, Item, Level

_IN_MEMORY = 16 << 20
Cell = tuple[str, int, str]  # value, line, OID of the unit given beside it
Key = tuple[str, ...]


class Record(NamedTuple):
    """One row before it has headers.

    Parameters
    ----------
    line : int
        Of the start tag of its ItemGroupData.
    study : str
        StudyOID.
    key : tuple of str
        As `Group.key` has it.
    items : dict of str to Cell
        By ItemOID.
    extra : dict of str to str
        Further attributes of the levels above, by header.
    twice : list of tuple
        ItemOID, value and line of each item that the group holds once more; the first was used.
    removed : bool
        Whether a transaction removed it.
    """

    line: int
    study: str
    key: Key
    items: dict[str, Cell]
    extra: dict[str, str]
    twice: list[tuple[str, str, int]]
    removed: bool = False


class RecordFile:
    """Records by form, in a temporary file without a name."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - lives as long as this object
        self._offsets = array("Q")
        self._forms: dict[str, array[int]] = {}
        self._end = 0
        self._at_end = True

    def add(self, form: str, record: Record) -> int:
        """Append a record; return its number."""
        number = len(self._offsets)
        self._forms.setdefault(form, array("Q")).append(number)
        self._offsets.append(self._write(record))
        return number

    def replace(self, number: int, record: Record) -> None:
        """Put another record in the place of one."""
        self._offsets[number] = self._write(record)

    def get(self, number: int) -> Record:
        """Return a record."""
        self._file.seek(self._offsets[number])
        self._at_end = False
        return Record(*orjson.loads(self._file.readline()))

    def records(self, form: str) -> Iterator[Record]:
        """Yield the records of a form in the order in which they were first met."""
        return (self.get(number) for number in self._forms.get(form, ()))

    def _write(self, record: Record) -> int:
        offset, text = self._end, orjson.dumps(tuple(record)) + b"\n"
        if not self._at_end:
            self._file.seek(offset)
            self._at_end = True
        self._file.write(text)
        self._end += len(text)
        return offset


@dataclass(slots=True)
class FormColumns:
    """What was met in the data of one item group: its items, and those with units of their own."""

    items: dict[str, None] = field(default_factory=dict)
    with_unit: set[str] = field(default_factory=set)


class Transactions:
    """Takes groups in the order of the file and keeps the rows that hold after all of them.

    ODM 1.3.2, attribute TransactionType: ``Insert``, ``Update`` and ``Upsert`` set the items that they name,
    ``Remove`` takes away an item, a row, or all rows of a form, event or subject, ``Context`` changes nothing; where an
    element does not say, the one around it counts.

    Parameters
    ----------
    transactional : bool
        Whether later groups change earlier rows. In a snapshot each group is a row of its own.
    """

    def __init__(self, *, transactional: bool) -> None:
        self.file = RecordFile()
        self.columns: dict[str, FormColumns] = {}
        # Headers of what vendors add, for all forms: the subject's identifier may be one, also where no row has it.
        self.extra: dict[str, str] = {}
        self.studies: Counter[str] = Counter()
        self.removed_unknown = 0
        self._transactional = transactional
        # By subject, so that the removal of one looks at its own rows only.
        self._known: dict[str, dict[tuple[str, Key], int]] = {}
        # Many groups in a row share the levels above them.
        self._above = (NOWHERE, NOWHERE, NOWHERE)
        self._extra: dict[str, str] = {}
        self._removed = False
        self._key: Key = ()

    def take(self, group: Group) -> None:
        """Apply one group, or the removal of one level."""
        if not group.group.line:
            self._remove_below(group)
            return
        form, record = group.group.get("ItemGroupOID"), self._record(group)
        self.studies[record.study] += 1
        columns = self.columns.setdefault(form, FormColumns())
        self.extra.update(record.extra)
        for oid, _, _, unit, _ in group.items:
            columns.items[oid] = None
            if unit:
                columns.with_unit.add(oid)
        if self._transactional:
            self._apply(form, record, group)
        else:
            items, twice = _first_of_each(group.items)
            self.file.add(form, record._replace(items=items, twice=twice))

    def _apply(self, form: str, record: Record, group: Group) -> None:
        known = self._known.setdefault(record.key[0], {})
        place = (form, record.key)
        number = known.get(place)
        before = self.file.get(number) if number is not None else None
        if before is not None and not record.removed and not before.removed:
            if _transaction(group) == "Insert":
                number = None  # the row is there already: both are kept, and told as duplicates
            else:
                record = record._replace(line=before.line, extra=before.extra | record.extra, items=before.items)
        if not record.removed:
            _change(record.items, group.items)
        if number is None:
            number = self.file.add(form, record)
            known.setdefault(place, number)
        else:
            self.file.replace(number, record)

    def _record(self, group: Group) -> Record:
        above = (group.subject, group.event, group.form)
        if self._above[0] is not above[0] or self._above[1] is not above[1] or self._above[2] is not above[2]:
            self._above = above
            self._extra = {}
            for prefix, level in zip(("", "StudyEventData.", "FormData."), above, strict=True):
                self._extra |= _extra(prefix, level)
            self._removed = any(level.transaction == REMOVE for level in above)
            self._key = group.key[:-1]
        extra = self._extra | _extra("ItemGroupData.", group.group)
        removed = self._removed or group.group.transaction == REMOVE
        key = (*self._key, group.group.repeat("ItemGroupRepeatKey"))
        return Record(group.group.line, group.study.get("StudyOID"), key, {}, extra, [], removed)

    def _remove_below(self, group: Group) -> None:
        """Mark the rows of a subject, event or form as removed."""
        levels = (group.subject, group.event, group.form)
        depth = (1, 3, 5)[sum(1 for level in levels if level.line) - 1]
        prefix = group.key[:depth]
        found = [number for (_, key), number in self._known.get(prefix[0], {}).items() if key[:depth] == prefix]
        for number in found:
            self.file.replace(number, self.file.get(number)._replace(removed=True))
        self.removed_unknown += self._transactional and not found


# What `Group.key` or the transactions already say.
_KNOWN = frozenset({
    "SubjectKey", "StudyEventOID", "StudyEventRepeatKey", "FormOID", "FormRepeatKey", "ItemGroupOID",
    "ItemGroupRepeatKey", "TransactionType",
})  # fmt: skip


def _extra(prefix: str, level: Level) -> dict[str, str]:
    """Return what a level says beside its keys, by header."""
    if level.attributes.keys() <= _KNOWN:
        return {}
    return {prefix + name.rpartition(" ")[2]: value for name, value in level.attributes.items() if name not in _KNOWN}


def _transaction(group: Group) -> str:
    """Return the transaction of a group: its own, else that of the next level above that has one."""
    for level in (group.group, group.form, group.event, group.subject):
        if level.transaction:
            return level.transaction
    return ""


def _first_of_each(items: list[Item]) -> tuple[dict[str, Cell], list[tuple[str, str, int]]]:
    found: dict[str, Cell] = {}
    twice = []
    for oid, value, line, unit, attributes in items:
        if oid in found:
            twice.append((oid, value, line))
        elif attributes.get("TransactionType") != REMOVE:
            found[oid] = (value, line, unit)
    return found, twice


def _change(found: dict[str, Cell], items: list[Item]) -> None:
    for item in items:
        if item.transaction == REMOVE:
            found.pop(item.oid, None)
        elif item.transaction != CONTEXT:
            found[item.oid] = (item.value, item.line, item.unit)
