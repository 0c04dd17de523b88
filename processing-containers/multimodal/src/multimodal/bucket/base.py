"""What a bucket can do, whatever it is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from multimodal.model.errors import ConfigurationError, RemoteError

# Parts that start with a dot are a folder bucket's own (locks, files being written).
_PART = re.compile(r"[^./\\\x00-\x1f\x7f\ud800-\udfff][^/\\\x00-\x1f\x7f\ud800-\udfff]{0,199}")


class UnsafeKeyError(ConfigurationError):
    """A key that could lead out of the bucket, or that not every bucket can hold."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"not a key of a bucket: {key[:200]!r}; use relative names without '..' and leading dots")


class NotInBucketError(ConfigurationError):
    """The bucket has no such key."""

    def __init__(self, bucket: str, key: str) -> None:
        self.bucket = bucket
        self.key = key
        super().__init__(f"{bucket}: there is no {key}; check the name")


class LockedError(RemoteError):
    """Another run holds the lock; a host may try again later.

    Attributes
    ----------
    lock : str
        Name of the lock.
    holder : dict
        ``host``, ``pid``, ``run`` and ``since`` (ISO 8601) of the run that holds it, as far as it said.
    who : str
        The same for people.
    """

    def __init__(self, bucket: str, lock: str, holder: dict[str, str]) -> None:
        self.lock = lock
        self.holder = holder
        run = f"run {holder['run']}, " if holder.get("run") else ""
        self.who = (
            f"{run}process {holder.get('pid', '?')} on {holder.get('host', '?')} since {holder.get('since', '?')}"
        )
        super().__init__(bucket, f"{lock} is in use ({self.who}); wait until it has ended, then try again")


class LostLockError(RemoteError):
    """Another run took the lock of this one, which could not say in time that it lives."""

    def __init__(self, bucket: str, lock: str) -> None:
        self.lock = lock
        super().__init__(bucket, f"another run took {lock} over, since this one could not be seen; run this one again")


class ChangedMeanwhileError(RemoteError):
    """A working copy that cannot be written back, since another run wrote the same key."""

    def __init__(self, bucket: str, key: str) -> None:
        self.key = key
        super().__init__(bucket, f"another run changed {key} meanwhile; nothing was written over it, run again")


class Bucket(Protocol):
    """Named contents (bytes under a key such as ``reports/<run>/errors.csv``) and locks.

    Every method that takes a key raises `UnsafeKeyError` for one that is absolute or has ``..`` in it.
    """

    @property
    def name(self) -> str:
        """Name of the store, for messages."""

    def read(self, key: str) -> bytes:
        """Return the content of `key`, or raise `NotInBucketError`."""

    def write(self, key: str, content: bytes) -> None:
        """Write `content` at once: a reader sees the old or the new, never a part."""

    def read_file(self, key: str, path: Path) -> None:
        """Copy the content of `key` into the file `path`, or raise `NotInBucketError`."""

    def write_file(self, key: str, path: Path) -> None:
        """Write the content of the file `path`, as `write` does, whatever its size."""

    def exists(self, key: str) -> bool:
        """Say whether the bucket has `key`."""

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys that start with `prefix`, sorted."""

    def delete(self, key: str) -> None:
        """Remove `key`; nothing happens where there is none."""

    def checkout(self, key: str) -> AbstractContextManager[Path]:
        """Give a local working copy of `key`, written back when the body ends well.

        Where the bucket has no such key, the path names no file yet.

        Raises
        ------
        ChangedMeanwhileError
            If the bucket can tell, and somebody else wrote `key` meanwhile.
        """

    def lock(self, name: str, *, run: str = "") -> AbstractContextManager[None]:
        """Hold the lock `name` while the body runs, or raise `LockedError`, which names the holder."""


def check_key(key: str) -> tuple[str, ...]:
    """Return the parts of `key` if it is a safe one.

    Raises
    ------
    UnsafeKeyError
        If a part is empty, starts with a dot, holds a backslash or a control character, or is too long in UTF-8
        (255 bytes, 900 for all).
    """
    parts = tuple(key.split("/"))
    if _length(key) > 900 or not all(_PART.fullmatch(part) and _length(part) <= 255 for part in parts):
        raise UnsafeKeyError(key)
    return parts


def _length(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
