"""DICOM series, SEG and RTSTRUCT made for tests, on any regular grid."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

import highdicom
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, EnhancedMRImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage

from multimodal.model.ids import hash_uid

FRAME = hash_uid("frame")
SERIES = hash_uid("series")
STUDY = hash_uid("study")


def ct_images(
    stored: NDArray[np.int16],
    *,
    spacing: tuple[float, float, float] = (3.0, 0.9, 0.8),
    origin: tuple[float, float, float] = (-11.3, 7.7, 21.9),
    rows_along: tuple[float, float, float] = (1.0, 0.0, 0.0),
    columns_along: tuple[float, float, float] = (0.0, 1.0, 0.0),
    slope: float = 1.0,
    intercept: float = -1000.0,
) -> list[Dataset]:
    """Return one CT image per plane of `stored` ([z, y, x]), slices along rows x columns."""
    normal = np.cross(rows_along, columns_along)
    images = []
    for index, plane in enumerate(stored):
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.SOPClassUID = CTImageStorage
        image.SOPInstanceUID = hash_uid("image", str(index))
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = STUDY, SERIES, FRAME
        image.PatientID, image.PatientName, image.Modality = "P1", "Doe^Jane", "CT"
        image.PatientBirthDate, image.PatientSex, image.AccessionNumber, image.StudyID = "", "", "", ""
        image.ReferringPhysicianName = ""
        image.StudyDate, image.StudyTime = "20200102", "030405"
        image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        image.InstanceNumber = len(stored) - index
        image.ImagePositionPatient = [round(float(v), 6) for v in np.asarray(origin) + index * spacing[0] * normal]
        image.ImageOrientationPatient = [float(v) for v in (*rows_along, *columns_along)]
        image.PixelSpacing = [spacing[1], spacing[2]]
        image.SliceThickness = spacing[0]
        image.Rows, image.Columns = plane.shape
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
        image.RescaleSlope, image.RescaleIntercept = slope, intercept
        image.PixelData = plane.astype("<i2").tobytes()
        images.append(image)
    return images


def write(folder: Path, images: Sequence[Dataset]) -> Path:
    """Write `images` into `folder` under names that say nothing of their order."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        image.save_as(folder / f"{number * 7919 % 1000:03}-{number}.dcm", enforce_file_format=True)
    return folder


def rtstruct(
    regions: Mapping[str, Sequence[NDArray[np.float64]]], *, frame: str = FRAME, kind: str = "CLOSED_PLANAR"
) -> Dataset:
    """Return an RT Structure Set of contours (each n x 3, mm)."""
    structures = Dataset()
    structures.file_meta = FileMetaDataset()
    structures.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    structures.SOPClassUID = RTStructureSetStorage
    structures.SOPInstanceUID = hash_uid("structures", *regions)
    structures.StudyInstanceUID, structures.SeriesInstanceUID = STUDY, hash_uid("structures series")
    structures.PatientID, structures.Modality = "P1", "RTSTRUCT"
    structures.StructureSetROISequence, structures.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(regions.items(), start=1):
        declared, drawn = Dataset(), Dataset()
        declared.ROINumber, declared.ROIName, declared.ReferencedFrameOfReferenceUID = number, name, frame
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = []
        for points in contours:
            contour = Dataset()
            contour.ContourGeometricType = kind
            contour.NumberOfContourPoints = len(points)
            # 16 characters a number is what DS allows
            contour.ContourData = [f"{v:.9g}" for v in np.asarray(points).ravel()]
            drawn.ContourSequence.append(contour)
        structures.StructureSetROISequence.append(declared)
        structures.ROIContourSequence.append(drawn)
    return structures


def seg(
    images: Sequence[Dataset], masks: NDArray[np.generic], kind: str = "BINARY", *, segments: int | None = None
) -> Dataset:
    """Return a SEG of `masks`: [z, y, x] of numbers, or [z, y, x, segment], written by highdicom."""
    count = segments or (masks.shape[3] if masks.ndim == 4 else int(masks.max()))
    dataset: Dataset = highdicom.seg.Segmentation(
        source_images=list(images),
        pixel_array=masks,
        segmentation_type=kind,
        segment_descriptions=[
            highdicom.seg.SegmentDescription(
                number, f"region {number}", codes.SCT.Tissue, codes.SCT.Liver, "MANUAL", tracking_id=f"t{number}",
                tracking_uid=hash_uid("track", str(number)),
            )
            for number in range(1, count + 1)
        ],
        series_instance_uid=hash_uid("seg series"), series_number=2, sop_instance_uid=hash_uid("seg", kind),
        instance_number=1, manufacturer="Somebody", manufacturer_model_name="Editor", software_versions="1",
        device_serial_number="1",
    )  # fmt: skip
    return dataset


def item(**elements: object) -> list[Dataset]:
    """Return a sequence of one item."""
    one = Dataset()
    for keyword, value in elements.items():
        setattr(one, keyword, value)
    return [one]


def enhanced(images: Sequence[Dataset], order: Sequence[int]) -> Dataset:
    """Return the images as one enhanced MR object: spacing shared, place and rescaling per frame, in any order."""
    whole = copy.deepcopy(images[0])
    whole.SOPClassUID, whole.SOPInstanceUID = EnhancedMRImageStorage, hash_uid("enhanced")
    whole.Modality, whole.NumberOfFrames = "MR", len(images)
    whole.PixelData = b"".join(images[i].PixelData for i in order)
    whole.SharedFunctionalGroupsSequence = item(
        PixelMeasuresSequence=item(PixelSpacing=images[0].PixelSpacing, SliceThickness=3),
        PlaneOrientationSequence=item(ImageOrientationPatient=images[0].ImageOrientationPatient),
    )
    whole.PerFrameFunctionalGroupsSequence = [
        item(
            PlanePositionSequence=item(ImagePositionPatient=images[i].ImagePositionPatient),
            PixelValueTransformationSequence=item(RescaleSlope=1 + i, RescaleIntercept=-i),
        )[0]
        for i in order
    ]
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope"):
        del whole[keyword]
    del whole.RescaleIntercept
    return whole
