"""DICOM Segmentation -> masks on a volume's grid.

highdicom reads the object and decodes its frames; each frame is laid on the slice where its plane position lies,
so that sparse, overlapping and disordered frames need no grid of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from multimodal.imaging.errors import MaskError, MaskFault
from multimodal.imaging.rois import NO_VOXELS, Concept, FailureReason, Roi, RoiFailure, cropped, usual_flags
from multimodal.imaging.volume import Volume
from multimodal.model.ids import hash_uid

OFF_GRID = 0.05  # voxels; positions are written with five or six decimals
SAME_DIRECTION = 1e-4
FRACTION = 0.5  # a voxel belongs to a fractional segment from here on


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where one frame lies in the volume (index of its first voxel), and the segment it belongs to."""

    index: int
    plane: int
    row: int
    column: int
    segment: int  # 0: a label map, which holds all of them


def seg_rois(dataset: Dataset, file: Path, volume: Volume) -> list[Roi]:
    """Return every segment of a SEG (PS3.3 A.51) as voxels of `volume`.

    Parameters
    ----------
    dataset : Dataset
        Binary, fractional (0.5 and above counts) or label map; segments may overlap.
    file : Path
        For the errors.
    volume : Volume
        The image. The segmentation must lie on its grid: nothing is resampled.

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
        segmentation = highdicom.seg.Segmentation.from_dataset(dataset, copy=False)
        frames = _frames(segmentation, file, volume)
        descriptions = list(segmentation.SegmentSequence)
        # a label map's frame serves all segments: decoded once
        labels = {frame.index: segmentation.get_stored_frame(frame.index) for frame in frames if frame.segment == 0}
        masks = {
            int(d.SegmentNumber): _mask(segmentation, labels, int(d.SegmentNumber), frames, volume.shape)
            for d in descriptions
        }
    except (AttributeError, TypeError, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise MaskError(file, MaskFault.CONTENT, f"the SEG cannot be read: {error}") from error
    return [_roi(d, *masks[int(d.SegmentNumber)], dataset, volume) for d in descriptions if int(d.SegmentNumber)]


def _frames(segmentation: Any, file: Path, volume: Volume) -> list[_Frame]:
    """Return the place of every frame; refuse what does not lie on the image's grid."""
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    positions, segments = [], []
    for groups in segmentation.PerFrameFunctionalGroupsSequence:
        _check_plane(
            _macro(groups, shared, "PlaneOrientationSequence"),
            _macro(groups, shared, "PixelMeasuresSequence"),
            file,
            volume,
        )
        positions.append([float(v) for v in _macro(groups, shared, "PlanePositionSequence").ImagePositionPatient])
        segment = _macro(groups, shared, "SegmentIdentificationSequence")
        segments.append(0 if segment is None else int(segment.ReferencedSegmentNumber))
    places = volume.to_index(np.asarray(positions, dtype=np.float64).reshape(-1, 3))
    nearest = np.round(places)
    off = float(np.abs(places - nearest).max()) if len(places) else 0.0
    if off > OFF_GRID:
        raise MaskError(
            file,
            MaskFault.GRID,
            f"its frames lie {off:.2g} voxels off the grid of series {volume.series_uid}; resample the segmentation",
        )
    return [
        _Frame(number, int(z), int(y), int(x), segment)
        for number, ((z, y, x), segment) in enumerate(zip(nearest, segments, strict=True), start=1)
    ]


def _macro(groups: Dataset, shared: Dataset, keyword: str) -> Any:
    """Return a functional group of a frame, or the one that all frames share (PS3.3 C.7.6.16)."""
    sequence = groups.get(keyword) or shared.get(keyword)
    return sequence[0] if sequence else None


def _check_plane(orientation: Dataset, measures: Dataset, file: Path, volume: Volume) -> None:
    cosines = np.asarray([float(v) for v in orientation.ImageOrientationPatient])
    expected = np.concatenate([volume.direction[:, 2], volume.direction[:, 1]])
    spacing = np.asarray([float(v) for v in measures.PixelSpacing])
    turned = float(np.abs(cosines - expected).max()) > SAME_DIRECTION
    if turned or not np.allclose(spacing, volume.spacing[1:], rtol=1e-3, atol=0):
        raise MaskError(
            file,
            MaskFault.GRID,
            f"its planes are {'turned' if turned else 'spaced'} otherwise than those of series {volume.series_uid}; "
            "resample the segmentation",
        )


def _mask(
    segmentation: Any,
    labels: Mapping[int, NDArray[Any]],
    number: int,
    frames: Sequence[_Frame],
    shape: tuple[int, int, int],
) -> tuple[NDArray[np.bool_], tuple[int, int, int], int, int]:
    """Return the voxels of one segment, their offset, and how many frames and voxels lie outside the image."""
    planes: dict[int, NDArray[np.bool_]] = defaultdict(lambda: np.zeros(shape[1:], dtype=bool))
    lost = set_voxels = 0
    for frame in frames:
        if frame.segment not in (0, number):
            continue
        drawn = labels[frame.index] == number if frame.index in labels else _drawn(segmentation, frame)
        count = int(np.count_nonzero(drawn))
        if not count:
            continue
        set_voxels += count
        kept = _lay(drawn, frame, planes, shape)
        lost += count - kept
    if set_voxels == lost:
        return NO_VOXELS, (0, 0, 0), lost, set_voxels
    first, last = min(planes), max(planes)
    stack = np.zeros((last - first + 1, *shape[1:]), dtype=bool)
    for plane, voxels in planes.items():
        stack[plane - first] = voxels
    mask, offset = cropped(stack, (first, 0, 0))
    return mask, offset, lost, set_voxels


def _drawn(segmentation: Any, frame: _Frame) -> NDArray[np.bool_]:
    stored = segmentation.get_stored_frame(frame.index)
    if segmentation.SegmentationType == "FRACTIONAL":
        return np.asarray(stored >= FRACTION * int(segmentation.MaximumFractionalValue))
    return np.asarray(stored != 0)


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


def _roi(
    description: Dataset,
    mask: NDArray[np.bool_],
    offset: tuple[int, int, int],
    lost: int,
    set_voxels: int,
    dataset: Dataset,
    volume: Volume,
) -> Roi:
    number = int(description.SegmentNumber)
    failure = None
    if mask.size == 0:
        failure = (
            RoiFailure(FailureReason.OUTSIDE, f"all its {lost} voxels lie outside the image")
            if set_voxels
            else RoiFailure(FailureReason.EMPTY, "it has no voxels")
        )
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
            *((f"{lost} voxel(s) outside the image",) if lost and not failure else ()),
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
