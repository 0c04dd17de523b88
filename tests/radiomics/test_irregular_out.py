"""SR and derived SEG of what is not one image per slice: enhanced multi-frame, resampled series; PET in SUV."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import highdicom
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage

from multimodal.imaging import Reading, Roi, Volume, read_rois, read_volume
from multimodal.model.features import Feature
from multimodal.model.ids import hash_uid
from multimodal.radiomics import RoiResult, load_profile, measurement_report, segmentation
from multimodal.radiomics.suv_units import in_suv
from tests.imaging.made import ct_images, enhanced, rtstruct, write

SHAPE = (8, 16, 18)
PROFILE = load_profile("pyradiomics-compat")
SQUARE = np.array([[2.5, 3.5], [2.5, 9.5], [10.5, 9.5], [10.5, 3.5]])
VOLUME = Feature("original_shape_MeshVolume", 12.5, "mm3", "RNU0", "Volume (mesh)")


def stored() -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    return np.random.default_rng(4).integers(0, 900, SHAPE, dtype=np.int16)


def regions(folder: Path, volume: Volume) -> list[Roi]:
    drawn = [volume.to_patient(np.column_stack([np.full(4, plane), SQUARE])) for plane in (2, 3, 4, 5)]
    rtstruct({"A": drawn}).save_as(folder / "rt.dcm", enforce_file_format=True)
    return read_rois(folder / "rt.dcm", volume)


def multi_frame(folder: Path) -> Volume:
    return read_volume(write(folder / "mr", [enhanced(ct_images(stored()), [3, 0, 5, 7, 1, 4, 6, 2])]))


def straightened(folder: Path) -> Volume:
    images = ct_images(stored())
    for index, image in enumerate(images):
        image.ImagePositionPatient[1] += index * 0.3
    del images[6]
    return read_volume(write(folder / "ct", images), Reading(resample=True))


def written(folder: Path, volume: Volume) -> tuple[list[Roi], Dataset, Dataset]:
    rois = regions(folder, volume)
    derived = segmentation(volume, rois)
    report = measurement_report(volume, [RoiResult(roi, (VOLUME,)) for roi in rois], PROFILE, derived)
    return rois, derived, report


@pytest.mark.parametrize("make", [multi_frame, straightened])
def test_the_derived_seg_holds_the_measured_voxels(tmp_path: Path, make: object) -> None:
    volume = make(tmp_path)  # type: ignore[operator]
    rois, derived, report = written(tmp_path, volume)
    derived.save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    [back] = read_rois(tmp_path / "seg.dcm", volume)
    assert rois[0].voxels == 4 * 8 * 6
    assert np.array_equal(back.in_full(volume.shape), rois[0].in_full(volume.shape))
    [group] = highdicom.sr.Comprehensive3DSR.from_dataset(report).content.get_volumetric_roi_measurement_groups()
    assert [m.value for m in group.get_measurements()] == [12.5]
    assert volume.warnings or make is multi_frame
    for told in volume.warnings:  # what was resampled is in the report
        assert told in report.to_json()


def test_a_seg_of_an_enhanced_image_names_its_frames(tmp_path: Path) -> None:
    volume = multi_frame(tmp_path)
    _, derived, report = written(tmp_path, volume)
    sources = [
        groups.DerivationImageSequence[0].SourceImageSequence[0] for groups in derived.PerFrameFunctionalGroupsSequence
    ]
    assert {str(source.ReferencedSOPInstanceUID) for source in sources} == {hash_uid("enhanced")}
    assert {str(source.ReferencedSOPClassUID) for source in sources} == {EnhancedMRImageStorage}
    assert sorted(int(source.ReferencedFrameNumber) for source in sources) == [1, 3, 6, 8]  # slices 3, 5, 4, 2
    [instance] = derived.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert instance.ReferencedSOPClassUID == EnhancedMRImageStorage
    evidence = [
        str(one.ReferencedSOPInstanceUID)
        for series in report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    ]
    assert sorted(evidence) == sorted({hash_uid("enhanced"), str(derived.SOPInstanceUID)})


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not installed")
@pytest.mark.parametrize("make", [multi_frame, straightened])
def test_dciodvfy_finds_no_error(tmp_path: Path, make: object) -> None:
    _, derived, report = written(tmp_path, make(tmp_path))  # type: ignore[operator]
    for name, dataset in (("seg", derived), ("sr", report)):
        dataset.save_as(tmp_path / f"{name}.dcm", enforce_file_format=True)
        said = subprocess.run(
            ["dciodvfy", str(tmp_path / f"{name}.dcm")], capture_output=True, text=True, check=False
        ).stderr
        assert [line for line in said.splitlines() if line.startswith("Error")] == []


def test_intensities_of_pet_are_in_suv(tmp_path: Path) -> None:
    images = ct_images(stored())
    for image in images:
        image.Modality, image.Units = "PT", "GML"
    volume = read_volume(write(tmp_path / "pt", images))
    units = ["{intensity}", "{intensity2}", "mm3.{intensity2}", "mm", "1"]
    features = tuple(Feature(f"original_x_{n}", 1.0, unit, None, "x") for n, unit in enumerate(units))
    result = in_suv(RoiResult(regions(tmp_path, volume)[0], features), volume)
    assert [f.unit for f in result.features] == [
        "g/ml{SUVbw}", "g2/ml2{SUVbw}", "mm3.g2/ml2{SUVbw}", "mm", "1",
    ]  # fmt: skip
