"""CDISC ODM 1.3 files (1.3.0 to 1.3.2, and what vendors make of it), read as a stream.

Metadata is small and held; clinical data comes group by group, in constant memory, with the line of every value.
Elements are known by their local name in any ODM 1.x namespace or in none; attributes of vendors stay reachable by
`attribute`. See https://www.cdisc.org/standards/data-exchange/odm-xml/odm-xml-v1-3-2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from multimodal.tables.errors import WrongFormatError
from multimodal.tables.guarded_xml import Element, TreeBuilder, attribute, fed, guarded_parser
from multimodal.tables.odm_definitions import Definitions, read_definitions

_NAMESPACE = re.compile(r"(https?://www\.cdisc\.org/ns/odm/v(\d+)\.\d+)? ?(\w+)")
_NO_REPEAT = ("", "-1")
REMOVE = "Remove"
CONTEXT = "Context"


class Level(NamedTuple):
    """One element on the way down to a value: ClinicalData, SubjectData, StudyEventData, FormData, ItemGroupData.

    Parameters
    ----------
    line : int
        Of its start tag; 0 where the file leaves the level out.
    attributes : mapping of str to str
        All that it has, a vendor's too.
    """

    line: int = 0
    attributes: Mapping[str, str] = {}

    def get(self, name: str, uri: str = "") -> str:
        """Return an attribute by its local name; see `attribute`."""
        return attribute(self.attributes, name, uri)

    def repeat(self, name: str) -> str:
        """Return a repeat key; ``-1`` says the same as none (DIS writes it)."""
        key = attribute(self.attributes, name).strip()
        return "" if key in _NO_REPEAT else key

    @property
    def transaction(self) -> str:
        """``Insert``, ``Update``, ``Upsert``, ``Remove``, ``Context`` or ``""``."""
        return attribute(self.attributes, "TransactionType")


NOWHERE = Level()


class Item(NamedTuple):
    """One value.

    Parameters
    ----------
    oid : str
        ItemOID.
    value : str
        As written, of ``ItemData`` the attribute Value, of a typed ``ItemDataFloat``... its text; ``""`` where IsNull.
    line : int
        Of its start tag.
    unit : str
        OID of the measurement unit given beside the value, or ``""``.
    attributes : mapping of str to str
        All others.
    """

    oid: str
    value: str
    line: int
    unit: str
    attributes: Mapping[str, str]

    @property
    def null(self) -> bool:
        """Whether the file says that there is no value."""
        return self.attributes.get("IsNull") == "Yes"

    @property
    def transaction(self) -> str:
        """Its own TransactionType, or ``""``."""
        return self.attributes.get("TransactionType", "")


# Item._make without its check of the length: one is made for each value.
_item = partial(tuple.__new__, Item)


class Group(NamedTuple):
    """One ItemGroupData with where it belongs.

    A subject, event or form that is removed without naming any group is a Group whose `group` is `NOWHERE`, and so are
    the levels below the one that is removed.
    """

    study: Level
    subject: Level
    event: Level
    form: Level
    group: Level
    items: list[Item]

    @property
    def key(self) -> tuple[str, str, str, str, str, str]:
        """Subject key, event OID and repeat key, form OID and repeat key, group repeat key."""
        event, form = self.event, self.form
        return (
            self.subject.get("SubjectKey").strip(),
            event.get("StudyEventOID"),
            event.repeat("StudyEventRepeatKey"),
            form.get("FormOID"),
            form.repeat("FormRepeatKey"),
            self.group.repeat("ItemGroupRepeatKey"),
        )


class OdmDocument:
    """An ODM file.

    Opening reads the metadata, up to the first clinical data.

    Parameters
    ----------
    path : Path
        The file.

    Attributes
    ----------
    attributes : mapping of str to str
        Of the root: ``FileType``, ``ODMVersion``, ``SourceSystem``...
    definitions : Definitions
        The metadata; empty where the file has none.

    Raises
    ------
    TableError
        If the file is empty, no XML, no ODM, cut short, or declares a document type or entities.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        reader = _MetadataReader(path)
        for _ in fed(path, reader.parser):
            if reader.enough:
                break
        self.attributes: Mapping[str, str] = reader.root
        self.definitions: Definitions = read_definitions(reader.studies)

    @property
    def file_type(self) -> str:
        """``Snapshot`` or ``Transactional``; a file that does not say is taken for a snapshot."""
        return attribute(self.attributes, "FileType") or "Snapshot"

    def groups(self) -> Iterator[Group]:
        """Yield each ItemGroupData in the order of the file; those of ReferenceData have no subject.

        Raises
        ------
        TableError
            If the file is no well-formed XML further down; with the line.
        """
        reader = _DataReader(self.path)
        for _ in fed(self.path, reader.parser):
            if reader.done:
                yield from reader.done
                reader.done.clear()


