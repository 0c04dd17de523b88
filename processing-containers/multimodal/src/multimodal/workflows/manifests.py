"""The manifest of a source, out of the bucket and back, one run at a time."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from multimodal.bucket import Bucket, LockedError
from multimodal.fhirstore import mark_interrupted

FOLDER = "state/manifests"
_BETWEEN = 0.2


@contextmanager
def manifest_in(bucket: Bucket, source: str, *, run: str = "", patience: float = 0.0) -> Iterator[Path]:
    """Lock and give the manifest of `source`, for `load`; written back whether the load ends well or not.

    Parameters
    ----------
    bucket : Bucket
        The project's bucket.
    source : str
        Mapping or workflow id.
    run : str
        Named to whoever finds the manifest locked.
    patience : float
        Seconds to wait for another run.

    Raises
    ------
    LockedError
        If another run still holds it then.

    Notes
    -----
    While it is out, a mark stands in the bucket. A process that is killed cannot write the manifest back; the next
    one finds the mark, and `load` then asks the target what was stored.
    """
    key, mark = f"{FOLDER}/{source}.sqlite", f"{FOLDER}/{source}.open"
    with _patiently(bucket, f"manifest-{source}", run, patience), tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "manifest.sqlite"
        before = bucket.read(key) if bucket.exists(key) else b""
        if before:
            copy.write_bytes(before)
        if bucket.exists(mark):
            mark_interrupted(copy)
        bucket.write(mark, run.encode())
        try:
            yield copy
        finally:
            if copy.exists() and copy.read_bytes() != before:
                bucket.write(key, copy.read_bytes())
            bucket.delete(mark)


@contextmanager
def _patiently(bucket: Bucket, name: str, run: str, patience: float) -> Iterator[None]:
    deadline = time.monotonic() + patience
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(bucket.lock(name, run=run))
                break
            except LockedError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_BETWEEN)
        yield
