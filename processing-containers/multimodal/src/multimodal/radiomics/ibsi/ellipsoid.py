"""Ellipsoids around a region: their volume and surface, and the least one that encloses points (IBSI 3.1)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_TERMS = 20  # IBSI 3.1.22 finds polynomials up to this degree sufficient
_TOLERANCE = 1e-3


def volume(semi_axes: NDArray[np.float64]) -> float:
    """Return the volume of an ellipsoid."""
    return float(4 / 3 * math.pi * np.prod(semi_axes))


def area(semi_axes: NDArray[np.float64]) -> float:
    """Return the surface of an ellipsoid by its series of Legendre polynomials (IBSI 3.1.22, RDD2).

    Notes
    -----
    The eccentricities are IBSI's, of the second and of the third axis against the first. The series for the exact
    surface has the third against the first and against the second instead, so that of elongated ellipsoids this is
    less than the surface (12 % for axes of 3, 2, 2); the reference values are those of IBSI's series.

    The polynomials' argument has the product of both eccentricities below, which is zero for a spheroid; the
    recurrence is therefore on ``product**n * P_n``, which needs no division.
    """
    a, b, c = sorted((float(axis) for axis in semi_axes), reverse=True)
    if a == 0:
        return 0.0
    first, second = 1 - (b / a) ** 2, 1 - (c / a) ** 2
    half_sum, product = (first + second) / 2, first * second
    before, now, total = 1.0, half_sum, 1.0 + half_sum / (1 - 4)
    for n in range(1, _TERMS):
        before, now = now, ((2 * n + 1) * half_sum * now - n * product * before) / (n + 1)
        total += now / (1 - 4 * (n + 1) ** 2)
    return 4 * math.pi * a * b * total


def enclosing(points: NDArray[np.float64], most_steps: int = 1000) -> NDArray[np.float64]:
    """Return the semi-axes of the least ellipsoid that encloses `points` (n x 3), by Khachiyan's algorithm.

    Notes
    -----
    IBSI 3.1.23 (SWZ1) and 3.1.24 (BRI8) give no reference values; the steps end when the weights move by less than
    a thousandth, which leaves the volume about a thousandth too large.
    """
    count, dimension = points.shape
    lifted = np.vstack([points.T, np.ones(count)])
    weights = np.full(count, 1 / count)
    for _ in range(most_steps):
        inverse = np.linalg.inv(lifted * weights @ lifted.T)
        distances = np.einsum("in,ij,jn->n", lifted, inverse, lifted)
        furthest = int(np.argmax(distances))
        step = (distances[furthest] - dimension - 1) / ((dimension + 1) * (distances[furthest] - 1))
        weights *= 1 - step
        weights[furthest] += step
        if step < _TOLERANCE:
            break
    centre = points.T @ weights
    shape = dimension * (points.T * weights @ points - np.outer(centre, centre))
    # not yet at the end: stretched until the furthest point is inside
    away = points - centre
    stretch = float(np.einsum("ni,ij,nj->n", away, np.linalg.inv(shape), away).max())
    return np.asarray(np.sqrt(np.linalg.eigvalsh(shape) * stretch), dtype=np.float64)
