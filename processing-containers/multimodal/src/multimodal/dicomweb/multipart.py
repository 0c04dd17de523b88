"""Reads a ``multipart/related`` body as it streams in, and notices when it ends too early.

The boundary line that closes the body is the only proof of its end where a server delimits it by closing the
connection (:rfc:`2046` 5.1.1, :rfc:`2387`; PS3.18 8.6.1.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message

_LONGEST_PREAMBLE = 1 << 16
_LONGEST_HEADERS = 1 << 14
_LONGEST_PADDING = 1 << 8


class MultipartError(Exception):
    """The bytes are not a multipart body, or a part is not as long as it says."""


class TruncatedMultipartError(MultipartError):
    """The bytes end before the closing boundary."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its headers (names in lower case) and its body, to be read before the next part.

    Raises
    ------
    MultipartError
        While `chunks` is read: if the body is cut, or not of the length that its headers say.
    """

    headers: Mapping[str, str]
    chunks: Iterator[bytes | memoryview]


def boundary_of(content_type: str) -> bytes | None:
    """Return the boundary that a Content-Type names; None where it is not multipart or names none."""
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_param("boundary")
    if message.get_content_maintype() != "multipart" or not isinstance(boundary, str) or not boundary:
        return None
    return boundary.encode("latin-1", "replace")


def read_parts(chunks: Iterable[bytes], boundary: bytes) -> Iterator[Part]:
    """Yield the parts of a body that comes in as `chunks`, in constant memory.

    Notes
    -----
    A part with a Content-Length is read by that length, which must lead to a boundary; another is searched for
    the boundary. What of a part the caller leaves unread is skipped.

    Raises
    ------
    TruncatedMultipartError
        If the bytes end before the closing boundary.
    MultipartError
        If they are no multipart body, or a declared length is wrong.
    """
    reader = _Reader(chunks, boundary)
    reader.skip_preamble()
    while reader.next_part():
        headers = reader.headers()
        body = reader.body(_length(headers))
        yield Part(headers, body)
        for _ in body:  # what the caller left
            pass
    reader.drain()


class _Reader:
    """The bytes not yet handed out; between parts they begin with the line break before a boundary line."""

    def __init__(self, chunks: Iterable[bytes], boundary: bytes) -> None:
        self._chunks = iter(chunks)
        self._delimiter = b"\r\n--" + boundary
        self._buffer = b"\r\n"  # the first boundary needs no line break before it

    def skip_preamble(self) -> None:
        skipped = 0
        for block in self._until_delimiter():
            skipped += len(block)
            if skipped > _LONGEST_PREAMBLE:
                raise MultipartError("no boundary at the start of the body")

    def next_part(self) -> bool:
        """Step over a boundary line; False at the closing one. Leaves the line break that ends the line."""
        start = len(self._delimiter)
        self._fill(start + 2)
        if self._buffer[start : start + 2] == b"--":
            self._buffer = self._buffer[start + 2 :]
            return False
        while (end := self._buffer.find(b"\r\n", start)) < 0:
            if len(self._buffer) > start + _LONGEST_PADDING:
                raise MultipartError("a boundary line does not end")
            self._buffer += self._next()
        if self._buffer[start:end].strip(b" \t"):
            raise MultipartError("a boundary line goes on after the boundary")
        self._buffer = self._buffer[end:]
        return True

    def headers(self) -> dict[str, str]:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _LONGEST_HEADERS:
                raise MultipartError("the headers of a part do not end")
            self._buffer += self._next()
        lines = self._buffer[:end].decode("latin-1").replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n")
        self._buffer = self._buffer[end + 4 :]
        pairs = (line.partition(":") for line in lines if line)
        return {name.strip().lower(): value.strip() for name, _, value in pairs}

    def body(self, length: int | None) -> Iterator[bytes | memoryview]:
        return self._until_delimiter() if length is None else self._counted(length)

    def drain(self) -> None:
        """Read what may follow, so that the connection can serve the next call; not if there is much of it."""
        read = 0
        for block in self._chunks:
            read += len(block)
            if read > _LONGEST_PREAMBLE:
                return

    def _counted(self, length: int) -> Iterator[bytes | memoryview]:
        left = length
        while left:
            block = self._buffer or self._next()
            if len(block) > left:
                self._buffer = block[left:]
                yield memoryview(block)[:left]
                break
            self._buffer = b""
            left -= len(block)
            yield block
        self._fill(len(self._delimiter))
        if not self._buffer.startswith(self._delimiter):
            raise MultipartError(f"a part is not of the {length} bytes that it declares")

    def _until_delimiter(self) -> Iterator[bytes]:
        keep = len(self._delimiter) - 1  # a delimiter may lie across two chunks
        while (at := self._buffer.find(self._delimiter)) < 0:
            if len(self._buffer) > keep:
                block, self._buffer = self._buffer[:-keep], self._buffer[-keep:]
                yield block
            self._buffer += self._next()
        block, self._buffer = self._buffer[:at], self._buffer[at:]
        if block:
            yield block

    def _fill(self, length: int) -> None:
        while len(self._buffer) < length:
            self._buffer += self._next()

    def _next(self) -> bytes:
        for chunk in self._chunks:
            if chunk:
                return chunk
        raise TruncatedMultipartError("the body ends before its closing boundary")


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise MultipartError(f"a part declares the length {text[:40]!r}")
    return int(text)
