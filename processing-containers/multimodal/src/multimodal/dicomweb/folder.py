"""A folder that one series is pulled into: partial files, whole ones, and the list of what was verified."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import mmap
import os
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import orjson

from multimodal.dicomweb.verify import Header, NotWholeError, read_header, read_start
from multimodal.model.errors import ConfigurationError, InvalidUidError
from multimodal.model.ids import check_uid
from multimodal.model.references import SeriesRef

MANIFEST = ".manifest.jsonl"
MISSING = ".missing.jsonl"
_BLOCK = 1 << 20
_START = 1 << 15  # of most instances the whole header


class UnlistedError(NotWholeError):
    """A whole instance of the series came that the list of its instances lacks."""


class PulledInstance(NamedTuple):
    """One verified instance on disk."""

    sop_uid: str
    folder: Path
    bytes: int
    sha256: str

    @property
    def path(self) -> Path:
        """Its file."""
        return self.folder / f"{self.sop_uid}.dcm"


class PartialFile:
    """A file that one instance is written to, hashed on the way: to read it again would cost as much as to write it.

    Use it in a ``with`` statement: where its body fails, the file is removed.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.size = 0
        self.start = b""
        self._digest = hashlib.sha256()
        self._file = -1

    def __enter__(self) -> Self:
        try:
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise _cannot_write(os.path.dirname(self.path), error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            os.close(self._file)
        except OSError as error:  # a network drive may tell only now that it is full
            os.unlink(self.path)
            raise _cannot_write(os.path.dirname(self.path), error) from error
        if value is not None:
            os.unlink(self.path)

    def write(self, block: bytes | memoryview) -> None:
        """Append `block`."""
        self._digest.update(block)  # while it is still in the processor's cache
        try:
            _write(self._file, block)
        except OSError as error:
            raise _cannot_write(os.path.dirname(self.path), error) from error
        if self.size < _START:
            self.start += bytes(block[: _START - self.size])
        self.size += len(block)

    @property
    def sha256(self) -> str:
        """Of all that was written."""
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

    Raises
    ------
    ConfigurationError
        If it cannot be written to, or another pull is writing there.
    """

    def __init__(self, path: Path, ref: SeriesRef) -> None:
        self.path = path
        self.ref = ref
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
            self._manifest = path.joinpath(MANIFEST).open("ab+", buffering=0)
            self._keep_others_out()
            for left in path.glob("*.part"):
                left.unlink()
            self._end_last_line()
        self.instances = {found.sop_uid: found for found in self._listed()}
        self.listed = frozenset(self.instances)
        self._prefix = f"{path}/"
        self._numbers = itertools.count(1)
        self._unnamed: set[str] = set()
        self._lock = threading.Lock()

    def _keep_others_out(self) -> None:
        """Two pulls into one folder would take each other's partial files for those of a run that was killed."""
        try:
            fcntl.flock(self._manifest, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until it is closed
        except BlockingIOError:
            self._manifest.close()
            message = f"another pull is writing to {self.path}: wait for it, or name another folder"
            raise ConfigurationError(message) from None
        except OSError:
            pass  # a file system that has no locks

    def close(self) -> None:
        """Close the list, and remove what was not given a name."""
        self._manifest.close()
        for path in self._unnamed:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def part(self) -> PartialFile:
        """Return a new partial file for one instance."""
        path = f"{self._prefix}{next(self._numbers):06d}.part"
        self._unnamed.add(path)
        return PartialFile(path)

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
        part.start = b""  # many files may wait for their names
        return header

    def name(self, part: PartialFile, header: Header, allowed: frozenset[str] | None, time: str = "") -> None:
        """Give a verified file the name of its instance, unless the instance is there already.

        Parameters
        ----------
        allowed : frozenset of str, optional
            The SOP Instance UIDs that the series has, where they are known; else each instance must name its study,
            since a number of instances would not show that one came in place of another.
        time : str
            Of the answer that it came in (ISO 8601); now if not given.

        Raises
        ------
        UnlistedError, NotWholeError
            If the series has no such instance; the file is removed.
        """
        uid = header.sop_uid
        with self._lock:  # several connections may bring the same one
            known = uid in self.instances
            refusal = None if known else self._refusal(header, allowed)
            if known or refusal:
                os.unlink(part.path)
                if refusal:
                    raise refusal
                return
            instance = PulledInstance(uid, self.path, part.size, part.sha256)
            try:
                os.replace(part.path, f"{self._prefix}{uid}.dcm")
                self._unnamed.discard(part.path)
                self._list(instance, time)
            except OSError as error:
                raise _cannot_write(self.path, error) from error
            self.instances[uid] = instance

    def _refusal(self, header: Header, allowed: frozenset[str] | None) -> NotWholeError | None:
        if allowed is None:
            other = header.study_uid != self.ref.study_uid
            return NotWholeError(f"an instance of another study came: {header.study_uid}") if other else None
        unlisted = header.sop_uid not in allowed
        return UnlistedError(f"an instance came that the series does not list: {header.sop_uid}") if unlisted else None

    def in_order(self) -> tuple[PulledInstance, ...]:
        """Return the instances in the order of their UIDs."""
        return tuple(self.instances[uid] for uid in sorted(self.instances))

    @property
    def removed(self) -> int:
        """How many instances of an earlier run are no longer there."""
        return len(self.listed - self.instances.keys())

    def drop(self, sop_uid: str) -> None:
        """Remove an instance that was pulled earlier and is no longer part of the series."""
        self.instances.pop(sop_uid).path.unlink(missing_ok=True)

    def tell_missing(self, reasons: Mapping[str, str]) -> None:
        """Write down which instances are missing and why; none of them: the series is whole."""
        path = self.path / MISSING
        with writing(self.path):
            if not reasons:
                path.unlink(missing_ok=True)
                return
            now = datetime.now(UTC).isoformat(timespec="seconds")
            common = {"series": self.ref.series_uid, "store": self.ref.store, "time": now}
            lines = ({**common, "uid": uid, "reason": why} for uid, why in sorted(reasons.items()))
            path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))

    def _list(self, instance: PulledInstance, time: str) -> None:
        line = {
            "series": self.ref.series_uid,
            "uid": instance.sop_uid,
            "bytes": instance.bytes,
            "sha256": instance.sha256,
            "store": self.ref.store,
            "time": time or datetime.now(UTC).isoformat(timespec="seconds"),
        }
        _write(self._manifest.fileno(), orjson.dumps(line) + b"\n")

    def _end_last_line(self) -> None:
        """Keep a line that a killed run left unfinished from spoiling the next one."""
        if self._manifest.tell():
            self._manifest.seek(-1, os.SEEK_END)
            if self._manifest.read(1) != b"\n":
                _write(self._manifest.fileno(), b"\n")

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
                yield PulledInstance(uid, self.path, size, sha256)


def _write(file: int, block: bytes | memoryview) -> None:
    """Write all of `block`: of one that does not fit on the disk the system takes what fits, without an error."""
    written = os.write(file, block)
    while written < len(block):
        written += os.write(file, block[written:])


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Say of a disk that is full, or a folder that is none, that it is: nothing else can be wrong in the body."""
    try:
        yield
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _cannot_write(folder: str | Path, error: OSError) -> ConfigurationError:
    """Say of a disk that is full, or a folder that is none, that it is."""
    return ConfigurationError(f"cannot write to {folder}: {error.strerror}")


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
