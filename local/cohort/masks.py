"""The masks of a patient: a segmentation or a structure set, with the odd cases that hospitals deliver."""

from __future__ import annotations

import numpy as np
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from highdicom.sr.coding import CodedConcept
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import RTStructureSetStorage
from pydicom.valuerep import format_number_as_ds

from local.cohort.patients import EMPTY_ROI_PATIENT, KEYHOLE_PATIENT, OUTSIDE_PATIENT, Ellipsoid, Patient
from local.cohort.scans import SLICES, common_modules, inside, slice_z, with_file_meta

LESION, NODE, OUTSIDE, EMPTY = "GTV-1", "GTV-N1", "GTV-outside", "GTV-empty"
OUTLINE_POINTS = 72
OUTSIDE_MM = 260.0  # the image ends at 168 mm

_LUNG = CodedConcept("39607008", "SCT", "Lung structure")
_NODE_SITE = CodedConcept("62683002", "SCT", "Mediastinal lymph node")
_CATEGORY = CodedConcept("49755003", "SCT", "Morphologically Altered Structure")
_PRIMARY = CodedConcept("86049000", "SCT", "Neoplasm, Primary")
_SECONDARY = CodedConcept("14799000", "SCT", "Neoplasm, Secondary")

Points = NDArray[np.float64]


def roi_names(patient: Patient) -> tuple[str, ...]:
    """Return the names of the patient's ROIs in the order of their numbers."""
    if patient.mask_kind == "SEG":
        return (LESION, NODE) if patient.has_node else (LESION,)
    odd = {OUTSIDE_PATIENT: (OUTSIDE,), EMPTY_ROI_PATIENT: (EMPTY,)}
    return (LESION, *odd.get(patient.number, ()))


def segmentation(patient: Patient, images: list[Dataset]) -> Dataset:
    """Return the patient's Segmentation (PS3.3 A.51): the lesion, and a lymph node where there is one."""
    shapes = [shape for shape in (patient.lesion, patient.node) if shape]
    masks = np.stack([inside(shape) for shape in shapes], axis=-1)[::-1]  # in the order of the images
    descriptions = [
        SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=_CATEGORY,
            segmented_property_type=_PRIMARY if name == LESION else _SECONDARY,
            algorithm_type=SegmentAlgorithmTypeValues.MANUAL,
            tracking_uid=patient.uid("tracking", name),
            tracking_id=f"{patient.id} {name}",
            anatomic_regions=[_LUNG if name == LESION else _NODE_SITE],
        )
        for number, name in enumerate(roi_names(patient), start=1)
    ]
    dataset: Dataset = Segmentation(
        source_images=images,
        pixel_array=masks.astype(np.uint8),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=patient.uid("series", "SEG"),
        series_number=300,
        sop_instance_uid=patient.uid("instance", "SEG"),
        instance_number=1,
        manufacturer="kaapana-multimodal",
        manufacturer_model_name="demo cohort",
        software_versions="1",
        device_serial_number="1",
        content_label="LESIONS",
        series_description="Lesions",
    )
    _fix_in_time(dataset, patient)
    return dataset


def _fix_in_time(dataset: Dataset, patient: Patient) -> None:
    """Replace what highdicom takes from the clock or draws at random, so that equal input gives equal bytes."""
    stamp = patient.scan_time
    for keyword in ("ContentDate", "InstanceCreationDate", "SeriesDate"):
        if keyword in dataset:
            setattr(dataset, keyword, stamp.strftime("%Y%m%d"))
    for keyword in ("ContentTime", "InstanceCreationTime", "SeriesTime"):
        if keyword in dataset:
            setattr(dataset, keyword, stamp.strftime("%H%M%S"))
    for equipment in dataset.ContributingEquipmentSequence:
        if "ContributionDateTime" in equipment:
            equipment.ContributionDateTime = stamp.strftime("%Y%m%d%H%M%S")
    organization = patient.uid("dimension organization")
    for entry in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        entry.DimensionOrganizationUID = organization