class _LocalNames(dict[str, str]):
    """Name as expat gives it -> local name of an ODM element, ``""`` for a vendor's; each is worked out once."""

    def __missing__(self, name: str) -> str:
        match = _NAMESPACE.fullmatch(name)
        local = self[name] = match[3] if match else ""
        return local


class _MetadataReader:
    """Takes the root's attributes and every Study."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parser = guarded_parser(path)
        self.parser.StartElementHandler = self._root
        self.root: dict[str, str] = {}
        self.studies: list[Element] = []
        self.enough = False
        self._tree: TreeBuilder | None = None

    def _root(self, name: str, attributes: dict[str, str]) -> None:
        match = _NAMESPACE.fullmatch(name)
        local = name.rpartition(" ")[2]
        line = self.parser.CurrentLineNumber
        if match is None or match[3] != "ODM":
            raise WrongFormatError(self.path, f"line {line}: is XML but not ODM: its root is <{local}>, not <ODM>")
        if (match[2] or "1") != "1" or attribute(attributes, "ODMVersion").startswith("2"):
            raise WrongFormatError(self.path, f"line {line}: is ODM 2; ODM 1.3 is read, export the file as that")
        self.root = attributes
        self.parser.StartElementHandler = self._start

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        if local in ("ClinicalData", "ReferenceData"):
            self.enough = True
            self.parser.StartElementHandler = None
        elif local == "Study" and not self.enough:
            self._tree = TreeBuilder(self.path, self.parser, name, attributes)
            self.parser.StartElementHandler = self._tree.start
            self.parser.EndElementHandler = self._end
            self.parser.CharacterDataHandler = self._tree.text

    def _end(self, name: str) -> None:
        whole = self._tree.end() if self._tree else None
        if whole is not None:
            self.studies.append(whole)
            self.parser.StartElementHandler = self._start
            self.parser.EndElementHandler = self.parser.CharacterDataHandler = None


class _DataReader:
    """Takes clinical data. What runs once for each value does as little as it can."""

    def __init__(self, path: Path) -> None:
        self.parser = guarded_parser(path)
        self.parser.StartElementHandler, self.parser.EndElementHandler = self._start, self._end
        self.done: list[Group] = []
        self._names = _LocalNames()
        self._levels = [NOWHERE] * 5
        self._items: list[Item] = []
        self._texts: list[str] = []
        self._item: tuple[int, dict[str, str]] = (0, {})
        self._typed = False
        self._unit = ""

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = self._names[name]
        if local == "ItemData":
            self._item = (self.parser.CurrentLineNumber, attributes)
            self._unit = ""
        elif local in _LEVELS:
            self._levels[_LEVELS[local]] = Level(self.parser.CurrentLineNumber, attributes)
        elif local == "MeasurementUnitRef":
            self._unit = attributes.get("MeasurementUnitOID", "")
        elif local.startswith("ItemData"):
            self._item = (self.parser.CurrentLineNumber, attributes)
            self._unit = ""
            self._texts.clear()
            self._typed = True
            self.parser.CharacterDataHandler = self._texts.append
        elif self._typed:  # the text of an annotation is not the value's
            self.parser.CharacterDataHandler = None

    def _end(self, name: str) -> None:
        local = self._names[name]
        if local == "ItemData":
            line, attributes = self._item
            value = "" if attributes.get("IsNull") == "Yes" else attributes.get("Value", "")
            self._items.append(_item((attributes.get("ItemOID", ""), value, line, self._unit, attributes)))
        elif local in _LEVELS:
            self._close(_LEVELS[local])
        elif local.startswith("ItemData"):
            self._end_typed()
        elif self._typed:
            self.parser.CharacterDataHandler = self._texts.append

    def _end_typed(self) -> None:
        """Take an ItemData[TYPE]: its value is its text, its unit an attribute (ODM 1.3.2, typed data)."""
        line, attributes = self._item
        value = "" if attributes.get("IsNull") == "Yes" else "".join(self._texts).strip() or attributes.get("Value", "")
        unit = self._unit or attributes.get("MeasurementUnitOID", "")
        self._items.append(_item((attributes.get("ItemOID", ""), value, line, unit, attributes)))
        self._typed = False
        self.parser.CharacterDataHandler = None

    def _close(self, level: int) -> None:
        if level == _GROUP or self._levels[level].transaction == REMOVE:
            study, subject, event, form, group = self._levels
            self.done.append(Group(study, subject, event, form, group, self._items))
            self._items = []
        self._levels[level] = NOWHERE


_LEVELS = {
    "ClinicalData": 0,
    # Stands in the place of ClinicalData; its groups have no subject.
    "ReferenceData": 0,
    "SubjectData": 1,
    "StudyEventData": 2,
    "FormData": 3,
    "ItemGroupData": 4,
}
_GROUP = 4
