"""The gate in front of every volume: are these slices one regular grid?

Readers that only sort slices return a wrong volume without a word when one is missing, doubled, tilted or a
localizer. Here such a series ends in a typed error; what may be left out safely is left out and said.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from multimodal.imaging.errors import VolumeError, VolumeFault

SAME_DIRECTION = 1e-4  # largest difference of a direction cosine; scanners write 5 to 6 decimals
LOCALIZER_ANGLE = 0.87  # cosine of 30 degrees: no slice of a stack deviates by so much
GAP_TOLERANCE = 0.01  # of the slice distance
SHEAR_TOLERANCE = 1e-3  # in-plane shift per slice distance
MOST_FILLED = 2.0  # even slices for each image there is, where gaps are filled in
MOST_TILTED = 1.0  # shift per slice distance (45 degrees) that is straightened


@dataclass(frozen=True, slots=True)
class Slice:
    """One image of the series and where it lies."""

    image: Dataset
    position: NDArray[np.float64]
    row: NDArray[np.float64]
    column: NDArray[np.float64]

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector across the slice."""
        return np.asarray(np.cross(self.row, self.column), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Stack:
    """Slices in spatial order on one regular grid."""

    slices: tuple[Slice, ...]
    spacing: tuple[float, float, float]
    direction: NDArray[np.float64]
    warnings: tuple[str, ...]
    even: bool = True  # False: to be laid on an even, straight grid of this spacing
    cut: tuple[float, ...] = ()  # places of images beyond a gap, as continuous indices along the normal


def regular_stack(images: Sequence[Dataset], series_uid: str, *, resample: bool = False) -> Stack:
    """Return the slices in the order of their positions along the normal.

    A series with a gap is cut to its longest even run, and says so, if that holds half of the images at least.

    Parameters
    ----------
    images : sequence of Dataset
        All images of one series, in any order.
    series_uid : str
        For the errors.
    resample : bool
        Accept uneven and tilted slices, to be laid on an even, straight grid; nothing is cut then.

    Raises
    ------
    VolumeError
        Unless all slices share orientation, matrix, pixel spacing and frame of reference, and lie at unique,
        evenly spaced positions (1 %) on one line along the normal (shear at most 1e-3).
    """
    slices = [_slice(image, series_uid) for image in images]
    slices, warnings = _without_localizers(slices, series_uid)
    _check_equal(slices, series_uid)
    normal = slices[0].normal
    slices.sort(key=lambda s: float(s.position @ normal))
    slices, dropped = _without_duplicates(slices, series_uid)
    slices, step, cut, told = _even_run(slices, series_uid, resample)
    tilt = _tilt(slices, series_uid, resample)
    between_rows, between_columns = (float(v) for v in slices[0].image.PixelSpacing)
    first = slices[0]
    direction = np.stack([first.normal, first.column, first.row], axis=1)
    return Stack(
        tuple(slices),
        (step, between_rows, between_columns),
        direction,
        (*warnings, *dropped, *told, *tilt),
        even=not resample or not (told or tilt),
        cut=cut,
    )


def _slice(image: Dataset, series_uid: str) -> Slice:
    """Return `image` with its geometry as numbers (PS3.3 C.7.6.2)."""
    position = _numbers(image, "ImagePositionPatient", 3)
    orientation = _numbers(image, "ImageOrientationPatient", 6)
    spacing = _numbers(image, "PixelSpacing", 2)
    if position is None or orientation is None or spacing is None or (spacing <= 0).any():
        raise VolumeError(
            series_uid,
            VolumeFault.NO_GEOMETRY,
            f"image {image.SOPInstanceUID} has no usable position, orientation or pixel spacing",
        )
    row, column = orientation[:3], orientation[3:]
    unit = max(abs(float(row @ row) - 1), abs(float(column @ column) - 1))
    if unit > 1e-3 or abs(float(row @ column)) > 1e-3:
        raise VolumeError(
            series_uid, VolumeFault.ORIENTATION, f"image {image.SOPInstanceUID}: rows and columns are not perpendicular"
        )
    # Rounded cosines: make the axes exactly orthonormal, so that a projection is the inverse.
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    return Slice(image, position, row, column / np.linalg.norm(column))


def _numbers(image: Dataset, keyword: str, count: int) -> NDArray[np.float64] | None:
    value = image.get(keyword)
    if not isinstance(value, MultiValue) or len(value) != count:
        return None
    numbers = np.asarray([float(v) for v in value], dtype=np.float64)
    return numbers if np.isfinite(numbers).all() else None


def _without_localizers(slices: list[Slice], series_uid: str) -> tuple[list[Slice], list[str]]:
    """Leave out localizers: images that lie across the stack. Other deviations are an error."""
    keys = [tuple(np.round([*s.row, *s.column], 3)) for s in slices]
    most = slices[keys.index(Counter(keys).most_common(1)[0][0])]
    normals = np.cross(np.stack([s.row for s in slices]), np.stack([s.column for s in slices]))
    across = np.abs(normals @ most.normal) < LOCALIZER_ANGLE
    kept = [s for s, lies_across in zip(slices, across, strict=True) if not lies_across]
    dropped = [s for s, lies_across in zip(slices, across, strict=True) if lies_across]
    marked = sum("LOCALIZER" in (s.image.get("ImageType") or ()) for s in dropped)
    if len(dropped) > max(marked, 3, len(slices) // 10):
        raise VolumeError(
            series_uid,
            VolumeFault.ORIENTATION,
            f"images of several orientations ({len(kept)} and {len(dropped)}); split the series by orientation",
        )
    warnings = [f"left out {len(dropped)} localizer image(s) that lie across the stack"] if dropped else []
    return kept, warnings


def _check_equal(slices: list[Slice], series_uid: str) -> None:
    """Hold orientation, matrix, spacing and frame of reference to one value each."""
    first = slices[0]
    for other in slices:
        turned = max(np.abs(other.row - first.row).max(), np.abs(other.column - first.column).max())
        if turned > SAME_DIRECTION:
            raise VolumeError(
                series_uid,
                VolumeFault.ORIENTATION,
                f"image {other.image.SOPInstanceUID} is turned against the others",
            )
    for keyword, fault, tolerance in (
        ("Rows", VolumeFault.MATRIX, 0.0),
        ("Columns", VolumeFault.MATRIX, 0.0),
        ("PixelSpacing", VolumeFault.MATRIX, 1e-4),
        ("FrameOfReferenceUID", VolumeFault.FRAME_OF_REFERENCE, 0.0),
    ):
        values = [s.image.get(keyword) for s in slices]
        if not all(_same(value, values[0], tolerance) for value in values):
            raise VolumeError(series_uid, fault, f"images differ in {keyword}: {_examples(values)}")


def _same(value: object, other: object, tolerance: float) -> bool:
    if tolerance and isinstance(value, MultiValue) and isinstance(other, MultiValue):
        return all(abs(float(a) - float(b)) <= tolerance for a, b in zip(value, other, strict=True))
    return value == other


def _examples(values: Sequence[object]) -> str:
    return ", ".join(sorted({str(value) for value in values})[:3])


def _without_duplicates(slices: list[Slice], series_uid: str) -> tuple[list[Slice], list[str]]:
    """Drop an exact copy of a slice; two different images at one place are an error."""
    places = np.asarray([float(s.position @ slices[0].normal) for s in slices])
    gaps = np.diff(places)
    typical = float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 1.0
    kept = slices[:1]
    for gap, candidate in zip(gaps, slices[1:], strict=True):
        if gap > GAP_TOLERANCE * typical:
            kept.append(candidate)
        elif _content(kept[-1].image) != _content(candidate.image):
            raise VolumeError(
                series_uid,
                VolumeFault.DUPLICATE,
                f"two different images at one position ({kept[-1].image.SOPInstanceUID}, "
                f"{candidate.image.SOPInstanceUID}); select one phase or acquisition",
            )
    dropped = len(slices) - len(kept)
    return kept, [f"left out {dropped} exact duplicate image(s)"] if dropped else []


def _content(image: Dataset) -> tuple[str, str, str]:
    pixels = hashlib.sha256(image.get("PixelData", b"")).hexdigest()
    return pixels, str(image.get("RescaleSlope")), str(image.get("RescaleIntercept"))


def _even_run(
    slices: list[Slice], series_uid: str, resample: bool
) -> tuple[list[Slice], float, tuple[float, ...], list[str]]:
    """Return the slices of one even distance, that distance, the places of those cut off, and what was done."""
    if len(slices) < 2:
        raise VolumeError(series_uid, VolumeFault.ONE_SLICE, "one slice is no volume")
    heights = np.asarray([float(s.position @ slices[0].normal) for s in slices])
    gaps = np.diff(heights)
    step = float(np.median(gaps))
    uneven = np.flatnonzero(np.abs(gaps - step) > GAP_TOLERANCE * step)
    if uneven.size == 0:
        # Differences of decimal positions leave 2.9999999999998 where 3 is meant.
        return slices, round(float(heights[-1] - heights[0]) / (len(slices) - 1), 9), (), []
    at = int(np.argmax(np.abs(gaps - step)))
    where = (
        f"slices are not evenly spaced: {gaps[at]:.4g} mm instead of {step:.4g} mm after slice {at + 1} of "
        f"{len(slices)} ({uneven.size} such place(s))"
    )
    if resample and heights[-1] - heights[0] > MOST_FILLED * step * len(slices):
        raise VolumeError(series_uid, VolumeFault.GAP, f"{where}; most of it is missing, too much to fill in")
    if resample:
        return slices, step, (), [f"resampled to even slices of {step:.4g} mm: {where}"]
    first, stop = _longest_run(uneven, len(slices))
    if stop - first < max(2, len(slices) / 2):
        raise VolumeError(
            series_uid, VolumeFault.GAP, f"{where}; is the series complete? It can be measured if resampling is allowed"
        )
    step = round(float(heights[stop - 1] - heights[first]) / (stop - first - 1), 9)
    left_out = [float((height - heights[first]) / step) for height in (*heights[:first], *heights[stop:])]
    told = f"{where}: cut to slices {first + 1} to {stop}, regions beyond are not measured"
    return slices[first:stop], step, tuple(left_out), [told]


def _longest_run(uneven: NDArray[np.intp], count: int) -> tuple[int, int]:
    """Return first and stop of the longest run of slices without an uneven gap; the earlier of two equals."""
    starts = [0, *(int(at) + 1 for at in uneven)]
    runs = list(zip(starts, [*starts[1:], count], strict=True))
    return max(runs, key=lambda run: (run[1] - run[0], -run[0]))


def _tilt(slices: list[Slice], series_uid: str, resample: bool) -> list[str]:
    """Hold the slices to one line along the normal, or say that they are to be straightened."""
    positions = np.stack([s.position for s in slices])
    normal = slices[0].normal
    along = positions - positions[0]
    across = along - np.outer(along @ normal, normal)
    shear = float((np.linalg.norm(np.diff(across, axis=0), axis=1) / np.diff(along @ normal)).max())
    if shear <= SHEAR_TOLERANCE:
        return []
    shifted = f"the slices are shifted against each other by {shear:.3g} of their distance (gantry tilt)"
    if resample and shear <= MOST_TILTED:
        return [f"resampled on a straight grid: {shifted}"]
    cure = "no gantry tilts so far" if resample else "it can be measured if resampling is allowed"
    raise VolumeError(series_uid, VolumeFault.TILT, f"{shifted}; {cure}")
