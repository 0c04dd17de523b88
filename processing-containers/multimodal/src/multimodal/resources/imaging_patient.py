"""The Patient a scan needs to point to: an identifier, and what DICOM says beside it."""

from __future__ import annotations

from typing import Any

from multimodal.model.references import PatientRef
from multimodal.resources.dicom_times import fhir_date

# Patient's Sex (0010,0040), PS3.3 C.7.1.1 -> administrative-gender (required binding)
_GENDERS = {"M": "male", "F": "female", "O": "other"}


def imaging_patient(patient: PatientRef, *, sex: str = "", birth_date: str = "") -> dict[str, Any]:
    """Return a minimal `Patient <https://hl7.org/fhir/R4/patient.html>`_ that carries a scan's identifier.

    Parameters
    ----------
    patient : PatientRef
        Identifier system of the store and the DICOM Patient ID.
    sex, birth_date : str
        Patient's Sex (CS) and Patient's Birth Date (DA) as in the DICOM; left out where empty or odd.

    Notes
    -----
    No name: where the clinical table brings the person, it brings the name, and a scan alone needs none.
    """
    resource: dict[str, Any] = {
        "resourceType": "Patient",
        "id": patient.id,
        "identifier": [{"system": patient.system, "value": patient.value}],
    }
    if gender := dicom_gender(sex):
        resource["gender"] = gender
    if born := fhir_date(birth_date):
        resource["birthDate"] = born
    return resource


def dicom_gender(sex: str) -> str | None:
    """Return the FHIR gender of a DICOM Patient's Sex; None where it says nothing."""
    return _GENDERS.get(sex.strip().upper())
