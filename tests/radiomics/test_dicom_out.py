"""The SR and the derived SEG: what they say, that they repeat byte by byte, that a validator finds no error."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import highdicom
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import SegmentationStorage

from multimodal.imaging import Roi, Volume, read_rois, read_volume
from multimodal.radiomics import (
    RoiResult,
    extract,
    is_derived_by_us,
    load_profile,
    measurement_report,
    segmentation,
)
from multimodal.terminology.radiomics_codes import FEATURE_SCHEME, feature_code
from tests.imaging.made import ct_images, rtstruct, write

PROFILE = load_profile("pyradiomics-compat")


class Written(NamedTuple):
    """The files of one extraction, and the regions that have features."""

    seg: Path
    sr: Path
    measured: list[RoiResult]


@pytest.fixture
def structures(tmp_path: Path, volume: Volume) -> list[Roi]:
    """Return an RTSTRUCT of two overlapping regions with one between them that is empty."""
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)

    def disc(plane: int, row: float, column: float, radius: float) -> np.ndarray:
        flat = np.stack([np.full(40, plane), row + radius * np.sin(angles), column + radius * np.cos(angles)], axis=1)
        return volume.to_patient(flat)

    regions = {
        "GTV": [disc(z, 20, 24, 8) for z in range(4, 11)],
        "nothing": [],
        "PTV": [disc(z, 20, 25, 11) for z in range(3, 12)],
    }
    rtstruct(regions).save_as(tmp_path / "r.dcm", enforce_file_format=True)
    return read_rois(tmp_path / "r.dcm", volume)


def results_of(volume: Volume, rois: list[Roi]) -> list[RoiResult]:
    return extract(volume, rois, PROFILE)


def to_bytes(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_the_derived_seg_holds_the_measured_voxels(tmp_path: Path, volume: Volume, structures: list[Roi]) -> None:
    segmentation(volume, structures).save_as(tmp_path / "s.dcm", enforce_file_format=True)
    back = read_rois(tmp_path / "s.dcm", volume)
    drawn = [roi for roi in structures if roi.mask.size]
    assert [(roi.number, roi.name) for roi in back] == [(1, "GTV"), (2, "PTV")]
    for before, after in zip(drawn, back, strict=True):
        assert np.array_equal(before.in_full(volume.shape), after.in_full(volume.shape))
        assert before.tracking_uid == after.tracking_uid


def test_the_report_says_every_feature(volume: Volume, structures: list[Roi]) -> None:
    results = results_of(volume, structures)
    derived = segmentation(volume, structures)
    report = measurement_report(volume, results, PROFILE, derived)
    read = highdicom.sr.Comprehensive3DSR.from_dataset(report)
    groups = read.content.get_volumetric_roi_measurement_groups()
    measured = [result for result in results if result.features]
    assert len(groups) == len(measured) == 2
    for number, (group, result) in enumerate(zip(groups, measured, strict=True), start=1):
        reference = group.referenced_segment[0].ReferencedSOPSequence[0]
        assert reference.ReferencedSOPInstanceUID == derived.SOPInstanceUID
        assert reference.ReferencedSegmentNumber == number
        said = {m.name.value: (m.name.scheme_designator, m.value, m.unit.value) for m in group.get_measurements()}
        assert len(said) == 107
        assert sum(scheme == "IBSI" for scheme, _, _ in said.values()) == 102
        for feature in result.features:
            scheme, value, unit = said[feature.ibsi_code] if feature.ibsi_code else said[short(feature.name)]
            assert scheme == ("IBSI" if feature.ibsi_code else FEATURE_SCHEME)
            assert value == pytest.approx(feature.value, rel=1e-15)
            assert unit == feature.unit
    schemes = {item.CodingSchemeDesignator: item for item in report.CodingSchemeIdentificationSequence}
    assert schemes["IBSI"].CodingSchemeUID == "1.2.840.10008.2.16.13"
    assert FEATURE_SCHEME in schemes


def short(name: str) -> str:
    return {
        "original_firstorder_TotalEnergy": "TotalEnergy",
        "original_shape_Maximum2DDiameterSlice": "Max2DDiamSlice",
        "original_shape_Maximum2DDiameterColumn": "Max2DDiamColumn",
        "original_shape_Maximum2DDiameterRow": "Max2DDiamRow",
        "original_glcm_MCC": "GLCM_MCC",
    }[name]


def test_a_seg_that_was_measured_is_referenced_itself(volume: Volume, blob: Roi) -> None:
    report = measurement_report(volume, results_of(volume, [blob]), PROFILE)
    [group] = highdicom.sr.Comprehensive3DSR.from_dataset(report).content.get_volumetric_roi_measurement_groups()
    reference = group.referenced_segment[0].ReferencedSOPSequence[0]
    assert reference.ReferencedSOPClassUID == SegmentationStorage
    assert reference.ReferencedSOPInstanceUID == blob.mask_sop_uid
    assert group.tracking_uid == blob.tracking_uid


def test_identical_input_gives_identical_bytes(tmp_path: Path, volume: Volume, structures: list[Roi]) -> None:
    stored = (volume.array + 1000).astype(np.int16)
    again = read_volume(write(tmp_path / "again", ct_images(stored, spacing=(2.5, 0.9, 0.9))))
    written = []
    for image in (volume, again):
        derived = segmentation(image, structures)
        report = measurement_report(image, results_of(image, structures), PROFILE, derived)
        written.append((to_bytes(derived), to_bytes(report)))
        assert (report.ContentDate, report.ContentTime) == ("20200102", "030405")
        assert all(uid.startswith("2.25.") for uid in (report.SOPInstanceUID, derived.SOPInstanceUID))
    assert written[0] == written[1]


def test_other_values_make_another_report(volume: Volume, structures: list[Roi]) -> None:
    results = results_of(volume, structures)
    first = measurement_report(volume, results, PROFILE, segmentation(volume, structures))
    fewer = [RoiResult(r.roi, r.features[:50], r.failure) for r in results]
    second = measurement_report(volume, fewer, PROFILE, segmentation(volume, structures))
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.SeriesInstanceUID == second.SeriesInstanceUID


def test_what_we_wrote_is_recognised(volume: Volume, structures: list[Roi]) -> None:
    derived = segmentation(volume, structures)
    assert is_derived_by_us(derived)
    assert not is_derived_by_us(volume.headers[0])
    assert derived.SeriesDescription == "multimodal: RTSTRUCT as voxels"


@pytest.fixture(params=["ibsi", "pyradiomics-compat"])
def written(request: pytest.FixtureRequest, tmp_path: Path, volume: Volume, structures: list[Roi]) -> Written:
    """Return what an RTSTRUCT leaves behind, by both engines, as files."""
    profile = load_profile(request.param)
    results = extract(volume, structures, profile)
    derived = segmentation(volume, structures)
    report = measurement_report(volume, results, profile, derived)
    made = Written(tmp_path / "seg.dcm", tmp_path / "sr.dcm", [result for result in results if result.features])
    derived.save_as(made.seg, enforce_file_format=True)
    report.save_as(made.sr, enforce_file_format=True)
    return made


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not installed")
def test_dciodvfy_finds_no_error(written: Written) -> None:
    for file in (written.seg, written.sr):
        said = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, check=False).stderr
        assert [line for line in said.splitlines() if line.startswith("Error")] == []


def test_dcmqi_reads_every_measurement(written: Written, tmp_path: Path) -> None:
    """What Slicer's Quantitative Reporting reads by: every region, code, unit and value of the SR."""
    reader = Path(sys.executable).with_name("tid1500reader")
    subprocess.run(
        [reader, "--inputDICOM", written.sr, "--outputMetadata", tmp_path / "read.json"],
        capture_output=True, check=True,
    )  # fmt: skip
    groups = json.loads((tmp_path / "read.json").read_bytes())["Measurements"]
    assert len(groups) == len(written.measured) == 2
    for number, (group, result) in enumerate(zip(groups, written.measured, strict=True), start=1):
        assert group["TrackingIdentifier"] == result.roi.tracking_id
        assert group["TrackingUniqueIdentifier"] == result.roi.tracking_uid
        assert group["ReferencedSegment"] == number
        read = group["measurementItems"]
        assert len(read) == len(result.features) in (107, 174)
        for item, feature in zip(read, result.features, strict=True):
            code = feature_code(feature.name)
            said = item["quantity"]["CodingSchemeDesignator"], item["quantity"]["CodeValue"], item["units"]["CodeValue"]
            assert said == (code.scheme, code.short_code, feature.unit)
            # it reads the decimal string of 16 characters, not the float64 beside it
            assert float(item["value"]) == pytest.approx(feature.value, rel=1e-9)
