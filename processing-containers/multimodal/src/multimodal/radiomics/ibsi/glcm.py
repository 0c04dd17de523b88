"""Grey level co-occurrence matrix (IBSI 3.6, LFYI)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from multimodal.radiomics.ibsi.cells import Stack
from multimodal.radiomics.ibsi.voxels import Voxels, directions

Matrices = NDArray[np.float64]
MOST_ENTRIES = 80_000_000  # 640 MB
AT_ONCE = 4_000_000  # entries whose features are made in one pass: several arrays of this size stand beside each other


def cooccurrences(voxels: Voxels, by_slice: bool) -> Matrices:
    """Count neighbouring grey levels at distance 1, both ways (IBSI 3.6).

    Returns
    -------
    NDArray[float64]
        Indexed ``[slice, direction, i - 1, j - 1]``; one slice where neighbours are looked for in space.
    """
    steps, most = directions(by_slice), voxels.most
    slices = voxels.slice_count if by_slice else 1
    if slices * len(steps) * most**2 > MOST_ENTRIES:
        raise ValueError(f"{most} grey levels in {slices * len(steps)} matrices: choose wider bins")
    counts = np.zeros((slices, len(steps), most, most))
    size = slices * most * most
    for place, step in enumerate(steps):
        first, second = voxels.pairs(step)
        code = (voxels.levels[first] - 1) * most + voxels.levels[second] - 1
        if by_slice:
            code += voxels.slices[first] * most * most
        one_way = np.bincount(code, minlength=size).reshape(slices, most, most)
        counts[:, place] = one_way + one_way.transpose(0, 2, 1)
    return counts


def glcm_features(counts: Matrices) -> Stack:
    """Return the 25 features of each matrix ``[k, i, j]``, under their names in the reference table.

    Parameters
    ----------
    counts : NDArray[float64]
        Symmetric matrices of the region's N_g grey levels, not normalised.

    Notes
    -----
    Joint maximum (IBSI 3.6.1, GYBY) to second measure of information correlation (3.6.25, JN9H). A matrix without
    entries has NaN for each.
    """
    if counts.size > AT_ONCE and len(counts) > 1:
        halves = [glcm_features(half) for half in np.array_split(counts, 2)]
        return {name: np.concatenate([half[name] for half in halves]) for name in halves[0]}
    total = counts.sum(axis=(1, 2), keepdims=True)
    p = counts / total
    levels = np.arange(1, counts.shape[1] + 1, dtype=np.float64)
    marginal = p.sum(axis=1)
    mean = marginal @ levels
    spread = _sum(marginal, (levels - mean[:, None]) ** 2)
    return {
        "joint_max": p.max(axis=(1, 2)),
        "joint_avg": mean,
        "joint_var": spread,
        "joint_entr": entr(p).sum(axis=(1, 2)) / np.log(2),
        **_diagonals(p),
        "energy": (p**2).sum(axis=(1, 2)),
        **_moments(p, levels, mean, spread),
        **_information(p, marginal),
    }


def _sum(weights: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((weights * values).sum(axis=-1), dtype=np.float64)


def _diagonals(p: Matrices) -> Stack:
    """Return the features of differences and sums of grey levels (IBSI 3.6.5 to 3.6.10, 3.6.12 to 3.6.18)."""
    most = p.shape[1]
    row, column = np.indices((most, most))
    differences = _collected(p, np.abs(row - column), most)
    sums = _collected(p, row + column, 2 * most - 1)
    k, k_sum = np.arange(most, dtype=np.float64), np.arange(2, 2 * most + 1, dtype=np.float64)
    difference_mean, sum_mean = differences @ k, sums @ k_sum
    inverse_variance = differences[:, 1:] @ k[1:] ** -2.0
    return {
        "diff_avg": difference_mean,
        "diff_var": _sum(differences, (k - difference_mean[:, None]) ** 2),
        "diff_entr": entr(differences).sum(axis=1) / np.log(2),
        "sum_avg": sum_mean,
        "sum_var": _sum(sums, (k_sum - sum_mean[:, None]) ** 2),
        "sum_entr": entr(sums).sum(axis=1) / np.log(2),
        "contrast": differences @ k**2,
        "dissimilarity": difference_mean,
        "inv_diff": differences @ (1 / (1 + k)),
        "inv_diff_norm": differences @ (1 / (1 + k / most)),
        "inv_diff_mom": differences @ (1 / (1 + k**2)),
        "inv_diff_mom_norm": differences @ (1 / (1 + (k / most) ** 2)),
        "inv_var": np.where(np.isnan(difference_mean), np.nan, inverse_variance),
    }


def _collected(p: Matrices, which: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Add up the entries of each matrix that have the same number in `which`."""
    code = (np.arange(len(p))[:, None] * size + which.ravel()).ravel()
    found = np.bincount(code, weights=p.ravel(), minlength=len(p) * size)
    return np.asarray(found.reshape(len(p), size), dtype=np.float64)


def _moments(p: Matrices, levels: NDArray[np.float64], mean: NDArray[np.float64], spread: NDArray[np.float64]) -> Stack:
    """Return correlation, autocorrelation and the clusters (IBSI 3.6.19 to 3.6.23)."""
    away = levels - mean[:, None]
    both = away[:, :, None] + away[:, None, :]
    covariance = np.einsum("ki,kij,kj->k", away, p, away)
    found = {"corr": covariance / spread, "auto_corr": np.einsum("i,kij,j->k", levels, p, levels)}
    power = both**2
    found["clust_tend"] = (power * p).sum(axis=(1, 2))
    power = power * both
    found["clust_shade"] = (power * p).sum(axis=(1, 2))
    found["clust_prom"] = (power * both * p).sum(axis=(1, 2))
    return found


def _information(p: Matrices, marginal: NDArray[np.float64]) -> Stack:
    """Return the two measures of information correlation (IBSI 3.6.24, R8DG; 3.6.25, JN9H)."""
    joint = entr(p).sum(axis=(1, 2)) / np.log(2)
    single = entr(marginal).sum(axis=1) / np.log(2)
    # the marginals are independent of each other in both HXY1 and HXY2, which are 2 HX for a symmetric matrix
    apart = 2 * single
    return {
        "info_corr1": (joint - apart) / single,
        "info_corr2": np.sqrt(np.maximum(1 - np.exp(-2 * (apart - joint)), 0)),
    }
