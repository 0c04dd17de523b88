"""Boxes around a region: along the image's axes, and the least one in any direction (IBSI 3.1.17 to 3.1.20)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from multimodal.radiomics.mesh import Surface


def aligned(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of the box along the image's axes around `corners` (n x 3)."""
    return np.asarray(np.ptp(corners, axis=0), dtype=np.float64)


def oriented(surface: Surface) -> NDArray[np.float64]:
    """Return the edges of the least box around the hull: one that has a face in common with it.

    Notes
    -----
    IBSI 3.1.19 (ZH1A) and 3.1.20 (IQYR) give no reference values and leave the method open. A box across a direction
    holds at least the hull's shadow times its height, so directions go by that product, and end where it is no less
    than the best box.
    """
    corners = surface.corners
    normals = np.unique(_upward(surface.hull.equations[:, :3]), axis=0)
    heights = np.ptp(corners @ normals.T, axis=0)
    bounds = heights * _shadows(surface, normals)
    planes = _planes(normals)
    best, least = aligned(corners), float(np.prod(aligned(corners)))
    for place in np.argsort(bounds):
        if bounds[place] >= least:
            break
        rectangle = _least_rectangle(corners @ planes[place])
        volume = float(heights[place] * np.prod(rectangle))
        if volume < least:
            best, least = np.array([heights[place], *rectangle]), volume
    return best


def box_area(edges: NDArray[np.float64]) -> float:
    """Return the surface of a box."""
    a, b, c = (float(edge) for edge in edges)
    return 2 * (a * b + b * c + c * a)


def _upward(normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn opposite normals into one: the first component that is not zero is positive."""
    rounded = np.round(normals, 9)
    leading = np.take_along_axis(rounded, np.argmax(rounded != 0, axis=1)[:, None], axis=1)
    return np.asarray(rounded * np.sign(leading), dtype=np.float64)


def _shadows(surface: Surface, normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area of the hull seen along each of `normals`: each triangle is seen once from either side."""
    triangles = surface.hull.points[surface.hull.simplices]
    doubled = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return np.asarray(np.abs(normals @ doubled.T).sum(axis=1) / 4, dtype=np.float64)


def _planes(normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each of `normals` two unit vectors across it and each other, 3 x 2."""
    across = np.cross(normals, np.eye(3)[np.argmin(np.abs(normals), axis=1)])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    return np.stack([across, np.cross(normals, across)], axis=2)


def _least_rectangle(points: NDArray[np.float64]) -> tuple[float, float]:
    """Return width and length of the least rectangle around points in a plane: it lies along an edge of their hull."""
    hull = ConvexHull(points)  # a hull in space has no side that is a line
    outward = hull.equations[:, :2]
    along = np.stack([-outward[:, 1], outward[:, 0]], axis=1)
    places = points[hull.vertices] @ np.concatenate([outward, along]).T
    widths, lengths = np.split(places.max(axis=0) - places.min(axis=0), 2)
    best = int(np.argmin(widths * lengths))
    return float(widths[best]), float(lengths[best])
