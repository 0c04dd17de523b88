"""What must not matter does not: how the patient lies, and what stands around the region."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal.imaging import Roi, Volume
from multimodal.radiomics import load_profile
from multimodal.radiomics.engine import compute
from multimodal.radiomics.ibsi import ProcessedRegion, features_of
from tests.radiomics.conftest import roi_of


def region_of(levels: np.ndarray, mask: np.ndarray, spacing: tuple[float, float, float]) -> ProcessedRegion:
    image = levels.astype(np.float64)
    return ProcessedRegion(image, mask, mask, spacing, image, (0, 0, 0))


@given(seed=st.integers(0, 10_000), order=st.sampled_from(list(permutations(range(3)))))
@settings(max_examples=15, deadline=None)
def test_axes_may_be_exchanged(seed: int, order: tuple[int, int, int]) -> None:
    random = np.random.default_rng(seed)
    levels, mask = random.integers(1, 5, size=(4, 5, 6)), random.random((4, 5, 6)) < 0.7
    mask[1:3, 1:3, 1:3] = True
    spacing = (2.0, 1.5, 1.0)
    shipped = load_profile("ibsi1-digital").settings
    # not the mesh: where noise touches by corners only, marching cubes must choose, and does so by the axes' order
    families = [family for family in shipped["families"] if family != "morphology"]
    chosen = {**shipped, "aggregation": ["3D-averaged", "3D-merged", "3D"], "families": families}
    first = dict(features_of(region_of(levels, mask, spacing), chosen))
    turned = region_of(levels.transpose(order), mask.transpose(order), tuple(spacing[axis] for axis in order))
    for tag, value in features_of(turned, chosen):
        assert value == pytest.approx(first[tag], rel=1e-9, abs=1e-12, nan_ok=True), tag


def test_the_grid_is_the_whole_images(volume: Volume, blob: Roi) -> None:
    """A region alone in the image is measured like one with others: its neighbours' masks do not shift the grid."""
    profile = load_profile("ibsi1-E")
    whole = replace(blob, mask=blob.in_full(volume.shape), offset=(0, 0, 0))
    first, second = compute(volume, blob, profile), compute(volume, whole, profile)
    assert [f.name for f in first.features] == [f.name for f in second.features]
    for one, other in zip(first.features, second.features, strict=True):
        assert one.value == pytest.approx(other.value, rel=1e-9, abs=1e-9), one.name


@pytest.mark.parametrize("name", ["ibsi", "ibsi-ct", "ibsi-mr", "ibsi1-A", "ibsi1-E"])
def test_nothing_but_numbers_leaves(volume: Volume, name: str) -> None:
    flat = replace(volume, array=np.full_like(volume.array, 40))
    plane = np.zeros(volume.shape, dtype=bool)
    plane[9, 10:16, 10:16] = True
    for image, roi in ((flat, roi_of(plane, 1)), (volume, roi_of(plane, 2))):
        result = compute(image, roi, load_profile(name))
        assert all(math.isfinite(feature.value) for feature in result.features)
        assert result.failure or result.features
        assert {feature.name for feature in result.features}.isdisjoint(result.missing)
        assert bool(result.missing) == any(flag.startswith("no value") for flag in result.flags)
