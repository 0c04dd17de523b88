"""The Patient a scan needs to point to: an identifier."""

from __future__ import annotations

from typing import Any

from multimodal.model.references import PatientRef

# Patient's Sex (0010,0040), PS3.3 C.7.1.1 -> administrative-gender (required binding)
_GENDERS = {"M": "male", "F": "female", "O": "other"}


def imaging_patient(patient: PatientRef) -> dict[str, Any]:
    """Return a `Patient <https://hl7.org/fhir/R4/patient.html>`_ that carries a scan's identifier and no more.

    Notes
    -----
    Neither name, sex nor birth date: those are the clinical table's to say, or to withhold. Were they taken from
    the scan, a refused or pseudonymised cell of the table would come back by another door.
    """
    return {
        "resourceType": "Patient",
        "id": patient.id,
        "identifier": [{"system": patient.system, "value": patient.value}],
    }


def dicom_gender(sex: str) -> str | None:
    """Return the FHIR gender of a DICOM Patient's Sex; None where it says nothing."""
    return _GENDERS.get(sex.strip().upper())
