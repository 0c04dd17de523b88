"""What a file is by its first bytes, whatever its name says."""

from __future__ import annotations

OLE = b"\xd0\xcf\x11\xe0"
_KINDS = {
    b"PK\x03\x04": "a workbook or ZIP archive",
    OLE: "an old or encrypted Office file",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a gzip archive",
    b"<?xml": "an XML document",
}


def kind_of_file(head: bytes) -> str:
    """Return what a file that begins with `head` is, in words; empty where that is not known."""
    return next((what for magic, what in _KINDS.items() if head.startswith(magic)), "")
