"""Enhanced multi-frame CT, MR and PET -> one image per frame, so that one gate serves both kinds of series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    ExplicitVRLittleEndian,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
)

from multimodal.imaging.errors import VolumeError, VolumeFault

ENHANCED = frozenset(
    {
        EnhancedCTImageStorage,
        EnhancedMRImageStorage,
        EnhancedPETImageStorage,
        LegacyConvertedEnhancedCTImageStorage,
        LegacyConvertedEnhancedMRImageStorage,
        LegacyConvertedEnhancedPETImageStorage,
    }
)
# macro (PS3.3 C.7.6.16.2) -> what a single-frame image has at its top level
_MACROS = {
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness"),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept"),
}
_LEFT_OUT = ("PixelData", "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence", "NumberOfFrames")


def is_multi_frame(image: Dataset) -> bool:
    """Tell whether an instance may hold several frames."""
    return int(image.get("NumberOfFrames") or 1) > 1 or "PerFrameFunctionalGroupsSequence" in image


def frames_of(image: Dataset, series_uid: str) -> Iterator[Dataset]:
    """Yield each frame of an enhanced image (PS3.3 A.36, A.38, A.56) as an image of its own, pixels decoded.

    Raises
    ------
    VolumeError
        It is of another kind (its frames have no place of their own), or broken.
    """
    if image.get("SOPClassUID") not in ENHANCED or "PerFrameFunctionalGroupsSequence" not in image:
        raise VolumeError(
            series_uid,
            VolumeFault.UNSUPPORTED,
            f"{image.SOPInstanceUID} has several frames and is no enhanced CT, MR or PET: they have no known place",
        )
    groups = image.PerFrameFunctionalGroupsSequence
    try:
        pixels: NDArray[Any] = pixel_array(image)
    except (ValueError, AttributeError, NotImplementedError, RuntimeError) as error:
        raise VolumeError(
            series_uid, VolumeFault.PIXELS, f"the pixels of {image.SOPInstanceUID} cannot be decoded: {error}"
        ) from error
    planes = pixels.reshape(-1, *pixels.shape[-2:])
    if len(planes) != len(groups):
        raise VolumeError(
            series_uid,
            VolumeFault.PIXELS,
            f"{image.SOPInstanceUID} describes {len(groups)} frames and holds {len(planes)}",
        )
    common = Dataset()
    common.update({e.tag: image.get_item(e.tag) for e in image if e.keyword not in _LEFT_OUT})
    shared = (image.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    for number, (own, plane) in enumerate(zip(groups, planes, strict=True), start=1):
        frame = _frame(common, own, shared, plane)
        frame.ReferencedFrameNumber = number  # where it comes from, for those who refer to it
        yield frame


def _frame(common: Dataset, own: Dataset, shared: Dataset, plane: NDArray[Any]) -> Dataset:
    frame = Dataset()
    frame.update(common)
    frame.file_meta = FileMetaDataset()
    frame.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for macro, keywords in _MACROS.items():
        items = own.get(macro) or shared.get(macro)
        for keyword in keywords if items else ():
            if keyword in items[0]:
                frame[keyword] = items[0][keyword]
    frame.add_new("BitsAllocated", "US", plane.dtype.itemsize * 8)  # setting the value would change the common element
    frame.PixelData = plane.astype(plane.dtype.newbyteorder("<")).tobytes()
    return frame
