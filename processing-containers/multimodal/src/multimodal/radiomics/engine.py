"""pyradiomics' feature classes on one region: its matrices and formulas, none of its reading and preparing.

What pyradiomics would do once per class is done once per region: cropping, discretisation, the mesh.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from radiomics import imageoperations
from threadpoolctl import ThreadpoolController

from multimodal.imaging import FailureReason, Roi, RoiFailure, Volume
from multimodal.model.features import Feature
from multimodal.radiomics.filters import filtered_regions
from multimodal.radiomics.ibsi import ProcessedRegion, filtered, ibsi_values, processed
from multimodal.radiomics.profile import Profile
from multimodal.radiomics.pyradiomics_classes import feature_classes
from multimodal.radiomics.resampling import Region, region_of
from multimodal.radiomics.results import ORIGINAL, RoiResult
from multimodal.terminology.radiomics_codes import feature_code

# A co-occurrence matrix has levels x levels x 13 numbers: 650 MB at this limit.
MOST_LEVELS = 2500
INTENSITY_HISTOGRAM, INTENSITY_VOLUME_HISTOGRAM = "ZVCW", "P88C"  # IBSI 3.4, 3.5
# pyradiomics reports each failing feature here and goes on with NaN; we report them ourselves.
logging.getLogger("radiomics").setLevel(logging.CRITICAL)


def compute(volume: Volume, roi: Roi, profile: Profile) -> RoiResult:
    """Return the features of `roi`, or the reason why there are none; never a placeholder."""
    failure = roi.failure or _too_small(roi.mask, profile)
    if failure is not None:
        return RoiResult(roi, failure=failure, flags=roi.flags)
    try:
        # the matrices are small: several threads would wait for each other, on a busy machine most of the time
        with _linear_algebra().limit(limits=1, user_api="blas"):
            found = _values_of(volume, roi, profile)
    except (ValueError, RuntimeError, ArithmeticError, LookupError, MemoryError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        found = RoiFailure(FailureReason.ENGINE, text[:300])
    if isinstance(found, RoiFailure):
        return RoiResult(roi, failure=found, flags=roi.flags)
    features = tuple(_feature(name, v, volume.modality, profile) for name, v in found.items() if v is not None)
    missing = tuple(name for name, v in found.items() if v is None)
    flags = (*roi.flags, *((f"no value: {', '.join(missing)}",) if missing else ()))
    return RoiResult(roi, features, flags=flags, missing=missing)


@cache
def _linear_algebra() -> ThreadpoolController:
    return ThreadpoolController()


def _values_of(volume: Volume, roi: Roi, profile: Profile) -> dict[str, float | None] | RoiFailure:
    """Return every feature by its name, None where it has no value; or why what is left of the region is too small."""
    if profile.engine == "ibsi":
        processed_region = processed(volume, roi, profile.settings)
        failure = _too_small(processed_region.intensity, profile)
        return failure or dict(_by_ibsi(volume, roi, processed_region, profile.settings))
    region = region_of(volume, roi, profile.settings["resampling"])
    failure = _too_small(region.mask, profile)
    return failure or dict(_on_images(volume, roi, region, profile))


def _too_small(mask: NDArray[np.bool_], profile: Profile) -> RoiFailure | None:
    minimum = profile.settings["minimum"]
    voxels = int(np.count_nonzero(mask))
    if voxels < minimum["voxels"]:
        return RoiFailure(FailureReason.TOO_SMALL, f"{voxels} voxel(s), the profile asks for {minimum['voxels']}")
    extents = [int(np.ptp(axis)) + 1 for axis in np.nonzero(mask)]
    dimensions = sum(extent > 1 for extent in extents)
    if dimensions < minimum["dimensions"]:
        return RoiFailure(
            FailureReason.TOO_SMALL,
            f"{voxels} voxels in {dimensions} dimension(s), the profile asks for {minimum['dimensions']}",
        )
    return None


def _by_ibsi(
    volume: Volume, roi: Roi, region: ProcessedRegion, settings: Mapping[str, Any]
) -> Iterator[tuple[str, float | None]]:
    """Yield the features of each image of the profile; of morphology only the original's."""
    families = [name for name in settings["families"] if name != "morphology"]
    # the range is of the image's intensities: responses have other ones, and bins are counted from the least
    of_responses = {**settings, "families": families, "resegmentation": None}
    for image in settings["images"]:
        if image == ORIGINAL:
            yield from ibsi_values(region, settings, ORIGINAL)
            continue
        for name, response in filtered(volume, roi, settings, image):
            yield from ibsi_values(response, of_responses, name)


