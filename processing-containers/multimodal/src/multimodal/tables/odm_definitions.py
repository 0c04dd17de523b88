"""The metadata of a CDISC ODM 1.3 file: events, forms, item groups, items, code lists and units.

See https://www.cdisc.org/standards/data-exchange/odm-xml/odm-xml-v1-3-2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from multimodal.tables.dictionary import Field
from multimodal.tables.guarded_xml import Element

# ODM 1.3.2: DataType of an ItemDef -> type of a Field
_TYPES = {
    "integer": "integer",
    "float": "number",
    "double": "number",
    "date": "date",
    "partialDate": "date",
    "incompleteDate": "date",
    "datetime": "datetime",
    "partialDatetime": "datetime",
    "incompleteDatetime": "datetime",
    "time": "time",
    "partialTime": "time",
    "incompleteTime": "time",
    "boolean": "boolean",
    "text": "text",
    "string": "text",
    "base64Binary": "file",
    "base64Float": "file",
    "hexBinary": "file",
    "hexFloat": "file",
}


@dataclass(frozen=True, slots=True)
class Definition:
    """One ``...Def`` of the metadata.

    Parameters
    ----------
    oid, name : str
        ``OID`` and ``Name``.
    element : Element
        The whole definition, for what is not listed here, e.g. a vendor's attributes.
    refs : tuple of str
        OIDs that it refers to, in order: of an event its forms, of a form its item groups, of an item group its items.
    """

    oid: str
    name: str
    element: Element
    refs: tuple[str, ...] = ()

    @property
    def repeating(self) -> bool:
        """Whether it may occur several times (``Repeating``)."""
        return self.element.get("Repeating") == "Yes"


@dataclass(frozen=True, slots=True)
class CodeList:
    """A code list: coded value to the text for people; `external` names a dictionary such as MedDRA in its place."""

    oid: str
    name: str
    choices: Mapping[str, str]
    external: str
    element: Element


@dataclass(frozen=True, slots=True)
class ItemDef:
    """One item (variable).

    Parameters
    ----------
    oid, name : str
        ``OID`` and ``Name``.
    data_type : str
        ``DataType`` as written.
    label : str
        Question, else Description, else Comment's place: the name.
    note : str
        Description, where there is a question too; the external dictionary of its code list.
    units : tuple of str
        OIDs of its measurement units.
    code_list : str
        OID, or empty.
    limits : tuple of str
        From its range checks GE/GT and LE/LT.
    element : Element
        The whole definition.
    """

    oid: str
    name: str
    data_type: str
    label: str
    note: str
    units: tuple[str, ...]
    code_list: str
    limits: tuple[str, str]
    element: Element


@dataclass(slots=True)
class Definitions:
    """All definitions of a file by OID; a later MetaDataVersion replaces what an earlier one says of the same OID.

    Parameters
    ----------
    studies : list of Element
        The elements ``Study`` whole, for what vendors add.
    unit_texts : mapping of str to str
        OID of a MeasurementUnit to what a value's unit is called: its symbol, else its name, else its OID without the
        customary ``MU.``. A text that several units share says nothing, and is passed over.
    """

    studies: list[Element] = field(default_factory=list)
    events: dict[str, Definition] = field(default_factory=dict)
    forms: dict[str, Definition] = field(default_factory=dict)
    groups: dict[str, Definition] = field(default_factory=dict)
    items: dict[str, ItemDef] = field(default_factory=dict)
    code_lists: dict[str, CodeList] = field(default_factory=dict)
    unit_texts: dict[str, str] = field(default_factory=dict)

    def unit_of(self, item: ItemDef) -> str:
        """Return the unit of an item that has exactly one; several are told apart by each value."""
        return self.unit_texts.get(item.units[0], item.units[0]) if len(item.units) == 1 else ""

    def field_of(self, oid: str, form: str) -> Field:
        """Return the description of one item as a column of the item group `form`."""
        item = self.items.get(oid)
        if item is None:
            return Field(oid, form=form)
        codes = self.code_lists.get(item.code_list)
        choices = dict(codes.choices) if codes else {}
        notes = [item.note, f"coded in {codes.external}" if codes and codes.external else ""]
        return Field(
            name=oid,
            label=item.label,
            type="code" if choices else _TYPES.get(item.data_type, ""),
            form=form,
            choices=choices,
            unit=self.unit_of(item),
            limits=item.limits,
            note="; ".join(note for note in notes if note),
        )


def read_definitions(studies: Iterable[Element]) -> Definitions:
    """Collect the definitions of all studies and metadata versions."""
    found = Definitions(list(studies))
    units: list[Element] = []
    for study in found.studies:
        for basic in study.all("BasicDefinitions"):
            units.extend(basic.all("MeasurementUnit"))
        for version in study.all("MetaDataVersion"):
            for element in version.children:
                reader = _READERS.get(element.name)
                if reader is not None:
                    reader(found, element)
    found.unit_texts = _unit_texts(units)
    return found


def translated(element: Element | None) -> str:
    """Return the first non-empty ``TranslatedText`` of an element, else its own text, blanks made single."""
    if element is None:
        return ""
    texts = [" ".join(child.text.split()) for child in element.all("TranslatedText")]
    return next((text for text in texts if text), " ".join(element.text.split()))


def _definition(target: str, ref: str, ref_oid: str) -> Callable[[Definitions, Element], None]:
    def read(found: Definitions, element: Element) -> None:
        oid = element.get("OID")
        refs = tuple(dict.fromkeys(child.get(ref_oid) for child in element.all(ref)))
        getattr(found, target)[oid] = Definition(oid, element.get("Name"), element, refs)

    return read


def _item(found: Definitions, element: Element) -> None:
    oid, name = element.get("OID"), element.get("Name")
    question, description = translated(element.first("Question")), translated(element.first("Description"))
    label = question or description or name
    codes = element.first("CodeListRef")
    found.items[oid] = ItemDef(
        oid=oid,
        name=name,
        data_type=element.get("DataType"),
        label=label,
        note=description if description != label else "",
        units=tuple(unit.get("MeasurementUnitOID") for unit in element.all("MeasurementUnitRef")),
        code_list=codes.get("CodeListOID") if codes else "",
        limits=_limits(element),
        element=element,
    )


def _limits(element: Element) -> tuple[str, str]:
    lowest = highest = ""
    for check in element.all("RangeCheck"):
        value = check.first("CheckValue")
        text = value.text if value else ""
        if check.get("Comparator") in ("GE", "GT"):
            lowest = text
        elif check.get("Comparator") in ("LE", "LT"):
            highest = text
    return lowest, highest


def _code_list(found: Definitions, element: Element) -> None:
    oid = element.get("OID")
    choices = {child.get("CodedValue"): translated(child.first("Decode")) for child in element.all("CodeListItem")}
    choices |= {child.get("CodedValue"): "" for child in element.all("EnumeratedItem")}
    external = element.first("ExternalCodeList")
    named = f"{external.get('Dictionary')} {external.get('Version')}".strip() if external else ""
    found.code_lists[oid] = CodeList(oid, element.get("Name"), choices, named, element)


_READERS: Mapping[str, Callable[[Definitions, Element], None]] = {
    "StudyEventDef": _definition("events", "FormRef", "FormOID"),
    "FormDef": _definition("forms", "ItemGroupRef", "ItemGroupOID"),
    "ItemGroupDef": _definition("groups", "ItemRef", "ItemOID"),
    "ItemDef": _item,
    "CodeList": _code_list,
}


def _unit_texts(units: list[Element]) -> dict[str, str]:
    by_oid = {unit.get("OID"): (translated(unit.first("Symbol")), unit.get("Name")) for unit in units}
    often = Counter(text for texts in by_oid.values() for text in set(texts))
    return {
        oid: next((text for text in texts if text and often[text] == 1), "") or oid.removeprefix("MU.")
        for oid, texts in by_oid.items()
    }
