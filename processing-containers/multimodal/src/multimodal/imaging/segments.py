"""DICOM Segmentation -> masks on a volume's grid.

Each frame is laid on the slice where its plane position lies, so that sparse, overlapping and disordered frames need no
grid of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from multimodal.imaging.errors import MaskError, MaskFault
from multimodal.imaging.other_grid import OFF_GRID, Grid, UnevenGridError, grid_of, laid
from multimodal.imaging.reading import Reading
from multimodal.imaging.rois import (
    NO_VOXELS,
    Concept,
    FailureReason,
    Roi,
    RoiFailure,
    across_gap,
    cropped,
    usual_flags,
)
from multimodal.imaging.stored_frames import Decode, stored_frames
from multimodal.imaging.volume import Volume
from multimodal.model.ids import hash_uid

SAME_DIRECTION = 1e-4
# functional groups, by tag: of thousands of frames, keywords would be looked up again and again
_POSITION, _ORIENTATION, _MEASURES, _SEGMENT = (
    Tag(keyword)
    for keyword in (
        "PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence", "SegmentIdentificationSequence",
    )
)  # fmt: skip
_USUAL = Reading()


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where one frame lies on the grid (index of its first voxel), and the segment it belongs to."""

    index: int
    plane: int
    row: int
    column: int
    segment: int  # 0: a label map, which holds all of them


@dataclass(frozen=True)
class _Frames:
    """All frames, on the image's grid or on one of their own."""

    frames: tuple[_Frame, ...]
    grid: Grid | None = None  # None: the image's
    resampled: bool = False


@dataclass(frozen=True)
class _Drawn:
    """One segment on the image's grid."""

    mask: NDArray[np.bool_]
    offset: tuple[int, int, int]
    outside: int = 0
    beyond_gap: int = 0
    resampled: bool = False


