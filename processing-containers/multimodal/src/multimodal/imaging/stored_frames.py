"""The stored frames of a SEG: bits of a plain binary one are unpacked here, all else is decoded by highdicom.

highdicom checks and indexes the whole object before it hands out the first frame, which for a binary one takes ten
times as long as unpacking its bits (PS3.5 8.1.1: one after the other, the first the lowest of its byte, no padding
between frames).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import highdicom
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, SegmentationStorage

Decode = Callable[[int], NDArray[Any]]
_PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


def stored_frames(dataset: Dataset) -> Decode:
    """Return a function from a frame's number (the first is 1) to its stored values, rows x columns.

    Raises
    ------
    ValueError, AttributeError, TypeError, KeyError
        The object is broken.
    """
    return bits_of(dataset) if is_plain_binary(dataset) else by_highdicom(dataset)


def is_plain_binary(dataset: Dataset) -> bool:
    """Tell whether each voxel is one uncompressed bit (PS3.3 A.51, C.8.20.2)."""
    file_meta = getattr(dataset, "file_meta", {})
    return (
        dataset.get("SOPClassUID") == SegmentationStorage
        and dataset.get("SegmentationType") == "BINARY"
        and file_meta.get("TransferSyntaxUID") in _PLAIN
        and (dataset.get("BitsAllocated"), dataset.get("SamplesPerPixel")) == (1, 1)
    )


def by_highdicom(dataset: Dataset) -> Decode:
    """Let highdicom check and decode the object (it may change the class of `dataset`)."""
    decode: Decode = highdicom.seg.Segmentation.from_dataset(dataset, copy=False).get_stored_frame
    return decode


def bits_of(dataset: Dataset) -> Decode:
    """Return the frames of a plain binary object.

    Raises
    ------
    ValueError
        It holds fewer bits, or describes another number of frames, than it says.
    """
    rows, columns, count = int(dataset.Rows), int(dataset.Columns), int(dataset.NumberOfFrames)
    described = len(dataset.PerFrameFunctionalGroupsSequence)
    if described != count:
        raise ValueError(f"it says that it has {count} frames and describes {described}")
    size = rows * columns
    stored = np.frombuffer(dataset.PixelData, dtype=np.uint8)
    if stored.size * 8 < size * count:
        raise ValueError(f"its pixel data end before the last of its {count} frames")

    def decode(number: int) -> NDArray[np.uint8]:
        first, last = (number - 1) * size, number * size
        bits = np.unpackbits(stored[first // 8 : -(-last // 8)], bitorder="little")
        return bits[first % 8 : first % 8 + size].reshape(rows, columns)

    return decode
