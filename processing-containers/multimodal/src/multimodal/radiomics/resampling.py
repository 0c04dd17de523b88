"""The part of a volume that one region needs, as it is or on a new grid.

pyradiomics lays the new grid from the corner of the whole image. Cropping first would shift it (and a skewness from
0.02 to 0.19), so the grid is computed for the whole image and only the interpolation is confined to the region.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from multimodal.imaging import Roi, Volume

Triple = tuple[float, float, float]
# A cubic B-spline's coefficients depend on voxels ever further away by 0.268 per voxel: 1e-14 at 24.
SPLINE_REACH = 24
PAD = 1  # voxels of the new grid; pyradiomics interpolates 5 around the region and drops them again
INTERPOLATORS = {
    "bspline": SimpleITK.sitkBSpline,
    "linear": SimpleITK.sitkLinear,
    "nearest": SimpleITK.sitkNearestNeighbor,
}


@dataclass(frozen=True, slots=True)
class Region:
    """Intensities and mask of one region's box; spacing along z, y, x in mm."""

    image: NDArray[Any]
    mask: NDArray[np.bool_]
    spacing: Triple


@dataclass(frozen=True, slots=True)
class _Grid:
    """A grid in the index space of the whole image, axes x, y, z: first point, spacing in mm, size."""

    first: NDArray[np.float64]
    spacing: NDArray[np.float64]
    size: NDArray[np.int64]


def region_of(volume: Volume, roi: Roi, resampling: Mapping[str, Any] | None) -> Region:
    """Return the box of `roi`, resampled where the profile asks for it."""
    if resampling is None:
        return Region(np.ascontiguousarray(volume.array[roi.box]), roi.mask, volume.spacing)
    spacing = np.asarray(volume.spacing[::-1])
    wanted = np.asarray(resampling["spacing"], dtype=np.float64)
    lengths = np.asarray(roi.mask.shape[::-1])
    # as pyradiomics: 0 keeps an axis, and a single slice is not resampled across
    wanted = np.where((wanted == 0) | (lengths == 1), spacing, wanted)
    if np.allclose(spacing, wanted):
        return Region(np.ascontiguousarray(volume.array[roi.box]), roi.mask, volume.spacing)
    grid = _grid(volume, roi, wanted)
    return _interpolated(volume, roi, grid, INTERPOLATORS[resampling["interpolator"]])


def _grid(volume: Volume, roi: Roi, wanted: NDArray[np.float64]) -> _Grid:
    """Return the part of the whole image's new grid that holds the region (pyradiomics' resampleImage)."""
    spacing = np.asarray(volume.spacing[::-1])
    ratio = spacing / wanted
    begin, length = np.asarray(roi.offset[::-1]), np.asarray(roi.mask.shape[::-1])
    low = np.maximum(np.floor((begin - 0.5) * ratio - PAD), 0)
    high = np.minimum(
        np.ceil((begin + length - 0.5) * ratio + PAD), np.ceil(np.asarray(volume.shape[::-1]) * ratio) - 1
    )
    first = 0.5 * (wanted - spacing) / spacing + low / ratio
    return _Grid(first, wanted, (high - low + 1).astype(np.int64))


def _interpolated(volume: Volume, roi: Roi, grid: _Grid, interpolator: int) -> Region:
    spacing = np.asarray(volume.spacing[::-1])
    last = grid.first + (grid.size - 1) * grid.spacing / spacing
    low = np.maximum(np.floor(grid.first).astype(int) - SPLINE_REACH, 0)
    high = np.minimum(np.ceil(last).astype(int) + SPLINE_REACH + 1, volume.shape[::-1])
    box = tuple(slice(int(a), int(b)) for a, b in zip(low[::-1], high[::-1], strict=True))
    intensities = volume.array[box]
    if volume.integral:
        # pyradiomics keeps the stored pixel type, so interpolated CT numbers are whole again
        intensities = intensities.astype(np.int32)
    mask = np.zeros(intensities.shape, dtype=np.uint8)
    inner = tuple(
        slice(o - int(a), o - int(a) + n) for o, a, n in zip(roi.offset, low[::-1], roi.mask.shape, strict=True)
    )
    mask[inner] = roi.mask
    resampler = SimpleITK.ResampleImageFilter()
    resampler.SetOutputSpacing(grid.spacing.tolist())
    resampler.SetOutputOrigin((grid.first * spacing).tolist())
    resampler.SetSize(grid.size.tolist())
    resampled = []
    for array, method in ((intensities, interpolator), (mask, SimpleITK.sitkNearestNeighbor)):
        image = SimpleITK.GetImageFromArray(array)
        image.SetSpacing(spacing.tolist())
        image.SetOrigin((low * spacing).tolist())
        resampler.SetOutputPixelType(image.GetPixelID())
        resampler.SetInterpolator(method)
        resampled.append(SimpleITK.GetArrayFromImage(resampler.Execute(image)))
    found = np.nonzero(resampled[1])
    if found[0].size == 0:
        return Region(resampled[0], resampled[1].astype(bool), _reversed(grid.spacing))
    tight = tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in found)
    return Region(
        np.ascontiguousarray(resampled[0][tight]),
        np.ascontiguousarray(resampled[1][tight] > 0),
        _reversed(grid.spacing),
    )


def _reversed(spacing: NDArray[np.float64]) -> Triple:
    x, y, z = (float(v) for v in spacing)
    return z, y, x
