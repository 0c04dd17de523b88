"""The header reader agrees with pydicom, and refuses what is not whole."""

from __future__ import annotations

import io
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RTStructureSetStorage,
)

from multimodal.dicomweb.verify import NotWholeError, read_header, read_start
from tests.fakes.dicom_files import make_instance

SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


def encoded(dataset: Dataset, syntax: str = ExplicitVRLittleEndian, *, undefined: bool = False) -> bytes:
    """Return a Part 10 file; with sequences and items of undefined length if asked for."""
    dataset.file_meta.TransferSyntaxUID = syntax
    for element in dataset:
        if element.VR == "SQ":
            element.is_undefined_length = undefined
            for item in element.value:
                item.is_undefined_length_sequence_item = undefined
    out = io.BytesIO()
    implicit = syntax == ImplicitVRLittleEndian
    dataset.save_as(out, enforce_file_format=True, implicit_vr=implicit, little_endian=syntax != ExplicitVRBigEndian)
    return out.getvalue()


def with_sequences() -> Dataset:
    dataset = make_instance("verify", 1)
    inner = Dataset()
    inner.ReferencedSOPInstanceUID = "1.2.3"
    outer = Dataset()
    outer.ReferencedSeriesSequence = Sequence([inner, inner])
    dataset.ReferencedStudySequence = Sequence([outer])
    dataset.add_new(0x00091010, "UN", b"\1\2\3\4")
    dataset.add_new(0x7FE11010, "OB", b"\1\2\3\4")  # after the pixels
    return dataset


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("to_the_end", [False, True])
def test_the_header_is_read(syntax: str, undefined: bool, to_the_end: bool) -> None:
    dataset = with_sequences()
    header = read_header(encoded(dataset, syntax, undefined=undefined), to_the_end=to_the_end)
    assert header.transfer_syntax == syntax
    assert (header.sop_uid, header.study_uid, header.series_uid, header.sop_class_uid, header.rows) == (
        dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPClassUID, 16,
    )  # fmt: skip


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_cut_is_noticed(syntax: str) -> None:
    dataset = make_instance("verify", 1, size=4)  # ends with its pixels
    content = encoded(dataset, syntax)
    silent = []
    for cut in range(len(content)):
        try:
            read_header(content[:cut], to_the_end=True)
        except NotWholeError:
            continue
        silent.append(len(content) - cut)
    # A deflated data set may be padded to an even length.
    assert silent in ([], [1]) if syntax == DeflatedExplicitVRLittleEndian else not silent


def test_a_cut_in_encapsulated_pixels_is_noticed() -> None:
    dataset = make_instance("verify", 1)
    dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f" * 50])
    dataset["PixelData"].is_undefined_length = True
    content = encoded(dataset, JPEG2000Lossless)
    assert read_header(content, to_the_end=True).rows == 16
    for cut in range(len(content) - 120, len(content)):
        with pytest.raises(NotWholeError):
            read_header(content[:cut], to_the_end=True)


@pytest.mark.parametrize(
    ("changes", "pixels"),
    [
        ({}, 16 * 16 * 2),
        ({"NumberOfFrames": 3}, 3 * 16 * 16 * 2),
        ({"BitsAllocated": 1, "NumberOfFrames": 3, "Rows": 5, "Columns": 5}, 10),
        ({"SamplesPerPixel": 3, "BitsAllocated": 8, "PhotometricInterpretation": "RGB"}, 3 * 16 * 16),
        ({"SamplesPerPixel": 3, "BitsAllocated": 8, "PhotometricInterpretation": "YBR_FULL_422"}, 2 * 16 * 16),
    ],
)
def test_the_length_of_the_pixels_is_checked(changes: dict[str, object], pixels: int) -> None:
    dataset = make_instance("verify", 1)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = bytes(pixels)
    assert read_header(encoded(dataset))
    dataset.PixelData = bytes(pixels - 2)
    with pytest.raises(NotWholeError, match="pixels"):
        read_header(encoded(dataset))


@pytest.mark.parametrize("frames", [b"1.5 ", b"1\\1 ", b"many"])
def test_a_number_of_frames_that_is_none_is_told(frames: bytes) -> None:
    dataset = make_instance("verify", 1)
    dataset.NumberOfFrames = 1234
    content = encoded(dataset)
    assert content.count(b"1234") == 1
    with pytest.raises(NotWholeError, match="frames"):
        read_header(content.replace(b"1234", frames))


def test_an_item_outside_of_a_sequence_is_stepped_over_whatever_its_length() -> None:
    """Items have no VR (PS3.5 7.5), and a length may read like one."""
    content = encoded(make_instance("verify", 1))
    at = content.index(b"\xe0\x7f\x10\x00")
    item = b"\xfe\xff\x00\xe0CS\0\0" + bytes(int.from_bytes(b"CS", "little"))
    assert read_header(content[:at] + item + content[at:]) == read_header(content)


def test_an_image_without_pixels_is_not_whole() -> None:
    dataset = make_instance("verify", 1)
    del dataset.PixelData
    with pytest.raises(NotWholeError, match="before its pixels"):
        read_header(encoded(dataset))


def test_no_image_needs_no_pixels() -> None:
    dataset = make_instance("verify", 1)
    dataset.SOPClassUID = RTStructureSetStorage
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(dataset, keyword)
    assert read_header(encoded(dataset), to_the_end=True).rows == 0


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"])
def test_without_its_uids_it_is_nothing(keyword: str) -> None:
    content = encoded(make_instance("verify", 1))
    uid = str(make_instance("verify", 1)[keyword].value).encode()
    with pytest.raises(NotWholeError, match="no UID"):
        read_header(content.replace(uid, b"../../../etc".ljust(len(uid), b" ")))


@pytest.mark.parametrize("content", [b"", b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"\x08\0\5\0CS\0\0" * 4])
def test_what_is_no_dicom_is_refused(content: bytes) -> None:
    with pytest.raises(NotWholeError):
        read_header(content)


def test_it_agrees_with_pydicom_on_public_files(public_data: Path) -> None:
    files = sorted(public_data.glob("ibsi/**/*.dcm"))[:200]
    assert files
    for file in files:
        header = read_header(file.read_bytes(), to_the_end=True)
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
        assert (header.sop_uid, header.series_uid) == (dataset.SOPInstanceUID, dataset.SeriesInstanceUID)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_start_of_a_file_tells_the_same_or_nothing(syntax: str) -> None:
    whole = encoded(with_sequences(), syntax)
    for length in range(0, len(whole) + 1, 7):
        assert read_start(whole[:length], len(whole)) in (None, read_header(whole))
    with pytest.raises(NotWholeError, match="bytes where"):
        read_header(encoded(make_instance("verify", 1))[:-20])
    cut = encoded(make_instance("verify", 1))[:-20]
    with pytest.raises(NotWholeError, match="bytes where"):
        read_start(cut[:-100], len(cut))
