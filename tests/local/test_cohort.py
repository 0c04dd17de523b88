"""The generated cohort: the same bytes each time, valid DICOM, and everything that `planted.json` promises."""

from __future__ import annotations

import csv
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pydicom
import pytest
from highdicom.seg import segread
from openpyxl import load_workbook
from pydicom.dataset import Dataset
from scipy import stats

from local.cohort import generate
from local.cohort.masks import EMPTY, OUTSIDE
from local.cohort.patients import KEYHOLE_PATIENT, SEPARATE_HOLE_PATIENT, UNDATED_PATIENT, draw_patients
from local.cohort.scans import COLUMNS, PIXEL_SPACING, SLICE_SPACING, SLICES
from local.cohort.table import SHEET


@pytest.fixture(scope="module")
def planted(cohort: Path) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((cohort / "planted.json").read_bytes())
    return found


def hashes(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def mask(cohort: Path, patient: str) -> Dataset:
    (file,) = (file for kind in ("SEG", "RTSTRUCT") for file in (cohort / "dicom" / patient / kind).glob("*.dcm"))
    return pydicom.dcmread(file)


def images(cohort: Path, patient: str) -> list[Dataset]:
    return [pydicom.dcmread(file) for file in sorted((cohort / "dicom" / patient / "CT").iterdir())]


def cells(cohort: Path) -> list[list[str]]:
    with (cohort / "clinical.csv").open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.reader(stream, delimiter=";"))


def contours(structures: Dataset, number: int) -> list[np.ndarray[Any, Any]]:
    (roi,) = (roi for roi in structures.ROIContourSequence if roi.ReferencedROINumber == number)
    return [np.array(contour.ContourData, dtype=float).reshape(-1, 3) for contour in roi.ContourSequence]


def test_it_is_the_same_each_time(cohort: Path, tmp_path: Path) -> None:
    generate(tmp_path)
    assert hashes(tmp_path) == hashes(cohort)


def test_more_patients_leave_the_first_ones_as_they_are() -> None:
    twenty = {patient.number: patient.uid("study") for patient in draw_patients(20)}
    assert twenty.items() >= {patient.number: patient.uid("study") for patient in draw_patients(12)}.items()


def test_too_few_patients_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 12"):
        generate(tmp_path, patients=11)


def test_every_patient_has_a_series_and_half_of_them_each_kind_of_mask(cohort: Path, planted: dict[str, Any]) -> None:
    folders = sorted(folder.name for folder in (cohort / "dicom").iterdir())
    assert folders == [f"DEMO-{number:03d}" for number in range(1, 13)] == list(planted["series"])
    assert len(list(cohort.glob("dicom/*/SEG"))) == len(list(cohort.glob("dicom/*/RTSTRUCT"))) == 6
    for patient, series in planted["series"].items():
        slices = images(cohort, patient)
        assert len(slices) == SLICES
        assert {image.SeriesInstanceUID for image in slices} == {series["CT"]}
        assert {image.StudyInstanceUID for image in slices} == {series["study"], mask(cohort, patient).StudyInstanceUID}
        assert len({image.SOPInstanceUID for image in slices}) == SLICES


def test_uids_are_hashes(planted: dict[str, Any]) -> None:
    uids = [uid for series in planted["series"].values() for key, uid in series.items() if key != "rois"]
    assert len(set(uids)) == len(uids) == 36
    assert all(uid.startswith("2.25.") and len(uid) <= 44 for uid in uids)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is missing (Debian package dicom3tools)")
def test_every_object_is_valid_dicom(cohort: Path) -> None:
    files = [
        file for patient in (cohort / "dicom").iterdir() for kind in patient.iterdir() for file in [min(kind.iterdir())]
    ]
    assert len(files) == 24
    for file in files:
        verdict = subprocess.run(["dciodvfy", file], capture_output=True, text=True, check=False).stderr
        lines = [line for line in verdict.splitlines() if line.startswith(("Error", "Warning"))]
        assert all("needed to build DICOMDIR - Study" in line for line in lines), (file, lines)


def test_hounsfield_units_are_those_of_a_chest(cohort: Path) -> None:
    image = images(cohort, "DEMO-003")[SLICES // 2]
    values = image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)
    assert values[0, 0] == pytest.approx(-1000, abs=40)
    assert np.percentile(values, 60) < -700 < 30 < np.percentile(values, 85)
    assert values.max() > 400


