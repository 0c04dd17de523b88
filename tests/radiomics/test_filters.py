"""Filtered images: what is made around a region only equals what is made of the whole image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import SimpleITK
from radiomics.featureextractor import RadiomicsFeatureExtractor

from multimodal.imaging import Roi, Volume
from multimodal.radiomics import Profile, load_profile, measurement_report, write_features_csv
from multimodal.radiomics.engine import compute
from tests.radiomics.conftest import ellipsoid, roi_of

LOG, WAVELET = {"filter": "log", "sigma": [1, 2.5]}, {"filter": "wavelet", "wavelet": "coif1", "level": 1}


def profile_with(*images: Any, **settings: Any) -> Profile:
    compat = load_profile("pyradiomics-compat")
    return replace(compat, settings={**compat.settings, "images": list(images), **settings})


def on_the_whole_image(volume: Volume, roi: Roi) -> dict[str, float]:
    extractor = RadiomicsFeatureExtractor(additionalInfo=False)
    extractor.disableAllImageTypes()
    extractor.enableImageTypeByName("LoG", customArgs={"sigma": [1.0, 2.5]})
    extractor.enableImageTypeByName("Wavelet")
    image = SimpleITK.GetImageFromArray(volume.array.astype(np.int16))
    mask = SimpleITK.GetImageFromArray(roi.in_full(volume.shape).astype(np.uint8))
    for each in (image, mask):
        each.SetSpacing(volume.spacing[::-1])
    found = {}
    for name, value in extractor.execute(image, mask).items():
        kurtosis = name.endswith("firstorder_Kurtosis")
        found[name.replace("_Kurtosis", "_ExcessKurtosis") if kurtosis else name] = float(value) - 3 * kurtosis
    return found


# in the middle, and at the image's corner, where wavelets wrap around the odd and the even axis
@pytest.mark.parametrize("centre", [(9, 22, 27), (3, 5, 45)])
def test_equal_to_the_whole_image(volume: Volume, centre: tuple[int, int, int]) -> None:
    odd = replace(volume, array=np.ascontiguousarray(volume.array[:, :47]))
    roi = roi_of(ellipsoid(odd.shape, centre, (3, 6, 6)))
    theirs = on_the_whole_image(odd, roi)
    result = compute(odd, roi, profile_with(LOG, WAVELET))
    ours = {feature.name: feature.value for feature in result.features}
    assert len(ours) == 10 * 93
    assert set(ours) == {name for name in theirs if "_shape_" not in name}
    for name, value in ours.items():
        assert value == pytest.approx(theirs[name], rel=1e-5, abs=1e-6), name


def test_the_part_around_a_region_is_enough(volume: Volume) -> None:
    """In an image large enough that the part is less than the whole."""
    large = replace(volume, array=np.tile(volume.array, (3, 3, 3)))
    roi = roi_of(ellipsoid(large.shape, (31, 70, 75), (3, 6, 6)))
    theirs = on_the_whole_image(large, roi)
    for feature in compute(large, roi, profile_with(LOG, WAVELET)).features:
        assert feature.value == pytest.approx(theirs[feature.name], rel=1e-5, abs=1e-6), feature.name


def test_filters_work_on_the_new_grid(volume: Volume, blob: Roi) -> None:
    resampling = {"spacing": [1.5, 1.5, 3], "interpolator": "bspline"}
    original = compute(volume, blob, profile_with("original", resampling=resampling)).features
    both = compute(volume, blob, profile_with("original", LOG, WAVELET, resampling=resampling)).features
    assert both[:107] == original
    assert len(both) == 107 + 10 * 93


def test_filtered_features_stay_in_the_tables(tmp_path: Any, volume: Volume, blob: Roi) -> None:
    profile = profile_with("original", LOG)
    result = compute(volume, blob, profile)
    assert len(result.features) == 107 + 2 * 93
    assert len(result.reported) == 107
    assert write_features_csv(tmp_path / "f.csv", volume, [result], profile) == 293
    [group] = measurement_report(volume, [result], profile).ContentSequence[-1].ContentSequence
    assert sum(item.ValueType == "NUM" for item in group.ContentSequence) == 107
    units = {feature.name: feature.unit for feature in result.features}
    assert units["log-sigma-1-0-mm-3D_firstorder_Mean"] == "{intensity}"
    assert units["original_firstorder_Mean"] == "[hnsf'U]"


def test_an_image_too_small_for_a_filter_fails_with_the_reason(volume: Volume, blob: Roi) -> None:
    result = compute(volume, blob, profile_with({"filter": "log", "sigma": [60]}))
    assert result.features == ()
    assert result.failure is not None
    assert "too small for a Laplacian of Gaussian of 60 mm" in result.failure.message
