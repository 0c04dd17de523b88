"""Features: equal to pyradiomics on the full image, and nothing in place of a failure."""

from __future__ import annotations

import csv
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from radiomics.featureextractor import RadiomicsFeatureExtractor

from multimodal.imaging import Roi, Volume, read_rois, read_volume
from multimodal.radiomics import (
    FailureReason,
    Profile,
    RoiResult,
    extract,
    extraction,
    load_profile,
    write_features_csv,
)
from multimodal.radiomics.engine import compute
from tests.imaging.made import ct_images, seg, write
from tests.radiomics.conftest import ellipsoid, roi_of

EXCESS, PLAIN = "original_firstorder_ExcessKurtosis", "original_firstorder_Kurtosis"


pytestmark = pytest.mark.filterwarnings("ignore:.*unlikely to represent the intended person name")


@pytest.fixture(scope="session")
def compat() -> Profile:
    return load_profile("pyradiomics-compat")


def values(result: RoiResult) -> dict[str, float]:
    return {feature.name: feature.value for feature in result.features}


def full_image(volume: Volume, roi: Roi, **settings: Any) -> dict[str, float]:
    """Return what pyradiomics itself makes of the whole image."""
    extractor = RadiomicsFeatureExtractor(additionalInfo=False, **settings)
    intensities = volume.array.astype(np.int16) if volume.integral else volume.array
    image = SimpleITK.GetImageFromArray(intensities)
    mask = SimpleITK.GetImageFromArray(roi.in_full(volume.shape).astype(np.uint8))
    for each in (image, mask):
        each.SetSpacing(volume.spacing[::-1])
    found = {name: float(value) for name, value in extractor.execute(image, mask).items()}
    return {EXCESS if name == PLAIN else name: v - 3 if name == PLAIN else v for name, v in found.items()}


def assert_equal(ours: dict[str, float], theirs: dict[str, float], rel: float) -> None:
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, rel=rel, abs=1e-12), name


def test_equal_to_the_full_image(volume: Volume, blob: Roi, compat: Profile) -> None:
    [result] = extract(volume, [blob], compat)
    assert len(result.features) == 107
    assert sum(feature.ibsi_code is not None for feature in result.features) == 102
    assert_equal(values(result), full_image(volume, blob), 1e-10)


def test_equal_on_the_ibsi_phantom_by_contours_and_by_segment(
    public_data: Path, tmp_path: Path, compat: Profile
) -> None:
    phantom = public_data / "ibsi/ibsi_1_ct_radiomics_phantom/dicom"
    volume = read_volume(phantom / "image")
    [drawn] = read_rois(next((phantom / "mask").glob("*.dcm")), volume)
    images = [replace_missing(header) for header in volume.headers]
    seg(images, drawn.in_full(volume.shape).astype(np.uint8)).save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    [segment] = read_rois(tmp_path / "seg.dcm", volume)
    assert segment.offset == drawn.offset
    assert np.array_equal(segment.mask, drawn.mask)
    by_contour, by_segment = extract(volume, [drawn, segment], compat)
    assert_equal(values(by_contour), full_image(volume, drawn), 1e-10)
    assert values(by_segment) == values(by_contour)


def replace_missing(header: Any) -> Any:
    for keyword in ("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate", "StudyTime"):
        if keyword not in header:
            setattr(header, keyword, "")
    return header


def test_the_ibsi_digital_phantom(public_data: Path, tmp_path: Path) -> None:
    """Native features against the reference values: equal when rounded to three digits, within the tolerance."""
    folder = public_data / "ibsi/ibsi_1_digital_phantom/nifti"
    image, mask = (
        np.asarray(nibabel.load(next((folder / part).glob("*.nii*"))).dataobj).transpose(2, 1, 0)
        for part in ("image", "mask")
    )
    stored = ct_images(image.astype(np.int16), spacing=(2.0, 2.0, 2.0), intercept=0)
    volume = read_volume(write(tmp_path / "ct", stored))
    compat = load_profile("pyradiomics-compat")
    levels = replace(compat, settings={**compat.settings, "discretisation": {"method": "fixed-bin-width", "width": 1}})
    with (public_data / "ibsi/pyradiomics_ibsi_codes.csv").open(encoding="utf-8") as file:
        native = {
            row["pyradiomics_feature"] for row in csv.DictReader(file) if row["digital_phantom_matches_ibsi"] == "yes"
        }
    reference = reference_values(public_data)
    checked = 0
    for feature in compute(volume, roi_of(mask > 0), levels).features:
        if feature.name in native or feature.name == EXCESS:
            expected, tolerance = reference[feature.ibsi_code, feature.aggregation]
            assert abs(float(f"{feature.value:.3g}") - expected) <= tolerance + 1e-9, feature.name
            checked += 1
    assert checked == 100


def reference_values(public_data: Path) -> dict[tuple[str | None, str | None], tuple[float, float]]:
    words = {"": None, "3D, averaged": "ITBB", "3D": "KOBO"}
    with (public_data / "ibsi/ibsi1_reference_values.csv").open(encoding="utf-8") as file:
        return {
            (row["code"], words[row["aggregation"]]): (float(row["value"]), float(row["tolerance"]))
            for row in csv.DictReader(file)
            if row["dataset"] == "dig" and row["aggregation"] in words and row["value"] and row["diag"] == "False"
        }


