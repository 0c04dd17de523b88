"""Intensity-volume histogram (IBSI 3.5, P88C)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multimodal.radiomics.ibsi.descriptives import Values

MOST_PLACES = 5_000_000


@dataclass(frozen=True, slots=True)
class IntensityAxis:
    """The intensities at which the histogram is read: `first`, `first` + `step`, ... `last`."""

    first: float
    last: float
    step: float


def volume_histogram(intensities: NDArray[np.float64], axis: IntensityAxis) -> Values:
    """Return the features of the intensity-volume histogram by their tag in the reference table.

    Parameters
    ----------
    intensities : NDArray[float64]
        Of the voxels in the intensity mask, discretised where the profile says so (IBSI 3.5, pre-processing).
    axis : IntensityAxis
        Where to read.

    Notes
    -----
    Volume at intensity fraction (IBSI 3.5.1, BC2M), intensity at volume fraction (3.5.2, GBPN), their differences
    (3.5.3, DDTU; 3.5.4, CNV2) and the area under the curve (3.5.5, 9CMM).
    """
    number = round((axis.last - axis.first) / axis.step) + 1
    if number > MOST_PLACES:
        raise ValueError(f"intensity-volume histogram of {number} places: give volume_histogram bins in the profile")
    places = np.asarray(axis.first + axis.step * np.arange(number), dtype=np.float64)
    if number < 2:
        names = ("v10", "v90", "i10", "i90", "diff_v10_v90", "diff_i10_i90", "auc")
        return {f"ivh_{name}": float("nan") for name in names}
    ordered = np.sort(intensities)
    below = np.searchsorted(ordered, places - axis.step * 1e-6)
    volume = np.asarray(1 - below / ordered.size, dtype=np.float64)
    fraction = (places - places[0]) / (places[-1] - places[0])
    v10, v90 = (float(volume[fraction >= limit - 1e-12].max()) for limit in (0.1, 0.9))
    i10, i90 = (_intensity_at(limit, places, volume, axis) for limit in (0.1, 0.9))
    return {
        "ivh_v10": v10,
        "ivh_v90": v90,
        "ivh_i10": i10,
        "ivh_i90": i90,
        "ivh_diff_v10_v90": v10 - v90,
        "ivh_diff_i10_i90": i10 - i90,
        "ivh_auc": float(np.trapezoid(volume, fraction)),
    }


def _intensity_at(limit: float, places: NDArray[np.float64], volume: NDArray[np.float64], axis: IntensityAxis) -> float:
    """Return the least intensity that at most `limit` of the volume reaches; above all where more has the largest."""
    found = places[volume <= limit + 1e-12]
    return float(found[0]) if found.size else axis.last + axis.step
