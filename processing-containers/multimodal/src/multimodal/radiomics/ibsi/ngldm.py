"""Neighbouring grey level dependence matrix (IBSI 3.11, REK0)."""

from __future__ import annotations

import numpy as np

from multimodal.radiomics.ibsi.cells import Cells, counted
from multimodal.radiomics.ibsi.voxels import Voxels, directions


def dependences(voxels: Voxels, by_slice: bool, coarseness: float = 0) -> Cells:
    """Count for each voxel the neighbours at distance 1 whose grey level differs by at most `coarseness` (IBSI 3.11).

    Returns
    -------
    Cells
        One matrix for each slice, or one; the dependence counts the voxel itself.
    """
    alike_count = np.ones(voxels.count, dtype=np.int64)
    for step in directions(by_slice):
        first, second = voxels.pairs(step)
        alike = np.abs(voxels.levels[first] - voxels.levels[second]) <= coarseness
        alike_count[first[alike]] += 1
        alike_count[second[alike]] += 1
    matrix = voxels.slices if by_slice else np.zeros(voxels.count, dtype=np.int64)
    return counted(matrix, voxels.levels, alike_count, np.bincount(matrix).astype(np.float64))
