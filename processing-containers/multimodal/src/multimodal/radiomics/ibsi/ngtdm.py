"""Neighbourhood grey tone difference matrix (IBSI 3.10, IPET)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multimodal.radiomics.ibsi.cells import Stack
from multimodal.radiomics.ibsi.voxels import Voxels, directions


@dataclass(frozen=True, slots=True)
class ToneDifferences:
    """For each slice and grey level: the number of voxels with neighbours, and the sum of their differences."""

    number: NDArray[np.float64]
    difference: NDArray[np.float64]

    def merged(self) -> ToneDifferences:
        """Return one matrix for all slices (2.5D)."""
        return ToneDifferences(self.number.sum(axis=0)[None], self.difference.sum(axis=0)[None])


def tone_differences(voxels: Voxels, by_slice: bool) -> ToneDifferences:
    """Compare each voxel with the mean of its neighbours at Chebyshev distance 1 (IBSI 3.10)."""
    number, total = np.zeros(voxels.count), np.zeros(voxels.count)
    for step in directions(by_slice):
        first, second = voxels.pairs(step)  # no voxel stands twice on one side
        number[first] += 1
        number[second] += 1
        total[first] += voxels.levels[second]
        total[second] += voxels.levels[first]
    has = number > 0
    difference = np.abs(voxels.levels[has] - total[has] / number[has])
    most = voxels.most
    slices = voxels.slice_count if by_slice else 1
    code = voxels.levels[has] - 1 + (voxels.slices[has] * most if by_slice else 0)
    shape = (slices, most)
    return ToneDifferences(
        np.bincount(code, minlength=slices * most).reshape(shape).astype(np.float64),
        np.bincount(code, weights=difference, minlength=slices * most).reshape(shape).astype(np.float64),
    )


def ngtdm_features(matrix: ToneDifferences) -> Stack:
    """Return the five features of each matrix.

    Notes
    -----
    Coarseness (IBSI 3.10.1, QCDE; 10^6 where no tone differs), contrast (3.10.2, 65HE), busyness (3.10.3, NQ30; 0
    where only one grey level occurs), complexity (3.10.4, HDEZ), strength (3.10.5, 1X9X; 0 where no tone differs).
    """
    found = [_features(n, s) for n, s in zip(matrix.number, matrix.difference, strict=True)]
    names = ("coarseness", "contrast", "busyness", "complexity", "strength")
    return {name: np.array([one[place] for one in found]) for place, name in enumerate(names)}


def _features(number: NDArray[np.float64], difference: NDArray[np.float64]) -> tuple[float, ...]:
    total = float(number.sum())
    if not total:
        return (float("nan"),) * 5
    there = number > 0
    i = np.flatnonzero(there) + 1.0
    p, s = number[there] / total, difference[there]
    apart = np.abs(i[:, None] - i[None, :])
    weighted, all_difference = float(p @ s), float(s.sum())
    kinds = i.size
    contrast = busyness = 0.0
    if kinds > 1:
        contrast = float(p @ apart**2 @ p) / (kinds * (kinds - 1)) * all_difference / total
        busyness = weighted / float(np.abs((i * p)[:, None] - (i * p)[None, :]).sum())
    complexity = apart * ((p * s)[:, None] + (p * s)[None, :]) / (p[:, None] + p[None, :])
    strength = float(((p[:, None] + p[None, :]) * apart**2).sum()) / all_difference if all_difference else 0.0
    return (
        1 / weighted if weighted else 1e6,
        contrast,
        busyness,
        float(complexity.sum()) / total,
        strength,
    )