def rtstruct(patient: Patient, images: list[Dataset]) -> Dataset:
    """Return the patient's RT Structure Set (PS3.3 A.19)."""
    dataset = common_modules(patient, "RTSTRUCT", 300)
    dataset.SOPClassUID = RTStructureSetStorage
    dataset.SOPInstanceUID = patient.uid("instance", "RTSTRUCT")
    dataset.SeriesDescription = "Lesions"
    dataset.OperatorsName = ""
    dataset.StructureSetLabel = "LESIONS"
    dataset.StructureSetDate = patient.scan_time.strftime("%Y%m%d")
    dataset.StructureSetTime = patient.scan_time.strftime("%H%M%S")
    dataset.ReferencedFrameOfReferenceSequence = Sequence([_referenced_frame(images)])
    dataset.StructureSetROISequence = Sequence()
    dataset.ROIContourSequence = Sequence()
    dataset.RTROIObservationsSequence = Sequence()
    of_slice = {float(image.ImagePositionPatient[2]): image for image in images}
    for number, name in enumerate(roi_names(patient), start=1):
        dataset.StructureSetROISequence.append(_structure(number, name, dataset.FrameOfReferenceUID))
        dataset.RTROIObservationsSequence.append(_observation(number, name))
        outlines = _outlines(patient, name)
        if outlines:
            dataset.ROIContourSequence.append(_contours(number, outlines, of_slice))
    return with_file_meta(dataset)


def _outlines(patient: Patient, name: str) -> list[Points]:
    """Return the closed outlines (points x, y, z) of one ROI."""
    if name == EMPTY:
        return []
    lesion = patient.lesion
    if name == OUTSIDE:
        lesion = Ellipsoid((OUTSIDE_MM, *lesion.centre[1:]), lesion.radii)
    outlines: list[Points] = []
    for z in (slice_z(index) for index in range(SLICES)):
        outer, inner = _ellipse(lesion, z), None
        if patient.core:
            inner = _ellipse(patient.core, z)
        if outer is None:
            continue
        if inner is None:
            outlines.append(outer)
        elif patient.number == KEYHOLE_PATIENT:
            outlines.append(_keyhole(outer, inner))
        else:  # a hole is a contour inside a contour: even-odd
            outlines += [outer, inner]
    return outlines


def _ellipse(shape: Ellipsoid, z: float) -> Points | None:
    rest = 1 - ((z - shape.centre[2]) / shape.radii[2]) ** 2
    if rest <= 0:
        return None
    angles = np.arange(OUTLINE_POINTS) * 2 * np.pi / OUTLINE_POINTS
    x = shape.centre[0] + shape.radii[0] * np.sqrt(rest) * np.cos(angles)
    y = shape.centre[1] + shape.radii[1] * np.sqrt(rest) * np.sin(angles)
    return np.column_stack([x, y, np.full_like(x, z)])


def _keyhole(outer: Points, inner: Points) -> Points:
    """Return one outline around `outer` and, through a cut of no width, back around `inner`."""
    return np.concatenate([outer, outer[:1], inner[:1], inner[:0:-1], inner[:1]])


def _contours(number: int, outlines: list[Points], of_slice: dict[float, Dataset]) -> Dataset:
    roi = Dataset()
    roi.ReferencedROINumber = number
    roi.ROIDisplayColor = [255, 0, 0]
    roi.ContourSequence = Sequence()
    for points in outlines:
        contour = Dataset()
        image = of_slice[float(points[0, 2])]
        contour.ContourImageSequence = Sequence([_reference(image)])
        contour.ContourGeometricType = "CLOSED_PLANAR"
        contour.NumberOfContourPoints = len(points)
        contour.ContourData = [format_number_as_ds(float(round(value, 3))) for value in points.ravel()]
        roi.ContourSequence.append(contour)
    return roi


def _structure(number: int, name: str, frame_of_reference: str) -> Dataset:
    structure = Dataset()
    structure.ROINumber = number
    structure.ReferencedFrameOfReferenceUID = frame_of_reference
    structure.ROIName = name
    structure.ROIGenerationAlgorithm = "MANUAL"
    return structure


def _observation(number: int, name: str) -> Dataset:
    observation = Dataset()
    observation.ObservationNumber = number
    observation.ReferencedROINumber = number
    observation.ROIObservationLabel = name
    observation.RTROIInterpretedType = "GTV"
    observation.ROIInterpreter = ""
    return observation


def _referenced_frame(images: list[Dataset]) -> Dataset:
    first = images[0]
    series = Dataset()
    series.SeriesInstanceUID = first.SeriesInstanceUID
    series.ContourImageSequence = Sequence([_reference(image) for image in images])
    study = Dataset()
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"  # retired Detached Study Management, still asked for
    study.ReferencedSOPInstanceUID = first.StudyInstanceUID
    study.RTReferencedSeriesSequence = Sequence([series])
    frame = Dataset()
    frame.FrameOfReferenceUID = first.FrameOfReferenceUID
    frame.RTReferencedStudySequence = Sequence([study])
    return frame


def _reference(image: Dataset) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = image.SOPClassUID
    reference.ReferencedSOPInstanceUID = image.SOPInstanceUID
    return reference
