"""REDCap's exports of labels ("CSV / Microsoft Excel (labels)"), turned back into raw headers and codes.

A person sees ``Race (choice=White)`` and ``Checked``; the mapping is written for ``race___5`` and ``1``. A label that
the dictionary does not know stays as it is, so that the engine reports the cell.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from multimodal.tables.dictionary import Event
from multimodal.tables.redcap_fields import STATUS_LABELS, option_label, plain
from multimodal.tables.redcap_project import RECORD_COLUMNS, Project

_OWN = {
    "Event Name": "redcap_event_name",
    "Repeat Instrument": "redcap_repeat_instrument",
    "Repeat Instance": "redcap_repeat_instance",
    "Data Access Group": "redcap_data_access_group",
    "Survey Identifier": "redcap_survey_identifier",
}
# Cells of a checkbox and of yes/no fields; REDCap's words in English, and what statistics programs make of them.
_CHECKED = {"Checked": "1", "Unchecked": "0"}
_TYPED = frozenset({"number", "integer", "date", "datetime", "time", "calc", "code", "boolean"})


def raw_headers(headers: Sequence[str], project: Project) -> list[str]:
    """Return the raw name of each header of a label export.

    Labels repeat (each form ends with ``Complete?``), so they are matched in the order of the dictionary. Raw headers
    and unknown ones stay as they are.
    """
    expected = _expected(project)
    raw = {name for name, _ in expected} | set(RECORD_COLUMNS) | set(_OWN.values())
    places: dict[str, list[int]] = {}
    for place, (_, label) in enumerate(expected):
        places.setdefault(label, []).append(place)
    names: list[str] = []
    at = 0
    for header in headers:
        label = _matched(header)
        free = places.get(label, [])
        if header in raw or (not free and header not in _OWN):
            names.append(header)
        elif free:
            place = next((place for place in free if place >= at), free[0])
            free.remove(place)
            names.append(expected[place][0])
            at = place + 1
        else:
            names.append(_OWN[header])
    return names


def _expected(project: Project) -> list[tuple[str, str]]:
    """Return raw name and label of all columns in the order of an export."""
    dictionary = project.dictionary
    found: list[tuple[str, str]] = [(project.record, _matched(dictionary.fields[project.record].label))]
    by_field: dict[str, list[tuple[str, str]]] = {}
    for header, (name, code) in dictionary.option_of.items():
        field = dictionary.fields[name]
        choice = option_label(field, code, dictionary.missing)
        by_field.setdefault(name, []).append((header, _matched(f"{field.label} (choice={choice})")))
    for form in project.form_labels:
        found.append((f"{form}_timestamp", "Survey Timestamp"))
        for field in dictionary.fields.values():
            if field.form == form and field.name != project.record:
                found.extend(by_field.get(field.name, [(field.name, _matched(field.label))]))
        found.append((f"{form}_complete", "Complete?"))
    return found


def _matched(text: str) -> str:
    # REDCap writes ' for " in headers.
    return plain(text).replace('"', "'")


def cell_readers(names: Sequence[str], project: Project) -> tuple[list[Mapping[str, str]], list[str]]:
    """Return what turns the labels of each column back into codes, and notes on labels that cannot be.

    Parameters
    ----------
    names : sequence of str
        Raw headers.
    project : Project
        The project.
    """
    readers: list[Mapping[str, str]] = []
    notes: list[str] = []
    for name in names:
        reader, ambiguous = _reader(name, project)
        readers.append(reader)
        notes.extend(
            f"{name}: the label {label!r} stands for several codes; it was kept as text" for label in ambiguous
        )
    return readers, notes


def _reader(name: str, project: Project) -> tuple[Mapping[str, str], list[str]]:
    dictionary = project.dictionary
    if name in dictionary.option_of:
        field_name, code = dictionary.option_of[name]
        label = option_label(dictionary.fields[field_name], code, dictionary.missing)
        return {label: "1", code: "1", **_CHECKED, "1": "1", "0": "0"}, []
    if name == "redcap_event_name":
        return _events(dictionary.events.values()), []
    if name == "redcap_repeat_instrument":
        return _instruments(project), []
    if name.endswith("_complete") and name not in dictionary.fields:
        return {label: code for code, label in STATUS_LABELS.items()}, []
    field = dictionary.fields.get(name)
    if field is None or field.type not in _TYPED:
        return {}, []
    pairs = [(label, code) for code, label in (*field.choices.items(), *dictionary.missing.items())]
    often = Counter(label for label, _ in pairs)
    return {label: code for label, code in pairs if often[label] == 1}, [
        label for label, times in often.items() if times > 1
    ]


def _events(events: Iterable[Event]) -> dict[str, str]:
    """Return label to name: ``Baseline (Arm 1: Drug A)``, or ``Baseline`` where the project has one arm."""
    labels = [
        (label, event.name) for event in events for label in {event.label, re.sub(r" \(Arm .*\)$", "", event.label)}
    ]
    often = Counter(label for label, _ in labels)
    return {label: name for label, name in labels if often[label] == 1}


def _instruments(project: Project) -> dict[str, str]:
    """Return label to name of forms; a data dictionary has no labels, but REDCap makes the name from the label."""
    return {label: form for form, label in project.form_labels.items()}


def form_named(label: str, project: Project) -> str:
    """Return the form that a cell of ``redcap_repeat_instrument`` names, by its name or its label; ``""`` if none."""
    if label in project.form_labels:
        return label
    made = re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")
    return made if made in project.form_labels else ""
