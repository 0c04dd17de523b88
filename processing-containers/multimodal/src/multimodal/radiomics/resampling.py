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
# A cubic B-spline's coefficients depend on voxels ever further away by 0.268 per voxel: 4e-12 at 20.
SPLINE_REACH = 20
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
    return _tight(_interpolated(volume, roi, grid, INTERPOLATORS[resampling["interpolator"]]))


def surroundings(
    volume: Volume, roi: Roi, resampling: Mapping[str, Any] | None, margin: float | Triple, *, even: bool = False
) -> Region:
    """Return the region and what lies around it, resampled where the profile asks for it.

    Parameters
    ----------
    volume, roi, resampling
        As for `region_of`.
    margin : float or tuple of float
        How far around: in mm, or in voxels of the new grid along x, y, z.
    even : bool
        Whether a part must have an even number of voxels along each axis (wavelets).

    Notes
    -----
    Along an axis on which the margin ends beyond the image, all of the image is returned.
    """
    spacing = np.asarray(volume.spacing[::-1])
    wanted = spacing
    if resampling is not None:
        wanted = np.asarray(resampling["spacing"], dtype=np.float64)
        wanted = np.where((wanted == 0) | (np.asarray(roi.mask.shape[::-1]) == 1), spacing, wanted)
    voxels = np.ceil(margin / wanted if isinstance(margin, float) else np.asarray(margin))
    if resampling is not None and not np.allclose(spacing, wanted):
        grid = _grid(volume, roi, wanted, voxels + PAD, even=even)
        return _interpolated(volume, roi, grid, INTERPOLATORS[resampling["interpolator"]])
    begin = np.asarray(roi.offset[::-1])
    low, high = _around(begin - voxels, begin + roi.mask.shape[::-1] + voxels, np.asarray(volume.shape[::-1]), even)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low[::-1], high[::-1], strict=True))
    mask = np.zeros([part.stop - part.start for part in box], dtype=bool)
    mask[
        tuple(slice(o - p.start, o - p.start + n) for o, p, n in zip(roi.offset, box, roi.mask.shape, strict=True))
    ] = roi.mask
    intensities = volume.array[box].astype(np.int32) if volume.integral else volume.array[box]
    return Region(intensities, mask, volume.spacing)


def _around(
    low: NDArray[np.float64], high: NDArray[np.float64], length: NDArray[np.float64], even: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where a part begins and ends: all of an axis where it would end beyond."""
    high = high + ((high - low) % 2 if even else 0)
    beyond = (low < 0) | (high > length)
    return np.where(beyond, 0, low), np.where(beyond, length, high)


def _grid(
    volume: Volume,
    roi: Roi,
    wanted: NDArray[np.float64],
    margin: NDArray[np.float64] | None = None,
    *,
    even: bool = False,
) -> _Grid:
    """Return the part of the whole image's new grid that holds the region (pyradiomics' resampleImage)."""
    spacing = np.asarray(volume.spacing[::-1])
    ratio = spacing / wanted
    begin, length = np.asarray(roi.offset[::-1]), np.asarray(roi.mask.shape[::-1])
    whole = np.ceil(np.asarray(volume.shape[::-1]) * ratio)
    pad = PAD if margin is None else margin
    low, high = np.floor((begin - 0.5) * ratio - pad), np.ceil((begin + length - 0.5) * ratio + pad)
    if margin is None:
        low, high = np.maximum(low, 0), np.minimum(high, whole - 1)
    else:
        low, high = _around(low, high + 1, whole, even)
        high = high - 1
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
    resampler = SimpleITK.ResampleImageFilter()
    resampler.SetOutputSpacing(grid.spacing.tolist())
    resampler.SetOutputOrigin((grid.first * spacing).tolist())
    resampler.SetSize(grid.size.tolist())
    resampled = []
    for array, begin, method in (
        (intensities, low, interpolator),
        (np.pad(roi.mask.astype(np.uint8), 1), np.asarray(roi.offset[::-1]) - 1, SimpleITK.sitkNearestNeighbor),
    ):
        image = SimpleITK.GetImageFromArray(array)
        image.SetSpacing(spacing.tolist())
        image.SetOrigin((begin * spacing).tolist())
        resampler.SetOutputPixelType(image.GetPixelID())
        resampler.SetInterpolator(method)
        resampled.append(SimpleITK.GetArrayFromImage(resampler.Execute(image)))
    return Region(resampled[0], resampled[1] > 0, _reversed(grid.spacing))


def _tight(region: Region) -> Region:
    """Return the box that holds the mask."""
    found = np.nonzero(region.mask)
    if found[0].size == 0:
        return region
    box = tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in found)
    return Region(np.ascontiguousarray(region.image[box]), np.ascontiguousarray(region.mask[box]), region.spacing)


def _reversed(spacing: NDArray[np.float64]) -> Triple:
    x, y, z = (float(v) for v in spacing)
    return z, y, x
