"""Enhanced multi-frame images are read as the single frames they could have been."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, UltrasoundMultiFrameImageStorage

from multimodal.imaging import VolumeError, VolumeFault, read_rois, read_volume
from multimodal.model.ids import hash_uid
from tests.imaging.made import ct_images, enhanced, seg, write

SHAPE = (6, 9, 11)
STORED = np.random.default_rng(2).integers(0, 900, SHAPE, dtype=np.int16)


@pytest.fixture
def images() -> list[Dataset]:
    return ct_images(STORED, rows_along=(0.8, 0.6, 0.0), columns_along=(-0.36, 0.48, 0.8))


def test_frames_are_sorted_and_rescaled_each_by_its_own(tmp_path: Path, images: list[Dataset]) -> None:
    whole = enhanced(images, [3, 0, 5, 1, 4, 2])
    volume = read_volume(write(tmp_path / "mr", [whole]))
    per_slice = np.arange(6, dtype=np.float32)[:, None, None]
    assert np.array_equal(volume.array, STORED * (1 + per_slice) - per_slice)
    assert volume.sop_class_uid == EnhancedMRImageStorage
    assert set(volume.sop_uids) == {hash_uid("enhanced")}
    assert volume.spacing == (3.0, 0.9, 0.8)


def test_a_segmentation_lies_on_the_frames(tmp_path: Path, images: list[Dataset]) -> None:
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[1:4, 2:6, 3:9] = 1
    seg(images, labels).save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    [roi] = read_rois(tmp_path / "seg.dcm", read_volume(write(tmp_path / "mr", [enhanced(images, list(range(6)))])))
    assert np.array_equal(roi.in_full(SHAPE), labels == 1)


def test_several_phases_in_one_object_are_refused(tmp_path: Path, images: list[Dataset]) -> None:
    whole = enhanced(images, [0, 1, 2, 3, 4, 2])
    for keyword in ("RescaleSlope", "RescaleIntercept"):
        for groups in whole.PerFrameFunctionalGroupsSequence:
            setattr(groups.PixelValueTransformationSequence[0], keyword, 1)
    whole.PixelData = whole.PixelData[:-2] + b"\x07\x07"
    with pytest.raises(VolumeError) as caught:
        read_volume(write(tmp_path, [whole]))
    assert caught.value.fault is VolumeFault.DUPLICATE


def test_frames_without_a_place_and_lost_frames_are_refused(tmp_path: Path, images: list[Dataset]) -> None:
    ultrasound = enhanced(images, list(range(6)))
    ultrasound.SOPClassUID = UltrasoundMultiFrameImageStorage
    with pytest.raises(VolumeError, match="no enhanced CT, MR or PET") as caught:
        read_volume(write(tmp_path / "us", [ultrasound]))
    assert caught.value.fault is VolumeFault.UNSUPPORTED
    short = enhanced(images, list(range(6)))
    del short.PerFrameFunctionalGroupsSequence[5]
    with pytest.raises(VolumeError, match="describes 5 frames and holds 6") as caught:
        read_volume(write(tmp_path / "short", [short]))
    assert caught.value.fault is VolumeFault.PIXELS
    cut = enhanced(images, list(range(6)))
    cut.PixelData = cut.PixelData[:100]
    with pytest.raises(VolumeError, match="cannot be decoded"):
        read_volume(write(tmp_path / "cut", [cut]))
