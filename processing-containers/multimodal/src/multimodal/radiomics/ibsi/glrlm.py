"""Grey level run length matrix (IBSI 3.7, TP0I)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from multimodal.radiomics.ibsi.cells import Cells, counted
from multimodal.radiomics.ibsi.voxels import Step, Voxels, directions


def runs(voxels: Voxels, by_slice: bool) -> Cells:
    """Count runs of one grey level along each direction (IBSI 3.7).

    Returns
    -------
    Cells
        Matrix ``slice * directions + direction``; one slice where runs go through space.
    """
    steps = directions(by_slice)
    slices = voxels.slice_count if by_slice else 1
    matrix, level, length = [], [], []
    for place, step in enumerate(steps):
        starts, lengths = _along(voxels, step)
        slice_of = voxels.slices[starts] if by_slice else np.zeros(starts.size, dtype=np.int64)
        matrix.append(slice_of * len(steps) + place)
        level.append(voxels.levels[starts])
        length.append(lengths)
    held = np.bincount(voxels.slices) if by_slice else np.array([voxels.count])
    return counted(
        np.concatenate(matrix),
        np.concatenate(level),
        np.concatenate(length),
        np.repeat(held, len(steps))[: slices * len(steps)].astype(np.float64),
    )


def _along(voxels: Voxels, step: Step) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first voxel of each run and its length: follow all runs at once, voxel by voxel."""
    first, second = voxels.pairs(step)
    alike = voxels.levels[first] == voxels.levels[second]
    following = np.full(voxels.count, -1, dtype=np.int64)
    following[first[alike]] = second[alike]
    begins = np.ones(voxels.count, dtype=bool)
    begins[second[alike]] = False
    starts = np.flatnonzero(begins)
    lengths = np.ones(starts.size, dtype=np.int64)
    running, here = np.arange(starts.size), starts
    while running.size:
        here = following[here]
        goes_on = here >= 0
        running, here = running[goes_on], here[goes_on]
        lengths[running] += 1
    return starts, lengths
