"""The voxels that an RTSTRUCT became, as a DICOM SEG: what was measured can be seen and used again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import highdicom
import numpy as np
from highdicom.sr.coding import CodedConcept
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from multimodal.imaging import Concept, Roi, Volume
from multimodal.model.ids import hash_uid
from multimodal.radiomics.frame_references import as_single_frames, refer_to_frames
from multimodal.radiomics.written import (
    MANUFACTURER,
    MODEL,
    SEG_DESCRIPTION,
    SERIAL_NUMBER,
    accepted_names,
    settle,
    software_version,
    source_images,
)

SERIES_NUMBER = 9701


def segment_numbers(rois: Sequence[Roi]) -> dict[int, int]:
    """Return ROI Number -> Segment Number of the derived SEG; an ROI without voxels is not in it."""
    return {roi.number: place for place, roi in enumerate((r for r in rois if r.mask.size), start=1)}


def segmentation(volume: Volume, rois: Sequence[Roi]) -> Dataset:
    """Return the regions of one RTSTRUCT as a binary Segmentation (PS3.3 A.51).

    Parameters
    ----------
    volume : Volume
        The image that they lie on.
    rois : sequence of Roi
        All regions of the RTSTRUCT; at least one has voxels.

    Returns
    -------
    Dataset
        Named and numbered by its content: the same input gives the same bytes. `written.is_derived_by_us`
        recognises it.
    """
    drawn = [roi for roi in rois if roi.mask.size]
    first = min(roi.offset[0] for roi in drawn)
    last = max(roi.offset[0] + roi.mask.shape[0] for roi in drawn)
    images = as_single_frames(source_images(volume)[first:last])
    mask_uid = drawn[0].mask_sop_uid
    content = [mask_uid, volume.series_uid, *(_fingerprint(roi) for roi in drawn)]
    with accepted_names():
        dataset: Dataset = highdicom.seg.Segmentation(
            source_images=images,
            pixel_array=_pixels(drawn, first, last, volume),
            segmentation_type="BINARY",
            segment_descriptions=[_description(number, roi) for number, roi in enumerate(drawn, start=1)],
            series_instance_uid=hash_uid("derived-seg-series", mask_uid, volume.series_uid),
            series_number=SERIES_NUMBER,
            sop_instance_uid=hash_uid("derived-seg", *content),
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=MODEL,
            software_versions=software_version(),
            device_serial_number=SERIAL_NUMBER,
            content_label="RADIOMICS_MASK",
            content_description="Voxels whose centre lies inside the contours",
            content_creator_name="Multimodal^Radiomics",
        )
    _fix_dimension_uid(dataset)
    refer_to_frames(dataset, volume)
    settle(dataset, volume, SEG_DESCRIPTION)
    return dataset


def _fingerprint(roi: Roi) -> str:
    voxels = hashlib.sha256(np.packbits(roi.mask).tobytes()).hexdigest()
    return f"{roi.number}:{roi.name}:{roi.offset}:{roi.mask.shape}:{voxels}"


def _pixels(rois: Sequence[Roi], first: int, last: int, volume: Volume) -> NDArray[np.uint8]:
    """Return one plane per slice with segment numbers, or a channel per segment where segments overlap."""
    labels = np.zeros((last - first, *volume.shape[1:]), dtype=np.uint8 if len(rois) < 256 else np.uint16)
    for number, roi in enumerate(rois, start=1):
        part = labels[_box(roi, first)]
        if part[roi.mask].any():
            channels = np.zeros((*labels.shape, len(rois)), dtype=np.uint8)
            for index, each in enumerate(rois):
                channels[(*_box(each, first), index)] = each.mask
            return channels
        part[roi.mask] = number
    return labels


def _box(roi: Roi, first: int) -> tuple[slice, slice, slice]:
    z, y, x = roi.box
    return slice(z.start - first, z.stop - first), y, x


def _description(number: int, roi: Roi) -> highdicom.seg.SegmentDescription:
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=roi.name[:64],
        segmented_property_category=_coded(roi.category) or codes.SCT.Tissue,
        segmented_property_type=_coded(roi.property_type) or codes.SCT.Tissue,
        algorithm_type="SEMIAUTOMATIC",
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="voxel centre inside contour, even-odd", family=codes.DCM.ImageProcessing, version=software_version()
        ),
        tracking_uid=roi.tracking_uid,
        tracking_id=roi.tracking_id[:64],
    )


def _coded(concept: Concept | None) -> CodedConcept | None:
    return None if concept is None else CodedConcept(concept.value, concept.scheme, concept.meaning)


def _fix_dimension_uid(dataset: Dataset) -> None:
    """Give the dimension organization a UID by content; highdicom draws one by chance."""
    uid = hash_uid("derived-seg-dimensions", str(dataset.SOPInstanceUID))
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        if "DimensionOrganizationUID" in item:
            item.DimensionOrganizationUID = uid
