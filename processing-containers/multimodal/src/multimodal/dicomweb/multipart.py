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
_LOOKED_AT = 1 << 12  # of a block, where a boundary line or headers may lie across its start


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
    try:
        boundary = message.get_param("boundary")
    except ValueError:  # one in parts, of which a number is beyond all measure (RFC 2231 3)
        return None
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
    """The bytes not yet handed out; between parts they begin with the line break before a boundary line.

    They are ``_buffer`` from ``_at`` on. A block is not joined to what is left of the one before, as that would copy
    all of it: only its start is, and ``_joined`` is that block, with its place in the buffer.
    """

    def __init__(self, chunks: Iterable[bytes], boundary: bytes) -> None:
        self._chunks = iter(chunks)
        self._delimiter = b"\r\n--" + boundary
        self._buffer = b"\r\n"  # the first boundary needs no line break before it
        self._at = 0
        self._joined: tuple[bytes, int] | None = None
        self._looked_at = max(_LOOKED_AT, len(self._delimiter))

    def skip_preamble(self) -> None:
        skipped = 0
        for block in self._until_delimiter():
            skipped += len(block)
            if skipped > _LONGEST_PREAMBLE:
                raise MultipartError("no boundary at the start of the body")

    def next_part(self) -> bool:
        """Step over a boundary line; False at the closing one. Leaves the line break that ends the line."""
        length = len(self._delimiter)
        self._fill(length + 2)
        start = self._at + length
        if self._buffer.startswith(b"--", start):
            self._at = start + 2
            return False
        end = self._line_break(b"\r\n", length, _LONGEST_PADDING, "a boundary line does not end")
        if self._buffer[self._at + length : end].strip(b" \t"):
            raise MultipartError("a boundary line goes on after the boundary")
        self._at = end
        return True

    def headers(self) -> dict[str, str]:
        end = self._line_break(b"\r\n\r\n", 0, _LONGEST_HEADERS, "the headers of a part do not end")
        text = self._buffer[self._at : end].decode("latin-1")
        self._at = end + 4
        lines = text.replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n")
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
            if self._at == len(self._buffer):
                self._step()
            start, self._at = self._at, min(self._at + left, len(self._buffer))
            left -= self._at - start
            yield memoryview(self._buffer)[start : self._at]
        self._fill(len(self._delimiter))
        if not self._buffer.startswith(self._delimiter, self._at):
            raise MultipartError(f"a part is not of the {length} bytes that it declares")

    def _until_delimiter(self) -> Iterator[bytes | memoryview]:
        keep = len(self._delimiter) - 1  # a delimiter may lie across two blocks
        while (found := self._buffer.find(self._delimiter, self._at)) < 0:
            if self._joined is not None and self._joined[1] > self._at:  # none begins before the block
                end = self._joined[1]
            else:
                end = max(self._at, len(self._buffer) - keep)
            start, self._at = self._at, end
            if end > start:
                yield memoryview(self._buffer)[start:end]
            self._more()
        if found > self._at:
            start, self._at = self._at, found
            yield memoryview(self._buffer)[start:found]

    def _line_break(self, end: bytes, skip: int, longest: int, problem: str) -> int:
        """Return where the next `end` begins, `skip` bytes on at the earliest."""
        while (found := self._buffer.find(end, self._at + skip)) < 0:
            if len(self._buffer) - self._at > skip + longest:
                raise MultipartError(problem)
            self._more()
        return found

    def _fill(self, length: int) -> None:
        while len(self._buffer) - self._at < length:
            self._more()

    def _more(self) -> None:
        """Go on in the block whose start was joined to the buffer, else join the start of the next one to it."""
        if self._at == len(self._buffer) or (self._joined is not None and self._at >= self._joined[1]):
            self._step()
        elif self._joined is not None:  # its start did not suffice
            (block, place), self._joined = self._joined, None
            self._buffer, self._at = self._buffer[self._at :] + block[len(self._buffer) - place :], 0
        else:
            rest, block = self._buffer[self._at :], self._next()
            self._buffer, self._at = rest + block[: self._looked_at], 0
            self._joined = (block, len(rest)) if len(block) > self._looked_at else None

    def _step(self) -> None:
        """Leave what was joined, or a buffer of which nothing is left, for the block that follows."""
        if self._joined is None:
            self._buffer, self._at = b"", 0  # not two blocks in memory
            self._buffer = self._next()
        else:
            (self._buffer, place), self._joined = self._joined, None
            self._at -= place

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
