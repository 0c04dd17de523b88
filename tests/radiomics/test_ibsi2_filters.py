"""Filters by IBSI chapter 2: its reference values on the CT phantom, and the part around a region is enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_laplace, uniform_filter

from multimodal.imaging import Roi, Volume
from multimodal.radiomics import load_profile
from multimodal.radiomics.engine import compute
from multimodal.radiomics.ibsi.wavelets import response
from tests.radiomics.conformance import CONFIGURATIONS, FoundFilters, profile_with
from tests.radiomics.conftest import ellipsoid, roi_of


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_reference_values(found_filters: FoundFilters, configuration: str) -> None:
    wanted, wrong = found_filters[configuration]
    assert len(wanted) == 18
    assert wrong == []


def test_the_reference_values_tell_filters_apart(found_filters: FoundFilters) -> None:
    for one, other in (("1.A", "2.A"), ("3.B", "6.B"), ("6.A", "7.A")):
        near = [
            left.holds(right.value) for left, right in zip(*(found_filters[n][0] for n in (one, other)), strict=True)
        ]
        assert sum(near) < 9


# in the middle, and where the filters go beyond the image
@pytest.mark.parametrize("centre", [(9, 22, 27), (2, 3, 48)])
def test_the_part_around_a_region_is_enough(volume: Volume, centre: tuple[int, int, int]) -> None:
    roi = roi_of(ellipsoid(volume.shape, centre, (2, 3, 3)))
    profile = profile_with(
        {"filter": "mean", "support": 5, "dimensions": 3},
        {"filter": "log", "sigma": [1.0], "truncate": 4, "dimensions": 3},
        {"filter": "wavelet", "wavelet": "coif1", "level": 2, "rotation_invariant": True, "bands": ["HLL", "HH"]},
        families=("statistics", "local-intensity"),
        resampling=None,
        resegmentation=None,
    )
    array = volume.array.astype(np.float64)
    whole = {
        "wavelet-coif1-HLL-level-2-invariant-3D": response(array, "coif1", "HLL", 2, True),
        "wavelet-coif1-HH-level-2-invariant-2D": response(array, "coif1", "HH", 2, True),
        "mean-5-3D": uniform_filter(array, 5, mode="reflect"),
        "log-sigma-1-0-mm-3D": gaussian_laplace(
            array, [1 / step for step in volume.spacing], mode="reflect", truncate=4
        ),
    }
    found = {feature.name: feature.value for feature in compute(volume, roi, profile).features}
    assert len(found) == 4 * 20
    for name, filtered in whole.items():
        unfiltered = profile_with(
            "original", families=("statistics", "local-intensity"), resampling=None, resegmentation=None
        )
        on_whole = compute(replace(volume, array=filtered), roi, unfiltered)
        for feature in on_whole.features:
            ours = found[feature.name.replace("original", name)]
            assert ours == pytest.approx(feature.value, rel=1e-9, abs=1e-9), feature.name


def test_morphology_is_of_the_image_only(volume: Volume, blob: Roi) -> None:
    shipped = load_profile("ibsi")
    log = {"filter": "log", "sigma": [1, 2], "truncate": 4, "dimensions": 3}
    result = compute(volume, blob, replace(shipped, settings={**shipped.settings, "images": ["original", log]}))
    assert len(result.features) == 174 + 2 * (174 - 29)
    assert len(result.reported) == 174
    units = {feature.name: feature.unit for feature in result.features}
    assert units["log-sigma-1-0-mm-3D_stat_mean"] == "{intensity}"
