"""Filtered images by IBSI chapter 2 (arXiv:2006.05470): mean, Laplacian of Gaussian and separable wavelets.

They are made of the part of the new grid around the region that a filter reaches; beyond the image's edge the image is
mirrored (IBSI 2, 2.2), as on the whole image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter

from multimodal.imaging import Roi, Volume
from multimodal.radiomics.ibsi import wavelets
from multimodal.radiomics.ibsi.region import ProcessedRegion, Settings, Triple, on_grid, resegmented

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter: its name in features' names, how many voxels it reaches along z, y, x, and what it does."""

    name: str
    reach: tuple[int, int, int]
    respond: Callable[[Array], Array]


def filtered(
    volume: Volume, roi: Roi, settings: Settings, image: Mapping[str, Any]
) -> Iterator[tuple[str, ProcessedRegion]]:
    """Yield the name of each filtered image, and the region on it.

    Parameters
    ----------
    volume, roi
        As for `region.processed`.
    settings : mapping
        Of the profile. The masks are those of the unfiltered image, re-segmentation included.
    image : mapping
        ``filter`` with its settings, as the profile has it.
    """
    spacing = on_grid(volume, roi, settings["resampling"]).spacing
    for each in _filters(image, spacing):
        region = resegmented(on_grid(volume, roi, settings["resampling"], each.reach), settings["resegmentation"])
        if region.surrounded.size:
            response = each.respond(region.surrounded)
            inner = tuple(slice(m, m + n) for m, n in zip(region.margin, region.image.shape, strict=True))
            region = replace(region, image=np.ascontiguousarray(response[inner]), surrounded=response)
        yield each.name, region


def _filters(image: Mapping[str, Any], spacing: Triple) -> Iterator[Filter]:
    if image["filter"] == "wavelet":
        yield from _wavelets(image)
        return
    in_space = image["dimensions"] == 3
    if image["filter"] == "mean":
        support = image["support"]
        size = (support if in_space else 1, support, support)
        reach = (size[0] // 2, support // 2, support // 2)
        yield Filter(f"mean-{support}-{image['dimensions']}D", reach, partial(_mean, size=size))
        return
    for sigma in image["sigma"]:
        widths = tuple(sigma / step for step in spacing)
        widths = widths if in_space else (0.0, *widths[1:])
        truncate = float(image["truncate"])
        reach_z, reach_y, reach_x = (int(truncate * width + 0.5) for width in widths)
        name = f"log-sigma-{str(float(sigma)).replace('.', '-')}-mm-{image['dimensions']}D"
        yield Filter(name, (reach_z, reach_y, reach_x), partial(_log, widths=widths, truncate=truncate))


def _wavelets(image: Mapping[str, Any]) -> Iterator[Filter]:
    wavelet, level, invariant = image["wavelet"], image["level"], image["rotation_invariant"]
    far = wavelets.reach(wavelet, level)
    for band in image["bands"]:
        name = f"wavelet-{wavelet}-{band}-level-{level}{'-invariant' if invariant else ''}-{len(band)}D"
        respond = partial(wavelets.response, wavelet=wavelet, band=band, level=level, rotation_invariant=invariant)
        yield Filter(name, (far if len(band) == 3 else 0, far, far), respond)


def _mean(array: Array, size: tuple[int, int, int]) -> Array:
    """Return the mean of a cube of voxels (IBSI 2, 3.1; S60F)."""
    return np.asarray(uniform_filter(array, size, mode="reflect"), dtype=np.float64)


def _log(array: Array, widths: tuple[float, ...], truncate: float) -> Array:
    """Return the Laplacian of a Gaussian, widths in voxels; an axis of width 0 is left out (IBSI 2, 3.2; L6PA)."""
    total = np.zeros_like(array)
    for axis in (axis for axis in range(3) if widths[axis]):
        order = [2 if other == axis else 0 for other in range(3)]
        total += gaussian_filter(array, widths, order=order, mode="reflect", truncate=truncate)
    return total
