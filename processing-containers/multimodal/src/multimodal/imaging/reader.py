"""A folder of DICOM images -> a checked volume."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from multimodal.imaging.errors import VolumeError, VolumeFault
from multimodal.imaging.frames import frames_of, is_multi_frame
from multimodal.imaging.geometry import Stack, regular_stack
from multimodal.imaging.reading import Reading
from multimodal.imaging.stored_pixels import stored_pixels
from multimodal.imaging.straighten import straightened
from multimodal.imaging.suv import suv_factor
from multimodal.imaging.volume import Volume

_USUAL = Reading()
# Modalities (PS3.3 C.7.3.1.1.1) of what is drawn on images or said of them
_NO_IMAGE = frozenset({"SEG", "RTSTRUCT", "SR"})


def read_volume(folder: Path, reading: Reading = _USUAL) -> Volume:
    """Read the one series in `folder` as a volume.

    Parameters
    ----------
    folder : Path
        Holds the images of one series, one file per slice; files that are not DICOM are refused when they are
        called ``*.dcm`` and passed over otherwise. Enhanced multi-frame CT, MR and PET are read frame by frame.
    reading : Reading
        What to do with an irregular series, and whether PET becomes SUV.

    Returns
    -------
    Volume
        Rescaled per slice in float32 (PS3.3 C.11.1), PET as SUV; slices in ascending order along the normal.

    Raises
    ------
    VolumeError
        The files are not one regular volume; the error names the series and the reason.
    """
    images = _read_images(folder)
    series_uid = _only_series(images, folder)
    for image in images:
        _check_supported(image, series_uid)
    images = [one for image in images for one in _single(image, series_uid)]
    stack = regular_stack(images, series_uid, resample=reading.resample)
    first = stack.slices[0].image
    origin, headers = stack.slices[0].position, tuple(s.image for s in stack.slices)
    array, suv, told = _as_suv(_pixels(stack, series_uid), stack, series_uid, reading)
    if not stack.even:
        array, origin, headers = straightened(array, stack)
    return Volume(
        array=array,
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
        spacing=stack.spacing,
        direction=stack.direction,
        study_uid=str(first.StudyInstanceUID),
        series_uid=series_uid,
        patient_id=str(first.get("PatientID") or ""),
        issuer=str(first.get("IssuerOfPatientID") or ""),
        modality=str(first.get("Modality") or ""),
        frame_of_reference=str(first.get("FrameOfReferenceUID") or ""),
        started=_started(first),
        sop_class_uid=str(first.SOPClassUID),
        sop_uids=tuple(str(header.SOPInstanceUID) for header in headers),
        headers=headers,
        warnings=(*stack.warnings, *told),
        suv=suv,
        resampled=not stack.even,
        cut=stack.cut,
    )


def _read_images(folder: Path) -> list[Dataset]:
    images: list[Dataset] = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if file.name == "DICOMDIR" or file.name.startswith(".") or file.suffix == ".part":
            continue
        try:
            images.append(pydicom.dcmread(file))
        except InvalidDicomError:
            if file.suffix == ".dcm":
                raise VolumeError(folder.name, VolumeFault.NOT_DICOM, f"{file.name} is not a DICOM file") from None
        except (EOFError, ValueError, KeyError, OSError) as error:
            raise VolumeError(
                folder.name, VolumeFault.NOT_DICOM, f"{file.name} cannot be read ({error}); fetch the series again"
            ) from error
    if not images:
        raise VolumeError(folder.name, VolumeFault.NO_IMAGES, f"no DICOM images in {folder}")
    return images


def _only_series(images: list[Dataset], folder: Path) -> str:
    uids = sorted({str(image.get("SeriesInstanceUID")) for image in images})
    if len(uids) != 1:
        raise VolumeError(
            folder.name,
            VolumeFault.SEVERAL_SERIES,
            f"{folder} holds images of {len(uids)} series ({', '.join(uids[:3])}); give the folder of one",
        )
    if not all("SOPInstanceUID" in image and "StudyInstanceUID" in image for image in images):
        raise VolumeError(uids[0], VolumeFault.NOT_DICOM, "an image has no SOP or Study Instance UID")
    return uids[0]


def _check_supported(image: Dataset, series_uid: str) -> None:
    if image.get("Modality") in _NO_IMAGE:
        raise VolumeError(
            series_uid,
            VolumeFault.NO_IMAGES,
            f"it is a {image.Modality}, not an image; are image and mask (--image and --mask) swapped?",
        )
    if "Rows" not in image or "PixelData" not in image:
        raise VolumeError(
            series_uid, VolumeFault.NO_IMAGES, f"{image.SOPInstanceUID} ({image.get('Modality')}) has no pixels"
        )
    if int(image.get("SamplesPerPixel") or 1) != 1:
        raise VolumeError(series_uid, VolumeFault.UNSUPPORTED, "colour images have no intensities to measure")
    if "ModalityLUTSequence" in image:
        raise VolumeError(series_uid, VolumeFault.UNSUPPORTED, "intensities by a modality lookup table are not read")


def _pixels(stack: Stack, series_uid: str) -> NDArray[np.float32]:
    """Return the rescaled pixels of all slices and drop the stored ones from the headers as it goes."""
    first = stack.slices[0].image
    array = _memory((len(stack.slices), int(first.Rows), int(first.Columns)))
    for plane, piece in zip(array, stack.slices, strict=True):
        image = piece.image
        try:
            stored = stored_pixels(image)
        except (ValueError, AttributeError, NotImplementedError, RuntimeError) as error:
            raise VolumeError(
                series_uid, VolumeFault.PIXELS, f"the pixels of {image.SOPInstanceUID} cannot be decoded: {error}"
            ) from error
        slope = np.float32(image.get("RescaleSlope") or 1)
        np.multiply(stored, slope, out=plane, casting="unsafe")
        plane += np.float32(image.get("RescaleIntercept") or 0)
        del image.PixelData
    return array


def _memory(shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """Return an array in pages of the usual size.

    numpy asks for pages of 2 MB, which are first put together and wiped: of a volume's 300 MB each is used once, and on
    virtual machines that alone was seen to take as long as reading the files.
    """
    size = int(np.prod(shape)) * np.dtype(np.float32).itemsize
    if not size:
        return np.empty(shape, dtype=np.float32)
    return np.frombuffer(mmap.mmap(-1, size), dtype=np.float32).reshape(shape)


def _started(image: Dataset) -> str:
    date = str(image.get("StudyDate") or "")
    return date + str(image.get("StudyTime") or "") if date else ""


def _single(image: Dataset, series_uid: str) -> Iterable[Dataset]:
    return frames_of(image, series_uid) if is_multi_frame(image) else (image,)


def _as_suv(
    array: NDArray[np.float32], stack: Stack, series_uid: str, reading: Reading
) -> tuple[NDArray[np.float32], bool, tuple[str, ...]]:
    """Return PET as SUV where asked for, whether it is, and what a reader of the numbers should know."""
    images = [piece.image for piece in stack.slices]
    if images[0].get("Modality") != "PT":
        return array, False, ()
    if not reading.suv:
        unit = images[0].get("Units") or "unknown units"
        return array, False, (f"PET intensities are measured as stored ({unit}), not as SUV",)
    suv = suv_factor(images, series_uid)
    array *= np.float32(suv.factor)
    return array, True, (f"PET intensities are SUV by body weight: {suv.told}",)
