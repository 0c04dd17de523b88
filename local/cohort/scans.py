"""The CT series of a patient: what the scanner would have sent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from scipy import ndimage

from local.cohort.patients import UNDATED_PATIENT, Ellipsoid, Patient

SLICES, ROWS, COLUMNS = 28, 112, 112
PIXEL_SPACING = 3.0  # mm
SLICE_SPACING = 5.0  # mm
ORIGIN = (
    -PIXEL_SPACING * (COLUMNS - 1) / 2,
    -PIXEL_SPACING * (ROWS - 1) / 2,
    -SLICE_SPACING * (SLICES - 1) / 2,
)  # centre of the first voxel of the lowest slice
INTERCEPT = -1024

AIR, LUNG, FAT, MUSCLE, BONE, NODE, TUMOUR, NECROSIS = -1000, -840, -95, 45, 480, 60, 40, 8  # HU


def ct_series(patient: Patient) -> list[Dataset]:
    """Return the CT images of `patient`, from the head down (DICOM PS3.3 A.3)."""
    stored = np.clip(np.rint(hounsfield(patient)) - INTERCEPT, 0, 4095).astype("<u2")
    return [_ct_image(patient, stored[index], SLICES - index, slice_z(index)) for index in reversed(range(SLICES))]


def slice_z(index: int) -> float:
    """Return the z coordinate of slice `index`, counted from the feet."""
    return ORIGIN[2] + SLICE_SPACING * index


def inside(shape: Ellipsoid) -> NDArray[np.bool_]:
    """Return the voxels (z, y, x) whose centre lies inside `shape`."""
    z, y, x = np.ogrid[:SLICES, :ROWS, :COLUMNS]
    distances = (
        (ORIGIN[axis] + step * index - shape.centre[axis]) / shape.radii[axis]
        for axis, step, index in ((0, PIXEL_SPACING, x), (1, PIXEL_SPACING, y), (2, SLICE_SPACING, z))
    )
    total: NDArray[np.float64] = sum(distance**2 for distance in distances)  # type: ignore[assignment]
    return total < 1


def hounsfield(patient: Patient) -> NDArray[np.float64]:
    """Return the patient's body (z, y, x) in Hounsfield units: a chest with lungs, spine and a lesion."""
    random = patient.random("noise")
    body = np.full((SLICES, ROWS, COLUMNS), float(AIR))
    long = 1e4  # so far along z that the ellipsoid is a cylinder here
    body[inside(Ellipsoid((0, 0, 0), (152, 106, long)))] = FAT
    body[inside(Ellipsoid((0, 0, 0), (142, 96, long)))] = MUSCLE
    for side in (-1, 1):
        body[inside(Ellipsoid((side * 72, 0, -15), (54, 76, 130)))] = LUNG
    body[inside(Ellipsoid((0, 72, 0), (17, 19, long)))] = BONE
    lesion = inside(patient.lesion)
    # The heavier the burden, the coarser and stronger the texture: this is the planted effect.
    texture = ndimage.gaussian_filter(random.standard_normal(body.shape), sigma=0.6 + 1.2 * patient.burden)
    body[lesion] = TUMOUR + (12 + 55 * patient.burden) * (texture / texture.std())[lesion]
    if patient.core:
        body[inside(patient.core)] = NECROSIS
    if patient.node:
        body[inside(patient.node)] = NODE
    return body + 9 * random.standard_normal(body.shape)


def common_modules(patient: Patient, modality: str, number: int) -> Dataset:
    """Return the patient, study, series and equipment modules (PS3.3 C.7.1.1, C.7.2.1, C.7.3.1, C.7.5.1)."""
    dataset = Dataset()
    dated = patient.number != UNDATED_PATIENT
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = f"Demo^{patient.number:03d}"
    dataset.PatientID = patient.id
    dataset.PatientBirthDate = patient.birth_date.strftime("%Y%m%d")
    dataset.PatientSex = patient.sex
    dataset.StudyInstanceUID = patient.uid("study")
    dataset.StudyDate = patient.scan_time.strftime("%Y%m%d") if dated else ""
    dataset.StudyTime = patient.scan_time.strftime("%H%M%S") if dated else ""
    dataset.StudyDescription = "CT Thorax"
    dataset.StudyID = f"{patient.number}"
    dataset.AccessionNumber = f"DEMO{patient.number:06d}"
    dataset.ReferringPhysicianName = ""
    dataset.Modality = modality
    dataset.SeriesInstanceUID = patient.uid("series", modality)
    dataset.SeriesNumber = number
    dataset.FrameOfReferenceUID = patient.uid("frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.Manufacturer = "kaapana-multimodal"
    dataset.ManufacturerModelName = "demo cohort"
    dataset.DeviceSerialNumber = "1"
    dataset.SoftwareVersions = "1"
    return dataset


def _ct_image(patient: Patient, pixels: NDArray[np.uint16], number: int, z: float) -> Dataset:
    dataset = common_modules(patient, "CT", 2)
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = patient.uid("instance", "CT", str(number))
    dataset.SeriesDescription = "Thorax 5.0 mm"
    dataset.BodyPartExamined = "CHEST"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.InstanceNumber = number
    dataset.AcquisitionNumber = 1
    dataset.PatientPosition = "HFS"
    dataset.KVP = "120"
    dataset.ConvolutionKernel = "STANDARD"
    dataset.SliceThickness = f"{SLICE_SPACING}"
    dataset.SliceLocation = f"{z}"
    dataset.PixelSpacing = [f"{PIXEL_SPACING}"] * 2
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    dataset.ImagePositionPatient = [f"{ORIGIN[0]}", f"{ORIGIN[1]}", f"{z}"]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.RescaleIntercept = f"{INTERCEPT}"
    dataset.RescaleSlope = "1"
    dataset.RescaleType = "HU"
    dataset.WindowCenter, dataset.WindowWidth = "40", "400"
    dataset.PixelData = pixels.tobytes()
    return with_file_meta(dataset)


def with_file_meta(dataset: Dataset) -> Dataset:
    """Add the File Meta Information (PS3.10 7.1) that `save` needs and return `dataset`."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta
    return dataset


def save(dataset: Dataset, file: Path) -> None:
    """Write `dataset` as a DICOM file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(file, enforce_file_format=True)
