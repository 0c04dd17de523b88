"""A long list on disk: as many wrong cells as there are, in the memory of a few."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar, overload

import orjson

Entry = TypeVar("Entry")

_IN_MEMORY = 5_000  # entries; nearly every import has fewer problems than this
_CHUNK = 1 << 18


class Spooled(Sequence[Entry], Generic[Entry]):
    """An append-only sequence whose entries beyond the first few thousand lie in a file without a name.

    The file is gone when the process ends, in whatever way. Iterating again starts again; entries may be added while
    an iteration is under way.

    Parameters
    ----------
    encode : callable
        Entry -> something JSON can hold.
    decode : callable
        The way back.
    in_memory : int
        Number of entries that are kept in memory.
    """

    def __init__(
        self, encode: Callable[[Entry], Any], decode: Callable[[Any], Entry], *, in_memory: int = _IN_MEMORY
    ) -> None:
        self._encode = encode
        self._decode = decode
        self._in_memory = in_memory
        self._first: list[Entry] = []
        self._spilt = 0
        self._file: Any = None

    def append(self, entry: Entry) -> None:
        """Add an entry at the end."""
        if len(self._first) < self._in_memory:
            self._first.append(entry)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the sequence
        encoded = self._encode(entry)
        try:
            line = orjson.dumps(encoded, option=orjson.OPT_APPEND_NEWLINE)
        except orjson.JSONEncodeError:  # lone surrogates
            line = orjson.dumps(_sound(encoded), option=orjson.OPT_APPEND_NEWLINE)
        self._file.write(line)
        self._spilt += 1

    def extend(self, entries: Iterable[Entry]) -> None:
        """Add entries at the end."""
        for entry in entries:
            self.append(entry)

    def __len__(self) -> int:
        return len(self._first) + self._spilt

    def __iter__(self) -> Iterator[Entry]:
        yield from self._first
        if self._spilt:
            yield from map(self._decode, map(orjson.loads, self._lines()))

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> list[Entry]: ...
    def __getitem__(self, place: int | slice) -> Entry | list[Entry]:
        """Return an entry, or those of a slice; the file is read from its start for what lies there."""
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            if step < 0:
                raise ValueError("a spooled sequence is read forwards")
            return list(islice(self, start, stop, step))
        at = place + len(self) if place < 0 else place
        if not 0 <= at < len(self):
            raise IndexError(place)
        return self._first[at] if at < len(self._first) else next(islice(self, at, None))

    def _lines(self) -> Iterator[bytes]:
        """Yield the lines of the file; each iteration has its own place in it."""
        self._file.flush()
        number, offset, rest = self._file.fileno(), 0, b""
        while chunk := os.pread(number, _CHUNK, offset):
            offset += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines


def _sound(value: Any) -> Any:
    """Return `value` with lone surrogates written as text: a broken file may hold them, JSON may not."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_sound(key): _sound(inner) for key, inner in value.items()}
    return [_sound(inner) for inner in value] if isinstance(value, (list, tuple)) else value
