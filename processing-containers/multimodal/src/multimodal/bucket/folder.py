"""A folder as bucket: for one machine, or a share that all workers mount."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import orjson

from multimodal.bucket.base import LockedError, NotInBucketError, UnsafeKeyError, check_key
from multimodal.model.errors import ConfigurationError

_LOCKS = ".locks"
_COPIES = ".writing"  # inside the bucket, so that the rename stays on one file system


class FolderBucket:
    """The bucket in the folder `root`, which is made when first written to.

    Parameters
    ----------
    root : Path
        The folder.
    name : str
        How messages call it.
    """

    def __init__(self, root: Path, *, name: str = "bucket") -> None:
        self.root = root.resolve()
        self._name = name

    @property
    def name(self) -> str:
        """Name of the store, for messages."""
        return self._name

    def read(self, key: str) -> bytes:
        """Return the content of `key`, or raise `NotInBucketError`."""
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NotInBucketError(self.name, key) from error

    def write(self, key: str, content: bytes) -> None:
        """Write `content` at once: a reader sees the old or the new, never a part."""
        path = self._path(key)
        with self._writing() as folder:
            part = folder / "part"
            part.write_bytes(content)
            _put(part, path)

    def read_file(self, key: str, path: Path) -> None:
        """Copy the content of `key` into the file `path`, or raise `NotInBucketError`."""
        try:
            shutil.copyfile(self._path(key), path)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NotInBucketError(self.name, key) from error

    def write_file(self, key: str, path: Path) -> None:
        """Write the content of the file `path`, as `write` does, whatever its size."""
        target = self._path(key)
        with self._writing() as folder:
            part = folder / "part"
            shutil.copyfile(path, part)
            _put(part, target)

    def exists(self, key: str) -> bool:
        """Say whether the bucket has `key`."""
        return self._path(key).is_file()

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys that start with `prefix`, sorted."""
        start = prefix.rpartition("/")[0]
        folder = self._path(start) if start else self.root
        keys = (path.relative_to(self.root).as_posix() for path in folder.rglob("*") if path.is_file())
        yield from sorted(key for key in keys if key.startswith(prefix) and not _own(key))

    def delete(self, key: str) -> None:
        """Remove `key`; nothing happens where there is none."""
        with suppress(FileNotFoundError, NotADirectoryError):
            self._path(key).unlink()

    @contextmanager
    def checkout(self, key: str) -> Iterator[Path]:
        """Give a local working copy of `key`, written back when the body ends well."""
        path = self._path(key)
        with self._writing() as folder:
            copy = folder / path.name
            if path.is_file():
                shutil.copyfile(path, copy)
            yield copy
            if copy.is_file():
                _put(copy, path)

    @contextmanager
    def lock(self, name: str, *, run: str = "") -> Iterator[None]:
        """Hold the lock `name` while the body runs, or raise `LockedError`, which names the holder.

        Notes
        -----
        The operating system holds the lock (``flock``) and lets go of it when the process ends in whatever
        way, so no lock is ever left over; the file's text only says who holds it.
        """
        check_key(name)
        self._make(self.root / _LOCKS)
        with (self.root / _LOCKS / f"{name.replace('/', '-')}.json").open("a+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                    raise ConfigurationError(
                        f"{self.name}: cannot lock in {self.root}: {error.strerror}; use a disk that can lock files"
                    ) from error
                raise LockedError(self.name, name, _holder(file.name)) from error
            _say_who(file.fileno(), run)
            try:
                yield
            finally:
                file.truncate(0)

    def _path(self, key: str) -> Path:
        path = self.root.joinpath(*check_key(key))
        if not path.resolve().is_relative_to(self.root):  # a link that leads out
            raise UnsafeKeyError(key)
        return path

    @contextmanager
    def _writing(self) -> Iterator[Path]:
        self._make(self.root / _COPIES)
        with tempfile.TemporaryDirectory(dir=self.root / _COPIES) as folder:
            yield Path(folder)

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"{self.name}: cannot write in {self.root}: {error.strerror}") from error


def _own(key: str) -> bool:
    return any(part.startswith(".") for part in key.split("/"))


def _put(part: Path, path: Path) -> None:
    """Move `part` to `path` so that after a crash the one or the other content is there, whole."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    path.parent.mkdir(parents=True, exist_ok=True)
    os.replace(part, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _say_who(file: int, run: str) -> None:
    who = {
        "host": socket.gethostname(),
        "pid": str(os.getpid()),
        "run": run,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(file, 0)
    os.write(file, orjson.dumps(who))


def _holder(path: str) -> dict[str, str]:
    try:
        holder: dict[str, str] = orjson.loads(Path(path).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}  # taken or let go just now
    return holder
