"""The mesh's measures equal those of pyradiomics' compiled code, which compares all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from radiomics import cShape
from scipy import ndimage

from multimodal.radiomics.mesh import measure


def shapes() -> dict[str, NDArray[np.bool_]]:
    rng = np.random.default_rng(5)
    single = np.ones((1, 1, 1), dtype=bool)
    blobs = ndimage.gaussian_filter(rng.normal(size=(14, 17, 19)), 1.5) > 0.05
    return {
        "one voxel": single,
        "line": np.ones((1, 1, 7), dtype=bool),
        "plane": np.ones((1, 6, 9), dtype=bool),
        "box": np.ones((4, 6, 9), dtype=bool),
        "noise": rng.random((9, 11, 13)) > 0.5,  # all 256 kinds of cells
        "blobs": blobs,
        "two corners": np.eye(5, dtype=bool)[:, :, None] & np.eye(5, dtype=bool)[:, None, :],
    }


@pytest.mark.parametrize("name", shapes())
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 0.7, 0.9)])
def test_measures_are_those_of_all_pairs(name: str, spacing: tuple[float, float, float]) -> None:
    mask = shapes()[name]
    area, volume, diameters = cShape.calculate_coefficients(np.pad(mask, 1), np.array(spacing))
    mesh = measure(mask, spacing)
    assert mesh.area == pytest.approx(area, rel=1e-12)
    assert mesh.volume == pytest.approx(volume, rel=1e-11)
    assert mesh.diameters == pytest.approx(diameters, rel=1e-14)
