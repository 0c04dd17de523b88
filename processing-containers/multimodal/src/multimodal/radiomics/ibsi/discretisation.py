"""Intensities -> grey levels (IBSI 2.7), and where the intensity-volume histogram is read (IBSI 3.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multimodal.radiomics.ibsi.volume_histogram import IntensityAxis

Settings = Mapping[str, Any]
# A co-occurrence matrix has levels x levels x 13 numbers: 650 MB at this limit.
MOST_LEVELS = 2500


def grey_levels(
    intensities: NDArray[np.float64], discretisation: Settings, lowest: float | None, most: int = MOST_LEVELS
) -> NDArray[np.int64]:
    """Return the grey level of each voxel, from 1 on.

    Parameters
    ----------
    intensities : NDArray[float64]
        Of the voxels in the intensity mask.
    discretisation : mapping
        ``method`` with ``width`` or ``count``: fixed bin size (IBSI 2.7.2, Q3RU), counted from `lowest`; fixed bin
        number (2.7.1, K15C); or ``none``, where intensities are grey levels already.
    lowest : float or None
        Lower end of the re-segmentation range; None: the region's lowest intensity.

    Raises
    ------
    ValueError
        The bins are too many, or there are none to be had; the text says what to change.
    """
    if not np.isfinite(intensities).all():
        raise ValueError("the region holds intensities that are not numbers")
    low, high = float(intensities.min()), float(intensities.max())
    method = discretisation["method"]
    if method == "none":
        levels = intensities
        if low < 1 or not np.array_equal(levels, np.rint(levels)):
            raise ValueError("intensities are no grey levels (whole numbers from 1 on): choose a discretisation")
    elif method == "fixed-bin-size":
        start = low if lowest is None else lowest
        levels = np.floor((intensities - start) / discretisation["width"]) + 1
    else:
        count = discretisation["count"]
        levels = np.ones(intensities.size)
        if high > low:
            levels = np.minimum(np.floor(count * (intensities - low) / (high - low)) + 1, count)
    if levels.max() > most:
        raise ValueError(
            f"{levels.max():.0f} grey levels of intensities from {low:g} to {high:g}, at most {most}: choose wider bins"
        )
    return np.asarray(levels, dtype=np.int64)


def volume_histogram_input(
    intensities: NDArray[np.float64], discretisation: Settings, limits: tuple[float | None, float | None]
) -> tuple[NDArray[np.float64], IntensityAxis]:
    """Return the intensities that the intensity-volume histogram counts, and where it is read (IBSI 3.5).

    Parameters
    ----------
    intensities : NDArray[float64]
        Of the voxels in the intensity mask.
    discretisation : mapping
        Fixed bin size: intensities become their bins' centres. Fixed bin number: they become grey levels. None: they
        stay and the histogram is read at every whole number.
    limits : tuple of float or None
        The re-segmentation range, which is the axis where the bins have a fixed size.
    """
    low, high = float(intensities.min()), float(intensities.max())
    method = discretisation["method"]
    if method == "none":
        return intensities, IntensityAxis(low, high, 1.0)
    levels = grey_levels(intensities, discretisation, limits[0], most=1_000_000)
    if method == "fixed-bin-number":
        return levels.astype(np.float64), IntensityAxis(1.0, float(discretisation["count"]), 1.0)
    width = discretisation["width"]
    start = low if limits[0] is None else limits[0]
    stop = high if limits[1] is None else limits[1]
    centres = start + (levels - 0.5) * width
    last = start + (max(np.ceil((stop - start) / width), 1) - 0.5) * width
    return centres, IntensityAxis(start + 0.5 * width, float(last), width)
