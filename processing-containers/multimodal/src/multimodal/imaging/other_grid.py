"""A segmentation on a grid of its own -> voxels of the image: exactly where the grids coincide, else the nearest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multimodal.imaging.rois import NO_VOXELS, cropped
from multimodal.imaging.volume import Volume

OFF_GRID = 0.05  # voxels; positions are written with five or six decimals
_SAME_PLANE = 1e-3  # mm

Index = tuple[int, int, int]


class UnevenGridError(ValueError):
    """The frames do not make up one regular grid."""


@dataclass(frozen=True)
class Grid:
    """A regular grid in the patient: origin, and the way from voxel to voxel along z, y, x as columns."""

    origin: NDArray[np.float64]
    steps: NDArray[np.float64]

    def into(self, volume: Volume) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the matrix and offset from an index on this grid to one of the volume."""
        inverse = np.linalg.inv(volume.steps)
        return inverse @ self.steps, inverse @ (self.origin - np.asarray(volume.origin))

    def coincides(self, volume: Volume, shape: Index) -> bool:
        """Tell whether each voxel of this grid (of `shape`) is one of the volume's, turned or mirrored maybe."""
        matrix, offset = self.into(volume)
        whole = np.round(matrix)
        drift = np.abs(matrix - whole) @ np.asarray(shape, dtype=np.float64) + np.abs(offset - np.round(offset))
        turned = np.abs(whole)
        signed = bool((turned.sum(axis=0) == 1).all() and (turned.sum(axis=1) == 1).all())
        return signed and float(drift.max()) <= OFF_GRID


def grid_of(
    positions: NDArray[np.float64], cosines: NDArray[np.float64], spacing: NDArray[np.float64], thickness: float
) -> tuple[Grid, NDArray[np.intp]]:
    """Return the grid that frames of one orientation lie on, and the plane of each.

    Parameters
    ----------
    positions : NDArray[float64]
        Image Position (Patient) of each frame, n x 3; several frames may share one.
    cosines : NDArray[float64]
        Image Orientation (Patient).
    spacing : NDArray[float64]
        Pixel Spacing.
    thickness : float
        Distance of the planes, where there is only one.

    Raises
    ------
    UnevenGridError
        The planes are not evenly spaced, or shifted against each other.
    """
    row, column = cosines[:3], cosines[3:]
    normal = np.cross(row, column)
    heights = positions @ normal
    first = int(np.argmin(heights))
    apart = np.diff(np.sort(heights))
    # empty planes are left out of most segmentations: the stated distance may be a part of the smallest found
    steps_tried = [float(apart[apart > _SAME_PLANE].min(initial=thickness or np.inf)), thickness]
    up = heights - heights[first]
    step = next((one for one in steps_tried if 0 < one < np.inf and _whole(up / one)), None)
    if step is None:
        raise UnevenGridError("its planes are not evenly spaced")
    across = positions - positions[first] - np.outer(up, normal)
    if np.abs(across).max() > OFF_GRID * spacing.min():
        raise UnevenGridError("its planes are shifted against each other")
    steps = np.stack([normal * step, column * spacing[0], row * spacing[1]], axis=1)
    return Grid(positions[first], steps), np.round(up / step).astype(np.intp)


def _whole(places: NDArray[np.float64]) -> bool:
    return bool(np.abs(places - np.round(places)).max() <= OFF_GRID)


@dataclass(frozen=True)
class Laid:
    """A mask on the volume's grid."""

    mask: NDArray[np.bool_]
    offset: Index
    outside: int
    beyond_gap: int


def laid(drawn: NDArray[np.bool_], offset: Index, grid: Grid, volume: Volume) -> Laid:
    """Return the voxels of the volume whose nearest voxel on `grid` is set in `drawn` (which begins at `offset`)."""
    matrix, shift = grid.into(volume)
    places = (np.argwhere(drawn) + np.asarray(offset)) @ matrix.T + shift
    if not len(places):
        return Laid(NO_VOXELS, (0, 0, 0), 0, 0)
    limits = np.asarray(volume.shape) - 0.5
    outside = int(((places < -0.5) | (places >= limits)).any(axis=1).sum())
    beyond = sum(volume.beyond_gap(float(height)) for height in places[:, 0]) if volume.cut else 0
    reach = np.abs(matrix).sum(axis=1) / 2
    low = np.maximum(np.floor(places.min(axis=0) - reach), 0).astype(int)
    high = np.minimum(np.ceil(places.max(axis=0) + reach), np.asarray(volume.shape) - 1).astype(int)
    if (low > high).any():
        return Laid(NO_VOXELS, (0, 0, 0), outside, beyond)
    back = np.asarray(np.linalg.inv(matrix), dtype=np.float64)
    mask = _looked_up(drawn, np.asarray(offset), (low, high), back, shift)
    box, begin = cropped(mask, (int(low[0]), int(low[1]), int(low[2])))
    return Laid(box, begin, outside, beyond)


def _looked_up(
    drawn: NDArray[np.bool_],
    begin: NDArray[np.intp],
    box: tuple[NDArray[np.intp], NDArray[np.intp]],
    back: NDArray[np.float64],
    shift: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return for each voxel of the box whether the nearest voxel of `drawn` is set; plane by plane, to need little."""
    low, high = box
    rows, columns = np.meshgrid(np.arange(low[1], high[1] + 1), np.arange(low[2], high[2] + 1), indexing="ij")
    in_plane = np.stack([np.zeros(rows.size), rows.ravel(), columns.ravel()], axis=1)
    mask = np.zeros((high[0] - low[0] + 1, *rows.shape), dtype=bool)
    for number in range(len(mask)):
        in_plane[:, 0] = low[0] + number
        nearest = np.floor((in_plane - shift) @ back.T + 0.5 + 1e-9).astype(np.intp) - begin
        inside = ((nearest >= 0) & (nearest < np.asarray(drawn.shape))).all(axis=1)
        found = np.zeros(rows.size, dtype=bool)
        z, y, x = nearest[inside].T
        found[inside] = drawn[z, y, x]
        mask[number] = found.reshape(rows.shape)
    return mask
