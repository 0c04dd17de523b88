"""The stored pixels of one image: plain 16-bit ones are taken as they lie in the file, all else is left to pydicom."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

_PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


def stored_pixels(image: Dataset) -> NDArray[Any]:
    """Return the pixels of one frame before rescaling, rows x columns (PS3.3 C.7.6.3, PS3.5 8.1.1).

    Raises
    ------
    ValueError, AttributeError, NotImplementedError, RuntimeError
        They cannot be decoded.
    """
    plain = _plain(image)
    return pixel_array(image) if plain is None else plain  # the function keeps no second copy in the dataset


def _plain(image: Dataset) -> NDArray[Any] | None:
    """Return uncompressed 16-bit pixels, None where they are others or not as many as there should be."""
    stored, bits = image.get("PixelData"), image.get("BitsStored")
    if (
        getattr(image, "file_meta", {}).get("TransferSyntaxUID") not in _PLAIN
        or not isinstance(stored, bytes)
        or (image.get("BitsAllocated"), image.get("SamplesPerPixel")) != (16, 1)
        or not isinstance(bits, int)
        or not 0 < bits <= 16
        or image.get("PixelRepresentation") not in (0, 1)
    ):
        return None
    rows, columns = int(image.Rows), int(image.Columns)
    if len(stored) != rows * columns * 2:
        return None
    pixels = np.frombuffer(stored, dtype="<i2" if image.PixelRepresentation else "<u2").reshape(rows, columns)
    # bits above the stored ones may hold anything
    return pixels if bits == 16 else (pixels << (16 - bits)) >> (16 - bits)
