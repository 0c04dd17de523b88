"""The clinical table, with its planted defects, as CSV and as a workbook."""

from __future__ import annotations

import csv
import datetime
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from openpyxl import Workbook

from local.cohort.patients import ROWLESS_PATIENT, Patient

Cell = str | int | float | datetime.date

COLUMNS = (
    "PatientID", "sex", "birth_date", "diagnosis_date", "age", "cT", "cN", "cM", "stage",
    "hb", "hb_unit", "crp", "smoking", "survival_days", "vital_status", "comment",
)  # fmt: skip
DUPLICATED_PATIENT = 9
SHEET = "clinical"
_TNM = {"I": (1, 0, 0), "II": (2, 1, 0), "IIIA": (2, 2, 0), "IIIB": (3, 2, 0)}  # AJCC 8th edition, lung
_SMOKING = ("never", "former", "current", "unknown")


@dataclass(frozen=True, slots=True)
class Defect:
    """One cell that cannot come through: what stands there, and what a reader has to report.

    Parameters
    ----------
    patient : int
        Number of the patient whose row it is.
    column : str
        Header.
    value : str
        Stands in the cell instead of the true value.
    code : str
        Expected code in ``errors.csv``.
    reason : str
        For a person.
    """

    patient: int
    column: str
    value: str
    code: str
    reason: str


DEFECTS = (
    Defect(2, "hb", "n/a", "E101", "no number, and not declared as a code for a missing value"),
    Defect(3, "sex", "M?", "E201", "not in the table of the mapping"),
    Defect(5, "birth_date", "31.02.1946", "E301", "no such day"),
    Defect(7, "age", "81,5", "E101", "decimal comma in a column of decimal points"),
    Defect(8, "hb", "131", "E102", "g/L entered as g/dL: out of range"),
    Defect(11, "hb_unit", "mmol/L", "E402", "no conversion from an amount of substance to a mass"),
)


@dataclass(frozen=True, slots=True)
class ClinicalRow:
    """One row of the table.

    Parameters
    ----------
    number : int
        As a spreadsheet shows it: the header is row 1.
    cells : mapping of str to Cell
        By header, in the order of `COLUMNS`.
    """

    number: int
    patient: Patient
    cells: dict[str, Cell]
    defects: tuple[Defect, ...] = ()
    duplicate: bool = field(default=False)


def clinical_rows(patients: Sequence[Patient]) -> list[ClinicalRow]:
    """Return the rows of the table: every patient but one, and one of them twice."""
    rows = [_row(patient) for patient in patients if patient.number != ROWLESS_PATIENT]
    again = next(row for row in rows if row.patient.number == DUPLICATED_PATIENT)
    corrected: dict[str, Cell] = {**again.cells, "comment": "second entry"}
    rows.append(replace(again, cells=corrected, duplicate=True))
    return [replace(row, number=number) for number, row in enumerate(rows, start=2)]


def _row(patient: Patient) -> ClinicalRow:
    defects = tuple(defect for defect in DEFECTS if defect.patient == patient.number)
    cells = _true_cells(patient) | {defect.column: defect.value for defect in defects}
    return ClinicalRow(0, patient, cells, defects)


def _true_cells(patient: Patient) -> dict[str, Cell]:
    random = patient.random("blood")
    t, n, m = _TNM[patient.stage]
    hb = round(15.2 - 3.8 * patient.burden + float(random.uniform(-0.5, 0.5)), 1)
    crp = round(80 * patient.burden**1.5 + float(random.uniform(0, 3)), 1)
    litre = patient.number % 4 == 1 and patient.number != DUPLICATED_PATIENT  # one laboratory reports g/L
    values: tuple[Cell, ...] = (
        patient.id,
        patient.sex,
        patient.birth_date,
        patient.diagnosis_date,
        patient.age_at_diagnosis(),
        f"cT{t}",
        f"cN{n}",
        f"cM{m}",
        patient.stage,
        round(hb * 10) if litre else hb,
        "g/L" if litre else "g/dL",
        "<5" if crp < 5 else crp,
        _SMOKING[patient.number % len(_SMOKING)],
        patient.survival_days,
        "dead" if patient.dead else "alive",
        "",
    )
    return dict(zip(COLUMNS, values, strict=True))


def write_csv(rows: Sequence[ClinicalRow], file: Path) -> None:
    """Write the rows as a German Excel saves them: semicolons, UTF-8 with its mark, dates as 31.12.2021."""
    with file.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream, delimiter=";", lineterminator="\r\n")
        writer.writerow(COLUMNS)
        writer.writerows([_as_text(cell) for cell in row.cells.values()] for row in rows)


def _as_text(cell: Cell) -> str:
    if isinstance(cell, datetime.date):
        return cell.strftime("%d.%m.%Y")
    return f"{cell:g}" if isinstance(cell, float) else str(cell)


def write_xlsx(rows: Sequence[ClinicalRow], file: Path) -> None:
    """Write the rows into a workbook with real numbers and dates; equal rows give equal bytes."""
    book = Workbook()
    sheet = book.active
    sheet.title = SHEET
    sheet.append(COLUMNS)
    for row in rows:
        sheet.append([cell if cell != "" else None for cell in row.cells.values()])
        for cell in sheet[sheet.max_row]:
            if isinstance(cell.value, datetime.date):
                cell.number_format = "DD.MM.YYYY"
    content = io.BytesIO()
    book.save(content)
    file.write_bytes(_without_clock(content))


def _without_clock(book: io.BytesIO) -> bytes:
    """Return the workbook with the times at which it was made and zipped replaced by fixed ones."""
    fixed = io.BytesIO()
    with zipfile.ZipFile(book) as source, zipfile.ZipFile(fixed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            part = source.read(name)
            if name == "docProps/core.xml":
                part = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2021-12-31T00:00:00Z", part)
            target.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED)
    return fixed.getvalue()
