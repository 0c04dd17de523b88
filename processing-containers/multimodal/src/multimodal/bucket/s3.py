"""A bucket of an object store: MinIO as Kaapana runs it, or any other server of the S3 protocol."""

from __future__ import annotations

import io
import mimetypes
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

from multimodal.bucket.base import ChangedMeanwhileError, NotInBucketError, UnsafeKeyError, check_key
from multimodal.bucket.s3_lease import Terms, lease
from multimodal.bucket.s3_objects import Objects
from multimodal.transport.stores import Store

_LOCKS = ".locks"
_LEASE_RETRY_SECONDS = 10.0


class S3Bucket:
    """The bucket of a store of kind ``s3``; it must exist.

    Parameters
    ----------
    store : Store
        Address, bucket and login.
    terms : Terms, optional
        How long the lock of a run lasts that is no longer there.

    Notes
    -----
    A put is whole or not there at all, as S3 has it; larger contents go in parts, one at a time. Working copies go back
    only over the version that they were made from, and a lock is an object that its holder renews (`lease`): both by
    conditional writes (``If-Match``, ``If-None-Match``), which MinIO and AWS have. Where a server has none, the same is
    done by reading before and after the write, which leaves two runs a moment to miss each other.
    """

    def __init__(self, store: Store, *, terms: Terms | None = None) -> None:
        self._store = store
        self._terms = terms
        self._objects = Objects(store)
        self._bucket = store.bucket

    @property
    def name(self) -> str:
        """Name of the store, for messages."""
        return self._store.name

    def read(self, key: str) -> bytes:
        """Return the content of `key`, or raise `NotInBucketError`."""
        content = io.BytesIO()
        self._objects.fetch(_checked(key), content)
        return content.getvalue()

    def write(self, key: str, content: bytes) -> None:
        """Write `content` at once: a reader sees the old or the new, never a part."""
        self._put(_checked(key), io.BytesIO(content), len(content))

    def read_file(self, key: str, path: Path) -> None:
        """Copy the content of `key` into the file `path`, or raise `NotInBucketError`."""
        _checked(key)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:  # beside it: a rename, and no second copy
            part = Path(folder, "part")
            with part.open("wb") as file:
                self._objects.fetch(key, file)
            os.replace(part, path)

    def write_file(self, key: str, path: Path) -> None:
        """Write the content of the file `path`, as `write` does, whatever its size."""
        _checked(key)
        with path.open("rb") as file:
            self._put(key, file, path.stat().st_size)

    def exists(self, key: str) -> bool:
        """Say whether the bucket has `key`."""
        try:
            with self._objects.errors(_checked(key)):
                self._objects.client.stat_object(self._bucket, key)
        except NotInBucketError:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys that start with `prefix`, sorted."""
        if start := prefix.rpartition("/")[0]:
            _checked(start)
        with self._objects.errors(prefix):
            found = self._objects.client.list_objects(self._bucket, prefix=prefix or None, recursive=True)
            keys = [entry.object_name for entry in found if entry.object_name]
        yield from sorted(filter(_usable, keys))

    def delete(self, key: str) -> None:
        """Remove `key`; nothing happens where there is none."""
        with self._objects.errors(_checked(key)):
            self._objects.client.remove_object(self._bucket, key)

    @contextmanager
    def checkout(self, key: str) -> Iterator[Path]:
        """Give a local working copy of `key`, written back when the body ends well.

        Raises
        ------
        ChangedMeanwhileError
            If somebody else wrote `key` meanwhile.
        """
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, _checked(key).rpartition("/")[2])
            try:
                with copy.open("wb") as file:
                    etag = self._objects.fetch(key, file)
            except NotInBucketError:
                etag = ""
                copy.unlink()
            yield copy
            if copy.is_file() and not self._objects.put_file_if(key, copy, etag) and not self._holds(key, copy):
                raise ChangedMeanwhileError(self.name, key)

    def lock(self, name: str, *, run: str = "") -> AbstractContextManager[None]:
        """Hold the lock `name` while the body runs, or raise `LockedError`, which names the holder; see `lease`."""
        key = f"{_LOCKS}/{_checked(name).replace('/', '-')}.json"
        # Connections of its own: it must not wait for a large file.
        patience = min(self._store.retry_seconds, _LEASE_RETRY_SECONDS)
        objects = self._objects.apart(budget=None, connections=2, retry_seconds=patience)
        return lease(objects, key, bucket=self.name, name=name, run=run, terms=self._terms)

    def has_conditional_writes(self) -> bool:
        """Ask the server whether it refuses a write whose condition does not hold."""
        return self._objects.knows_conditions()

    def _put(self, key: str, content: BinaryIO, length: int) -> None:
        kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
        self._objects.put(key, content, length, kind)

    def _holds(self, key: str, copy: Path) -> bool:
        """Whether the bucket has just this content: an earlier try wrote it, and its answer was lost."""
        with tempfile.TemporaryDirectory() as folder:
            found = Path(folder, "found")
            try:
                self.read_file(key, found)
            except NotInBucketError:
                return False
            with found.open("rb") as one, copy.open("rb") as other:
                return all(block == other.read(1 << 20) for block in iter(lambda: one.read(1 << 20), b"")) and (
                    not other.read(1)
                )


def _checked(key: str) -> str:
    check_key(key)
    return key


def _usable(key: str) -> bool:
    """Whether a key is one that `read` takes: not a lock, nor a mark of a folder that a browser left."""
    try:
        check_key(key)
    except UnsafeKeyError:
        return False
    return True
