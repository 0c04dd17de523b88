"""The voxels of a region as a list with their neighbours: what all texture matrices are counted from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Step = tuple[int, int, int]
# one of each two opposite directions to the 26 neighbours in space (IBSI 3.6); the first four lie in the slice
IN_SLICE: tuple[Step, ...] = ((0, 0, 1), (0, 1, 0), (0, 1, 1), (0, 1, -1))
IN_SPACE: tuple[Step, ...] = IN_SLICE + tuple((1, y, x) for y in (-1, 0, 1) for x in (-1, 0, 1))


@dataclass(frozen=True)
class Voxels:
    """Grey levels and places of a region's voxels.

    Parameters
    ----------
    levels : NDArray[int64]
        Grey level of each voxel, from 1 on.
    slices : NDArray[int64]
        Which of the region's slices each voxel lies in, from 0 on; slices without voxels are not counted.
    flat : NDArray[int64]
        Index of each voxel in the padded box.
    lookup : NDArray[int64]
        For each place of the padded box the voxel's number, -1 where there is none.
    strides : tuple of int
        Distance in the padded box to the next slice, row, column.
    """

    levels: NDArray[np.int64]
    slices: NDArray[np.int64]
    flat: NDArray[np.int64]
    lookup: NDArray[np.int64]
    strides: Step

    @property
    def count(self) -> int:
        """Number of voxels."""
        return int(self.levels.size)

    @property
    def most(self) -> int:
        """The highest grey level (IBSI: N_g)."""
        return int(self.levels.max())

    @property
    def slice_count(self) -> int:
        """Number of slices that hold voxels."""
        return int(self.slices.max()) + 1

    def pairs(self, step: Step) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the voxels that have a neighbour in the region at `step`, and these neighbours."""
        offset = sum(s * n for s, n in zip(step, self.strides, strict=True))
        partner = self.lookup[self.flat + offset]
        first = np.flatnonzero(partner >= 0)
        return first, partner[first]


def voxels_of(mask: NDArray[np.bool_], levels: NDArray[np.int64]) -> Voxels:
    """List the voxels of `mask` ([z, y, x]) with their `levels` (in the mask's order)."""
    padded = np.pad(mask, 1)
    flat = np.flatnonzero(padded)
    lookup = np.full(padded.size, -1, dtype=np.int64)
    lookup[flat] = np.arange(flat.size)
    plane = padded.shape[1] * padded.shape[2]
    slices = np.unique(flat // plane, return_inverse=True)[1]
    return Voxels(levels, slices, flat, lookup, (plane, padded.shape[2], 1))


def directions(by_slice: bool) -> Sequence[Step]:
    """Return the directions to neighbours within the slice, or in space."""
    return IN_SLICE if by_slice else IN_SPACE
