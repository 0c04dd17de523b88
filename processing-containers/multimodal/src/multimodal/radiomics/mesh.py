"""Surface, volume and diameters of a mask's triangle mesh, without comparing all pairs of vertices.

pyradiomics' compiled code measures the mesh and, in the same call, the distance of every pair of its vertices:
35 seconds for a liver, of which nearly all is the pairs. Here the mesh is the same to the last digits, since its
pieces are measured by that compiled code itself, and only vertices that can be an end of a diameter are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from radiomics import cShape
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist

Triple = tuple[float, float, float]
_CORNERS = list(product((0, 1), repeat=3))
_CHUNK = 1024


@dataclass(frozen=True, slots=True)
class Mesh:
    """Measures of the mesh.

    Parameters
    ----------
    area, volume : float
        In mm2 and mm3.
    diameters : tuple of float
        Longest distance of two vertices within one slice, one row, one column, and in space; in mm. The order
        and meaning are those of pyradiomics: Slice, Column, Row, 3D.
    """

    area: float
    volume: float
    diameters: tuple[float, float, float, float]


def measure(mask: NDArray[np.bool_], spacing: Triple) -> Mesh:
    """Measure the marching-cubes mesh of `mask` ([z, y, x]), with one empty voxel laid around it.

    Parameters
    ----------
    mask : NDArray[bool]
        The voxels of the region.
    spacing : tuple of float
        Along z, y, x in mm.
    """
    padded = np.pad(mask, 1)
    area, volume = _area_and_volume(padded, spacing)
    return Mesh(area, volume, _diameters(padded, spacing))


@dataclass(frozen=True)
class Surface:
    """Area (mm2) and volume (mm3) of the mesh, and its convex hull (points in mm along z, y, x)."""

    area: float
    volume: float
    hull: ConvexHull

    @property
    def corners(self) -> NDArray[np.float64]:
        """The hull's corners, n x 3."""
        return np.asarray(self.hull.points[self.hull.vertices], dtype=np.float64)

    @property
    def diameter(self) -> float:
        """The longest distance of two vertices of the mesh in mm."""
        return _longest(self.corners)


def surface(mask: NDArray[np.bool_], spacing: Triple) -> Surface:
    """Return the marching-cubes mesh of `mask` ([z, y, x]) as IBSI's morphological features need it (IBSI 3.1)."""
    padded = np.pad(mask, 1)
    area, volume = _area_and_volume(padded, spacing)
    vertices = _line_ends(_vertices(padded), 2)
    return Surface(area, volume, ConvexHull((vertices * 0.5 - 1) * np.asarray(spacing)))


@dataclass(frozen=True, slots=True)
class _Pieces:
    """For each of the 256 ways to fill a cell: area, volume at the origin, and volume gained per step away."""

    area: NDArray[np.float64]
    volume: NDArray[np.float64]
    per_step: NDArray[np.float64]


@lru_cache(maxsize=64)
def _pieces(spacing: Triple) -> _Pieces:
    """Measure each kind of cell with pyradiomics' compiled code.

    The volume of a mesh is a sum over its triangles of tetrahedra towards the origin, so a cell's share depends
    on where it lies, linearly. The slope along an axis shows when two cells are stacked along it.
    """
    distances = np.asarray(spacing, dtype=np.float64)
    area, volume = np.zeros(256), np.zeros(256)
    per_step = np.zeros((3, 256))
    for case in range(256):
        area[case], volume[case], _ = cShape.calculate_coefficients(_cell(case), distances)
    for axis, case in product(range(3), range(256)):
        cell = _cell(case)
        before = np.zeros_like(cell)
        before[_at(axis, 1)] = cell[_at(axis, 0)]
        stacked = np.concatenate([np.take(before, [0], axis=axis), cell], axis=axis)
        both = cShape.calculate_coefficients(np.ascontiguousarray(stacked), distances)[1]
        per_step[axis, case] = both - volume[_case(before)] - volume[case]
    return _Pieces(area, volume, per_step)


def _cell(case: int) -> NDArray[np.bool_]:
    return np.asarray([case >> bit & 1 for bit in range(8)], dtype=bool).reshape(2, 2, 2)


def _case(cell: NDArray[np.bool_]) -> int:
    return int(sum(int(filled) << bit for bit, filled in enumerate(cell.ravel())))


