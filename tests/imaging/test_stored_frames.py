"""Bits unpacked here are what highdicom decodes; what is no plain binary SEG is left to it."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from multimodal.imaging.stored_frames import bits_of, by_highdicom, is_plain_binary, stored_frames
from tests.imaging.made import ct_images, seg


def drawn(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return two ragged segments that overlap, one with empty slices between its voxels."""
    voxels = np.random.default_rng(1).integers(0, 2, size=(*shape, 2)).astype(np.uint8)
    voxels[:, 0, 0, 0] = voxels[1::2, 0, 0, 1] = 1
    voxels[::2, ..., 1] = 0
    return voxels


def made(kind: str, shape: tuple[int, int, int]) -> Dataset:
    voxels = drawn(shape)
    if kind == "FRACTIONAL":
        return seg(ct_images(np.zeros(shape, dtype=np.int16)), voxels * 0.37, kind)
    if kind == "LABELMAP":
        return seg(ct_images(np.zeros(shape, dtype=np.int16)), voxels[..., 0] + voxels[..., 0] * voxels[..., 1], kind)
    return seg(ct_images(np.zeros(shape, dtype=np.int16)), voxels, kind)


# frames that fill whole bytes, and frames that begin and end within one
@pytest.mark.parametrize("shape", [(4, 8, 16), (6, 7, 9), (2, 3, 1), (4, 5, 13)])
def test_bits_are_what_highdicom_decodes(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    made("BINARY", shape).save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    dataset = pydicom.dcmread(tmp_path / "seg.dcm")
    assert is_plain_binary(dataset)
    ours, theirs = bits_of(dataset), by_highdicom(copy.deepcopy(dataset))
    frames = int(dataset.NumberOfFrames)
    assert frames == shape[0] * 3 // 2
    for number in range(1, frames + 1):
        assert np.array_equal(ours(number), theirs(number))
        assert ours(number).shape == shape[1:]


@pytest.mark.parametrize("kind", ["FRACTIONAL", "LABELMAP"])
def test_other_kinds_are_left_to_highdicom(kind: str) -> None:
    dataset = made(kind, (4, 5, 13))
    assert not is_plain_binary(dataset)
    ours, theirs = stored_frames(copy.deepcopy(dataset)), by_highdicom(copy.deepcopy(dataset))
    assert all(np.array_equal(ours(n), theirs(n)) for n in range(1, int(dataset.NumberOfFrames) + 1))


def test_only_uncompressed_bits_are_plain() -> None:
    dataset = made("BINARY", (4, 8, 16))
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    assert is_plain_binary(dataset)
    for syntax in (RLELossless, DeflatedExplicitVRLittleEndian):
        dataset.file_meta.TransferSyntaxUID = syntax
        assert not is_plain_binary(dataset)


def test_an_object_that_contradicts_itself_is_refused() -> None:
    short, miscounted = made("BINARY", (4, 8, 16)), made("BINARY", (4, 8, 16))
    short.PixelData = short.PixelData[:-2]
    with pytest.raises(ValueError, match="pixel data end before the last of its 6 frames"):
        stored_frames(short)
    miscounted.NumberOfFrames = 5
    with pytest.raises(ValueError, match="says that it has 5 frames and describes 6"):
        stored_frames(miscounted)
