"""REDCap's data dictionary: what each line of it says of a field.

The columns are those of REDCap's "Data Dictionary" download (18 columns since version 6), or the names under which its
API exports the same (``content=metadata``); see the help page of any REDCap, "Data Dictionary".
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping

from multimodal.tables.dictionary import Field
from multimodal.tables.redcap_units import unit_in

STATUS_LABELS = {"0": "Incomplete", "1": "Unverified", "2": "Complete"}

# Header of the download, letters and digits only -> name in the API.
_COLUMNS = {
    "variable_field_name": "field_name",
    "form_name": "form_name",
    "section_header": "section_header",
    "field_type": "field_type",
    "field_label": "field_label",
    "choices_calculations_or_slider_labels": "select_choices_or_calculations",
    "choices_or_calculations": "select_choices_or_calculations",
    "field_note": "field_note",
    "field_units": "field_note",  # before version 4.5
    "text_validation_type_or_show_slider_number": "text_validation_type_or_show_slider_number",
    "text_validation_type": "text_validation_type_or_show_slider_number",
    "text_validation_min": "text_validation_min",
    "text_validation_max": "text_validation_max",
    "identifier": "identifier",
    "branching_logic_show_field_only_if": "branching_logic",
    "required_field": "required_field",
    "custom_alignment": "custom_alignment",
    "question_number_surveys_only": "question_number",
    "matrix_group_name": "matrix_group_name",
    "matrix_ranking": "matrix_ranking",
    "field_annotation": "field_annotation",
}
REQUIRED = ("field_name", "form_name", "field_type")

# Field type as REDCap writes it in the dictionary, or in a project XML -> type of a Field.
_TYPES = {
    "notes": "text",
    "textarea": "text",
    "dropdown": "code",
    "select": "code",
    "radio": "code",
    "sql": "code",
    "checkbox": "checkbox",
    "yesno": "boolean",
    "truefalse": "boolean",
    "calc": "calc",
    "slider": "integer",
    "file": "file",
    "descriptive": "descriptive",
}
_FIXED_CHOICES = {"yesno": {"1": "Yes", "0": "No"}, "truefalse": {"1": "True", "0": "False"}}
_VALIDATIONS = (
    (re.compile(r"int(eger)?"), "integer"),
    (re.compile(r"float|number(_\ddp)?(_comma_decimal)?"), "number"),
    (re.compile(r"datetime(_seconds)?_\w+"), "datetime"),
    (re.compile(r"date_\w+"), "date"),
    (re.compile(r"time(_\w+)?"), "time"),
)
_TAG = re.compile(r"<[^<>]*>")
_HIDDEN = re.compile(r"@HIDDEN(?![-\w])")


def column_names(headers: Iterable[str]) -> list[str]:
    """Return the API's names of a dictionary's headers; an unknown header stays as it is."""
    names = []
    for header in headers:
        plain = re.sub(r"[^a-z0-9]+", "_", header.lower()).strip("_")
        names.append(_COLUMNS.get(plain, plain))
    return names


def field_of(line: Mapping[str, str]) -> Field:
    """Return the field that one line of a dictionary describes.

    Parameters
    ----------
    line : mapping of str to str
        By the API's names (``field_name``, ``select_choices_or_calculations``...); one that is absent counts as empty.
    """

    def cell(name: str) -> str:
        # Statistics programs write NA for nothing; nowhere in a dictionary would it mean something else.
        text = line.get(name, "").strip()
        return "" if text == "NA" else text

    kind = cell("field_type").lower()
    validation = cell("text_validation_type_or_show_slider_number").lower()
    type_ = _type(kind, validation)
    choices = parse_choices(cell("select_choices_or_calculations")) if kind in _CODED else _FIXED_CHOICES.get(kind, {})
    label, note, annotation = plain(cell("field_label")), plain(cell("field_note")), cell("field_annotation")
    return Field(
        name=cell("field_name"),
        label=label,
        type=type_,
        form=cell("form_name"),
        choices=choices,
        unit=unit_in(label, note, type_),
        limits=(cell("text_validation_min"), cell("text_validation_max")),
        identifier=cell("identifier").lower() in ("y", "yes", "1"),
        hidden=bool(_HIDDEN.search(annotation)),
        note=" ".join(part for part in (note, annotation) if part),
    )


_CODED = {"dropdown", "select", "radio", "checkbox"}


def _type(kind: str, validation: str) -> str:
    if kind != "text":
        return _TYPES.get(kind, "")
    return next((type_ for pattern, type_ in _VALIDATIONS if pattern.fullmatch(validation)), "text")


def parse_choices(text: str) -> dict[str, str]:
    """Return code to label of choices as REDCap writes them: ``1, Yes | 0, No`` (older: one a line).

    A choice without a comma is its own label. Of a code that stands twice the first counts, as in REDCap.
    """
    choices: dict[str, str] = {}
    for choice in text.replace("\\n", "\n").split("|" if "|" in text else "\n"):
        code, comma, label = choice.partition(",")
        code = code.strip()
        if code:
            choices.setdefault(code, plain(label) if comma else code)
    return choices


def plain(text: str) -> str:
    """Return a label without markup and line breaks, as REDCap's label exports write it."""
    if "<" in text or "&" in text:
        text = html.unescape(_TAG.sub(" ", text))
    return " ".join(text.split())


def option_header(field: str, code: str) -> str:
    """Return the header of one option of a checkbox: ``race___2``; code ``-1`` gives ``race____1``.

    REDCap writes codes in small letters, a minus sign as ``_``, and leaves out all else that a column name may not
    hold.
    """
    return f"{field}___" + re.sub(r"[^a-z0-9_]", "", code.lower().replace("-", "_"))


def option_headers(fields: Iterable[Field], missing: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return header to (field, code) of all checkbox options.

    Missing data codes are options of each field too; their code is as the header has it (``unk``), since an export of
    records alone knows no other.
    """
    found: dict[str, tuple[str, str]] = {}
    codes_of_all = [option_header("", code).removeprefix("___") for code in missing]
    for field in fields:
        if field.type == "checkbox":
            for code in (*field.choices, *codes_of_all):
                found.setdefault(option_header(field.name, code), (field.name, code))
    return found


def option_label(field: Field, code: str, missing: Mapping[str, str]) -> str:
    """Return what people call an option of a checkbox, or a missing data code among them."""
    if code in field.choices:
        return field.choices[code]
    header = option_header("", code)
    return next((label for known, label in missing.items() if option_header("", known) == header), code)
