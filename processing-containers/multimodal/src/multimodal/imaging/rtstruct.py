"""RTSTRUCT -> masks on a volume's grid."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from multimodal.imaging.errors import MaskError, MaskFault
from multimodal.imaging.rasterise import fill, fill_covered
from multimodal.imaging.reading import Reading
from multimodal.imaging.rois import NO_VOXELS, FailureReason, Roi, RoiFailure, across_gap, cropped, usual_flags
from multimodal.imaging.volume import Volume
from multimodal.model.ids import hash_uid

AREAS = frozenset({"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"})  # PS3.3 C.8.8.6.3
OFF_PLANE = 0.25  # slices; contours further from a slice's centre are counted
SAME_PLANE = 0.01  # slices
_USUAL = Reading()


@dataclass(slots=True)
class _Contours:
    """The contours of one ROI, sorted by the slice that they fill."""

    planes: dict[int, list[tuple[float, NDArray[np.float64]]]] = field(default_factory=lambda: defaultdict(list))
    outside: int = 0
    beyond_gap: int = 0
    off_plane: int = 0
    not_areas: int = 0
    across: int = 0


def rtstruct_rois(structures: Dataset, file: Path, volume: Volume, reading: Reading = _USUAL) -> list[Roi]:
    """Return every ROI of an RT Structure Set (PS3.3 A.19) as voxels of `volume`.

    Raises
    ------
    MaskError
        The object is broken, or all its ROIs are drawn in another frame of reference.
    """
    try:
        declared = list(structures.StructureSetROISequence)
        contours = {int(c.ReferencedROINumber): c for c in structures.get("ROIContourSequence", ())}
        numbers = [int(roi.ROINumber) for roi in declared]
        frames = [str(roi.get("ReferencedFrameOfReferenceUID") or "") for roi in declared]
    except (AttributeError, TypeError, ValueError) as error:
        raise MaskError(file, MaskFault.CONTENT, f"the RTSTRUCT cannot be read: {error}") from error
    if declared and not any(_same_frame(frame, volume) for frame in frames):
        raise MaskError(
            file,
            MaskFault.FRAME_OF_REFERENCE,
            f"drawn in frame of reference {frames[0] or '(none)'}, series {volume.series_uid} lies in "
            f"{volume.frame_of_reference or '(none)'}; choose the image it was drawn on",
        )
    rois = []
    for roi, number, frame in zip(declared, numbers, frames, strict=True):
        failure: RoiFailure | None = None
        mask, offset = NO_VOXELS, (0, 0, 0)
        flags: tuple[str, ...] = ()
        if _same_frame(frame, volume):
            found = _sorted_contours(contours.get(number), number, file, volume)
            mask, offset = _rasterised(found, volume, reading.coverage)
            failure = _failure(found) if mask.size == 0 else None
            flags = (*usual_flags(mask, offset, volume.shape), *_flags(found))
        else:
            failure = RoiFailure(FailureReason.FRAME_OF_REFERENCE, f"drawn in frame of reference {frame or '(none)'}")
        name = str(roi.get("ROIName") or f"ROI {number}")
        rois.append(
            Roi(
                number=number,
                name=name,
                mask=mask,
                offset=offset,
                mask_sop_uid=str(structures.SOPInstanceUID),
                mask_series_uid=str(structures.SeriesInstanceUID),
                kind="RTSTRUCT",
                tracking_id=name,
                tracking_uid=hash_uid("roi", str(structures.SOPInstanceUID), str(number)),
                flags=flags,
                failure=failure,
            )
        )
    return rois


def _same_frame(frame: str, volume: Volume) -> bool:
    return bool(frame) and frame == volume.frame_of_reference


def _sorted_contours(roi: Dataset | None, number: int, file: Path, volume: Volume) -> _Contours:
    """Return the ROI's contours as continuous indices, each under the slice nearest to it."""
    found = _Contours()
    for contour in () if roi is None else roi.get("ContourSequence", ()):
        if contour.get("ContourGeometricType") not in AREAS:
            found.not_areas += 1
            continue
        index = volume.to_index(_points(contour, number, file))
        height = float(index[:, 0].mean())
        if float(np.abs(index[:, 0] - height).max()) > OFF_PLANE:
            found.across += 1
            continue
        plane = round(height)
        if abs(height - plane) > OFF_PLANE:
            found.off_plane += 1
        if 0 <= plane < volume.shape[0]:
            found.planes[plane].append((height, index[:, 1:]))
        elif volume.beyond_gap(height):
            found.beyond_gap += 1
        else:
            found.outside += 1
    return found


