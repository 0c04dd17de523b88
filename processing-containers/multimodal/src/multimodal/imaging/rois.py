"""A region of interest on a volume's grid."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

SMALL = 64  # voxels; below, texture features say more about the grid than about the tissue


class FailureReason(StrEnum):
    """Why an ROI has no features."""

    EMPTY = "empty"
    OUTSIDE = "outside-the-image"
    FRAME_OF_REFERENCE = "frame-of-reference"
    CONTOURS = "contours"
    GAP = "gap-in-the-series"
    TOO_SMALL = "too-few-voxels"
    ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class RoiFailure:
    """The reason, for programs, and a line for a person."""

    reason: FailureReason
    message: str


@dataclass(frozen=True, slots=True)
class Concept:
    """A code as DICOM has it (PS3.3 8.8)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True)
class Roi:
    """One segment of a SEG or one ROI of an RTSTRUCT.

    Parameters
    ----------
    number : int
        Segment Number or ROI Number.
    name : str
        Segment Label or ROI Name.
    mask : NDArray[bool]
        The voxels, ``[z, y, x]`` on the volume's grid, cropped to the box that holds them.
    offset : tuple of int
        Index (z, y, x) of ``mask[0, 0, 0]`` in the volume.
    mask_sop_uid, mask_series_uid : str
        The object that draws it.
    kind : str
        ``SEG`` or ``RTSTRUCT``.
    tracking_id, tracking_uid : str
        Of the finding (PS3.16 TID 1411); made from the mask's UID and the number where the object has none.
    category, property_type : Concept or None
        Segmented Property Category and Type.
    flags : tuple of str
        What a reader of the numbers should know, e.g. ``touches the image border``.
    failure : RoiFailure or None
        Why there is nothing to measure; the mask is empty then.
    """

    number: int
    name: str
    mask: NDArray[np.bool_]
    offset: tuple[int, int, int]
    mask_sop_uid: str
    mask_series_uid: str
    kind: str
    tracking_id: str
    tracking_uid: str
    category: Concept | None = None
    property_type: Concept | None = None
    flags: tuple[str, ...] = ()
    failure: RoiFailure | None = None

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return int(np.count_nonzero(self.mask))

    def in_full(self, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
        """Return the mask as an array of the volume's `shape`."""
        full = np.zeros(shape, dtype=bool)
        full[self.box] = self.mask
        return full

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """The part of the volume that the mask covers."""
        z, y, x = (slice(o, o + n) for o, n in zip(self.offset, self.mask.shape, strict=True))
        return z, y, x


NO_VOXELS = np.zeros((0, 0, 0), dtype=bool)


def cropped(
    mask: NDArray[np.bool_], offset: tuple[int, int, int] = (0, 0, 0)
) -> tuple[NDArray[np.bool_], tuple[int, int, int]]:
    """Return the smallest box of `mask` that holds all its voxels, and where it begins."""
    begin = list(offset)
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        used = np.flatnonzero(mask.any(axis=others))
        if used.size == 0:
            return NO_VOXELS, (0, 0, 0)
        mask = np.take(mask, range(int(used[0]), int(used[-1]) + 1), axis=axis)
        begin[axis] += int(used[0])
    return np.ascontiguousarray(mask), (begin[0], begin[1], begin[2])


def across_gap(count: int, what: str) -> RoiFailure:
    """Return the failure of a region that reaches where images are missing: measured in part it would be another."""
    return RoiFailure(FailureReason.GAP, f"{count} {what} lie beyond a gap of the series, where it was cut")


def usual_flags(mask: NDArray[np.bool_], offset: tuple[int, int, int], shape: tuple[int, int, int]) -> tuple[str, ...]:
    """Return what holds for any mask: few voxels, or cut by the image's border."""
    flags = []
    voxels = int(np.count_nonzero(mask))
    if 0 < voxels < SMALL:
        flags.append(f"only {voxels} voxels")
    ends = zip(offset, mask.shape, shape, strict=True)
    if voxels and any(begin == 0 or begin + length == limit for begin, length, limit in ends):
        flags.append("touches the image border")
    return tuple(flags)
