"""The manifest of a source, out of the bucket and back, one run at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from multimodal.bucket import Bucket
from multimodal.fhirstore import mark_interrupted

FOLDER = "state/manifests"


@contextmanager
def manifest_in(bucket: Bucket, source: str, *, run: str = "") -> Iterator[Path]:
    """Lock and give the manifest of `source`, for `load`; written back whether the load ends well or not.

    Parameters
    ----------
    bucket : Bucket
        The project's bucket.
    source : str
        Mapping or workflow id.
    run : str
        Named to whoever finds the manifest locked.

    Raises
    ------
    LockedError
        If another run holds it.

    Notes
    -----
    While it is out, a mark stands in the bucket. A process that is killed cannot write the manifest back; the next
    one finds the mark, and `load` then asks the target what was stored.
    """
    key, mark = f"{FOLDER}/{source}.sqlite", f"{FOLDER}/{source}.open"
    with bucket.lock(f"manifest-{source}", run=run), tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "manifest.sqlite"
        if bucket.exists(key):
            copy.write_bytes(bucket.read(key))
        if bucket.exists(mark):
            mark_interrupted(copy)
        bucket.write(mark, run.encode())
        before = copy.read_bytes() if copy.exists() else b""
        try:
            yield copy
        finally:
            if copy.exists() and copy.read_bytes() != before:
                bucket.write(key, copy.read_bytes())
            bucket.delete(mark)
