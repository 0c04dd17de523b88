"""Closed planar contours -> voxels.

A voxel belongs to a contour when its centre lies inside by the even-odd rule; contours of one plane are combined
by exclusive or, so that an inner contour cuts a hole (PS3.3 C.8.8.6.3). Vertices stay float64: rounding them to
five decimals already flips voxels of the IBSI phantom, and rounding them to voxels moves the border by half of one.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

POINTS = 8  # along each side of a voxel, for its coverage


def fill(contours: Iterable[NDArray[np.float64]], rows: int, columns: int) -> NDArray[np.bool_]:
    """Return the plane (rows x columns) of voxels whose centres lie inside an odd number of `contours`.

    Parameters
    ----------
    contours : iterable of NDArray[float64]
        Each n x 2: continuous index (row, column) of the vertices; the last joins the first. Vertices may lie
        outside the plane.
    rows, columns : int
        Size of the plane.

    Notes
    -----
    Scan line: for each row, the columns at which edges cross it; a voxel is inside when an odd number of
    crossings lies beyond it. An edge owns its lower end and not its upper one, so that no vertex counts twice.
    Each edge is evaluated from its lower to its upper end, so that the two sides of a keyhole's bridge cross at
    exactly the same number and cancel out.
    """
    toggles = np.zeros(rows * (columns + 1), dtype=np.int64)
    for contour in contours:
        row, crossing = _crossings(contour, rows)
        # columns 0 ... ceil(crossing) - 1 lie on the near side
        upto = np.clip(np.ceil(crossing), 0, columns).astype(np.int64)
        toggles += np.bincount(row * (columns + 1) + upto, minlength=toggles.size)
    beyond = np.cumsum(toggles.reshape(rows, columns + 1)[:, ::-1], axis=1)[:, ::-1]
    inside: NDArray[np.bool_] = beyond[:, 1:] % 2 == 1
    return inside


def fill_covered(
    contours: Iterable[NDArray[np.float64]], rows: int, columns: int, coverage: float
) -> NDArray[np.bool_]:
    """Return the voxels of which at least the share `coverage` lies inside, counted at 8 x 8 points in each.

    Differs from `fill` at the border only; for regions of few voxels, where the centre decides by chance.
    """
    drawn = [np.asarray(contour, dtype=np.float64) for contour in contours]
    corners = np.concatenate(drawn)
    low = np.clip(np.floor(corners.min(axis=0) - 0.5), 0, (rows, columns)).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0) + 1.5), 0, (rows, columns)).astype(int)
    size = high - low
    plane = np.zeros((rows, columns), dtype=bool)
    if (size <= 0).any():
        return plane
    finer = [(contour - low + 0.5) * POINTS - 0.5 for contour in drawn]
    points = fill(finer, int(size[0]) * POINTS, int(size[1]) * POINTS)
    shares = points.reshape(size[0], POINTS, size[1], POINTS).mean(axis=(1, 3))
    plane[low[0] : high[0], low[1] : high[1]] = shares >= coverage
    return plane


def _crossings(contour: NDArray[np.float64], rows: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rows that the edges cross, and where."""
    begin, end = contour, np.roll(contour, -1, axis=0)
    # one fixed order of the two ends, ties by column: an edge and its reverse give the same number
    swap = (begin[:, 0] > end[:, 0]) | ((begin[:, 0] == end[:, 0]) & (begin[:, 1] > end[:, 1]))
    low = np.where(swap[:, None], end, begin)
    high = np.where(swap[:, None], begin, end)
    first = np.clip(np.ceil(low[:, 0]), 0, rows).astype(np.int64)
    stop = np.clip(np.ceil(high[:, 0]), 0, rows).astype(np.int64)
    counts = np.maximum(stop - first, 0)
    edge = np.repeat(np.arange(len(contour)), counts)
    row = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    share = (row - low[edge, 0]) / (high[edge, 0] - low[edge, 0])
    return row, low[edge, 1] + share * (high[edge, 1] - low[edge, 1])
