"""The Laplacian of Gaussian of a box: ITK's own numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray

from multimodal.radiomics.recursive_gaussian import REACH, laplacian_of_gaussian

SPACING = (2.5, 0.8, 0.75)


def by_itk(image: NDArray[Any], sigma: float) -> NDArray[np.float32]:
    made = SimpleITK.GetImageFromArray(image)
    made.SetSpacing(SPACING[::-1])
    made_by = SimpleITK.LaplacianRecursiveGaussianImageFilter()
    made_by.SetNormalizeAcrossScale(True)
    made_by.SetSigma(sigma)
    return np.asarray(SimpleITK.GetArrayFromImage(made_by.Execute(made)))


def noise(*shape: int) -> NDArray[np.float64]:
    return np.round(np.random.default_rng(7).normal(size=shape) * 300 - 400)


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.float32])
@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.5, 6.0])
def test_itks_numbers_on_a_whole_image(kind: type[np.generic], sigma: float) -> None:
    image = noise(14, 31, 40).astype(kind)
    ours = laplacian_of_gaussian(image, (slice(0, 14), slice(0, 31), slice(0, 40)), SPACING, sigma)
    theirs = by_itk(image, sigma)
    # a rounding between two float32 may fall the other way where the float64 before it differs in its last digit
    assert np.count_nonzero(ours != theirs) <= image.size // 1000
    assert np.allclose(ours, theirs, rtol=1e-6, atol=1e-6 * np.abs(theirs).max())


def test_itks_numbers_in_a_box_within_the_image_and_at_its_end() -> None:
    image = noise(40, 90, 100).astype(np.int16)
    theirs = by_itk(image, 2.0)
    for box in ((slice(18, 22), slice(40, 49), slice(44, 60)), (slice(0, 5), slice(80, 90), slice(50, 51))):
        ours = laplacian_of_gaussian(image, box, SPACING, 2.0)
        assert np.allclose(ours, theirs[box], rtol=0, atol=2e-7 * np.abs(theirs).max())


def test_what_lies_beyond_the_reach_does_not_matter() -> None:
    image = noise(60, 60, 60)
    box = (slice(29, 31),) * 3
    far = image.copy()
    far[:2], far[:, -2:], far[..., :2] = 3000, 3000, 3000
    spacing = (1.0, 1.0, 1.0)
    sigma = 27 / REACH
    assert np.array_equal(
        laplacian_of_gaussian(image, box, spacing, sigma), laplacian_of_gaussian(far, box, spacing, sigma)
    )
