from __future__ import annotations

from pathlib import Path

import pydicom

from multimodal.imaging.references import referenced_series


def series_of(folder: Path) -> set[str]:
    return {str(pydicom.dcmread(file, stop_before_pixels=True).SeriesInstanceUID) for file in folder.glob("*.dcm")}


def test_seg_and_rtstruct_name_the_series_they_were_drawn_on(cohort: Path) -> None:
    kinds = set()
    for patient in sorted((cohort / "dicom").iterdir()):
        for kind in ("SEG", "RTSTRUCT"):
            for folder in {file.parent for file in (patient / kind).rglob("*.dcm")}:
                found = referenced_series(folder)
                assert len(found) == 1
                kinds.add(kind)
                if (patient / "CT").is_dir():
                    assert set(found) <= series_of(patient / "CT")
    assert kinds == {"SEG", "RTSTRUCT"}


def test_images_refer_to_no_series(cohort: Path) -> None:
    folder = next((cohort / "dicom").glob("*/CT"))
    assert referenced_series(folder) == []


def test_an_empty_folder_refers_to_none(tmp_path: Path) -> None:
    assert referenced_series(tmp_path) == []
