"""Moran's I and Geary's C: how alike intensities are that lie near each other (IBSI 3.1.27, 3.1.28).

All pairs of voxels count, weighted by the inverse of their distance: 10^9 pairs in a region of common size. The sums
depend on the distance only, so they are products in frequency space, exact but for rounding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from multimodal.radiomics.ibsi.descriptives import divided

MOST_POINTS = 64_000_000  # of the box with room for all distances: 2 GB


def moran_geary(
    image: NDArray[np.float64], mask: NDArray[np.bool_], spacing: tuple[float, float, float]
) -> tuple[float, float]:
    """Return Moran's I (IBSI 3.1.27, N365) and Geary's C (IBSI 3.1.28, NPT7).

    Parameters
    ----------
    image, mask : NDArray
        Intensities and intensity mask of one box.
    spacing : tuple of float
        Along z, y, x in mm.

    Notes
    -----
    NaN for a flat region, and for a box so large that the sums would take gigabytes (`MOST_POINTS`; a box of 40 cm
    along each axis at 2 mm has as many).
    """
    number = int(np.count_nonzero(mask))
    away = np.where(mask, image - image[mask].mean(), 0.0)
    total = float(np.sum(away**2))
    if number < 2 or not total:
        return float("nan"), float("nan")
    # room for every distance in both directions; even, so that the weights are a cosine series
    shape = [2 * fft.next_fast_len(n, real=True) for n in mask.shape]
    if np.prod(shape) > MOST_POINTS:
        return float("nan"), float("nan")
    size = float(np.prod(shape))
    each = _weights([n // 2 for n in shape], spacing) * _twice(shape)
    # two transforms at a time: of a large region each is hundreds of megabytes
    ones, squares = fft.rfftn(mask.astype(np.float64), s=shape), fft.rfftn(away**2, s=shape)
    pair_weights = float(np.sum(each * _power(ones))) / size
    squared = float(np.sum(each * (squares.real * ones.real + squares.imag * ones.imag))) / size
    del ones, squares
    products = float(np.sum(each * _power(fft.rfftn(away, s=shape)))) / size
    moran = divided(number * products, pair_weights * total)
    geary = divided((number - 1) * (squared - products), pair_weights * total)
    return moran, geary


def _power(transform: NDArray[np.complex128]) -> NDArray[np.float64]:
    return transform.real**2 + transform.imag**2


def _weights(half: list[int], spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return the transform of 1 / distance, in the layout of rfftn: even along each axis, so a cosine transform."""
    z, y, x = np.ogrid[tuple(slice(0, n + 1) for n in half)]
    squared = (z * spacing[0]) ** 2 + (y * spacing[1]) ** 2 + (x * spacing[2]) ** 2
    squared[0, 0, 0] = np.inf
    octant = fft.dctn(squared**-0.5, type=1)
    for axis in (0, 1):
        mirrored = np.concatenate([np.arange(half[axis] + 1), np.arange(half[axis] - 1, 0, -1)])
        octant = np.take(octant, mirrored, axis=axis)
    return np.asarray(octant, dtype=np.float64)


def _twice(shape: list[int]) -> NDArray[np.float64]:
    """Return how often each column of rfftn stands for a frequency of the full transform."""
    times = np.full(shape[2] // 2 + 1, 2.0)
    times[0] = times[-1] = 1.0
    return times