def test_the_planted_effect_is_in_the_pixels(cohort: Path, planted: dict[str, Any]) -> None:
    volumes, textures, survival = [], [], []
    for patient, effect in planted["effect"].items():
        if "SEG" not in planted["series"][patient]:
            continue
        slices = images(cohort, patient)
        lesion = segread(cohort / "dicom" / patient / "SEG" / "0001.dcm").get_pixels_by_source_instance(
            [image.SOPInstanceUID for image in slices], segment_numbers=[1], assert_missing_frames_are_empty=True
        )
        voxels = lesion[..., 0].astype(bool)
        stack = np.stack([image.pixel_array for image in slices])
        volumes.append(voxels.sum() * PIXEL_SPACING**2 * SLICE_SPACING)
        textures.append(stack[voxels].std())
        survival.append(effect["survival_days"])
        assert volumes[-1] == pytest.approx(effect["lesion_mm3"], rel=0.05)
    assert len(volumes) == 6
    assert stats.spearmanr(volumes, survival).statistic < -0.9
    assert stats.spearmanr(textures, survival).statistic < -0.9


def test_one_study_has_no_date(cohort: Path, planted: dict[str, Any]) -> None:
    dates = {patient: images(cohort, patient)[0].StudyDate for patient in planted["series"]}
    assert [patient for patient, date in dates.items() if not date] == planted["empty_study_date"]
    assert planted["empty_study_date"] == [f"DEMO-{UNDATED_PATIENT:03d}"]


def test_two_lesions_leave_out_their_core_in_two_ways(cohort: Path) -> None:
    keyhole = contours(mask(cohort, f"DEMO-{KEYHOLE_PATIENT:03d}"), 1)
    separate = contours(mask(cohort, f"DEMO-{SEPARATE_HOLE_PATIENT:03d}"), 1)
    assert len({outline[0, 2] for outline in keyhole}) == len(keyhole)
    assert len({len(outline) for outline in keyhole}) == 2
    assert len({outline[0, 2] for outline in separate}) < len(separate)


def test_the_planted_rois_are_wrong_in_their_way(cohort: Path, planted: dict[str, Any]) -> None:
    outside, empty = planted["rois"]
    assert (outside["name"], empty["name"]) == (OUTSIDE, EMPTY)
    edge = images(cohort, outside["patient"])[0].ImagePositionPatient[0] + PIXEL_SPACING * COLUMNS
    assert min(outline[:, 0].min() for outline in contours(mask(cohort, outside["patient"]), outside["number"])) > edge
    structures = mask(cohort, empty["patient"])
    assert {roi.ROINumber for roi in structures.StructureSetROISequence} == {1, empty["number"]}
    assert {roi.ReferencedROINumber for roi in structures.ROIContourSequence} == {1}


def test_each_planted_cell_stands_where_it_is_said_to(cohort: Path, planted: dict[str, Any]) -> None:
    lines = cells(cohort)
    assert len(lines) - 1 == planted["counts"]["rows"] == 13
    assert len({defect["code"] for defect in planted["table"]}) == 6
    for defect in planted["table"]:
        assert lines[defect["row"] - 1][lines[0].index(defect["column"])] == defect["value"]
        assert lines[defect["row"] - 1][0] == defect["record"]


def test_table_and_scans_miss_one_patient_each(cohort: Path, planted: dict[str, Any]) -> None:
    in_table = {line[0] for line in cells(cohort)[1:]}
    assert in_table - set(planted["series"]) == set(planted["unmatched"]["row_without_scan"]) == {"DEMO-013"}
    assert set(planted["series"]) - in_table == set(planted["unmatched"]["scan_without_row"]) == {"DEMO-012"}


def test_scan_and_row_agree_on_the_person(cohort: Path, planted: dict[str, Any]) -> None:
    wrong = {(defect["record"], defect["column"]) for defect in planted["table"]}
    header, *lines = cells(cohort)
    for line in lines:
        row = dict(zip(header, line, strict=True))
        patient = row["PatientID"]
        if patient not in planted["series"]:
            continue
        image = images(cohort, patient)[0]
        day, month, year = row["birth_date"].split(".")
        assert image.PatientID == patient
        assert image.PatientSex == row["sex"] or (patient, "sex") in wrong
        assert image.PatientBirthDate == year + month + day or (patient, "birth_date") in wrong


def test_the_workbook_holds_the_same_rows_as_numbers_and_dates(cohort: Path) -> None:
    sheet = load_workbook(cohort / "clinical.xlsx")[SHEET]
    found = [
        ["" if cell is None else f"{cell:%d.%m.%Y}" if hasattr(cell, "strftime") else str(cell) for cell in row]
        for row in sheet.iter_rows(values_only=True)
    ]
    assert found == cells(cohort)
    assert isinstance(sheet["N2"].value, int)
    assert sheet["C2"].is_date
