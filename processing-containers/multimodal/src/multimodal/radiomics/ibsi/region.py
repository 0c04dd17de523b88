"""Image processing before the features: new grid, rounding, re-segmentation (IBSI 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multimodal.imaging import Roi, Volume
from multimodal.imaging.rois import cropped
from multimodal.radiomics.ibsi.interpolation import Axis, interpolated, new_axis, read_at
from multimodal.radiomics.ibsi.local_intensity import RADIUS

Triple = tuple[float, float, float]
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class ProcessedRegion:
    """One region as it is measured.

    Parameters
    ----------
    image : NDArray[float64]
        Intensities of the region's box.
    morphological : NDArray[bool]
        The mask by shape.
    intensity : NDArray[bool]
        The mask without the intensities that re-segmentation leaves out (IBSI 2.5).
    spacing : tuple of float
        Along z, y, x in mm.
    surrounded : NDArray[float64]
        Intensities of the box and as far around it as local peaks look; NaN beyond the image.
    margin : tuple of int
        How many voxels of `surrounded` lie before the box.
    """

    image: NDArray[np.float64]
    morphological: NDArray[np.bool_]
    intensity: NDArray[np.bool_]
    spacing: Triple
    surrounded: NDArray[np.float64]
    margin: tuple[int, int, int]

    @cached_property
    def intensities(self) -> NDArray[np.float64]:
        """Of the voxels in the intensity mask."""
        return np.asarray(self.image[self.intensity], dtype=np.float64)

    @cached_property
    def surrounded_mask(self) -> NDArray[np.bool_]:
        """The intensity mask on `surrounded`."""
        full = np.zeros(self.surrounded.shape, dtype=bool)
        full[tuple(slice(m, m + n) for m, n in zip(self.margin, self.intensity.shape, strict=True))] = self.intensity
        return full


def processed(volume: Volume, roi: Roi, settings: Settings) -> ProcessedRegion:
    """Take the region out of the image, on the grid and with the re-segmentation of the profile."""
    return resegmented(on_grid(volume, roi, settings["resampling"]), settings["resegmentation"])


def resegmented(region: ProcessedRegion, resegmentation: Settings | None) -> ProcessedRegion:
    """Leave out intensities beyond a range, and then those too far from the mean (IBSI 2.5)."""
    chosen = resegmentation or {}
    mask = region.morphological.copy()
    if chosen.get("range"):
        low, high = (np.inf * sign if end is None else end for sign, end in zip((-1, 1), chosen["range"], strict=True))
        mask &= (region.image >= low) & (region.image <= high)
    if chosen.get("outliers") and mask.any():
        kept = region.image[mask]
        mean, spread = float(kept.mean()), float(kept.std()) * chosen["outliers"]
        mask &= (region.image >= mean - spread) & (region.image <= mean + spread)
    return ProcessedRegion(region.image, region.morphological, mask, region.spacing, region.surrounded, region.margin)


def on_grid(
    volume: Volume, roi: Roi, resampling: Settings | None, reach: tuple[int, int, int] = (0, 0, 0)
) -> ProcessedRegion:
    """Take the region out of the image on its new grid, with `reach` more voxels around it than local peaks need."""
    wanted = _wanted(volume.spacing, resampling)
    axes = [new_axis(n, s, w) for n, s, w in zip(volume.shape, volume.spacing, wanted, strict=True)]
    mask, begin = _mask(roi, axes)
    around = [int(RADIUS / step) + more if mask.size else 0 for step, more in zip(wanted, reach, strict=True)]
    low = [max(a - n, 0) for a, n in zip(begin, around, strict=True)]
    high = [min(a + m + n, axis.number) for a, m, n, axis in zip(begin, mask.shape, around, axes, strict=True)]
    if not mask.size:
        empty = np.zeros(mask.shape)
        return ProcessedRegion(empty, mask, mask, wanted, empty, (0, 0, 0))
    image = read_at(volume.array, axes, low, high, resampling is not None and resampling["image"] == "cubic-spline")
    rounding = resampling["rounding"] if resampling is not None else "none"
    if rounding == "nearest" or (rounding == "as-stored" and volume.integral):
        image = np.rint(image)
    margin = (begin[0] - low[0], begin[1] - low[1], begin[2] - low[2])
    inner = tuple(slice(m, m + n) for m, n in zip(margin, mask.shape, strict=True))
    return ProcessedRegion(np.ascontiguousarray(image[inner]), mask, mask, wanted, image, margin)


def _wanted(spacing: Triple, resampling: Settings | None) -> Triple:
    """Return the new spacing along z, y, x; the profile has it along x, y, z and 0 keeps an axis."""
    if resampling is None:
        return spacing
    z, y, x = (float(w) or s for w, s in zip(reversed(resampling["spacing"]), spacing, strict=True))
    return z, y, x


def _mask(roi: Roi, axes: Sequence[Axis]) -> tuple[NDArray[np.bool_], tuple[int, int, int]]:
    """Return the mask on the new grid, in the box that holds it, and where the box begins (IBSI 2.4.2).

    A voxel is in when at least half of its interpolated mask is.
    """
    places, low = [], []
    for axis, offset, length in zip(axes, roi.offset, roi.mask.shape, strict=True):
        at = axis.at(0, axis.number)
        near = np.flatnonzero((at > offset - 1) & (at < offset + length))
        places.append(at[near] - (offset - 1))
        low.append(int(near[0]) if near.size else 0)
    inside = np.round(interpolated(np.pad(roi.mask, 1).astype(np.float64), places, cubic=False), 9) >= 0.5
    return cropped(inside, (low[0], low[1], low[2]))
