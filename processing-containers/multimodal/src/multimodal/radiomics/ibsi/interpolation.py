"""A new grid for image and mask as IBSI defines it (IBSI 2.4): centres aligned, size rounded up.

The grid is that of the whole image, whatever the region: only the part that the region needs is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import spline_filter1d

# A cubic B-spline's coefficients depend on voxels ever further away by 0.268 per voxel: 1e-14 at 24.
SPLINE_REACH = 24


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of the new grid in indices of the old one: first point, step, number of points, old length."""

    first: float
    step: float
    number: int
    length: int

    def at(self, low: int, high: int) -> NDArray[np.float64]:
        """Return the old indices of the new points `low` to `high` - 1; beyond the image's edge, the edge."""
        return np.clip(self.first + self.step * np.arange(low, high), 0, self.length - 1)


def new_axis(length: int, spacing: float, wanted: float) -> Axis:
    """Lay the new points so that the middles of both grids coincide (IBSI 2.4.1)."""
    if abs(wanted - spacing) <= 1e-9 * spacing:
        return Axis(0.0, 1.0, length, length)
    # a quotient like 100.00000000000001 is 100
    number = int(np.ceil(round(length * spacing / wanted, 9)))
    step = wanted / spacing
    return Axis((length - 1) / 2 - step * (number - 1) / 2, step, number, length)


def read_at(
    array: NDArray[np.generic], axes: Sequence[Axis], low: Sequence[int], high: Sequence[int], cubic: bool
) -> NDArray[np.float64]:
    """Return the new points `low` to `high` - 1 along each axis, by lines or by a cubic B-spline (IBSI 2.4.2).

    Parameters
    ----------
    array : NDArray
        The whole image, ``[z, y, x]``.
    axes : sequence of Axis
        The new grid.
    low, high : sequence of int
        The part of the new grid.
    cubic : bool
        Tricubic spline instead of trilinear.
    """
    places = [axis.at(a, b) for axis, a, b in zip(axes, low, high, strict=True)]
    reach = SPLINE_REACH if cubic else 1
    begin = [max(int(p[0]) - reach, 0) for p in places]
    end = [int(p[-1]) + reach + 2 for p in places]  # a slice may end beyond
    part = array[tuple(slice(a, b) for a, b in zip(begin, end, strict=True))].astype(np.float64)
    return interpolated(part, [p - a for p, a in zip(places, begin, strict=True)], cubic)


def interpolated(part: NDArray[np.float64], places: Sequence[NDArray[np.float64]], cubic: bool) -> NDArray[np.float64]:
    """Return the values of `part` at `places`, continuous indices along each axis."""
    for axis, wanted in enumerate(places):
        whole = wanted.astype(np.int64)
        if np.array_equal(whole, wanted):
            part = np.take(part, whole, axis=axis)
        else:
            part = (_cubic if cubic and part.shape[axis] > 1 else _linear)(part, wanted, axis)
    return part


def _linear(part: NDArray[np.float64], places: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    below = np.minimum(places.astype(np.int64), part.shape[axis] - 1)
    above = np.minimum(below + 1, part.shape[axis] - 1)
    weight = _along(places - below, axis)
    before = np.take(part, below, axis=axis)
    return np.asarray(before + weight * (np.take(part, above, axis=axis) - before), dtype=np.float64)


def _cubic(part: NDArray[np.float64], places: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    coefficients = spline_filter1d(part, order=3, axis=axis, mode="mirror")
    length = part.shape[axis]
    below = places.astype(np.int64)
    t = places - below
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    total: NDArray[np.float64] | float = 0.0
    for offset, weight in zip((-1, 0, 1, 2), weights, strict=True):
        index = np.abs(below + offset)
        index = np.where(index >= length, 2 * (length - 1) - index, index)
        total = total + np.take(coefficients, index, axis=axis) * _along(weight / 6, axis)
    return np.asarray(total, dtype=np.float64)


def _along(weights: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    shape = [1, 1, 1]
    shape[axis] = -1
    return weights.reshape(shape)
