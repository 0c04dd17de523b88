"""Plain pixels are what pydicom makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from multimodal.imaging.stored_pixels import stored_pixels
from tests.imaging.made import ct_images


def an_image() -> Dataset:
    [image] = ct_images(np.random.default_rng(2).integers(-(2**15), 2**15, size=(1, 5, 7)).astype(np.int16))
    return image


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("bits", [16, 12, 9])
def test_plain_pixels_are_pydicoms(tmp_path: Path, signed: int, bits: int) -> None:
    """Whatever the bits above the stored ones hold."""
    image = an_image()
    image.PixelRepresentation, image.BitsStored, image.HighBit = signed, bits, bits - 1
    image.save_as(tmp_path / "image.dcm", enforce_file_format=True)
    read = pydicom.dcmread(tmp_path / "image.dcm")
    ours, theirs = stored_pixels(read), pixel_array(read)
    assert ours.dtype == theirs.dtype
    assert np.array_equal(ours, theirs)
    read.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    assert np.array_equal(stored_pixels(read), theirs)


def test_what_is_not_plain_is_pydicoms() -> None:
    compressed = an_image()
    theirs = pixel_array(compressed)
    compressed.compress(RLELossless)
    assert np.array_equal(stored_pixels(compressed), theirs)
    turned = an_image()
    turned.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    turned.PixelData = np.frombuffer(turned.PixelData, "<i2").astype(">i2").tobytes()
    turned.set_original_encoding(False, False)
    assert np.array_equal(stored_pixels(turned), theirs)


def test_too_few_pixels_are_an_error() -> None:
    image = an_image()
    image.PixelData = image.PixelData[:-2]
    with pytest.raises(ValueError, match="less than expected"):
        stored_pixels(image)