def _on_images(volume: Volume, roi: Roi, region: Region, profile: Profile) -> Iterator[tuple[str, float | None]]:
    """Yield every feature of the profile with its value, None where it has none; of shape only the original's."""
    for image in profile.settings["images"]:
        if image == ORIGINAL:
            yield from _values(region, profile, ORIGINAL, profile.classes)
            continue
        classes = [name for name in profile.classes if name != "shape"]
        for name, on_filtered in filtered_regions(volume, roi, image, profile.settings["resampling"]):
            yield from _values(on_filtered, profile, name, classes)


def _values(
    region: Region, profile: Profile, image_name: str, classes: Sequence[str]
) -> Iterator[tuple[str, float | None]]:
    image = SimpleITK.GetImageFromArray(region.image)
    mask = SimpleITK.GetImageFromArray(region.mask.astype(np.uint8))
    for each in (image, mask):
        each.SetSpacing([float(v) for v in reversed(region.spacing)])
    settings = _settings(region, profile)
    for name in classes:
        with np.errstate(all="ignore"):  # what divides by zero comes out as NaN, and NaN does not go out
            found = feature_classes()[name](image, mask, **settings).execute()
        for feature, value in found.items():
            yield _named(f"{image_name}_{name}_{feature}", _finite(value), profile)


def _settings(region: Region, profile: Profile) -> dict[str, Any]:
    texture = profile.settings["texture"]
    levels = _grey_levels(region, profile.settings["discretisation"])
    return {
        "label": 1,
        "levels": levels,
        "level_values": np.unique(levels[region.mask]),
        "distances": [texture["distance"]],
        "symmetricalGLCM": texture["symmetrical"],
        "gldm_a": texture["dependence_tolerance"],
        "voxelArrayShift": 0,
    }


def _grey_levels(region: Region, discretisation: dict[str, Any]) -> NDArray[np.int64]:
    """Return the grey level of each voxel of the region (1 and up), 0 outside, as pyradiomics bins."""
    intensities = region.image[region.mask]
    ends = np.array([intensities.min(), intensities.max()])
    width = discretisation.get("width")
    if width and (float(ends[1]) - float(ends[0])) / width > MOST_LEVELS:
        raise ValueError(
            f"bin width {width:g} makes more than {MOST_LEVELS} grey levels of intensities from {ends[0]:g} to "
            f"{ends[1]:g}; choose a wider one"
        )
    # only the ends of the intensities decide the edges; pyradiomics would look for them in every voxel, in Python
    edges = imageoperations.getBinEdges(ends, binWidth=width, binCount=discretisation.get("count"))
    levels = np.zeros(region.image.shape, dtype=np.int64)
    levels[region.mask] = np.digitize(intensities, edges)
    return levels


def _finite(value: Any) -> float | None:
    number = complex(np.asarray(value).item())
    real = number.real
    return real if math.isfinite(real) and abs(number.imag) <= 1e-9 * max(1.0, abs(real)) else None


def _named(name: str, value: float | None, profile: Profile) -> tuple[str, float | None]:
    """Return name and value so that the name's code names this very quantity."""
    if name.endswith("_firstorder_Kurtosis") and profile.settings["kurtosis"] == "excess":
        return name.replace("_Kurtosis", "_ExcessKurtosis"), None if value is None else value - 3
    return name, value


def _feature(name: str, value: float, modality: str, profile: Profile) -> Feature:
    image_name, _, rest = name.partition("_")
    code = feature_code(f"{ORIGINAL}_{rest}")
    # a filter's response is no Hounsfield unit
    unit, discretisation = code.unit_for(modality) if image_name == ORIGINAL else code.unit, ""
    # shape needs no grey levels, and of pyradiomics' first order only the histogram's entropy and uniformity do
    if code.aggregation or code.family == INTENSITY_HISTOGRAM:
        discretisation = profile.discretisation
    elif code.family == INTENSITY_VOLUME_HISTOGRAM:
        discretisation = profile.volume_histogram
        # bins of a fixed number are numbered, not measured (IBSI 3.5)
        unit = "1" if discretisation.startswith("FBN") else unit
    return Feature(
        name=name,
        value=value,
        unit=unit,
        ibsi_code=code.ibsi_code,
        display=code.display if image_name == ORIGINAL else f"{code.display}, {image_name}",
        aggregation=code.aggregation,
        discretisation=discretisation,
    )