def seg_rois(dataset: Dataset, file: Path, volume: Volume, reading: Reading = _USUAL) -> list[Roi]:
    """Return every segment of a SEG (PS3.3 A.51) as voxels of `volume`.

    Parameters
    ----------
    dataset : Dataset
        Binary, fractional or label map; segments may overlap.
    file : Path
        For the errors.
    volume : Volume
        The image. A segmentation whose voxels are the image's, turned or mirrored, is laid on it exactly.
    reading : Reading
        From which share on a voxel of a fractional segment counts; whether a segmentation of another grid is
        resampled (nearest voxel) or refused.

    Raises
    ------
    MaskError
        Another frame of reference, another grid, or a broken object.
    """
    frame_of_reference = str(dataset.get("FrameOfReferenceUID") or "")
    if not frame_of_reference or frame_of_reference != volume.frame_of_reference:
        raise MaskError(
            file,
            MaskFault.FRAME_OF_REFERENCE,
            f"drawn in frame of reference {frame_of_reference or '(none)'}, series {volume.series_uid} lies in "
            f"{volume.frame_of_reference or '(none)'}; choose the image it was drawn on",
        )
    try:
        decode = stored_frames(dataset)
        found = _frames(dataset, file, volume, reading)
        descriptions = list(dataset.SegmentSequence)
        # a label map's frame serves all segments: decoded once
        labels = {one.index: decode(one.index) for one in found.frames if one.segment == 0}
        source = _Source(decode, labels, _least(dataset, reading))
        drawn = {int(d.SegmentNumber): _segment(source, int(d.SegmentNumber), found, volume) for d in descriptions}
    except UnevenGridError as error:
        raise MaskError(file, MaskFault.GRID, f"its frames lie on no regular grid: {error}") from error
    except (AttributeError, TypeError, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise MaskError(file, MaskFault.CONTENT, f"the SEG cannot be read: {error}") from error
    return [_roi(d, drawn[int(d.SegmentNumber)], dataset, volume) for d in descriptions if int(d.SegmentNumber)]


@dataclass(frozen=True)
class _Source:
    """Where the voxels of frames come from."""

    decode: Decode
    labels: Mapping[int, NDArray[Any]]
    least: float  # the stored value from which on a voxel counts

    def voxels(self, frame: _Frame, number: int) -> NDArray[np.bool_]:
        """Return the voxels of segment `number` in one frame."""
        if frame.index in self.labels:
            return np.asarray(self.labels[frame.index] == number)
        return np.asarray(self.decode(frame.index) >= self.least)


def _least(dataset: Dataset, reading: Reading) -> float:
    if dataset.get("SegmentationType") == "FRACTIONAL":
        return reading.fraction * int(dataset.MaximumFractionalValue)
    return 1.0


def _frames(dataset: Dataset, file: Path, volume: Volume, reading: Reading) -> _Frames:
    """Return the place of every frame, on the image's grid where they lie on it."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    of_all = {macro: _macro(shared, macro) for macro in (_POSITION, _ORIENTATION, _MEASURES, _SEGMENT)}
    positions, segments, planes = [], [], []
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        position, orientation, measures, segment = (_macro(groups, macro) or own for macro, own in of_all.items())
        planes.append([float(v) for v in (*orientation.ImageOrientationPatient, *measures.PixelSpacing)])
        positions.append([float(v) for v in position.ImagePositionPatient])
        segments.append(0 if segment is None else int(segment.ReferencedSegmentNumber))
    if not planes:
        return _Frames(())
    at = np.asarray(positions, dtype=np.float64)
    plane = np.asarray(planes, dtype=np.float64)
    places = volume.to_index(at)
    nearest = np.round(places)
    within = np.asarray([not volume.beyond_gap(float(height)) for height in places[:, 0]])
    off = float(np.abs(places - nearest)[within].max(initial=0.0))
    problem = _other_planes(plane, volume) or (f"its frames lie {off:.2g} voxels off" if off > OFF_GRID else "")
    if not problem:
        return _Frames(_numbered(nearest, segments))
    if np.abs(plane - plane[0]).max() > SAME_DIRECTION:
        raise UnevenGridError("they have several orientations or spacings")
    grid, plane_numbers = grid_of(at, plane[0, :6], plane[0, 6:], _thickness(dataset, shared))
    size = (int(plane_numbers.max()) + 1, int(dataset.Rows), int(dataset.Columns))
    exact = grid.coincides(volume, size)
    if not exact and not reading.resample:
        raise MaskError(
            file,
            MaskFault.GRID,
            f"{problem} the grid of series {volume.series_uid}; resample the segmentation, or allow resampling",
        )
    index = np.column_stack([plane_numbers, np.zeros_like(plane_numbers), np.zeros_like(plane_numbers)])
    return _Frames(_numbered(index.astype(np.float64), segments), grid, resampled=not exact)


def _numbered(places: NDArray[np.float64], segments: Sequence[int]) -> tuple[_Frame, ...]:
    return tuple(
        _Frame(number, int(z), int(y), int(x), segment)
        for number, ((z, y, x), segment) in enumerate(zip(places, segments, strict=True), start=1)
    )


def _thickness(dataset: Dataset, shared: Dataset) -> float:
    measures = _macro(dataset.PerFrameFunctionalGroupsSequence[0], _MEASURES) or _macro(shared, _MEASURES)
    return float(measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 0)


def _macro(groups: Dataset, macro: BaseTag) -> Any:
    """Return a functional group of a frame, or of all frames (PS3.3 C.7.6.16); None where there is none."""
    if macro not in groups:
        return None
    sequence = groups[macro].value
    return sequence[0] if sequence else None


def _other_planes(planes: NDArray[np.float64], volume: Volume) -> str:
    """Return how the planes (six cosines, two spacings each) differ from the image's; empty where they do not."""
    expected = np.concatenate([volume.direction[:, 2], volume.direction[:, 1]])
    if float(np.abs(planes[:, :6] - expected).max()) > SAME_DIRECTION:
        return "its planes are turned against"
    if not np.allclose(planes[:, 6:], volume.spacing[1:], rtol=1e-3, atol=0):
        return "its planes are spaced otherwise than"
    return ""


def _segment(source: _Source, number: int, found: _Frames, volume: Volume) -> _Drawn:
    """Return one segment on the image's grid."""
    frames = [frame for frame in found.frames if frame.segment in (0, number)]
    if found.grid is None:
        return _on_image(source, number, frames, volume)
    planes: dict[int, NDArray[np.bool_]] = {}
    for frame in frames:
        voxels = source.voxels(frame, number)
        if voxels.any():
            planes[frame.plane] = planes[frame.plane] | voxels if frame.plane in planes else voxels
    if not planes:
        return _Drawn(NO_VOXELS, (0, 0, 0))
    box, offset = cropped(_stacked(planes), (min(planes), 0, 0))
    on_image = laid(box, offset, found.grid, volume)
    return _Drawn(on_image.mask, on_image.offset, on_image.outside, on_image.beyond_gap, found.resampled)


def _on_image(source: _Source, number: int, frames: Sequence[_Frame], volume: Volume) -> _Drawn:
    shape = volume.shape
    planes: dict[int, NDArray[np.bool_]] = defaultdict(lambda: np.zeros(shape[1:], dtype=bool))
    outside = beyond_gap = 0
    for frame in frames:
        voxels = source.voxels(frame, number)
        count = int(np.count_nonzero(voxels))
        if count:
            outside += count - _lay(voxels, frame, planes, shape)
            beyond_gap += count if volume.beyond_gap(frame.plane) else 0
    if not planes:
        return _Drawn(NO_VOXELS, (0, 0, 0), outside, beyond_gap)
    mask, offset = cropped(_stacked(planes), (min(planes), 0, 0))
    return _Drawn(mask, offset, outside, beyond_gap)


def _stacked(planes: Mapping[int, NDArray[np.bool_]]) -> NDArray[np.bool_]:
    first = min(planes)
    stack = np.zeros((max(planes) - first + 1, *next(iter(planes.values())).shape), dtype=bool)
    for plane, voxels in planes.items():
        stack[plane - first] = voxels
    return stack


def _lay(
    drawn: NDArray[np.bool_], frame: _Frame, planes: dict[int, NDArray[np.bool_]], shape: tuple[int, int, int]
) -> int:
    """Put a frame into its plane; return how many of its voxels lie in the image."""
    if not 0 <= frame.plane < shape[0]:
        return 0
    top, left = max(frame.row, 0), max(frame.column, 0)
    part = drawn[top - frame.row : shape[1] - frame.row, left - frame.column : shape[2] - frame.column]
    kept = int(np.count_nonzero(part))
    if kept:
        planes[frame.plane][top : top + part.shape[0], left : left + part.shape[1]] |= part
    return kept


def _failed(drawn: _Drawn) -> RoiFailure | None:
    if drawn.beyond_gap:
        return across_gap(drawn.beyond_gap, "voxel(s)")
    if drawn.mask.size:
        return None
    if drawn.outside:
        return RoiFailure(FailureReason.OUTSIDE, f"all its {drawn.outside} voxels lie outside the image")
    return RoiFailure(FailureReason.EMPTY, "it has no voxels")


def _roi(description: Dataset, drawn: _Drawn, dataset: Dataset, volume: Volume) -> Roi:
    number = int(description.SegmentNumber)
    failure = _failed(drawn)
    mask, offset = (NO_VOXELS, (0, 0, 0)) if failure else (drawn.mask, drawn.offset)
    told = {
        f"{drawn.outside} voxel(s) outside the image": drawn.outside,
        "mask resampled to the image's grid (nearest voxel)": drawn.resampled,
    }
    name = str(description.get("SegmentLabel") or f"segment {number}")
    uid = str(dataset.SOPInstanceUID)
    return Roi(
        number=number,
        name=name,
        mask=mask,
        offset=offset,
        mask_sop_uid=uid,
        mask_series_uid=str(dataset.SeriesInstanceUID),
        kind="SEG",
        tracking_id=str(description.get("TrackingID") or name),
        tracking_uid=str(description.get("TrackingUID") or hash_uid("roi", uid, str(number))),
        category=_concept(description, "SegmentedPropertyCategoryCodeSequence"),
        property_type=_concept(description, "SegmentedPropertyTypeCodeSequence"),
        flags=(
            *usual_flags(mask, offset, volume.shape),
            *(text for text, holds in told.items() if holds and not failure),
        ),
        failure=failure,
    )


def _concept(description: Dataset, keyword: str) -> Concept | None:
    codes = description.get(keyword)
    if not codes:
        return None
    code = codes[0]
    value = code.get("CodeValue") or code.get("LongCodeValue") or code.get("URNCodeValue") or ""
    return Concept(str(value), str(code.get("CodingSchemeDesignator") or ""), str(code.get("CodeMeaning") or ""))
