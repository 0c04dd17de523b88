"""What the DICOM objects that we write have in common: where they come from, and times that come from the input."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from multimodal.imaging import Volume

MANUFACTURER = "kaapana-multimodal"
MODEL = "multimodal radiomics"
SERIAL_NUMBER = "none"
SEG_DESCRIPTION = "multimodal: RTSTRUCT as voxels"
SR_DESCRIPTION = "multimodal: radiomics"
# required even if empty (type 2), but missing from files of some exporters; highdicom asks for them
_TYPE_2 = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
    "StudyTime", "ReferringPhysicianName",
)  # fmt: skip
_DATES = ("Study", "Series", "Acquisition", "Content", "InstanceCreation")


@contextmanager
def accepted_names() -> Iterator[None]:
    """Let highdicom take a patient's name of one part (research exports have such) without a warning each time."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*unlikely to represent the intended person name.*")
        yield


def software_version() -> str:
    """Return the version of this package."""
    return version("kaapana-multimodal")


def is_derived_by_us(dataset: Dataset) -> bool:
    """Tell whether an object was written by this package, so that it never starts another extraction."""
    return (dataset.get("Manufacturer"), dataset.get("ManufacturerModelName")) == (MANUFACTURER, MODEL)


def source_images(volume: Volume) -> list[Dataset]:
    """Return the images' headers with every element that a derived object must copy."""
    images = []
    for header in volume.headers:
        image = Dataset()
        image.update(header)
        image.file_meta = getattr(header, "file_meta", FileMetaDataset())
        if "TransferSyntaxUID" not in image.file_meta:
            image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        for keyword in _TYPE_2:
            if keyword not in image:
                setattr(image, keyword, "")
        images.append(image)
    return images


def settle(dataset: Dataset, volume: Volume, description: str) -> None:
    """Put the input's date and time in place of the clock's: identical input gives identical bytes."""
    date, time = _date_and_time(volume)
    dataset.SeriesDescription = description
    for prefix in ("Series", "Content", "InstanceCreation"):
        setattr(dataset, f"{prefix}Date", date)
        setattr(dataset, f"{prefix}Time", time)
    for equipment in dataset.get("ContributingEquipmentSequence", ()):
        if "ContributionDateTime" in equipment:
            equipment.ContributionDateTime = date + time


def _date_and_time(volume: Volume) -> tuple[str, str]:
    """Return the study's date and time, or the next one that the images carry (required: PS3.3 C.7.6.23, C.17.2)."""
    header = volume.headers[0]
    for prefix in _DATES:
        if header.get(f"{prefix}Date"):
            return str(header.get(f"{prefix}Date")), str(header.get(f"{prefix}Time") or "000000")
    return "19000101", "000000"
