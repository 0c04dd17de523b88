"""A SEG on another grid of the same frame of reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from multimodal.imaging import MaskError, MaskFault, Reading, Volume, read_rois, read_volume
from multimodal.imaging.other_grid import Grid, laid
from multimodal.imaging.rasterise import fill, fill_covered
from tests.imaging.made import ct_images, seg, write

SHAPE = (8, 20, 22)
ALLOWED = Reading(resample=True)


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return read_volume(write(tmp_path / "ct", ct_images(np.zeros(SHAPE, dtype=np.int16), spacing=(2.0, 1.0, 1.0))))


def drawn_on(folder: Path, shape: tuple[int, int, int], box: tuple[slice, ...], **grid: object) -> Path:
    """Write a SEG of one box on a grid of its own."""
    masks = np.zeros(shape, dtype=np.uint8)
    masks[box] = 1
    seg(ct_images(np.zeros(shape, dtype=np.int16), **grid), masks).save_as(  # type: ignore[arg-type]
        folder / "seg.dcm", enforce_file_format=True
    )
    return folder / "seg.dcm"


def test_mirrored_rows_and_columns_are_laid_exactly(tmp_path: Path, volume: Volume) -> None:
    """The same voxels, written from the opposite corner and with rows and columns exchanged."""
    corner = volume.to_patient(np.array([[7.0, 19, 21]]))[0]  # rows x columns point down
    file = drawn_on(
        tmp_path, (8, 22, 20), np.s_[2:5, 1:4, 6:10], spacing=(2.0, 1.0, 1.0), origin=tuple(corner),
        rows_along=(0, -1, 0), columns_along=(-1, 0, 0),
    )  # fmt: skip
    [roi] = read_rois(file, volume)
    expected = np.zeros(SHAPE, dtype=bool)
    expected[3:6, 10:14, 18:21] = True
    assert np.array_equal(roi.in_full(SHAPE), expected)
    assert not any("resampled" in flag for flag in roi.flags)


def test_a_coarser_grid_is_refused_and_resampled_where_allowed(tmp_path: Path, volume: Volume) -> None:
    centre = volume.to_patient(np.array([[0.5, 0.5, 0.5]]))[0]
    file = drawn_on(
        tmp_path, (4, 10, 11), np.s_[1:3, 2:5, 3:7], spacing=(4.0, 2.0, 2.0), origin=tuple(centre)
    )  # each of its voxels covers 2 x 2 x 2 of the image
    with pytest.raises(MaskError, match="allow resampling") as caught:
        read_rois(file, volume)
    assert caught.value.fault is MaskFault.GRID
    [roi] = read_rois(file, volume, ALLOWED)
    expected = np.zeros(SHAPE, dtype=bool)
    expected[2:6, 4:10, 6:14] = True
    assert np.array_equal(roi.in_full(SHAPE), expected)
    assert roi.flags == ("mask resampled to the image's grid (nearest voxel)",)


def test_a_turned_grid_keeps_place_and_size(tmp_path: Path, volume: Volume) -> None:
    angle = np.deg2rad(30)
    row, column = (np.cos(angle), np.sin(angle), 0.0), (-np.sin(angle), np.cos(angle), 0.0)
    origin = volume.to_patient(np.array([[0.0, 1.0, 9.0]]))[0]
    file = drawn_on(
        tmp_path, (8, 20, 22), np.s_[1:6, 3:13, 3:13], spacing=(2.0, 1.0, 1.0), origin=tuple(origin), rows_along=row,
        columns_along=column,
    )  # fmt: skip
    [roi] = read_rois(file, volume, ALLOWED)
    assert roi.voxels == pytest.approx(5 * 100, rel=0.05)


@given(
    turn=st.lists(st.floats(-1, 1), min_size=9, max_size=9),
    spacing=st.tuples(*[st.floats(0.5, 2)] * 3),
    shift=st.tuples(*[st.floats(-4, 4)] * 3),
)
@settings(max_examples=25, deadline=None)
def test_every_voxel_takes_the_nearest_one_of_the_mask(
    turn: list[float], spacing: tuple[float, float, float], shift: tuple[float, float, float]
) -> None:
    turned, _ = np.linalg.qr(np.asarray(turn).reshape(3, 3) + 3 * np.eye(3))
    volume = Volume(
        np.zeros((6, 7, 8), dtype=np.float32), (1.0, 2.0, 3.0), (2.0, 1.0, 1.5), np.eye(3), *[""] * 6, "", "", (),
    )  # fmt: skip
    grid = Grid(np.asarray(volume.origin) + shift, turned * np.asarray(spacing))
    drawn = np.random.default_rng(0).random((5, 6, 7)) < 0.5
    found = laid(drawn, (0, 0, 0), grid, volume)
    expected = oracle(drawn, grid, volume)
    full = np.zeros(volume.shape, dtype=bool)
    if found.mask.size:
        full[tuple(slice(o, o + n) for o, n in zip(found.offset, found.mask.shape, strict=True))] = found.mask
    assert np.array_equal(full, expected)


def oracle(drawn: NDArray[np.bool_], grid: Grid, volume: Volume) -> NDArray[np.bool_]:
    """Ask each voxel of the image by itself."""
    expected = np.zeros(volume.shape, dtype=bool)
    for index in np.ndindex(volume.shape):
        place = volume.to_patient(np.asarray([index], dtype=float))[0]
        own = np.linalg.solve(grid.steps, place - grid.origin)
        nearest = tuple(int(v) for v in np.floor(own + 0.5 + 1e-9))
        if all(0 <= at < size for at, size in zip(nearest, drawn.shape, strict=True)):
            expected[index] = drawn[nearest]
    return expected


def test_the_share_of_a_fraction_is_a_choice(tmp_path: Path, volume: Volume) -> None:
    shares = np.zeros((*SHAPE, 1))
    shares[2:5, 4:8, 4:8, 0] = 0.4
    shares[3, 5:7, 5:7, 0] = 0.8
    images = ct_images(np.zeros(SHAPE, dtype=np.int16), spacing=(2.0, 1.0, 1.0))
    seg(images, shares, "FRACTIONAL", segments=1).save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    for share, voxels in ((0.5, 4), (0.3, 48)):
        [roi] = read_rois(tmp_path / "seg.dcm", volume, Reading(fraction=share))
        assert roi.voxels == voxels


def test_coverage_counts_the_area_and_not_the_centre() -> None:
    contour = np.array([[0.5, 0.75], [0.5, 3.75], [2.5, 3.75], [2.5, 0.75]])  # covers columns 1 to 3, and 1/4 of 4
    assert fill_covered([contour], 4, 6, 0.5)[1].tolist() == [False, True, True, True, False, False]
    assert fill_covered([contour], 4, 6, 0.25)[1].tolist() == [False, True, True, True, True, False]
    hole = np.array([[0.5, 1.5], [0.5, 2.5], [2.5, 2.5], [2.5, 1.5]])
    assert fill_covered([contour, hole], 4, 6, 0.5)[1].tolist() == [False, True, False, True, False, False]
    assert not fill_covered([contour - 50], 4, 6, 0.5).any()


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_coverage_differs_from_centres_at_the_border_only(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
    contour = np.array([8.0, 9.0]) + rng.uniform(3, 7) * np.stack([np.sin(angles), np.cos(angles)], axis=1)
    half, sure, some = (fill_covered([contour], 17, 18, share) for share in (0.5, 1.0, 1 / 64))
    centres = fill([contour], 17, 18)
    assert (sure <= half).all()
    assert (half <= some).all()
    assert (sure <= centres).all()
