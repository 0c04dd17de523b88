"""Series with a gap or a tilt: cut to the even run, or laid on a straight grid where the user allows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from multimodal.imaging import FailureReason, Reading, VolumeError, VolumeFault, read_rois, read_volume
from tests.imaging.made import ct_images, rtstruct, seg, write

SHAPE = (10, 12, 14)
SQUARE = np.array([[2.5, 2.5], [2.5, 8.5], [8.5, 8.5], [8.5, 2.5]])
ALLOWED = Reading(resample=True)


@pytest.fixture
def images() -> list[Dataset]:
    """Return slices whose intensity is linear in the patient's z and x, so that linear resampling is exact."""
    plane, _, column = np.indices(SHAPE)
    return ct_images((30 * plane + 8 * column).astype(np.int16))


def tilted(images: list[Dataset]) -> list[Dataset]:
    for index, image in enumerate(images):
        image.ImagePositionPatient[0] += index * 0.4  # half a column a slice
    return images


def test_a_gap_cuts_the_series_and_says_so(tmp_path: Path, images: list[Dataset]) -> None:
    del images[6]
    volume = read_volume(write(tmp_path, images))
    assert volume.shape == (6, 12, 14)
    assert volume.cut == pytest.approx((7, 8, 9))
    assert volume.warnings == (
        "slices are not evenly spaced: 6 mm instead of 3 mm after slice 6 of 9 (1 such place(s)): "
        "cut to slices 1 to 6, regions beyond are not measured",
    )


def test_a_region_beyond_the_gap_fails_and_one_before_it_is_whole(tmp_path: Path, images: list[Dataset]) -> None:
    whole = read_volume(write(tmp_path / "whole", images))
    masks = np.zeros((*SHAPE, 2), dtype=np.uint8)
    masks[1:4, 3:9, 3:9, 0] = masks[4:8, 3:9, 3:9, 1] = 1
    seg(images, masks).save_as(tmp_path / "seg.dcm", enforce_file_format=True)

    def outline(plane: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return whole.to_patient(np.column_stack([np.full(4, plane), SQUARE]))

    regions = {"before": [outline(z) for z in (1, 2, 3)], "across": [outline(z) for z in (4, 5, 6, 7)]}
    rtstruct(regions).save_as(tmp_path / "rt.dcm", enforce_file_format=True)
    del images[6]
    volume = read_volume(write(tmp_path / "cut", images))
    for file in ("seg.dcm", "rt.dcm"):
        before, across = read_rois(tmp_path / file, volume)
        assert (before.failure, before.voxels) == (None, 3 * 36)
        assert across.failure is not None
        assert across.failure.reason is FailureReason.GAP
        assert across.mask.size == 0


def test_a_gap_is_filled_where_that_is_allowed(tmp_path: Path, images: list[Dataset]) -> None:
    even = read_volume(write(tmp_path / "even", images))
    del images[6]
    volume = read_volume(write(tmp_path / "gap", images), ALLOWED)
    assert volume.resampled
    assert volume.shape == SHAPE
    assert np.allclose(volume.array, even.array, atol=1e-3)
    assert len(volume.headers) == len(volume.sop_uids) == SHAPE[0]
    assert "resampled to even slices of 3 mm" in volume.warnings[0]
    assert not volume.integral


def test_a_tilt_is_refused_and_straightened_where_that_is_allowed(tmp_path: Path, images: list[Dataset]) -> None:
    folder = write(tmp_path, tilted(images))
    with pytest.raises(VolumeError, match="if resampling is allowed") as caught:
        read_volume(folder)
    assert caught.value.fault is VolumeFault.TILT
    volume = read_volume(folder, ALLOWED)
    assert volume.shape == (10, 12, 14 + 5)  # 9 slices of half a column
    z, x = 4, np.arange(4, 14)
    assert np.allclose(volume.array[z, 6, x], 30 * z + 8 * (x - z / 2) - 1000, atol=1e-3)
    assert volume.origin == (-11.3, 7.7, 21.9)
    assert [h.Columns for h in volume.headers] == [19] * 10


def test_contours_of_a_tilted_series_keep_their_voxels(tmp_path: Path, images: list[Dataset]) -> None:
    volume = read_volume(write(tmp_path / "ct", tilted(images)), ALLOWED)
    drawn = {
        plane: volume.to_patient(np.column_stack([np.full(4, plane), SQUARE + np.array([0, plane / 2])]))
        for plane in (2, 4)
    }
    rtstruct({"A": list(drawn.values())}).save_as(tmp_path / "rt.dcm", enforce_file_format=True)
    [roi] = read_rois(tmp_path / "rt.dcm", volume)
    full = roi.in_full(volume.shape)
    assert full[2, 3:9, 4:10].all()
    assert full[4, 3:9, 5:11].all()
    assert roi.voxels == 72


def test_a_series_in_pieces_is_refused(tmp_path: Path, images: list[Dataset]) -> None:
    with pytest.raises(VolumeError, match="is the series complete") as caught:
        read_volume(write(tmp_path, [images[i] for i in (0, 1, 2, 5, 6, 8, 9)]))
    assert caught.value.fault is VolumeFault.GAP


def test_a_place_far_away_is_not_filled_up_to(tmp_path: Path, images: list[Dataset]) -> None:
    images[9].ImagePositionPatient[2] += 1e6
    with pytest.raises(VolumeError, match="too much to fill in") as caught:
        read_volume(write(tmp_path / "along", images), ALLOWED)
    assert caught.value.fault is VolumeFault.GAP
    images[9].ImagePositionPatient[2] -= 1e6
    images[9].ImagePositionPatient[0] += 1e6
    with pytest.raises(VolumeError, match="no gantry tilts so far") as caught:
        read_volume(write(tmp_path / "across", images), ALLOWED)
    assert caught.value.fault is VolumeFault.TILT
