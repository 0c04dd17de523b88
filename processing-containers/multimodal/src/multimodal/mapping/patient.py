"""The Patient of a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import orjson

from multimodal.mapping.cells import read_boolean, read_text, translate
from multimodal.mapping.errors import CellError
from multimodal.mapping.hiding import Hiding, moved
from multimodal.mapping.origin import Origin
from multimodal.mapping.plan import Column, Subject
from multimodal.mapping.row_state import Noted, Resource, RowState
from multimodal.mapping.stencil import Stencil
from multimodal.model.issue_codes import IssueCode
from multimodal.resources.rules import allowed_codes
from multimodal.resources.serialised import Serialised, canonical
from multimodal.terminology.translation import Translation

# Cells repeat; a column of all-different values must not fill the memory.
_MOST_CELLS = 20_000
IDENTIFIER = "identifier"
_HOLE = b"\x00"


class Said(NamedTuple):
    """What a cell says of the Patient: an element (empty: nothing), its value, that as JSON, and what to tell of it."""

    element: str = ""
    value: Any = None
    json: bytes = b""
    note: str = ""


_Read = Callable[[str], Said]


class PatientMaker:
    """Makes Patients: the identifier, and the elements of the columns with the verb ``patient``.

    Parameters
    ----------
    subject : Subject
        Identifier system and profile.
    columns : sequence of (Column, str)
        Columns beside the id, with their headers in the file.
    origin : Origin
        What all resources share.
    hiding : Hiding
        What is hidden of them.
    """

    def __init__(self, subject: Subject, columns: Sequence[tuple[Column, str]], origin: Origin, hiding: Hiding) -> None:
        self._system = hiding.system
        self._hiding = hiding
        self._origin = origin
        self._constant = {"resourceType": "Patient", "meta": origin.meta(subject.profile)}
        self._columns = [_Cells(header, _reader(column), origin.noted) for column, header in columns]
        self._stencils: dict[tuple[str, ...], tuple[list[str], Stencil]] = {}
        self._headers = [header for _, header in columns]
        self._around: dict[tuple[str, ...], tuple[bytes, bytes, bytes, bytes]] = {}
        self._before = b'{"system":%b,"value":' % orjson.dumps(hiding.system)

    def said(self, state: RowState) -> list[Said]:
        """Return what the cells of a row say of its Patient; a wrong one is reported."""
        found = [said for cells in self._columns if (said := cells.said(state)).element]
        return [one for said in found if (one := self._hidden(said, state)).element] if self._hiding.active else found

    def of_row(self, state: RowState, value: str) -> Serialised | str:
        """Return the Patient that a row names as `value`, or what is wrong with it."""
        values = state.values
        texts = tuple([values[header] for header in self._headers])
        known = self._around.get(texts)
        if known is None:
            return self._of_new_texts(texts, state, value)
        before, between, after, meta = known
        body = b"".join((before, state.patient.encode(), between, orjson.dumps(value), after))
        return tuple.__new__(Serialised, ("Patient", state.patient, body, meta))

    def _of_new_texts(self, texts: tuple[str, ...], state: RowState, value: str) -> Serialised | str:
        """Make the Patient; keep the bytes around its id and identifier for rows with the same texts."""
        before = len(state.issues)
        cells = [column.said(state) for column in self._columns]
        said = [one for one in cells if one.element]
        if self._hiding.active:
            return self.make(state.patient, value, [one for cell in said if (one := self._hidden(cell, state)).element])
        made = self.make(state.patient, value, said)
        told = len(state.issues) > before or any(one.note for one in cells)
        if isinstance(made, Serialised) and not told and not self._origin.every:
            slots, stencil = self._stencils[tuple(self._found(b"", b"", said))]
            found = self._found(_HOLE, _HOLE, said)  # JSON holds no such byte
            parts = (stencil.body % tuple([found[name] for name in slots])).split(_HOLE)
            if len(self._around) >= _MOST_CELLS:
                self._around.clear()
            self._around[texts] = (parts[0], parts[1], parts[2], stencil.meta)
        return made

    def _hidden(self, said: Said, state: RowState) -> Said:
        """Return what is written of what a cell says."""
        if said.element == IDENTIFIER:
            return _said(IDENTIFIER, self._hiding.identifier(said.value))
        date: str | None = said.value
        if said.element == "birthDate":
            date = self._hiding.birth_date(said.value, state.days)
        elif said.element == "deceasedDateTime":
            date = moved(said.value, state.days)
        else:
            return said
        return _said(said.element, date) if date else Said()

    def make(self, patient: str, value: str, said: Sequence[Said]) -> Serialised | str:
        """Return the Patient known as `value`, or what is wrong with it.

        Parameters
        ----------
        patient : str
            Its id.
        value : str
            Its identifier.
        said : sequence of Said
            Its other elements; of two of one name the later is used, identifiers apart.
        """
        found = self._found(patient.encode(), orjson.dumps(value), said)
        kind = tuple(found)
        known = None if self._origin.every else self._stencils.get(kind)
        if known is None:
            made = self._origin.followed(self._dict(patient, value, said), "Patient")
            problems = self._origin.problems(made)
            if problems:
                return problems[0]
            slots = sorted(found)
            known = self._stencils[kind] = slots, Stencil(made, slots)
        slots, stencil = known
        body = stencil.body % tuple([found[name] for name in slots])
        return Serialised("Patient", patient, body, stencil.meta)

    def _found(self, id_: bytes, value: bytes, said: Sequence[Said]) -> dict[str, bytes]:
        """Return the JSON of the elements that differ between Patients."""
        found = {"id": id_}
        identifiers = [self._before + value + b"}"]
        for element, _, json, _ in said:
            if element == IDENTIFIER:
                identifiers.append(json)
            else:
                found[element] = json
        found[IDENTIFIER] = b"[" + b",".join(identifiers) + b"]"
        return found

    def _dict(self, patient: str, value: str, said: Sequence[Said]) -> Resource:
        made: Resource = {**self._constant, "id": patient, IDENTIFIER: [{"system": self._system, "value": value}]}
        for element, one, _, _ in said:
            if element == IDENTIFIER:
                made[IDENTIFIER].append(one)
            else:
                made[element] = one
        return made


class _Cells:
    """The cells of one column, each text read once."""

    def __init__(self, header: str, read: _Read, noted: Noted) -> None:
        self._header = header
        self._read = read
        self._noted = noted
        self._known: dict[str, Said] = {}

    def said(self, state: RowState) -> Said:
        raw = state.values[self._header]
        found = self._known.get(raw)
        if found is None:
            try:
                found = self._read(raw.strip())
            except CellError as error:
                state.report(error, self._header, raw.strip())
                return Said()
            if len(self._known) >= _MOST_CELLS:
                self._known.clear()
            self._known[raw] = found
        if found.note:
            self._noted(self._header, found.note, raw.strip())
        return found


def _reader(column: Column) -> _Read:
    element, missing = column.element, column.missing
    assigner = {"assigner": {"display": column.assigner}} if column.assigner else {}
    simple: dict[str, Callable[[str], Any]] = {
        "birthDate": column.dates.read_day,
        "name": lambda text: [{"text": read_text(text)}],
        IDENTIFIER: lambda text: {**assigner, "system": column.system, "value": read_text(text)},
    }
    if element in simple:
        read = simple[element]
        return lambda text: Said() if text in missing else _said(element, read(text))
    coded = _gender if element == "gender" else partial(_deceased, column)
    return lambda text: Said() if text in missing else _translated(column, text, coded)


def _translated(column: Column, text: str, coded: Callable[[str], Said]) -> Said:
    if column.table is None:
        return coded(text)
    notes: list[str] = []
    found: Any = translate(column.table, text, lambda kind, _: notes.append(kind))
    said = Said() if found is None else coded(found.text if isinstance(found, Translation) else found)
    return said._replace(note=notes[0] if notes else "")


def _said(element: str, value: Any) -> Said:
    return Said(element, value, canonical(value))


def _gender(meant: str) -> Said:
    allowed = allowed_codes("Patient", "gender")
    if meant not in allowed:
        raise CellError(
            IssueCode.NOT_IN_TABLE,
            f"{meant!r} is no administrative gender",
            suggestion=f"give the column a table to {', '.join(allowed)}",
        )
    return _said("gender", meant)


def _deceased(column: Column, meant: str) -> Said:
    try:
        return _said("deceasedBoolean", read_boolean(meant))
    except CellError:
        return _said("deceasedDateTime", column.dates.read(meant))
