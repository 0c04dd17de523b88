"""A folder that one series is pulled into: partial files, whole ones, and the list of what was verified."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import mmap
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import orjson

from multimodal.dicomweb.behind import Behind
from multimodal.dicomweb.verify import Header, NotWholeError, read_header, read_start
from multimodal.model.errors import ConfigurationError, InvalidUidError
from multimodal.model.ids import check_uid
from multimodal.model.references import SeriesRef

MANIFEST = ".manifest.jsonl"
MISSING = ".missing.jsonl"
_BLOCK = 1 << 20
_START = 1 << 15  # of most instances the whole header


@dataclass(frozen=True, slots=True)
class PulledInstance:
    """One verified instance on disk."""

    sop_uid: str
    path: Path
    bytes: int
    sha256: str


class PartialFile:
    """A file that one instance is written to, hashed on the way: to read it again would cost as much as to write it.

    Parameters
    ----------
    behind : Behind
        Hashes while the next bytes come in; what follows the last `write` is to be put there too.
    """

    def __init__(self, path: str, behind: Behind) -> None:
        self.path = path
        self.size = 0
        self.start = b""
        self._behind = behind
        self._digest = hashlib.sha256()
        self._blocks: list[bytes | memoryview] = []  # written and not yet hashed
        self._unhashed = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)

    def write(self, block: bytes | memoryview) -> None:
        """Append `block`, whose bytes must stay as they are."""
        length = len(block)
        written = os.write(self._file, block)
        while written < length:
            written += os.write(self._file, block[written:])
        if self.size < _START:
            self.start += bytes(block[: _START - self.size])
        self.size += length
        self._blocks.append(block)
        self._unhashed += length
        if self._unhashed >= _BLOCK:
            blocks, self._blocks, self._unhashed = self._blocks, [], 0
            self._behind.put(partial(self._hash, blocks))

    def close(self) -> None:
        """End the file; what was written may still have to be hashed."""
        os.close(self._file)

    def _hash(self, blocks: list[bytes | memoryview]) -> None:
        for block in blocks:
            self._digest.update(block)

    def settle(self) -> None:
        """Hash what is left, and let go of it: many files may wait for their names."""
        self._hash(self._blocks)
        self._blocks, self.start = [], b""

    @property
    def sha256(self) -> str:
        """Of all that was written, once it is settled."""
        return self._digest.hexdigest()


class SeriesFolder:
    """The folder of one series.

    Parameters
    ----------
    path : Path
        Made where it is not there yet.
    ref : SeriesRef
        The series; lines of the list that belong to another are ignored.

    Notes
    -----
    ``<SOPInstanceUID>.dcm`` only ever names a verified file: the bytes come in as ``*.part`` and are renamed.
    ``.manifest.jsonl`` has one line for each (SOP Instance UID, bytes, sha256, store, time), so that a rerun
    fetches only what is missing; a file that no longer has the bytes of its line counts as missing.
    ``.missing.jsonl`` is there while the series is not whole: a line for each instance that is missing, and why.
    """

    def __init__(self, path: Path, ref: SeriesRef) -> None:
        self.path = path
        self.ref = ref
        with _writing(path):
            path.mkdir(parents=True, exist_ok=True)
            self._remove_parts()
            self._manifest = path.joinpath(MANIFEST).open("ab+")
            self._end_last_line()
        self.instances = {found.sop_uid: found for found in self._listed()}
        self.listed = frozenset(self.instances)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the list, and remove what was not given a name."""
        self._manifest.close()
        self._remove_parts()

    def _remove_parts(self) -> None:
        for left in self.path.glob("*.part"):
            left.unlink()

    @contextlib.contextmanager
    def part(self, behind: Behind) -> Iterator[PartialFile]:
        """Open a new partial file for one instance; it is removed if the body of the ``with`` fails."""
        path = f"{self.path}/{next(self._numbers):06d}.part"
        try:
            with _writing(self.path), closing(PartialFile(path, behind)) as file:
                yield file
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            raise

    def verify(self, part: PartialFile, *, unproven_end: bool = False) -> Header:
        """Return the header of a partial file that is a whole instance of this series.

        Parameters
        ----------
        unproven_end : bool
            Nothing but the file itself can tell whether it is whole.

        Raises
        ------
        NotWholeError
            If it is none; the file is removed.
        """
        try:
            header = _header_of(part, unproven_end)
            if header.series_uid != self.ref.series_uid:
                raise NotWholeError(f"an instance of another series came: {header.series_uid}")
        except NotWholeError:
            os.unlink(part.path)
            raise
        part.settle()
        return header

    def name(self, part: PartialFile, header: Header, allowed: frozenset[str] | None, time: datetime | None) -> None:
        """Give a verified file the name of its instance, unless the instance is there already.

        Parameters
        ----------
        allowed : frozenset of str, optional
            The SOP Instance UIDs that the series has, where they are known; else each instance must name its study,
            since a number of instances would not show that one came in place of another.
        time : datetime, optional
            Of the answer that it came in; now if not given.

        Raises
        ------
        NotWholeError
            If the series has no such instance; the file is removed.
        """
        uid = header.sop_uid
        with self._lock, _writing(self.path):  # several connections may bring the same one
            if uid in self.instances or (allowed is not None and uid not in allowed):
                os.unlink(part.path)
                if uid in self.instances:
                    return
                raise NotWholeError(f"an instance came that the series does not list: {uid}")
            if allowed is None and header.study_uid != self.ref.study_uid:
                os.unlink(part.path)
                raise NotWholeError(f"an instance of another study came: {header.study_uid}")
            path = self.path / f"{uid}.dcm"
            os.replace(part.path, path)
            instance = PulledInstance(uid, path, part.size, part.sha256)
            self._list(instance, time or datetime.now(UTC))
            self.instances[uid] = instance

    def drop(self, sop_uid: str) -> None:
        """Remove an instance that was pulled earlier and is no longer part of the series."""
        self.instances.pop(sop_uid).path.unlink(missing_ok=True)

    def tell_missing(self, reasons: Mapping[str, str]) -> None:
        """Write down which instances are missing and why; none of them: the series is whole."""
        path = self.path / MISSING
        with _writing(self.path):
            if not reasons:
                path.unlink(missing_ok=True)
                return
            now = datetime.now(UTC).isoformat(timespec="seconds")
            common = {"series": self.ref.series_uid, "store": self.ref.store, "time": now}
            lines = ({**common, "uid": uid, "reason": why} for uid, why in sorted(reasons.items()))
            path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))

    def _list(self, instance: PulledInstance, time: datetime) -> None:
        line = {
            "series": self.ref.series_uid,
            "uid": instance.sop_uid,
            "bytes": instance.bytes,
            "sha256": instance.sha256,
            "store": self.ref.store,
            "time": time.isoformat(timespec="seconds"),
        }
        self._manifest.write(orjson.dumps(line) + b"\n")
        self._manifest.flush()

    def _end_last_line(self) -> None:
        """Keep a line that a killed run left unfinished from spoiling the next one."""
        if self._manifest.tell():
            self._manifest.seek(-1, os.SEEK_END)
            if self._manifest.read(1) != b"\n":
                self._manifest.write(b"\n")

    def _listed(self) -> Iterator[PulledInstance]:
        try:
            lines = self.path.joinpath(MANIFEST).read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                entry = orjson.loads(line)
                series, uid, size, sha256 = (entry[key] for key in ("series", "uid", "bytes", "sha256"))
                path = self.path / f"{check_uid(uid)}.dcm"
            except (orjson.JSONDecodeError, KeyError, TypeError, InvalidUidError):
                continue  # the line that was being written when the last run ended, or none of ours
            if series == self.ref.series_uid and path.is_file() and _size_and_sha256(path) == (size, sha256):
                yield PulledInstance(uid, path, size, sha256)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say of a disk that is full, or a folder that is none, that it is."""
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"cannot write to {path}: {error.strerror}") from error


def _header_of(part: PartialFile, to_the_end: bool) -> Header:
    if part.size == 0:
        raise NotWholeError("an empty instance came")
    header = None if to_the_end else read_start(part.start, part.size)
    if header is not None:
        return header
    with open(part.path, "rb", buffering=0) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return read_header(data, to_the_end=to_the_end)


def _size_and_sha256(path: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()