def _at(axis: int, index: int) -> tuple[slice | int, ...]:
    place: list[slice | int] = [slice(None)] * 3
    place[axis] = index
    return tuple(place)


def _area_and_volume(padded: NDArray[np.bool_], spacing: Triple) -> tuple[float, float]:
    pieces = _pieces(spacing)
    z, y, x = padded.shape
    cases = np.zeros((z - 1, y - 1, x - 1), dtype=np.uint8)
    voxels = padded.view(np.uint8)
    for bit, (dz, dy, dx) in enumerate(_CORNERS):
        cases |= voxels[dz : z - 1 + dz, dy : y - 1 + dy, dx : x - 1 + dx] << np.uint8(bit)
    places = np.nonzero((cases != 0) & (cases != 255))
    kinds = cases[places]
    area = float(np.bincount(kinds, minlength=256) @ pieces.area)
    volume = float(np.bincount(kinds, minlength=256) @ pieces.volume)
    for axis, index in enumerate(places):
        volume += float(np.bincount(kinds, weights=index, minlength=256) @ pieces.per_step[axis])
    return area, volume


def _diameters(padded: NDArray[np.bool_], spacing: Triple) -> tuple[float, float, float, float]:
    """Return the longest distances within planes of equal z, y, x and in space."""
    vertices = _vertices(padded)
    along_x = _line_ends(vertices, 2)
    along_y = _line_ends(vertices, 1)
    return (
        _longest_in_planes(along_x, 0, spacing),
        _longest_in_planes(along_x, 1, spacing),
        _longest_in_planes(along_y, 2, spacing),
        _longest(_hull(along_x, spacing)),
    )


def _vertices(padded: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the mesh's vertices in half voxels: the middle of each edge between a voxel in and one out."""
    found = []
    for axis in range(3):
        places = np.argwhere(np.diff(padded, axis=axis)) * 2
        places[:, axis] += 1
        found.append(places)
    return np.concatenate(found)


def _line_ends(vertices: NDArray[np.int64], axis: int) -> NDArray[np.int64]:
    """Return the first and the last vertex on each line along `axis`: no other can end a longest distance."""
    a, b = (other for other in range(3) if other != axis)
    limit = int(vertices.max()) + 1
    line = vertices[:, a] * limit + vertices[:, b]
    order = np.argsort(line * limit + vertices[:, axis])
    change = np.flatnonzero(np.diff(line[order]))
    ends = np.unique(np.concatenate([[0], change, change + 1, [len(order) - 1]]))
    return np.asarray(vertices[order[ends]], dtype=np.int64)


def _longest_in_planes(vertices: NDArray[np.int64], axis: int, spacing: Triple) -> float:
    """Return the longest distance of two vertices that share their coordinate on `axis`.

    Planes go by the diagonal of their box, longest first; when the next diagonal is no longer than what was
    found, no plane after it can matter.
    """
    others = [other for other in range(3) if other != axis]
    order = np.argsort(vertices[:, axis], kind="stable")
    planes = vertices[order, axis]
    points = vertices[order][:, others] * 0.5 * np.asarray(spacing)[others]
    starts = np.flatnonzero(np.concatenate([[True], np.diff(planes) > 0]))
    extent = np.maximum.reduceat(points, starts) - np.minimum.reduceat(points, starts)
    diagonals = np.sqrt((extent**2).sum(axis=1))
    stops = np.append(starts[1:], len(points))
    longest = 0.0
    for plane in np.argsort(-diagonals):
        if diagonals[plane] <= longest:
            break
        longest = max(longest, _longest(points[starts[plane] : stops[plane]]))
    return longest


def _hull(vertices: NDArray[np.int64], spacing: Triple) -> NDArray[np.float64]:
    """Return the corners of the convex hull; around a voxel there are always six vertices in space."""
    points = vertices * 0.5 * np.asarray(spacing)
    return np.asarray(points[ConvexHull(points).vertices], dtype=np.float64)


def _longest(points: NDArray[np.float64]) -> float:
    """Return the longest distance of two of `points`, a bounded number of rows at a time."""
    return max(float(cdist(points[start : start + _CHUNK], points).max()) for start in range(0, len(points), _CHUNK))
