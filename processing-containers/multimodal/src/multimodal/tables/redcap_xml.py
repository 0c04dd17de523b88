"""The metadata of a REDCap project in XML: CDISC ODM 1.3.1 with what REDCap adds to it.

Written by "Export project as XML", and by the API as ``content=project_xml`` or ``format=odm``; the last has records
only. REDCap's own attributes are in the namespace https://projectredcap.org.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from multimodal.tables.dictionary import Event, Field
from multimodal.tables.guarded_xml import Element
from multimodal.tables.odm_definitions import Definitions, ItemDef
from multimodal.tables.odm_document import Level, OdmDocument
from multimodal.tables.redcap_fields import field_of, parse_choices
from multimodal.tables.redcap_project import EXTRA_COLUMNS, Project, make_project


def project_of(document: OdmDocument) -> Project | None:
    """Return the project that the metadata of a file describes; None where it has none."""
    definitions = document.definitions
    if not definitions.forms:
        return None
    studies = definitions.studies
    repeats = _repeats(studies, events=bool(definitions.events))
    return make_project(
        _fields(definitions),
        form_labels={form_name(oid): form.name for oid, form in definitions.forms.items()},
        events=[_event(event.element) for event in definitions.events.values()],
        missing=parse_choices(_global(studies, "MissingDataCodes")),
        repeats=repeats,
    )


def form_name(oid: str) -> str:
    """Return the form that a FormOID names."""
    return oid.removeprefix("Form.")


def event_name(level: Element | Level, oid: str) -> str:
    """Return the unique name of an event, from REDCap's attribute or from the attribute `oid`."""
    return level.get("UniqueEventName") or level.get(oid).removeprefix("Event.")


def _event(element: Element) -> Event:
    offset = element.get("DayOffset")
    return Event(event_name(element, "OID"), element.get("Name"), int(offset) if offset.lstrip("-").isdigit() else None)


def _globals(studies: Iterable[Element]) -> Iterator[Element]:
    for study in studies:
        for variables in study.all("GlobalVariables"):
            yield from variables.children


def _global(studies: Iterable[Element], name: str) -> str:
    return next((element.text for element in _globals(studies) if element.name == name and element.text), "")


def _repeats(studies: list[Element], *, events: bool) -> set[tuple[str, str]]:
    """Return (event, form) that repeat. A project without events has one event that no record names."""
    found = set()
    for setup in _globals(studies):
        if setup.name != "RepeatingInstrumentsAndEvents":
            continue
        for part in setup.children:
            for element in part.all("RepeatingInstrument"):
                event = element.get("UniqueEventName") if events else ""
                found.add((event, element.get("RepeatInstrument")))
            if part.name == "RepeatingEvent":
                found.add((part.get("UniqueEventName"), ""))
            elif part.name == "RepeatingInstrument":
                found.add((part.get("UniqueEventName") if events else "", part.get("RepeatInstrument")))
    return found


def _fields(definitions: Definitions) -> list[Field]:
    found: dict[str, Field] = {}
    for oid, form in definitions.forms.items():
        for group in form.refs:
            items = definitions.groups[group].refs if group in definitions.groups else ()
            for item in items:
                made = _field(definitions.items.get(item), item, form_name(oid), definitions)
                if made is not None:
                    found.setdefault(made.name, made)
    return list(found.values())


def _field(item: ItemDef | None, oid: str, form: str, definitions: Definitions) -> Field | None:
    """Return the field of an item; None for the columns that REDCap adds: form status, data access group."""
    if item is None or oid in EXTRA_COLUMNS or oid == f"{form}_complete":
        return None
    element = item.element
    codes = definitions.code_lists.get(item.code_list)
    choices = codes.element.get("CheckboxChoices") if codes else ""
    if codes and not choices:
        choices = " | ".join(f"{code}, {label.replace('|', '/')}" for code, label in codes.choices.items())
    return field_of(
        {
            "field_name": element.get("Variable") or item.name or oid,
            "form_name": form,
            "field_type": element.get("FieldType") or "text",
            "field_label": item.label,
            "select_choices_or_calculations": choices,
            "field_note": element.get("FieldNote"),
            "text_validation_type_or_show_slider_number": element.get("TextValidationType"),
            "text_validation_min": item.limits[0],
            "text_validation_max": item.limits[1],
            "identifier": element.get("Identifier"),
            "field_annotation": element.get("FieldAnnotation"),
        }
    )
