"""Local intensity (IBSI 3.2, 9ST6)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from multimodal.radiomics.ibsi.descriptives import Values

RADIUS = (3 / (4 * np.pi)) ** (1 / 3) * 10  # mm, of a sphere of 1 cm3


def local_intensity(image: NDArray[np.float64], mask: NDArray[np.bool_], spacing: tuple[float, float, float]) -> Values:
    """Return the local and the global intensity peak by their tag in the reference table.

    Parameters
    ----------
    image : NDArray[float64]
        Intensities within `RADIUS` of the region too, as far as the image goes; NaN beyond.
    mask : NDArray[bool]
        The intensity mask.
    spacing : tuple of float
        Along z, y, x in mm.

    Notes
    -----
    Local (IBSI 3.2.1, VJGA): the mean in a sphere of 1 cm3 around the voxel of highest intensity; of several such
    voxels the highest mean. Global (3.2.2, 0F91): the highest such mean around any voxel. A voxel is in the sphere
    when its centre is.
    """
    means = _sphere_means(image, mask, spacing)
    intensities = image[mask]
    return {
        "loc_peak_loc": float(means[intensities == intensities.max()].max()),
        "loc_peak_glob": float(means.max()),
    }


def _sphere_means(
    image: NDArray[np.float64], mask: NDArray[np.bool_], spacing: tuple[float, float, float]
) -> NDArray[np.float64]:
    """Return the mean in the sphere around each voxel of `mask`.

    The sphere is a bundle of rows along x: the sum of a row is the difference of two running sums.
    """
    reach = [int(RADIUS / step) for step in spacing]
    padded = np.pad(image, [(n, n) for n in reach], constant_values=np.nan)
    there = ~np.isnan(padded)
    # running sums that begin with a zero
    sums = np.pad(np.cumsum(np.where(there, padded, 0.0), axis=2), ((0, 0), (0, 0), (1, 0)))
    counts = np.pad(np.cumsum(there, axis=2), ((0, 0), (0, 0), (1, 0)))
    place = np.nonzero(mask)
    centre = np.ravel_multi_index(tuple(p + r for p, r in zip(place, reach, strict=True)), sums.shape)
    row, plane = sums.shape[2], sums.shape[1] * sums.shape[2]
    flat_sums, flat_counts = sums.ravel(), counts.ravel()
    total, number = np.zeros(centre.size), np.zeros(centre.size)
    for dz in range(-reach[0], reach[0] + 1):
        for dy in range(-reach[1], reach[1] + 1):
            left = RADIUS**2 - (dz * spacing[0]) ** 2 - (dy * spacing[1]) ** 2
            if left < 0:
                continue
            half = int(left**0.5 / spacing[2])
            middle = centre + dz * plane + dy * row
            total += flat_sums[middle + half + 1] - flat_sums[middle - half]
            number += flat_counts[middle + half + 1] - flat_counts[middle - half]
    return total / number
