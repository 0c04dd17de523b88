"""What a mapping hides before anything is written: who the rows are about, and when things happened."""

from __future__ import annotations

from typing import Any, cast

from multimodal.mapping.errors import CellError
from multimodal.mapping.plan import Mapping
from multimodal.model.issue_codes import IssueCode
from multimodal.model.references import PatientRef
from multimodal.privacy.dates import BirthDate, birth_date, shifted
from multimodal.privacy.keys import read_key
from multimodal.privacy.pseudonyms import SECURITY, Pseudonyms


class Hiding:
    """Pseudonyms and shifted dates of one mapping; for most mappings it changes nothing.

    Parameters
    ----------
    mapping : Mapping
        Its section ``privacy`` says what is hidden.

    Attributes
    ----------
    system : str
        Identifier system of the Patients as they are written.
    security : list of dict
        ``meta.security`` of all resources.
    moves : bool
        Whether dates are moved.
    active : bool
        Whether anything is hidden at all.

    Raises
    ------
    PrivacyKeyError
        If a key is not there, or too short.
    """

    def __init__(self, mapping: Mapping) -> None:
        plan, subject = mapping.privacy, mapping.subject
        key = read_key(plan.key_env) if plan.id == "hmac" else None
        shift_key = read_key(plan.shift_key_env or plan.key_env) if plan.max_days else None
        self._names = Pseudonyms(key, subject.system) if key else None
        self._most = plan.max_days
        self._days = Pseudonyms(shift_key, subject.system) if shift_key else None
        self.image_system = subject.image_system
        self._image_names = Pseudonyms(key, subject.image_system) if key else None
        self._image_days = Pseudonyms(shift_key, subject.image_system) if shift_key else None
        self._birth = cast(BirthDate, plan.birth_date)
        self.system = self._names.system if self._names else subject.system
        self.security = [SECURITY] if self._names else []
        self.moves = self._days is not None
        self.active = bool(self._names or self._days or self._birth != "keep")

    def patient(self, value: str) -> str:
        """Return the identifier that is written for a patient's."""
        return self._names.patient(value) if self._names else value

    def image_patient(self, value: str) -> PatientRef:
        """Return the Patient that scans name `value` (DICOM Patient ID)."""
        if self._image_names is None:
            return PatientRef(self.image_system, value)
        return PatientRef(self._image_names.system, self._image_names.patient(value))

    def image_days(self, value: str) -> int:
        """Return by how many days the dates of a scanned patient are moved: as many as those of the scans."""
        return self._image_days.shift(value, self._most) if self._image_days else 0

    def identifier(self, identifier: dict[str, Any]) -> dict[str, Any]:
        """Return what is written of an identifier beside the id: that of scans under its pseudonym."""
        if self._image_names is None or identifier["system"] != self.image_system:
            return identifier
        patient = self.image_patient(identifier["value"])
        return {**identifier, "system": patient.system, "value": patient.value}

    def key(self, key: str) -> str:
        """Return what stands for a row's key in resource ids."""
        return self._names.row(key) if self._names and key else key

    def days(self, value: str) -> int:
        """Return by how many days the dates of a patient are moved."""
        return self._days.shift(value, self._most) if self._days else 0

    def birth_date(self, date: str, days: int) -> str | None:
        """Return what is written of a birth date."""
        return birth_date(moved(date, days), self._birth)


def moved(date: str, days: int) -> str:
    """Return a FHIR date moved by `days`.

    Raises
    ------
    CellError
        E301 if the calendar ends before the new date.
    """
    if not days:
        return date
    try:
        return shifted(date, days)
    except ValueError as error:
        raise CellError(IssueCode.BAD_DATE, "the date cannot be moved as `privacy.date_shift` asks") from error
