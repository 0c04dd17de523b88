"""A made-up cohort: CT series with masks, the clinical table that belongs to them, and what is wrong with both.

The same bytes come out each time: no clock, no random UIDs. ``planted.json`` says what a reader has to find.
"""

from __future__ import annotations

from pathlib import Path

from local.cohort.masks import rtstruct, segmentation
from local.cohort.patients import PATIENTS, Patient, draw_patients
from local.cohort.planted import write_planted
from local.cohort.scans import ct_series, save
from local.cohort.table import clinical_rows, write_csv, write_xlsx

__all__ = ["generate", "write_scans"]


def generate(folder: Path, patients: int = PATIENTS) -> tuple[Patient, ...]:
    """Write the cohort into `folder` and return its patients.

    Parameters
    ----------
    folder : Path
        Receives ``dicom/<PatientID>/{CT,SEG,RTSTRUCT}/*.dcm``, ``clinical.csv``, ``clinical.xlsx`` (the same
        rows, typed cells) and ``planted.json``.
    patients : int
        Number of patients with a scan, at least 12: the planted defects need them.
    """
    drawn = draw_patients(patients)
    for patient in drawn:
        if patient.scanned:
            write_scans(patient, folder / "dicom" / patient.id)
    rows = clinical_rows(drawn)
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(rows, folder / "clinical.csv")
    write_xlsx(rows, folder / "clinical.xlsx")
    write_planted(drawn, rows, folder / "planted.json")
    return drawn


def write_scans(patient: Patient, folder: Path) -> None:
    """Write the CT series of `patient` and its mask below `folder`."""
    images = ct_series(patient)
    for image in images:
        save(image, folder / "CT" / f"{image.InstanceNumber:04d}.dcm")
    mask = segmentation(patient, images) if patient.mask_kind == "SEG" else rtstruct(patient, images)
    save(mask, folder / patient.mask_kind / "0001.dcm")
