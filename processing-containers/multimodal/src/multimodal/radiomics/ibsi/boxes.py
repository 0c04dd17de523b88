"""Boxes around a region: along the image's axes, and the least one in any direction (IBSI 3.1.17 to 3.1.20)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from multimodal.radiomics.mesh import Surface


def aligned(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of the box along the image's axes around `corners` (n x 3)."""
    return np.asarray(np.ptp(corners, axis=0), dtype=np.float64)


def oriented(surface: Surface) -> NDArray[np.float64]:
    """Return the edges of the least box around the hull: one that has a face in common with it.

    Notes
    -----
    IBSI 3.1.19 (ZH1A) and 3.1.20 (IQYR) give no reference values and leave the method open. The least box shares at
    least two edges with the hull; one that shares a face is found for each face by its flattened hull's edges.
    """
    corners = surface.corners
    normals = np.unique(np.round(_upward(surface.hull.equations[:, :3]), 9), axis=0)
    heights = np.ptp(corners @ normals.T, axis=0)
    best, least = aligned(corners), float(np.prod(aligned(corners)))
    for normal, height in zip(normals, heights, strict=True):
        width, length = _least_rectangle(_flattened(corners, normal))
        if width * length * height < least:
            best, least = np.array([height, width, length]), float(width * length * height)
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


def _flattened(corners: NDArray[np.float64], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project onto the plane across `normal`."""
    across = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    across /= np.linalg.norm(across)
    return np.asarray(corners @ np.stack([across, np.cross(normal, across)], axis=1), dtype=np.float64)


def _least_rectangle(points: NDArray[np.float64]) -> tuple[float, float]:
    """Return width and length of the least rectangle around points in a plane: it lies along an edge of their hull."""
    try:
        hull = points[ConvexHull(points).vertices]
    except QhullError:  # all on one line
        return 0.0, float(np.linalg.norm(np.ptp(points, axis=0)))
    edges = np.roll(hull, -1, axis=0) - hull
    edges /= np.linalg.norm(edges, axis=1, keepdims=True)
    along = np.ptp(hull @ edges.T, axis=0)
    across = np.ptp(hull @ np.stack([-edges[:, 1], edges[:, 0]]), axis=0)
    best = int(np.argmin(along * across))
    return float(along[best]), float(across[best])
