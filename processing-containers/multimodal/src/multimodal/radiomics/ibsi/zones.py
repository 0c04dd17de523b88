"""Zones of one grey level: size zone matrix (IBSI 3.8, 9SAK) and distance zone matrix (IBSI 3.9, VMDZ)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_cdt, generate_binary_structure
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from multimodal.radiomics.ibsi.cells import Cells, counted
from multimodal.radiomics.ibsi.voxels import Voxels, directions

# the next voxels by side, not by edge or corner: in space, and within a slice; scipy reads only boolean ones right
_SIDES = generate_binary_structure(3, 1)
_SIDES_IN_SLICE = _SIDES & np.array([False, True, False])[:, None, None]


@dataclass(frozen=True, slots=True)
class Zones:
    """Zones of linked voxels of one grey level: grey level, slice, voxels and least distance to the border of each."""

    level: NDArray[np.int64]
    slice: NDArray[np.int64]
    size: NDArray[np.int64]
    distance: NDArray[np.int64]
    voxels: NDArray[np.float64]


def zones(voxels: Voxels, distance: NDArray[np.int64], by_slice: bool) -> Zones:
    """Find the zones: voxels linked by side, edge or corner, in space or within the slice (IBSI 3.8).

    Parameters
    ----------
    voxels : Voxels
        The region.
    distance : NDArray[int64]
        Distance of each voxel to the region's border (`border_distance`).
    by_slice : bool
        Whether zones end at the slice's.
    """
    ends = [voxels.pairs(step) for step in directions(by_slice)]
    first, second = (np.concatenate([pair[side] for pair in ends]) for side in (0, 1))
    alike = voxels.levels[first] == voxels.levels[second]
    first, second = first[alike], second[alike]
    linked = coo_array((np.ones(first.size, dtype=bool), (first, second)), shape=(voxels.count, voxels.count))
    number, zone = connected_components(linked, directed=False)
    level, slices = np.zeros(number, dtype=np.int64), np.zeros(number, dtype=np.int64)
    level[zone] = voxels.levels
    if by_slice:
        slices[zone] = voxels.slices
    nearest = np.full(number, np.iinfo(np.int64).max)
    np.minimum.at(nearest, zone, distance)
    held = np.bincount(voxels.slices) if by_slice else np.array([voxels.count])
    return Zones(level, slices, np.bincount(zone), nearest, held.astype(np.float64))


def size_zones(found: Zones) -> Cells:
    """Return a matrix of grey level and zone size for each slice (IBSI 3.8)."""
    return counted(found.slice, found.level, found.size, found.voxels)


def distance_zones(found: Zones) -> Cells:
    """Return a matrix of grey level and zone distance for each slice (IBSI 3.9)."""
    return counted(found.slice, found.level, found.distance, found.voxels)


def border_distance(mask: NDArray[np.bool_], by_slice: bool) -> NDArray[np.int64]:
    """Return for each place how many steps by side lead out of the morphological `mask` (IBSI 3.9).

    A voxel at the border has distance 1. By slice, only steps within the slice count.
    """
    steps = distance_transform_cdt(np.pad(mask, 1), metric=_SIDES_IN_SLICE if by_slice else _SIDES)
    return np.asarray(steps[1:-1, 1:-1, 1:-1], dtype=np.int64)
