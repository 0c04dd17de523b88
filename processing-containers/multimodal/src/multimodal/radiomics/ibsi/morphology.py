"""Morphology (IBSI 3.1, HCUG)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from multimodal.radiomics.ibsi import boxes, ellipsoid
from multimodal.radiomics.ibsi.autocorrelation import moran_geary
from multimodal.radiomics.ibsi.descriptives import Values, divided
from multimodal.radiomics.ibsi.region import ProcessedRegion
from multimodal.radiomics.mesh import Surface, surface

_NAN = float("nan")


def morphology(region: ProcessedRegion) -> Values:
    """Return the 29 morphological features by their tag in the reference table.

    Parameters
    ----------
    region : ProcessedRegion
        The mesh is that of its morphological mask, intensities are those of its intensity mask.

    Notes
    -----
    Volume by mesh (IBSI 3.1.1, RNU0) and by voxels (3.1.2, YEKZ), area (3.1.3, C0JK), surface to volume ratio
    (3.1.4, 2PR5), compactness to asphericity (3.1.5 to 3.1.9), centre of mass shift (3.1.10, KLMA), longest diameter
    (3.1.11, L0JK), principal axes (3.1.12 to 3.1.16), densities (3.1.17 to 3.1.26), integrated intensity (99N0),
    Moran's I (N365) and Geary's C (NPT7).
    """
    mesh = surface(region.morphological, region.spacing)
    axes = _variances(region.morphological, region.spacing)
    voxel = math.prod(region.spacing)
    mean = float(region.intensities.mean())
    moran, geary = moran_geary(region.image, region.intensity, region.spacing)
    found = {
        **_roundness(mesh.area, mesh.volume),
        "vol_approx": float(np.count_nonzero(region.morphological)) * voxel,
        "com": _mass_shift(region),
        "diam": mesh.diameter,
        **_axes(axes),
        **_densities(mesh, axes),
        "integ_int": mean * mesh.volume,
        "moran_i": moran,
        "geary_c": geary,
    }
    return {f"morph_{name}": value for name, value in found.items()}


def _roundness(area: float, volume: float) -> Values:
    """Return volume, area and what compares them with a sphere's (IBSI 3.1.4 to 3.1.9)."""
    dispersion = divided(area, (36 * math.pi * volume**2) ** (1 / 3))
    return {
        "volume": volume,
        "area_mesh": area,
        "av": divided(area, volume),
        "comp_1": divided(volume, math.sqrt(math.pi) * area**1.5),
        "comp_2": divided(36 * math.pi * volume**2, area**3),
        "sph_dispr": dispersion,
        "sphericity": divided(1, dispersion),
        "asphericity": dispersion - 1,
    }


def _variances(mask: NDArray[np.bool_], spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return the variances of the voxel centres along the principal axes, largest first (IBSI 3.1.12)."""
    points = np.argwhere(mask) * np.asarray(spacing)
    if len(points) < 2:
        return np.full(3, np.nan)
    found = np.linalg.eigvalsh(np.cov(points, rowvar=False))[::-1]
    return np.asarray(np.where(np.abs(found) < 1e-10, 0.0, found), dtype=np.float64)


def _axes(variances: NDArray[np.float64]) -> Values:
    """Return the axes' lengths, elongation and flatness (IBSI 3.1.12 to 3.1.16)."""
    major, minor, least = (float(v) for v in 4 * np.sqrt(variances))
    return {
        "pca_maj_axis": major,
        "pca_min_axis": minor,
        "pca_least_axis": least,
        "pca_elongation": divided(minor, major),
        "pca_flatness": divided(least, major),
    }


def _mass_shift(region: ProcessedRegion) -> float:
    """Return the distance of the centres of shape and of intensity in mm (IBSI 3.1.10, KLMA)."""
    spacing = np.asarray(region.spacing)
    weights = region.intensities
    total = float(weights.sum())
    if not total:
        return _NAN
    shape = np.argwhere(region.morphological).mean(axis=0)
    mass = weights @ np.argwhere(region.intensity) / total
    return float(np.linalg.norm((shape - mass) * spacing))


def _densities(mesh: Surface, variances: NDArray[np.float64]) -> Values:
    """Return volume and area in shares of what encloses the region (IBSI 3.1.17 to 3.1.26)."""
    aligned, oriented = boxes.aligned(mesh.corners), boxes.oriented(mesh)
    approximate, enclosing = 2 * np.sqrt(variances), ellipsoid.enclosing(mesh.corners)
    around = {
        "aabb": (float(np.prod(aligned)), boxes.box_area(aligned)),
        "ombb": (float(np.prod(oriented)), boxes.box_area(oriented)),
        "aee": (ellipsoid.volume(approximate), ellipsoid.area(approximate)),
        "mvee": (ellipsoid.volume(enclosing), ellipsoid.area(enclosing)),
        "conv_hull": (float(mesh.hull.volume), float(mesh.hull.area)),
    }
    found = {}
    for name, (volume, area) in around.items():
        found[f"vol_dens_{name}"] = divided(mesh.volume, volume)
        found[f"area_dens_{name}"] = divided(mesh.area, area)
    return found
