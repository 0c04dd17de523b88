"""The section ``source`` of a mapping: which tables are read, and how they are laid out."""

from __future__ import annotations

from typing import Any

from multimodal.mapping.document import Document
from multimodal.tables.read import source_types
from multimodal.tables.rows import LongLayout, SheetSpec, SourceSpec

BUILT_IN = ("csv", "xlsx", "redcap", "odm", "idc")
_TABLES = ("csv", "xlsx")
# Keys that only some of the built-in types understand; a type that somebody installed may understand any.
_ONLY_FOR = {
    "sheets": _TABLES,
    "dictionary": ("redcap", "idc"),
    "project_xml": ("redcap",),
    "api": ("redcap",),
    "labels": ("redcap",),
    "form_status": ("redcap",),
    "collection": ("idc",),
    "table": ("idc",),
    "study": ("odm",),
    "encoding": ("csv", "xlsx", "redcap", "idc"),
    "delimiter": ("csv", "xlsx", "redcap", "idc"),
}
_FORM_ONLY_FOR = {"events": ("redcap", "odm"), "repeat": ("redcap", "odm")}


def read_source(document: Document) -> SourceSpec:
    """Return how the tables of a mapping are to be read.

    Raises
    ------
    MappingError
        If the type is not installed, or a key means nothing to it.
    """
    source: dict[str, Any] = document.content["source"]
    type_ = source["type"]
    if type_ not in (*BUILT_IN, *source_types()):
        known = ", ".join(sorted({*BUILT_IN, *source_types()}))
        raise document.error(("source", "type"), f"source type {type_!r} is not installed; known: {known}")
    _check_keys(document, source)
    if source.get("thousands") and source["thousands"] == source.get("decimal"):
        raise document.error(("source", "thousands"), "thousands and decimal are the same sign")
    forms = tuple(document.content.get("forms", ()))
    if type_ == "odm" and not forms:
        raise document.error(("source", "type"), "ODM has several kinds of rows: name its item groups under `forms`")
    # What is fetched from a REDCap server has its dictionary in a file of this name.
    dictionary = source.get("dictionary") or ("dictionary.json" if "api" in source else "")
    return SourceSpec(
        type_,
        source.get("encoding", "auto"),
        source.get("delimiter", "auto"),
        sheets=_sheets(document, forms) if type_ in _TABLES else {},
        forms=() if type_ in _TABLES else forms,
        dictionary=document.path.parent / dictionary if dictionary else None,
        labels=source.get("labels", False),
        options=_options(document, source),
    )


def _check_keys(document: Document, source: dict[str, Any]) -> None:
    type_ = source["type"]
    if type_ not in BUILT_IN:
        return
    for key, types in _ONLY_FOR.items():
        if key in source and type_ not in types:
            problem = f"source.{key} is for the source type {' or '.join(types)}, not {type_}"
            raise document.error(("source", key), problem, at_key=True)
    for name, form in document.content.get("forms", {}).items():
        for key, types in _FORM_ONLY_FOR.items():
            if key in form and type_ not in types:
                problem = f"{key} is for the source type {' or '.join(types)}, not {type_}"
                raise document.error(("forms", name, key), problem, at_key=True)


def _options(document: Document, source: dict[str, Any]) -> dict[str, str]:
    """Return what only one type of source understands."""
    forms: dict[str, Any] = document.content.get("forms", {})
    repeating = [name for name, form in forms.items() if form.get("repeat")]
    options: dict[str, str] = {
        key: source[key] for key in ("collection", "table", "project_xml", "study") if key in source
    }
    if "api" in source:
        options["store"] = source["api"]["store"]
    if repeating and source["type"] == "redcap":  # an XML file with data only does not say so
        options["repeating"] = ",".join(repeating)
    return options


def _sheets(document: Document, forms: tuple[str, ...]) -> dict[str, SheetSpec]:
    declared: dict[str, Any] = document.content["source"].get("sheets", {})
    for name in declared:
        if forms and name not in forms:
            problem = f"the sheet {name!r} is none of the forms: {', '.join(forms)}"
            raise document.error(("source", "sheets", name), problem, at_key=True)
    return {name: _sheet(document, name, declared.get(name, {})) for name in forms or declared}


def _sheet(document: Document, name: str, sheet: dict[str, Any]) -> SheetSpec:
    rows = sheet.get("header_row", 1)
    if isinstance(rows, list):
        if rows != list(range(rows[0], rows[0] + len(rows))):
            place = ("source", "sheets", name, "header_row")
            raise document.error(place, "the rows of a header follow each other, e.g. [1, 2]")
        rows = tuple(rows) if len(rows) > 1 else rows[0]
    long = sheet.get("long")
    layout = LongLayout(long["name"], long["value"], long.get("unit", "")) if long else None
    return SheetSpec(rows, sheet.get("skip_rows", 0), layout)