def test_resampling_keeps_the_full_images_grid(volume: Volume, blob: Roi, compat: Profile) -> None:
    settings = {**compat.settings, "resampling": {"spacing": [1.3, 1.3, 3], "interpolator": "bspline"}}
    profile = replace(compat, settings=settings)
    theirs = full_image(volume, blob, resampledPixelSpacing=[1.3, 1.3, 3], interpolator="sitkBSpline")
    assert_equal(values(compute(volume, blob, profile)), theirs, 1e-10)


def test_processes_change_nothing(volume: Volume, compat: Profile) -> None:
    rois = [roi_of(ellipsoid(volume.shape, (9, 20, 25), (r, r * 2, r * 2)), r) for r in (2, 5, 3, 4)]
    told: list[tuple[str, int, int | None]] = []
    several = extract(volume, rois, compat, processes=2, progress=lambda *told_now: told.append(told_now))
    assert [result.roi.number for result in several] == [2, 5, 3, 4]
    assert [values(result) for result in several] == [values(result) for result in extract(volume, rois, compat)]
    assert told == [("ROIs", n, 4) for n in (1, 2, 3, 4)]


def test_a_failing_region_is_a_failure_and_no_number(volume: Volume, blob: Roi, compat: Profile) -> None:
    one = np.zeros(volume.shape, dtype=bool)
    one[3, 4, 5] = True
    line = np.zeros(volume.shape, dtype=bool)
    line[3, 4, 5:30] = True
    results = extract(volume, [roi_of(one, 1), blob, roi_of(line, 2)], compat)
    assert [len(result.features) for result in results] == [0, 107, 0]
    assert [r.failure.reason if r.failure else None for r in results] == [
        FailureReason.TOO_SMALL, None, FailureReason.TOO_SMALL,
    ]  # fmt: skip
    assert results[2].failure is not None
    assert results[2].failure.message == "25 voxels in 1 dimension(s), the profile asks for 2"


def test_a_dying_process_fails_one_region(
    volume: Volume, blob: Roi, compat: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deadly(image: Volume, roi: Roi, profile: Profile) -> RoiResult:
        return os._exit(9) if roi.number == 3 else compute(image, roi, profile)

    monkeypatch.setattr(extraction, "compute", deadly)
    results = extract(volume, [replace(blob, number=n) for n in range(1, 6)], compat, processes=2)
    assert [len(result.features) for result in results] == [107, 107, 0, 107, 107]
    assert results[2].failure is not None
    assert results[2].failure.message.startswith("the process that computed it died")


def test_an_engine_error_is_a_failure(volume: Volume, blob: Roi, compat: Profile) -> None:
    settings = {**compat.settings, "discretisation": {"method": "fixed-bin-width", "width": 0.001}}
    result = compute(volume, blob, replace(compat, settings=settings))
    assert result.features == ()
    assert result.failure is not None
    assert result.failure.reason is FailureReason.ENGINE
    assert "choose a wider one" in result.failure.message


def test_what_has_no_value_is_left_out_and_said(volume: Volume, compat: Profile) -> None:
    flat = replace(volume, array=np.zeros_like(volume.array))
    result = compute(flat, roi_of(ellipsoid(volume.shape, (9, 20, 25), (3, 6, 6))), compat)
    assert all(math.isfinite(feature.value) for feature in result.features)
    assert "original_glcm_JointEntropy" in values(result)
    assert set(result.missing).isdisjoint(values(result))
    assert len(result.features) + len(result.missing) == 107
    assert bool(result.missing) == any(flag.startswith("no value") for flag in result.flags)


def test_infinity_never_leaves(volume: Volume, blob: Roi, compat: Profile) -> None:
    broken = volume.array.copy()
    broken[9, 22, 34] = np.inf
    result = compute(replace(volume, array=broken), blob, compat)
    assert all(math.isfinite(feature.value) for feature in result.features)
    assert result.failure is not None or result.missing


def test_units_follow_the_modality(volume: Volume, blob: Roi, compat: Profile) -> None:
    by_modality = {
        modality: {f.name: f.unit for f in compute(replace(volume, modality=modality), blob, compat).features}
        for modality in ("CT", "MR")
    }
    assert by_modality["CT"]["original_firstorder_Mean"] == "[hnsf'U]"
    assert by_modality["MR"]["original_firstorder_Mean"] == "{intensity}"
    assert by_modality["MR"]["original_shape_MeshVolume"] == "mm3"


def test_kurtosis_as_pyradiomics_has_it(volume: Volume, blob: Roi, compat: Profile) -> None:
    plain = replace(compat, settings={**compat.settings, "kurtosis": "pyradiomics"})
    by_code = {feature.name: feature for feature in compute(volume, blob, plain).features}
    assert EXCESS not in by_code
    assert by_code[PLAIN].ibsi_code is None
    assert by_code[PLAIN].value - 3 == values(compute(volume, blob, compat))[EXCESS]


def test_features_csv(tmp_path: Path, volume: Volume, blob: Roi, compat: Profile) -> None:
    results = extract(volume, [blob], compat)
    assert write_features_csv(tmp_path / "f.csv", volume, results, compat) == 107
    with (tmp_path / "f.csv").open(encoding="utf-8") as file:
        rows = {row["feature"]: row for row in csv.DictReader(file)}
    assert {name: float(row["value"]) for name, row in rows.items()} == values(results[0])
    entropy = rows["original_glcm_JointEntropy"]
    assert (entropy["ibsi_code"], entropy["aggregation"], entropy["discretisation"]) == (
        "TU9B",
        "3D, averaged",
        "FBS 25",
    )
    assert rows["original_shape_MeshVolume"]["discretisation"] == ""
    assert {row["settings"] for row in rows.values()} == {compat.sha256}
