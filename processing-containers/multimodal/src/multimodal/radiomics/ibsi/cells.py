"""Matrices of grey level against run length, zone size, distance or dependence, and the features they share.

GLRLM (IBSI 3.7), GLSZM (3.8), GLDZM (3.9) and NGLDM (3.11) have the same sixteen features over another second axis.
A matrix is kept as its cells that are not zero; several matrices (of slices, of directions) stand side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

Stack = dict[str, NDArray[np.float64]]
_DENSE = 20_000_000  # cells up to which counting in a full array is faster than sorting


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of several matrices.

    Parameters
    ----------
    matrix : NDArray[int64]
        Which matrix each cell belongs to.
    level : NDArray[int64]
        Grey level i.
    other : NDArray[int64]
        The second axis j: run length, zone size, distance, dependence.
    number : NDArray[float64]
        How many runs, zones or voxels.
    voxels : NDArray[float64]
        Number of voxels that each matrix was made from (IBSI: N_v); its length is the number of matrices.
    """

    matrix: NDArray[np.int64]
    level: NDArray[np.int64]
    other: NDArray[np.int64]
    number: NDArray[np.float64]
    voxels: NDArray[np.float64]

    def merged(self, into: NDArray[np.int64]) -> Cells:
        """Return the matrices added up: matrix k goes into ``into[k]``."""
        voxels = np.bincount(into, weights=self.voxels).astype(np.float64)
        return counted(into[self.matrix], self.level, self.other, voxels, self.number)


def counted(
    matrix: NDArray[np.int64],
    level: NDArray[np.int64],
    other: NDArray[np.int64],
    voxels: NDArray[np.float64],
    number: NDArray[np.float64] | None = None,
) -> Cells:
    """Count equal entries (runs, zones, voxels; each `number` times) into cells."""
    levels = int(level.max(initial=0)) + 1
    there = np.flatnonzero(np.bincount(other))
    place = np.zeros(int(other.max(initial=0)) + 1, dtype=np.int64)
    place[there] = np.arange(there.size)
    code = (matrix * levels + level) * there.size + place[other]
    if voxels.size * levels * there.size <= _DENSE:
        counts = np.bincount(code, weights=number).astype(np.float64)
        found = np.flatnonzero(counts)
        counts = counts[found]
    else:
        found, inverse = np.unique(code, return_inverse=True)
        counts = np.bincount(inverse, weights=number).astype(np.float64)
    rest, column = np.divmod(found, there.size)
    which, row = np.divmod(rest, levels)
    return Cells(which, row, there[column], counts, voxels)


def shared_features(cells: Cells) -> Stack:
    """Return the sixteen shared features of each matrix, under their short names; NaN for a matrix without cells.

    Notes
    -----
    In the order of IBSI 3.7.1 to 3.7.16 (for runs): emphasis of short, long (small, large; low, high) and of low and
    high grey levels, the four combinations, both non-uniformities with their normalised forms, the percentage, both
    variances, the entropy.
    """
    i, j = cells.level.astype(np.float64), cells.other.astype(np.float64)
    total = _sum(cells, np.ones_like(i))
    share = cells.number / total[cells.matrix]
    weighted = {
        "short": j**-2, "long": j**2, "low": i**-2, "high": i**2, "short_low": (i * j) ** -2,
        "short_high": (i / j) ** 2, "long_low": (j / i) ** 2, "long_high": (i * j) ** 2,
    }  # fmt: skip
    found = {name: _sum(cells, weight) / total for name, weight in weighted.items()}
    levels, others = _squares(cells, cells.level), _squares(cells, cells.other)
    mean_i, mean_j = _sum(cells, i) / total, _sum(cells, j) / total
    return {
        **found,
        "glnu": levels / total,
        "glnu_norm": levels / total**2,
        "nu": others / total,
        "nu_norm": others / total**2,
        "perc": total / cells.voxels,
        "gl_var": _sum(cells, (i - mean_i[cells.matrix]) ** 2) / total,
        "var": _sum(cells, (j - mean_j[cells.matrix]) ** 2) / total,
        "entr": _by_matrix(cells, entr(share)) / np.log(2),
    }


def energy(cells: Cells) -> NDArray[np.float64]:
    """Return the sum of squared shares of each matrix (IBSI 3.11.17, CAS9)."""
    total = _sum(cells, np.ones(cells.number.size))
    return _by_matrix(cells, (cells.number / total[cells.matrix]) ** 2)


def _by_matrix(cells: Cells, values: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.bincount(cells.matrix, weights=values, minlength=cells.voxels.size)
    there = np.bincount(cells.matrix, minlength=cells.voxels.size) > 0
    return np.where(there, found, np.nan)


def _sum(cells: Cells, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return _by_matrix(cells, cells.number * weights)


def _squares(cells: Cells, axis: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return for each matrix the sum of its squared row (or column) sums."""
    there, place = np.unique(axis, return_inverse=True)
    size = there.size * cells.voxels.size
    sums = np.bincount(cells.matrix * there.size + place, weights=cells.number, minlength=size)
    return np.asarray((sums.reshape(-1, there.size) ** 2).sum(axis=1), dtype=np.float64)
