"""Filtered images, made of the part around a region only: Laplacian of Gaussian and wavelets, by pyradiomics' own code.

pyradiomics filters the whole image, which takes minutes and gigabytes. What lies far from a region does not reach it:
10 sigma for the Gaussian (2e-6 of the value), the wavelet's own length (nothing). A part that would reach beyond the
image is taken to the image's ends, where pyradiomics' rules for what is beyond then hold as they would for the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from radiomics import imageoperations

from multimodal.imaging import Roi, Volume
from multimodal.radiomics.resampling import Region, surroundings

_REACH = 10.0  # sigma; at 8, a median near zero is off by 4e-5 of itself


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
    for sigma in image["sigma"]:
        around = surroundings(volume, roi, resampling, _REACH * float(sigma))
        found = False
        for response, name, _ in imageoperations.getLoGImage(_image(around), None, sigma=[float(sigma)]):
            found = True
            yield name, _region(around, response)
        if not found:  # pyradiomics writes that to its log and goes on
            raise ValueError(f"the image is too small for a Laplacian of Gaussian of {sigma:g} mm")


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
    box = tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in np.nonzero(around.mask))
    filtered = SimpleITK.GetArrayFromImage(response)
    return Region(np.ascontiguousarray(filtered[box]), np.ascontiguousarray(around.mask[box]), around.spacing)
