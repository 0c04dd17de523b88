"""Reads as much of a DICOM file as tells what it is and whether it is whole.

A full parse of each of hundreds of instances would take longer than fetching them; this walks over the element
headers (PS3.5 7.1, PS3.10 7.1) up to the pixels and unpacks only what it needs.
"""

from __future__ import annotations

import struct
import zlib
from mmap import mmap
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from pydicom.uid import UID

from multimodal.model.errors import InvalidUidError
from multimodal.model.ids import check_uid

_DEFLATED = "1.2.840.10008.1.2.1.99"
_IMPLICIT = "1.2.840.10008.1.2"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_UNCOMPRESSED = frozenset({_IMPLICIT, "1.2.840.10008.1.2.1", _BIG_ENDIAN})

_LONG_VR = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_SHORT_VR = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
     b"ST", b"TM", b"UI", b"UL", b"US"}
)  # fmt: skip
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

_TRANSFER_SYNTAX, _SOP_CLASS, _SOP, _STUDY, _SERIES = 0x00020010, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
_SAMPLES, _PHOTOMETRIC, _FRAMES, _ROWS, _COLUMNS, _BITS = (
    0x00280002, 0x00280004, 0x00280008, 0x00280010, 0x00280011, 0x00280100,
)  # fmt: skip
_WANTED = frozenset({_SOP_CLASS, _SOP, _STUDY, _SERIES, _SAMPLES, _PHOTOMETRIC, _FRAMES, _ROWS, _COLUMNS, _BITS})
_PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_LAST_PIXEL_DESCRIPTION = 0x0028FFFF
_DEFLATED_HEADER = 1 << 20
_ORDERS = {order: (Struct(order + "HH2sH").unpack_from, Struct(order + "I").unpack_from) for order in "<>"}

Bytes = bytes | mmap


class NotWholeError(Exception):
    """The bytes are not a whole DICOM Part 10 file; the text says why."""


class Header(NamedTuple):
    """What a file says about itself.

    Parameters
    ----------
    rows : int
        0 where it is no image.
    """

    transfer_syntax: str
    sop_class_uid: str
    sop_uid: str
    study_uid: str
    series_uid: str
    rows: int


def read_header(data: Bytes, *, to_the_end: bool = False) -> Header:
    """Return the header of a DICOM file after checking that the file is whole.

    Checked are the preamble, the UIDs, and for uncompressed pixels their length against rows, columns, samples,
    bits and frames (PS3.5 8.1.1, PS3.3 C.7.6.3).

    Parameters
    ----------
    to_the_end : bool
        Also check that the last element ends where the file ends, for bytes whose end nothing else proves.

    Raises
    ------
    NotWholeError
        If it is no DICOM Part 10 file, ends too early, or lacks its UIDs.
    """
    if data[128:132] != b"DICM":
        raise NotWholeError("no DICOM file: its preamble is missing")
    try:
        syntax, start = _file_meta(data)
        if syntax == _DEFLATED:
            data, start = _inflated(data[start:], to_the_end), 0
        found, pixels = _walk(data, start, syntax)
        if to_the_end and syntax != _DEFLATED:  # a deflated one has been read up to its own end mark
            _check_end(data, start, syntax)
    except struct.error as error:
        raise NotWholeError("the file ends within its header") from error
    return _checked(found, syntax, pixels, len(data))


def _checked(found: dict[int, bytes], syntax: str, pixels: tuple[int, int] | None, size: int) -> Header:
    header = _header(found, syntax)
    if not header.rows and _is_image(header.sop_class_uid):
        raise NotWholeError("the file ends before its rows and pixels")
    if header.rows and syntax in _UNCOMPRESSED:
        _check_pixels(found, syntax, pixels, size)
    return header


def read_start(start: bytes, size: int) -> Header | None:
    """Return the header of a file of `size` bytes that begins with `start`, checked as `read_header` does.

    None where `start` holds too little of it: then the file must be read.

    Raises
    ------
    NotWholeError
        If it is no whole DICOM Part 10 file.
    """
    if len(start) >= size:
        return read_header(start)
    if start[128:132] != b"DICM" and len(start) >= 132:
        raise NotWholeError("no DICOM file: its preamble is missing")
    try:
        syntax, at = _file_meta(start)
        if syntax == _DEFLATED:
            return None
        found, pixels = _walk(start, at, syntax)
    except struct.error:
        return None
    if pixels is None:  # it may end before them, or be no image: only the file tells
        return None
    return _checked(found, syntax, pixels, size)


def is_meant_as_dicom(file: Path) -> bool:
    """Tell a DICOM file, be it damaged, from a table or a note that lies beside it.

    It has the prefix of a Part 10 file (PS3.10 7.1), or is called ``*.dcm``, or begins with an element of group 2 or
    8 as a data set without that prefix does. A file that cannot be opened counts: what it is must be found out.
    """
    if file.suffix.lower() == ".dcm":
        return True
    try:
        with file.open("rb") as content:
            start = content.read(132)
    except OSError:
        return True
    return start[128:] == b"DICM" or start[:2] in (b"\x02\x00", b"\x08\x00")


def _is_image(sop_class_uid: str) -> bool:
    """Tell whether instances of a SOP class hold pixels, by its name in PS3.6 table A-1."""
    name = UID(sop_class_uid).name
    return "Image Storage" in name or name in {"Segmentation Storage", "RT Dose Storage"}


