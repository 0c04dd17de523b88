"""The Patient of a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from multimodal.mapping.cells import read_boolean, read_text, translate
from multimodal.mapping.errors import CellError
from multimodal.mapping.origin import Origin
from multimodal.mapping.plan import Column, Subject
from multimodal.mapping.row_state import Resource, RowState
from multimodal.model.issue_codes import IssueCode
from multimodal.resources.rules import allowed_codes
from multimodal.terminology.translation import Translation

_Set = Callable[[Resource, str], None]


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
    """

    def __init__(
        self,
        subject: Subject,
        columns: Sequence[tuple[Column, str]],
        origin: Origin,
    ) -> None:
        self._system = subject.system
        self._origin = origin
        self._meta = origin.meta(subject.profile)
        self._columns = [(column, header, self._setter(column, header)) for column, header in columns]
        self._noted = origin.noted
        self._checked: dict[tuple[str, ...], list[str]] = {}

    def make(self, state: RowState, value: str) -> Resource | None:
        """Return the Patient known as `value`; None, and an issue, if it breaks a rule."""
        patient: Resource = {
            "resourceType": "Patient",
            "id": state.subject["reference"][8:],
            "meta": self._meta,
            "identifier": [{"system": self._system, "value": value}],
        }
        for column, header, set_element in self._columns:
            text = state.values[header].strip()
            if text in column.missing:
                continue
            try:
                set_element(patient, text)
            except CellError as error:
                state.report(error, header, text)
        shape = tuple(patient)
        problems = None if self._origin.every else self._checked.get(shape)
        if problems is None:
            problems = self._checked[shape] = self._origin.problems(patient)
        if problems:
            state.add(IssueCode.INVALID_RESOURCE, f"Patient: {problems[0]}", value=value)
            return None
        return patient

    def _setter(self, column: Column, header: str) -> _Set:
        element = column.element
        if element in ("gender", "deceased"):
            return self._coded(column, header)
        if element == "birthDate":

            def birth(patient: Resource, text: str) -> None:
                patient["birthDate"] = column.dates.read_day(text)

            return birth
        if element == "name":

            def name(patient: Resource, text: str) -> None:
                patient["name"] = [{"text": read_text(text)}]

            return name

        def identifier(patient: Resource, text: str) -> None:
            patient["identifier"].append({"system": column.system, "value": read_text(text)})

        return identifier

    def _coded(self, column: Column, header: str) -> _Set:
        allowed = allowed_codes("Patient", "gender")

        def gender(patient: Resource, text: str) -> None:
            meant = self._meant(column, header, text)
            if meant is None:
                return
            if meant not in allowed:
                raise CellError(
                    IssueCode.NOT_IN_TABLE,
                    f"{text!r} is no administrative gender",
                    suggestion=f"give the column a table to {', '.join(allowed)}",
                )
            patient["gender"] = meant

        def deceased(patient: Resource, text: str) -> None:
            meant = self._meant(column, header, text)
            if meant is None:
                return
            try:
                patient["deceasedBoolean"] = read_boolean(meant)
            except CellError:
                patient["deceasedDateTime"] = column.dates.read(meant)

        return gender if column.element == "gender" else deceased

    def _meant(self, column: Column, header: str, text: str) -> str | None:
        if column.table is None:
            return text
        found: Any = translate(column.table, text, lambda kind, value: self._noted(header, kind, value))
        return found.text if isinstance(found, Translation) else found
