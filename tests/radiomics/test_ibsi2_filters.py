"""Filters by IBSI chapter 2: its reference values on the CT phantom, and the part around a region is enough."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_laplace, uniform_filter

from multimodal.imaging import Roi, Volume
from multimodal.radiomics import Profile, load_profile
from multimodal.radiomics.engine import compute
from multimodal.radiomics.ibsi.wavelets import response
from tests.radiomics.conformance import DATA, ct_phantom
from tests.radiomics.conftest import ellipsoid, roi_of

IN_SPACE = {"spacing": [1, 1, 1], "image": "cubic-spline", "rounding": "nearest"}
IMAGES: dict[str, Any] = {
    "1": "original",
    "2": {"filter": "mean", "support": 5},
    "3": {"filter": "log", "sigma": [1.5], "truncate": 4},
    "6": {"filter": "wavelet", "wavelet": "db3", "level": 1, "rotation_invariant": True, "bands": ["LH", "LLH"]},
    "7": {"filter": "wavelet", "wavelet": "db3", "level": 2, "rotation_invariant": True, "bands": ["HH", "HHH"]},
}


def profile_with(*images: Any, families: tuple[str, ...] = ("statistics",), **settings: Any) -> Profile:
    ibsi = load_profile("ibsi1-D")
    return replace(ibsi, settings={**ibsi.settings, "images": list(images), "families": list(families), **settings})


def within(image: Any, dimensions: int) -> Any:
    if image == "original":
        return image
    if "bands" in image:
        return {**image, "bands": [band for band in image["bands"] if len(band) == dimensions]}
    return {**image, "dimensions": dimensions}


def references(configuration: str) -> Iterator[tuple[str, float, float]]:
    with (DATA / "ibsi2_filter_values.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            if row["configuration"] == configuration:
                yield row["tag"], float(row["value"]), float(row["tolerance"])


@pytest.mark.parametrize("configuration", ["1.A", "1.B", "2.A", "2.B", "3.A", "3.B", "6.A", "6.B", "7.A", "7.B"])
def test_the_reference_values(public_data: Path, tmp_path: Path, configuration: str) -> None:
    number, _, kind = configuration.partition(".")
    profile = profile_with(
        within(IMAGES[number], 2 if kind == "A" else 3),
        resampling=None if kind == "A" else IN_SPACE,
        resegmentation={"range": [-1000, 400], "outliers": None},
    )
    result = compute(*ct_phantom(public_data, "NIfTI", tmp_path), profile)
    values = {feature.name.partition("_")[2]: feature.value for feature in result.features}
    checked = 0
    for tag, expected, tolerance in references(configuration):
        # to three digits, as the references are given
        assert abs(float(f"{values[tag]:.3g}") - expected) <= tolerance * (1 + 1e-9), tag
        checked += 1
    assert checked == 18


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