def _points(contour: Dataset, number: int, file: Path) -> NDArray[np.float64]:
    """Return Contour Data as n x 3 numbers; from the raw text, seven times faster than value by value."""
    element = contour.get_item("ContourData")
    try:
        if isinstance(element, RawDataElement) and element.value is not None and element.VR in ("DS", None):
            values = [float(text) for text in element.value.split(b"\\")]
        else:
            values = [float(value) for value in contour.ContourData]
        points = np.asarray(values, dtype=np.float64).reshape(-1, 3)
    except (AttributeError, TypeError, ValueError) as error:
        raise MaskError(file, MaskFault.CONTENT, f"ROI {number}: a contour's points cannot be read: {error}") from error
    if not np.isfinite(points).all() or len(points) == 0:
        raise MaskError(file, MaskFault.CONTENT, f"ROI {number}: a contour has no usable points")
    return points


def _rasterised(
    found: _Contours, volume: Volume, coverage: float | None
) -> tuple[NDArray[np.bool_], tuple[int, int, int]]:
    if not found.planes or found.beyond_gap:
        return NO_VOXELS, (0, 0, 0)
    first, last = min(found.planes), max(found.planes)
    _, rows, columns = volume.shape
    mask = np.zeros((last - first + 1, rows, columns), dtype=bool)
    for plane, contours in found.planes.items():
        # Contours drawn at two heights within one slice are two outlines, not an outline and its hole.
        nearest = min((height for height, _ in contours), key=lambda height: abs(height - plane))
        here = [points for height, points in contours if abs(height - nearest) <= SAME_PLANE]
        found.off_plane += sum(1 for h, _ in contours if abs(h - nearest) > SAME_PLANE and abs(h - plane) <= OFF_PLANE)
        filled = fill(here, rows, columns) if coverage is None else fill_covered(here, rows, columns, coverage)
        mask[plane - first] = filled
    return cropped(mask, (first, 0, 0))


def _failure(found: _Contours) -> RoiFailure:
    if found.beyond_gap:
        return across_gap(found.beyond_gap, "contour(s)")
    if found.outside or found.planes:
        inside = "no voxel centre of the image lies inside its contours"
        if found.planes and not found.outside:
            return RoiFailure(FailureReason.OUTSIDE if _beyond(found) else FailureReason.EMPTY, inside)
        return RoiFailure(FailureReason.OUTSIDE, inside)
    if found.across:
        return RoiFailure(FailureReason.CONTOURS, f"{found.across} contour(s) do not lie in the image's planes")
    if found.not_areas:
        return RoiFailure(FailureReason.CONTOURS, f"{found.not_areas} point(s) or open contour(s), no closed one")
    return RoiFailure(FailureReason.EMPTY, "it has no contours")


def _beyond(found: _Contours) -> bool:
    """Tell whether the contours are large enough to hold voxel centres, had they lain in the image."""
    every = [points for contours in found.planes.values() for _, points in contours]
    return any(float(np.ptp(points, axis=0).min()) >= 1 for points in every)


def _flags(found: _Contours) -> tuple[str, ...]:
    counted = {
        "contour(s) outside the image": found.outside,
        "contour(s) more than a quarter slice off their slice": found.off_plane,
        "point(s) or open contour(s) passed over": found.not_areas,
        "contour(s) across the image's planes passed over": found.across,
    }
    return tuple(f"{count} {what}" for what, count in counted.items() if count)
