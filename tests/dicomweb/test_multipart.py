"""The parser gives the same parts however the bytes are chunked, and notices every cut."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal.dicomweb.multipart import MultipartError, TruncatedMultipartError, boundary_of, read_parts

BOUNDARY = b"b0undary"


def body_of(bodies: list[tuple[bytes, bool]], preamble: bytes = b"") -> bytes:
    """Return a multipart body; of each part, whether it declares its length."""
    blocks = [preamble]
    for number, (body, counted) in enumerate(bodies):
        length = b"Content-Length: %d\r\n" % len(body) if counted else b""
        blocks.append(b"\r\n" if number or preamble else b"")
        blocks.append(b"--" + BOUNDARY + b"\r\nContent-Type: application/dicom\r\n" + length + b"\r\n" + body)
    blocks.append(b"\r\n--" + BOUNDARY + b"--\r\n")
    return b"".join(blocks)


def chunked(content: bytes, cuts: list[int]) -> Iterator[bytes]:
    """Yield `content` in chunks of the sizes `cuts`, over and over."""
    at, number = 0, 0
    while at < len(content):
        size = cuts[number % len(cuts)]
        yield content[at : at + size]
        at, number = at + size, number + 1


def parse(chunks: Iterator[bytes], boundary: bytes = BOUNDARY) -> list[bytes]:
    return [b"".join(bytes(chunk) for chunk in part.chunks) for part in read_parts(chunks, boundary)]


def parsed_at_once(content: bytes, boundary: bytes) -> list[bytes] | None:
    """Return the parts of a body that lies in memory; None if it is none."""
    delimiter, rest = b"\r\n--" + boundary, b"\r\n" + content
    _, found, rest = rest.partition(delimiter)
    parts: list[bytes] = []
    while found and not rest.startswith(b"--"):
        padding, _, rest = rest.partition(b"\r\n")
        headers, ended, rest = (b"\r\n" + rest).partition(b"\r\n\r\n")
        if padding.strip(b" ") or not ended:
            return None
        counted = re.search(rb"\r\nContent-Length: (\d+)", headers)
        length = int(counted[1]) if counted else rest.find(delimiter)
        if length < 0 or not rest.startswith(delimiter, length):
            return None
        parts.append(rest[:length])
        rest = rest[length + len(delimiter) :]
    return parts if found else None


# Bytes that come close to a boundary are the ones a parser stumbles over.
pieces = st.sampled_from([b"\r\n--", b"\r\n--b0und", b"--", b"\r", b"\n", BOUNDARY, b"x", b"\0" * 40])
part_bodies = st.lists(pieces, max_size=12).map(b"".join).filter(lambda b: b"\r\n--" + BOUNDARY not in b"\r\n" + b)
bodies = st.lists(st.tuples(part_bodies, st.booleans()), min_size=1, max_size=4)
sizes = st.lists(st.integers(1, 50), min_size=1, max_size=6)


@given(bodies, sizes)
def test_any_chunking_gives_the_same_parts(bodies: list[tuple[bytes, bool]], sizes: list[int]) -> None:
    assert parse(chunked(body_of(bodies), sizes)) == [body for body, _ in bodies]


@given(bodies, sizes, st.data())
def test_any_cut_is_noticed(bodies: list[tuple[bytes, bool]], sizes: list[int], data: st.DataObject) -> None:
    content = body_of(bodies)
    whole = len(content) - len(b"\r\n")  # what follows the closing boundary does not matter
    cut = data.draw(st.integers(0, whole - 1))
    with pytest.raises(TruncatedMultipartError):
        parse(chunked(content[:cut], sizes))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_blocks_of_any_size_give_what_a_parser_in_memory_gives(seed: int) -> None:
    """Bodies, boundaries and headers are longer here, and shorter, than the piece of a block that is looked at first.

    One number, and not a strategy for each: drawing the bytes would take longer than parsing them.
    """
    draw = Random(seed)
    lengths = [0, 1, 2, 40, 4090, 4095, 4096, 4097, 8192, 9000]
    boundary = bytes(draw.choices(b"ab", k=draw.choice(lengths[1:])))
    delimiter = b"\r\n--" + boundary
    near = [b"\r\n--", delimiter[:-1], delimiter[: len(delimiter) // 2], b"\r", b"--", b"x" * 100, bytes(1000)]
    blocks = [draw.choice([b"", b"hello", b"p" * 5000])]
    for _ in range(draw.randint(1, 4)):
        body = b"".join(draw.choices(near, k=draw.randint(0, 12))) if draw.random() < 0.5 else b""
        body += bytes(draw.choice(lengths))
        counted = draw.random() < 0.5
        if counted and draw.random() < 0.3:
            body += delimiter + b"\r\n\r\n"  # its length says that it is none
        wrong = draw.choices([0, 1, -1], [30, 1, 1])[0] if body else 0
        length = b"Content-Length: %d\r\n" % (len(body) + wrong) if counted else b""
        header = b"X: " + b"y" * draw.choice([0, 10, 4080, 9000]) + b"\r\n"
        blocks.append(delimiter + b" " * draw.choice([0, 3]) + b"\r\n" + header + length + b"\r\n" + body)
    content = b"".join(blocks) + delimiter + b"--"
    if draw.random() < 0.3:
        content = content[: draw.randint(0, len(content))]
    cuts = draw.choices([1 if len(content) < 9000 else 7, 1000, 4095, 4096, 4097, 8192, 30_000], k=3)
    expected = parsed_at_once(content, boundary)
    if expected is None:
        with pytest.raises(MultipartError):
            parse(chunked(content, cuts), boundary)
    else:
        assert parse(chunked(content, cuts), boundary) == expected


@given(bodies)
def test_a_part_left_unread_is_skipped(bodies: list[tuple[bytes, bool]]) -> None:
    assert len(list(read_parts(iter([body_of(bodies)]), BOUNDARY))) == len(bodies)


def test_a_preamble_is_skipped() -> None:
    assert parse(iter([body_of([(b"one", True), (b"two", False)], b"hello")])) == [b"one", b"two"]


def test_headers_are_folded_and_lower_case() -> None:
    content = b"--b\r\nX-Long: a\r\n b\r\nCONTENT-TYPE:text/plain\r\n\r\nbody\r\n--b--"
    (part,) = read_parts([content], b"b")
    assert part.headers == {"x-long": "a b", "content-type": "text/plain"}


def test_padding_after_a_boundary_is_allowed_and_other_text_is_not() -> None:
    assert [list(p.chunks) for p in read_parts([b"--b  \r\n\r\nx\r\n--b--"], b"b")] == [[b"x"]]
    with pytest.raises(MultipartError, match="goes on"):
        list(read_parts([b"--bother\r\n\r\nx\r\n--b--"], b"b"))


@pytest.mark.parametrize("length", ["12", "0", "4"])
def test_a_wrong_length_is_refused(length: str) -> None:
    content = f"--b\r\nContent-Length: {length}\r\n\r\nfive5\r\n--b--\r\n".encode()
    with pytest.raises(MultipartError):
        list(read_parts([content], b"b"))


@pytest.mark.parametrize("length", ["-1", "many", "1e3", "²", "9" * 30])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    content = f"--b\r\nContent-Length: {length}\r\n\r\nx\r\n--b--".encode("latin-1", "replace")
    with pytest.raises(MultipartError, match="declares the length"):
        list(read_parts([content], b"b"))


@pytest.mark.parametrize(
    "content",
    [b"x" * 200_000, b"--b\r\n" + b"h" * 200_000, b"--b" + b" " * 200_000],
    ids=["no boundary", "endless headers", "endless boundary line"],
)
def test_what_never_begins_does_not_fill_memory(content: bytes) -> None:
    with pytest.raises(MultipartError):
        list(read_parts(chunked(content, [1000]), b"b"))


@pytest.mark.parametrize("counted", [True, False])
def test_memory_does_not_grow_with_a_part(counted: bool) -> None:
    block, count = b"\0" * (1 << 16), 1600  # 100 MB
    length = f"Content-Length: {len(block) * count}\r\n" if counted else ""

    def chunks() -> Iterator[bytes]:
        yield f"--b\r\n{length}\r\n".encode()
        for _ in range(count):
            yield block
        yield b"\r\n--b--"

    tracemalloc.start()
    total = sum(len(chunk) for part in read_parts(chunks(), b"b") for chunk in part.chunks)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == len(block) * count
    assert peak < 1 << 20


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ('multipart/related; type="application/dicom"; boundary=abc', b"abc"),
        ('Multipart/Related;boundary="a b";type=application/dicom', b"a b"),
        ("multipart/related", None),
        ("application/dicom; boundary=abc", None),
        (f"multipart/related; boundary*{'9' * 5000}=abc", None),
        ("", None),
    ],
)
def test_the_boundary_comes_from_the_content_type(content_type: str, boundary: bytes | None) -> None:
    assert boundary_of(content_type) == boundary
