"""The Laplacian of Gaussian that ITK's recursive filters make of an image, for one box of it only.

pyradiomics takes ITK's ``LaplacianRecursiveGaussianImageFilter``: along each axis Deriche's recursive filter of
fourth order (R. Deriche, Recursively implementing the Gaussian and its derivatives, INRIA RR-1893, 1993; constrained as
by G. Farnebäck and C.-F. Westin, J. Math. Imaging Vis. 26, 2006), in float64 within a line and float32 between lines.
A recursion along a line is a matrix product, whose rows for the box alone are a small part; the numbers are ITK's, bit
for bit, since coefficients, ends of lines and the order of roundings are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Triple = tuple[float, float, float]
Box = tuple[slice, slice, slice]
# What is further away (in sigma) weighs less than the rounding of a float32: 1e-8 of all.
REACH = 14.0
# Deriche's fit of a sum of two damped waves to the Gaussian and, with the same waves, to its second derivative.
_WAVES, _DECAYS = (0.6681, 2.0787), (-1.3932, -1.3732)
_COSINES = {0: (1.3530, -0.3531), 2: (-1.3563, 0.3446)}
_SINES = {0: (1.8151, 0.0902), 2: (5.2318, -2.2355)}


def laplacian_of_gaussian(image: NDArray[np.generic], box: Box, spacing: Triple, sigma: float) -> NDArray[np.float32]:
    """Return the response within `box`, scaled by sigma squared (ITK: NormalizeAcrossScale).

    Parameters
    ----------
    image : NDArray
        The image, [z, y, x], or a part of it whose ends, where they are not the image's, lie `REACH` sigma or more
        away from the box. Beyond the image its outermost values go on.
    box : tuple of slice
        Where the response is wanted, as indices of `image`.
    spacing : tuple of float
        Along z, y, x in mm.
    sigma : float
        Width of the Gaussian in mm.
    """
    reach = [int(np.ceil(REACH * sigma / step)) for step in spacing]
    near = tuple(
        slice(max(part.start - r, 0), min(part.stop + r, length))
        for part, r, length in zip(box, reach, image.shape, strict=True)
    )
    inner = [slice(part.start - n.start, part.stop - n.start) for part, n in zip(box, near, strict=True)]
    values = np.ascontiguousarray(image[near], dtype=np.float64)
    total = np.zeros([part.stop - part.start for part in box], dtype=np.float32)
    for along in (2, 1, 0):  # ITK goes by x, y, z
        response: NDArray[np.float64] = values
        for axis in (along, *(other for other in (2, 1, 0) if other != along)):
            weights = _weights(sigma, spacing[axis], 2 if axis == along else 0, values.shape[axis])
            response = _product(weights[inner[axis]], response, axis).astype(np.float32).astype(np.float64)
        total = (total + response * (1 / spacing[along] ** 2)).astype(np.float32)
    return total


def _product(weights: NDArray[np.float64], values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return `values` with each line along `axis` multiplied by the matrix."""
    z, y, x = values.shape
    if axis == 2:
        return (values.reshape(-1, x) @ weights.T).reshape(z, y, -1)
    if axis == 1:
        return np.asarray(np.matmul(weights, values), dtype=np.float64)
    return (weights @ values.reshape(z, -1)).reshape(-1, y, x)


@lru_cache(maxsize=64)
def _weights(sigma: float, step: float, order: int, length: int) -> NDArray[np.float64]:
    """Return the matrix of the filter on a line of `length` values; the outermost ones stand for all beyond."""
    numerator, denominator = _coefficients(sigma / step, order)
    numerator = numerator * sigma**order
    impulse = np.zeros(length + 1)
    impulse[0] = 1.0
    answer = lfilter(numerator, denominator, impulse)  # of one direction; the other is its mirror image
    beyond = numerator.sum() / denominator.sum() - np.cumsum(answer)
    places = np.arange(length)
    weights: NDArray[np.float64] = answer[np.abs(places[:, np.newaxis] - places)]
    weights[:, 0] += beyond[places]
    weights[:, -1] += beyond[length - 1 - places]
    return weights


def _coefficients(width: float, order: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return numerator and denominator of the causal filter; `width` is sigma in voxels, the order 0 or 2."""
    denominator = _denominator(width)
    numerator = _numerator(width, 0)
    whole = denominator.sum()
    if order == 0:  # a constant stays what it is
        return numerator / (2 * numerator.sum() / whole - numerator[0]), denominator
    second = _numerator(width, 2)
    # a constant has no curvature, and a parabola the one that it has
    share = (2 * second.sum() - whole * second[0]) / (2 * numerator.sum() - whole * numerator[0])
    numerator = second - share * numerator
    n, n1, n2 = _moments(numerator)
    d, d1, d2 = _moments(denominator)
    curvature = (n2 * d**2 - d2 * n * d - 2 * n1 * d1 * d + 2 * d1**2 * n) / d**3
    return numerator / curvature, denominator


def _moments(values: NDArray[np.float64]) -> Sequence[float]:
    places = np.arange(len(values))
    return [float((places**power * values).sum()) for power in range(3)]


def _denominator(width: float) -> NDArray[np.float64]:
    (cos1, _, exp1), (cos2, _, exp2) = _waves(width)
    return np.array(
        [
            1.0,
            -2 * (exp2 * cos2 + exp1 * cos1),
            4 * cos2 * cos1 * exp1 * exp2 + exp1**2 + exp2**2,
            -2 * cos1 * exp1 * exp2**2 - 2 * cos2 * exp2 * exp1**2,
            exp1**2 * exp2**2,
        ]
    )


def _numerator(width: float, order: int) -> NDArray[np.float64]:
    (cos1, sin1, exp1), (cos2, sin2, exp2) = _waves(width)
    (a1, a2), (b1, b2) = _COSINES[order], _SINES[order]
    return np.array(
        [
            a1 + a2,
            exp2 * (b2 * sin2 - (a2 + 2 * a1) * cos2) + exp1 * (b1 * sin1 - (a1 + 2 * a2) * cos1),
            2 * exp1 * exp2 * ((a1 + a2) * cos2 * cos1 - b1 * cos2 * sin1 - b2 * cos1 * sin2)
            + a2 * exp1**2
            + a1 * exp2**2,
            exp2 * exp1**2 * (b2 * sin2 - a2 * cos2) + exp1 * exp2**2 * (b1 * sin1 - a1 * cos1),
        ]
    )


def _waves(width: float) -> list[tuple[float, float, float]]:
    return [
        (float(np.cos(wave / width)), float(np.sin(wave / width)), float(np.exp(decay / width)))
        for wave, decay in zip(_WAVES, _DECAYS, strict=True)
    ]
