"""SEG -> voxels, from objects written by highdicom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from multimodal.imaging import FailureReason, MaskError, MaskFault, Volume, read_rois, read_volume
from multimodal.model.ids import hash_uid
from tests.imaging.made import ct_images, seg, write

SHAPE = (7, 14, 17)


@pytest.fixture
def images() -> list[Dataset]:
    return ct_images(np.zeros(SHAPE, dtype=np.int16), rows_along=(0.8, 0.6, 0.0), columns_along=(-0.36, 0.48, 0.8))


@pytest.fixture
def volume(tmp_path: Path, images: list[Dataset]) -> Volume:
    return read_volume(write(tmp_path / "ct", images))


@pytest.fixture
def masks() -> NDArray[np.uint8]:
    """Return three segments: two overlap, one has empty slices between its voxels."""
    drawn = np.zeros((*SHAPE, 3), dtype=np.uint8)
    drawn[1:5, 3:9, 4:11, 0] = 1
    drawn[3:6, 6:12, 8:15, 1] = 1
    drawn[[0, 6], 2:5, 2:4, 2] = 1
    return drawn


def save(folder: Path, dataset: Dataset) -> Path:
    dataset.save_as(folder / "seg.dcm", enforce_file_format=True)
    return folder / "seg.dcm"


def test_overlapping_segments(tmp_path: Path, images: list[Dataset], volume: Volume, masks: NDArray[np.uint8]) -> None:
    rois = read_rois(save(tmp_path, seg(images, masks)), volume)
    assert [roi.number for roi in rois] == [1, 2, 3]
    for index, roi in enumerate(rois):
        assert np.array_equal(roi.in_full(SHAPE), masks[..., index].astype(bool))
    assert rois[0].mask.shape == (4, 6, 7)
    assert rois[0].offset == (1, 3, 4)
    assert (rois[0].tracking_id, rois[0].tracking_uid) == ("t1", hash_uid("track", "1"))
    assert rois[0].property_type is not None
    assert rois[0].property_type.meaning == "Liver"
    assert rois[2].flags == ("only 12 voxels", "touches the image border")


def test_fractions_from_a_half_on(
    tmp_path: Path, images: list[Dataset], volume: Volume, masks: NDArray[np.uint8]
) -> None:
    fractions = masks[..., :1] * 0.5
    fractions[2, 4, 5, 0] = 0.49
    [roi] = read_rois(save(tmp_path, seg(images, fractions, "FRACTIONAL")), volume)
    expected = masks[..., 0].astype(bool)
    expected[2, 4, 5] = False
    assert np.array_equal(roi.in_full(SHAPE), expected)


def test_a_label_map(tmp_path: Path, images: list[Dataset], volume: Volume) -> None:
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[1:3, 2:6, 3:9], labels[4:6, 5:9, 9:12] = 1, 2
    rois = read_rois(save(tmp_path, seg(images, labels, "LABELMAP")), volume)
    assert [roi.number for roi in rois] == [1, 2]
    for roi in rois:
        assert np.array_equal(roi.in_full(SHAPE), labels == roi.number)


def test_an_empty_segment_fails_alone(
    tmp_path: Path, images: list[Dataset], volume: Volume, masks: NDArray[np.uint8]
) -> None:
    masks[..., 1] = 0
    first, second, _ = read_rois(save(tmp_path, seg(images, masks)), volume)
    assert first.failure is None
    assert second.failure is not None
    assert second.failure.reason is FailureReason.EMPTY


def shifted(dataset: Dataset, slices: float) -> Dataset:
    """Move a SEG of these tests along the normal."""
    normal = np.cross((0.8, 0.6, 0.0), (-0.36, 0.48, 0.8))
    planes = [groups.PlanePositionSequence[0] for groups in dataset.PerFrameFunctionalGroupsSequence]
    for plane in {id(plane): plane for plane in planes}.values():  # segments share the object where they overlap
        plane.ImagePositionPatient = [
            round(float(v), 6) for v in np.asarray(plane.ImagePositionPatient, dtype=float) + slices * 3.0 * normal
        ]
    return dataset


def test_a_segment_outside_the_image(
    tmp_path: Path, images: list[Dataset], volume: Volume, masks: NDArray[np.uint8]
) -> None:
    first, _, third = read_rois(save(tmp_path, shifted(seg(images, masks), 4)), volume)
    assert first.voxels == 2 * 42  # two of its four slices
    assert "84 voxel(s) outside the image" in first.flags
    assert third.voxels == 6
    [gone, *_] = read_rois(save(tmp_path, shifted(seg(images, masks), 40)), volume)
    assert gone.failure is not None
    assert gone.failure.reason is FailureReason.OUTSIDE


def test_another_grid_is_refused(
    tmp_path: Path, images: list[Dataset], volume: Volume, masks: NDArray[np.uint8]
) -> None:
    with pytest.raises(MaskError, match="voxels off the grid") as caught:
        read_rois(save(tmp_path, shifted(seg(images, masks), 0.4)), volume)
    assert caught.value.fault is MaskFault.GRID
    straight = seg(ct_images(np.zeros(SHAPE, dtype=np.int16)), masks)
    with pytest.raises(MaskError, match="turned") as caught:
        read_rois(save(tmp_path, straight), volume)
    assert caught.value.fault is MaskFault.GRID


def test_another_frame_of_reference_is_refused(
    tmp_path: Path, images: list[Dataset], volume: Volume, masks: NDArray[np.uint8]
) -> None:
    dataset = seg(images, masks)
    dataset.FrameOfReferenceUID = hash_uid("elsewhere")
    with pytest.raises(MaskError, match="frame of reference") as caught:
        read_rois(save(tmp_path, dataset), volume)
    assert caught.value.fault is MaskFault.FRAME_OF_REFERENCE


def test_truncated_pixels_are_refused(
    tmp_path: Path, images: list[Dataset], volume: Volume, masks: NDArray[np.uint8]
) -> None:
    dataset = seg(images, masks)
    dataset.PixelData = dataset.PixelData[:20]
    with pytest.raises(MaskError) as caught:
        read_rois(save(tmp_path, dataset), volume)
    assert caught.value.fault is MaskFault.CONTENT
