"""Uneven or tilted slices -> an even, straight grid, where the user allows it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from scipy import ndimage

from multimodal.imaging.geometry import Slice, Stack

_SAME = 1e-6  # voxels; a difference of decimal positions is no shift


def straightened(
    array: NDArray[np.float32], stack: Stack
) -> tuple[NDArray[np.float32], NDArray[np.float64], tuple[Dataset, ...]]:
    """Return the pixels on the even, straight grid of `stack`, its origin, and a header for each slice of it.

    Parameters
    ----------
    array : NDArray[float32]
        The rescaled pixels of ``stack.slices``.
    stack : Stack
        Slices of one orientation, uneven along the normal or shifted in their planes.

    Notes
    -----
    Linear, within the planes and then between them; beyond a plane's border its last voxel stands. Each header is that
    of the nearest image, at the new place.
    """
    slices, (step, between_rows, between_columns) = stack.slices, stack.spacing
    places = np.stack([s.position for s in slices])
    first = slices[0]
    along_rows = places @ first.row / between_columns  # in voxels
    along_columns = places @ first.column / between_rows
    heights = places @ first.normal
    planes = _shifted(array, along_columns - along_columns.min(), along_rows - along_rows.min())
    count = int(np.floor((heights[-1] - heights[0]) / step + _SAME)) + 1
    targets = heights[0] + step * np.arange(count)
    origin = (
        first.position
        + (along_rows.min() - along_rows[0]) * between_columns * first.row
        + (along_columns.min() - along_columns[0]) * between_rows * first.column
    )
    grid = np.empty((count, *planes.shape[1:]), dtype=np.float32)
    headers = []
    for number, target in enumerate(targets):
        above = min(max(int(np.searchsorted(heights, target)), 1), len(heights) - 1)
        share = np.clip((target - heights[above - 1]) / (heights[above] - heights[above - 1]), 0.0, 1.0)
        grid[number] = (1 - share) * planes[above - 1] + share * planes[above]
        nearest = slices[above if share >= 0.5 else above - 1]
        headers.append(_header(nearest, origin + number * step * first.normal, grid.shape[1:]))
    return grid, origin, tuple(headers)


def _shifted(array: NDArray[np.float32], down: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the planes, each moved by its own shift (voxels), in a matrix that holds all of them."""
    if max(down.max(), right.max()) <= _SAME:
        return array
    _, rows, columns = array.shape
    size = (rows + int(np.ceil(down.max() - _SAME)), columns + int(np.ceil(right.max() - _SAME)))
    moved = np.empty((len(array), *size), dtype=np.float32)
    for plane, out, dy, dx in zip(array, moved, down, right, strict=True):
        ndimage.affine_transform(plane, [1.0, 1.0], (-dy, -dx), size, out, order=1, mode="nearest")
    return moved


def _header(nearest: Slice, position: NDArray[np.float64], size: Sequence[int]) -> Dataset:
    header = Dataset()
    header.update(nearest.image)
    header.file_meta = nearest.image.file_meta
    # as new elements: setting a value would change that of the image, which shares them
    header.add_new("ImagePositionPatient", "DS", [round(float(v), 6) for v in position])
    header.add_new("Rows", "US", size[0])
    header.add_new("Columns", "US", size[1])
    return header
