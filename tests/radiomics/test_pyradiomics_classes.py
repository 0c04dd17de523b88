"""Our order of computing beside pyradiomics' own, where rounding and special cases could part them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray
from radiomics import firstorder, glcm

from multimodal.radiomics.pyradiomics_classes import feature_classes


def both(levels: NDArray[np.int64], mask: NDArray[np.bool_], name: str, **settings: Any) -> list[dict[str, float]]:
    """Return the features by our class and by pyradiomics', of an image whose intensities are its grey levels."""
    image = SimpleITK.GetImageFromArray(levels.astype(np.int16))
    region = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    theirs = {"glcm": glcm.RadiomicsGLCM, "firstorder": firstorder.RadiomicsFirstOrder}[name]
    given = {"levels": np.where(mask, levels, 0), "level_values": np.unique(levels[mask])}
    found = []
    for made in (feature_classes()[name](image, region, **settings, **given), theirs(image, region, **settings)):
        with np.errstate(all="ignore"):
            found.append({key: float(np.real(value)) for key, value in made.execute().items()})
    return found


def levels_of(kind: str) -> NDArray[np.int64]:
    """Return grey levels; the least is 1, so that pyradiomics' bins of width 1 are the levels."""
    random = np.random.default_rng(11)
    levels = random.integers(1, 25, size=(6, 12, 13))
    if kind == "smooth":
        levels = np.cumsum(random.integers(-1, 2, size=levels.shape), axis=2) + 20
    if kind == "gaps":
        levels = levels // 4 * 7 + 1
    if kind == "rare":
        levels = np.full_like(levels, 5)
        levels[2, 3, 4], levels[4, 6, 7], levels[4, 6, 8] = 9, 30, 31
    return levels - levels.min() + 1


@pytest.mark.parametrize("symmetrical", [True, False])
@pytest.mark.parametrize("kind", ["noise", "smooth", "gaps", "rare"])
def test_co_occurrence(kind: str, symmetrical: bool) -> None:
    levels = levels_of(kind)
    mask = np.random.default_rng(4).random(levels.shape) < 0.8
    mask[0, 0, :2] = mask[2, 3, 4] = mask[4, 6, 7] = mask[4, 6, 8] = True
    levels[0, 0, 0] = 1
    ours, theirs = both(levels, mask, "glcm", binWidth=1, symmetricalGLCM=symmetrical)
    assert len(ours) == 24
    for name, value in theirs.items():
        # of two levels that never meet others the second eigenvalue is 1 or 0 up to rounding, and its root is taken
        assert ours[name] == pytest.approx(value, rel=1e-10, abs=1e-7 if name == "MCC" else 1e-11), name


def test_a_flat_region() -> None:
    levels = np.ones((4, 5, 6), dtype=np.int64)
    ours, theirs = both(levels, levels > 0, "glcm", binWidth=1)
    assert ours == theirs
    assert ours["MCC"] == 1


def test_moments() -> None:
    levels = levels_of("smooth")
    ours, theirs = both(levels, levels > 3, "firstorder", binWidth=1)
    assert set(ours) == set(theirs)
    for name in ("Skewness", "Kurtosis"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-12)