def _file_meta(data: Bytes) -> tuple[str, int]:
    """Return the transfer syntax and where the data set begins; group 2 is always explicit little endian."""
    start, number = _ORDERS["<"]
    at, syntax = 132, ""
    while True:
        group, element, vr, length = start(data, at)
        if group != 2:
            if not syntax:
                raise NotWholeError("no DICOM file: it names no transfer syntax")
            return syntax, at
        if vr in _LONG_VR:
            (length,) = number(data, at + 8)
            at += 4
        at += 8
        if element == 0x0010:
            syntax = data[at : at + length].decode("ascii", "replace").rstrip("\0 ")
        at += length


def _inflated(data: bytes, to_the_end: bool) -> bytes:
    """Return the start of a deflated data set (PS3.5 A.5), which holds its header."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        start = inflater.decompress(data, _DEFLATED_HEADER)
        while to_the_end and not inflater.eof and inflater.unconsumed_tail:
            inflater.decompress(inflater.unconsumed_tail, _DEFLATED_HEADER)
    except zlib.error as error:
        raise NotWholeError("its deflated data set cannot be read") from error
    if to_the_end and not inflater.eof:
        raise NotWholeError("its deflated data set ends too early")
    return start


def _check_end(data: Bytes, at: int, syntax: str) -> None:
    explicit = syntax != _IMPLICIT
    order = ">" if syntax == _BIG_ENDIAN else "<"
    while at < len(data):
        _, at, length, vr = _element(data, at, explicit, order)
        at = _skip_undefined(data, at, explicit and vr != b"UN", order) if length == _UNDEFINED else at + length
    if at > len(data):
        raise NotWholeError("the file ends within its last element")


def _walk(data: Bytes, at: int, syntax: str) -> tuple[dict[int, bytes], tuple[int, int] | None]:
    """Return the wanted values, and start and length of the pixels where there are some."""
    explicit = syntax != _IMPLICIT
    order = ">" if syntax == _BIG_ENDIAN else "<"
    start, _ = _ORDERS[order]
    found: dict[int, bytes] = {}
    end = len(data)
    while at < end:
        group, element, vr, length = start(data, at)
        # Most are such, and a call for each would take longer than all else here.
        if explicit and vr in _SHORT_VR and group != 0xFFFE:
            tag, at = group << 16 | element, at + 8
        else:
            tag, at, length, vr = _element(data, at, explicit, order)
        if tag > _LAST_PIXEL_DESCRIPTION:
            if tag in _PIXELS:
                return found, (at, length)
            if _ROWS not in found:
                break  # no image: nothing that is needed can follow
        if length == _UNDEFINED:
            at = _skip_undefined(data, at, explicit and vr != b"UN", order)
            continue
        if tag in _WANTED:
            found[tag] = data[at : at + length]
        at += length
    return found, None


def _element(data: Bytes, at: int, explicit: bool, order: str) -> tuple[int, int, int, bytes]:
    """Return tag, start of the value, its length, and the VR."""
    start, number = _ORDERS[order]
    group, element, vr, length = start(data, at)
    tag = group << 16 | element
    if not explicit or group == 0xFFFE:
        (length,) = number(data, at + 4)
        return tag, at + 8, length, b""
    if vr not in _LONG_VR:
        return tag, at + 8, length, vr
    (length,) = number(data, at + 8)
    return tag, at + 12, length, vr


def _skip_undefined(data: Bytes, at: int, explicit: bool, order: str) -> int:
    """Return where a sequence of undefined length ends (PS3.5 7.5.2); sequences in it may be undefined too."""
    inside = [explicit]  # one entry for each open sequence or item of undefined length: are its elements explicit?
    while inside:
        tag, at, length, vr = _element(data, at, inside[-1], order)
        if tag in {_SEQUENCE_END, _ITEM_END}:
            inside.pop()
        elif length == _UNDEFINED:
            inside.append(inside[-1] and vr != b"UN")
        else:
            at += length
    return at


def _header(found: dict[int, bytes], syntax: str) -> Header:
    try:
        return Header(
            syntax,
            _text(found.get(_SOP_CLASS, b"")),
            check_uid(_text(found.get(_SOP, b""))),
            check_uid(_text(found.get(_STUDY, b""))),
            check_uid(_text(found.get(_SERIES, b""))),
            _number(found, _ROWS, syntax, 0),
        )
    except InvalidUidError as error:
        raise NotWholeError(f"its study, series or instance has no UID ({error})") from error


def _check_pixels(found: dict[int, bytes], syntax: str, pixels: tuple[int, int] | None, end: int) -> None:
    if pixels is None:
        raise NotWholeError("the file ends before its pixels")
    start, length = pixels
    if length == _UNDEFINED:
        raise NotWholeError("its pixels are encapsulated though its transfer syntax says they are not")
    rows, columns, bits, samples = (
        _number(found, tag, syntax, default) for tag, default in ((_ROWS, 0), (_COLUMNS, 0), (_BITS, 8), (_SAMPLES, 1))
    )
    if _text(found.get(_PHOTOMETRIC, b"")) == "YBR_FULL_422":
        samples = 2  # two pixels share their chrominance: PS3.3 C.7.6.3.1.2
    try:
        frames = int(_text(found.get(_FRAMES, b"")) or 1)
    except ValueError as error:
        raise NotWholeError("its number of frames is no number") from error
    expected = (rows * columns * samples * frames * bits + 7) // 8
    if length < expected or start + length > end:
        raise NotWholeError(f"its pixels have {min(length, end - start)} bytes where {expected} are due")


def _number(found: dict[int, bytes], tag: int, syntax: str, default: int) -> int:
    value = found.get(tag, b"")
    return int.from_bytes(value[:2], "big" if syntax == _BIG_ENDIAN else "little") if value else default


def _text(value: bytes) -> str:
    return value.decode("ascii", "replace").strip("\0 ")
