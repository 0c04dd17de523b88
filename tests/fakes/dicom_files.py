"""Small DICOM series, made up here, for tests and benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from multimodal.model.ids import hash_uid


def make_instance(name: str, number: int, *, size: int = 16, series: str = "1", patient: str = "P1") -> Dataset:
    """Return slice `number` of the CT series `series` in the study `name`; its UIDs follow from these names."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    uid = hash_uid("test", name, series, str(number))
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.StudyInstanceUID = hash_uid("test", name)
    dataset.SeriesInstanceUID = hash_uid("test", name, series)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientID = patient
    dataset.PatientName = "DOE^JÄNE"
    dataset.StudyDate, dataset.StudyTime = "20240315", ""
    dataset.Modality = "CT"
    dataset.SeriesNumber, dataset.InstanceNumber = series, number
    dataset.FrameOfReferenceUID = hash_uid("test", name, "frame")
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.ImagePositionPatient = [0, 0, 3.0 * number]
    dataset.PixelSpacing, dataset.SliceThickness = [0.98, 0.98], 3.0
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = size
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    pixels = np.random.default_rng(number).integers(-1000, 1000, size * size, dtype=np.int16)
    dataset.PixelData = pixels.tobytes()
    return dataset


def write_series(
    folder: Path, name: str, count: int, *, size: int = 16, series: str = "1", patient: str = "P1"
) -> list[Path]:
    """Write the first `count` slices of a series into `folder` and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(1, count + 1):
        dataset = make_instance(name, number, size=size, series=series, patient=patient)
        path = folder / f"{dataset.SOPInstanceUID}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        files.append(path)
    return files
