"""What is known of a REDCap project beside its records: fields, forms, events, and what repeats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from multimodal.tables.csv_source import csv_rows, open_csv
from multimodal.tables.dictionary import Dictionary, Event, Field
from multimodal.tables.errors import HeaderError, TableError, WrongFormatError
from multimodal.tables.redcap_fields import (
    REQUIRED,
    column_names,
    field_of,
    option_headers,
    parse_choices,
)
from multimodal.tables.rows import SourceSpec, Table, header_problem

RECORD_COLUMNS = ("redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance")
# What REDCap adds to a record beside its fields; it stands with the form of the record id.
EXTRA_COLUMNS = ("redcap_data_access_group", "redcap_survey_identifier")


@dataclass(frozen=True, slots=True)
class Project:
    """A project.

    Parameters
    ----------
    dictionary : Dictionary
        Its fields in order, checkbox options, events, missing data codes.
    form_labels : mapping of str to str
        Forms in order, with the names that people see.
    repeats : frozenset of tuple of str
        (event, form) that repeat; an event of ``""`` stands for any, a form of ``""`` for the whole event.
    repeats_known : bool
        Whether `repeats` says all: a data dictionary alone does not tell what repeats.
    """

    dictionary: Dictionary
    form_labels: Mapping[str, str]
    repeats: frozenset[tuple[str, str]] = frozenset()
    repeats_known: bool = False

    @property
    def record(self) -> str:
        """The field of the record id: always the first one."""
        return next(iter(self.dictionary.fields))

    @property
    def first_form(self) -> str:
        """The form of the record id."""
        return next(iter(self.form_labels))

    def columns(self, form: str) -> list[str]:
        """Return the headers of a form's fields in order, the record id apart; checkboxes have one for each option."""
        options: dict[str, list[str]] = {}
        for header, (name, _) in self.dictionary.option_of.items():
            options.setdefault(name, []).append(header)
        found: list[str] = []
        for each in self.dictionary.fields.values():
            if each.form == form and each.type != "descriptive" and each.name != self.record:
                found.extend(options.get(each.name, ()) if each.type == "checkbox" else (each.name,))
        return [*found, f"{form}_complete"]

    def with_options(self, headers: Iterable[str]) -> Project:
        """Return the project with the checkbox options of an export that its dictionary does not list.

        These are missing data codes (``race___unk``): a data dictionary does not have them.
        """
        boxes = [each.name for each in self.dictionary.fields.values() if each.type == "checkbox"]
        known = dict(self.dictionary.option_of)
        for header in headers:
            name, mark, code = header.partition("___")
            if mark and code and header not in known and name in boxes:
                known[header] = (name, code)
        return replace(self, dictionary=replace(self.dictionary, option_of=known))

    def form_of(self, header: str) -> str:
        """Return the form that a column belongs to; ``""`` where the dictionary does not know it."""
        if header in EXTRA_COLUMNS:
            return self.first_form
        name = self.dictionary.option_of.get(header, (header, ""))[0]
        if name in self.dictionary.fields:
            return self.dictionary.fields[name].form
        for ending in ("_complete", "_timestamp", "_return_code"):
            form = header.removesuffix(ending)
            if form != header and form in self.form_labels:
                return form
        return ""

    def event_repeats(self, event: str) -> bool:
        """Return whether an event repeats as a whole."""
        return (event, "") in self.repeats

    def form_repeats(self, event: str, form: str) -> bool:
        """Return whether a form repeats within an event."""
        return (event, form) in self.repeats or ("", form) in self.repeats


def make_project(
    fields: Iterable[Field],
    *,
    form_labels: Mapping[str, str] | None = None,
    events: Iterable[Event] = (),
    missing: Mapping[str, str] | None = None,
    repeats: Iterable[tuple[str, str]] | None = None,
) -> Project:
    """Return the project of these fields; see `Project`. Without `repeats` it is not known what repeats."""
    by_name = {each.name: each for each in fields}
    labels = {form: form for form in dict.fromkeys(each.form for each in by_name.values())}
    codes = dict(missing or {})
    dictionary = Dictionary(
        fields=by_name,
        option_of=option_headers(by_name.values(), codes),
        events={event.name: event for event in events},
        missing=codes,
    )
    labels |= {form: label for form, label in (form_labels or {}).items() if form in labels}
    return Project(dictionary, labels, frozenset(repeats or ()), repeats is not None)


def read_dictionary_csv(path: Path) -> Project:
    """Read a data dictionary (CSV), as REDCap or an analysis program wrote it.

    Raises
    ------
    TableError
        If it is no data dictionary, or a field stands in it twice.
    """
    opened = open_csv(path, SourceSpec("redcap"))
    names = tuple(column_names(opened.headers))
    lacking = [name for name in REQUIRED if name not in names]
    problem = header_problem(names, opened.header_row)
    if lacking or problem:
        opened.stream.close()
        if problem and not lacking:
            raise HeaderError(path, problem)
        raise WrongFormatError(path, f"is no REDCap data dictionary: it has no column {', '.join(lacking)}")
    table = Table(path, names, iter(()), found=opened.found)
    lines = ((row.number, row.values) for row in csv_rows(opened, table) if any(row.values.values()))
    return make_project(_fields(path, lines))


def _fields(path: Path, lines: Iterable[tuple[int, Mapping[str, str]]]) -> list[Field]:
    found: dict[str, Field] = {}
    for number, line in lines:
        made = field_of(line)
        if not made.name or not made.form:
            raise TableError(path, f"row {number} of the data dictionary names no field or no form; complete it")
        if made.name in found:
            raise TableError(path, f"row {number} of the data dictionary names the field {made.name!r} again")
        found[made.name] = made
    if not found:
        raise TableError(path, "the data dictionary has no field")
    return list(found.values())


def read_dictionary_json(path: Path) -> Project:
    """Read what `redcap_api.fetch_export` wrote: the API's answers on fields, forms, events and repeating parts.

    Raises
    ------
    TableError
        If it is no such file.
    """
    try:
        content = orjson.loads(path.read_bytes())
    except ValueError as error:
        raise WrongFormatError(path, "is no JSON; fetch the export again") from error
    parts = content if isinstance(content, dict) else {"metadata": content}
    if not all(isinstance(part, list) for name, part in parts.items() if name != "project"):
        raise WrongFormatError(path, "is no answer of REDCap's API; fetch the export again")
    lines = [_texts(line) for line in parts.get("metadata", ())]
    project = _texts(parts.get("project", {}))
    longitudinal = project.get("is_longitudinal", "1") != "0"
    events = [_texts(line) for line in parts.get("events", ())]
    repeating = parts.get("repeatingFormsEvents")
    return make_project(
        _fields(path, enumerate(lines, start=1)),
        form_labels={
            line.get("instrument_name", ""): line.get("instrument_label", "")
            for line in map(_texts, parts.get("instrument", ()))
        },
        events=[_event(line) for line in events] if longitudinal else (),
        missing=parse_choices(project.get("missing_data_codes", "")),
        repeats=None
        if repeating is None
        else {
            (line.get("event_name", "") if longitudinal else "", line.get("form_name", ""))
            for line in map(_texts, repeating)
        },
    )


def _event(line: Mapping[str, str]) -> Event:
    offset = line.get("day_offset", "")
    return Event(
        line.get("unique_event_name", ""),
        line.get("event_name", ""),
        int(offset) if offset.lstrip("-").isdigit() else None,
    )


def _texts(line: Any) -> dict[str, str]:
    if not isinstance(line, dict):
        return {}
    return {str(name): "" if value is None else str(value) for name, value in line.items()}
