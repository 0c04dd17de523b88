"""Filtered images, made of the part around a region only: Laplacian of Gaussian as ITK's, wavelets by pyradiomics.

pyradiomics filters the whole image, which takes minutes and gigabytes. What lies far from a region does not reach it:
14 sigma for the Gaussian (less than a float32 tells), the wavelet's own length (nothing). A part that would reach
beyond the image is taken to the image's ends, where pyradiomics' rules for what is beyond then hold as for the whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from radiomics import imageoperations

from multimodal.imaging import Roi, Volume
from multimodal.radiomics.recursive_gaussian import REACH, Box, laplacian_of_gaussian
from multimodal.radiomics.resampling import Region, surroundings

_LEAST_VOXELS = 4  # along each axis; ITK's recursion needs so many


def filtered_regions(
    volume: Volume, roi: Roi, image: Mapping[str, Any], resampling: Mapping[str, Any] | None
) -> Iterator[tuple[str, Region]]:
    """Yield pyradiomics' name of each filtered image, and the region on it.

    Parameters
    ----------
    volume : Volume
        The image.
    roi : Roi
        The region.
    image : mapping
        ``filter`` with its settings, as the profile has it.
    resampling : mapping or None
        The new grid of the profile; filters work on it.
    """
    if image["filter"] == "wavelet":
        margin = float(imageoperations.pywt.Wavelet(image["wavelet"]).dec_len * image["level"])
        around = surroundings(volume, roi, resampling, (margin,) * 3, even=True)
        made = imageoperations.getWaveletImage(
            _image(around), None, wavelet=image["wavelet"], level=image["level"], start_level=0
        )
        yield from ((name, _region(around, response)) for response, name, _ in made)
        return
    sigmas = [float(sigma) for sigma in image["sigma"]]
    yield from _laplacians(surroundings(volume, roi, resampling, REACH * max(sigmas)), sigmas)


def _laplacians(around: Region, sigmas: Sequence[float]) -> Iterator[tuple[str, Region]]:
    """Yield the response for each width, with pyradiomics' name and its condition (getLoGImage)."""
    box = _box(around.mask)
    mask = np.ascontiguousarray(around.mask[box])
    for sigma in sigmas:
        least = [max(math.ceil(sigma / step) + 1, _LEAST_VOXELS) for step in around.spacing]
        if any(length < needed for length, needed in zip(around.image.shape, least, strict=True)):
            raise ValueError(f"the image is too small for a Laplacian of Gaussian of {sigma:g} mm")
        response = laplacian_of_gaussian(around.image, box, around.spacing, sigma)
        yield f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D", Region(response, mask, around.spacing)


def _box(mask: NDArray[np.bool_]) -> Box:
    z, y, x = (slice(int(axis.min()), int(axis.max()) + 1) for axis in np.nonzero(mask))
    return z, y, x


def _image(around: Region) -> SimpleITK.Image:
    intensities: NDArray[Any] = around.image
    # CT numbers stay 16 bit, as pyradiomics has them from a file: filters choose their precision by that
    if np.issubdtype(intensities.dtype, np.integer) and np.abs(intensities).max() < 2**15:
        intensities = intensities.astype(np.int16)
    image = SimpleITK.GetImageFromArray(intensities)
    image.SetSpacing([float(v) for v in reversed(around.spacing)])
    return image


def _region(around: Region, response: SimpleITK.Image) -> Region:
    """Return the box of the mask on the filtered image."""
    box = _box(around.mask)
    filtered = SimpleITK.GetArrayFromImage(response)
    return Region(np.ascontiguousarray(filtered[box]), np.ascontiguousarray(around.mask[box]), around.spacing)
