"""The manifest of a source, out of the bucket and back, one run at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from multimodal.bucket import Bucket, ChangedMeanwhileError, LockedError
from multimodal.fhirstore import mark_interrupted
from multimodal.model.progress import Progress, silent

FOLDER = "state/manifests"
_BETWEEN = 0.2
_HEADER = 100  # of a sqlite file; it counts the changes


@contextmanager
def manifest_in(
    bucket: Bucket,
    source: str,
    *,
    run: str = "",
    patience: float = 0.0,
    dry_run: bool = False,
    progress: Progress = silent,
) -> Iterator[Path]:
    """Lock and give the manifest of `source`, for `load`; written back whether the load ends well or not.

    Parameters
    ----------
    bucket : Bucket
        The project's bucket.
    source : str
        Mapping or workflow id.
    run : str
        Named to whoever finds the manifest locked, and to the run that completes this one if it is killed.
    patience : float
        Seconds to wait for another run.
    dry_run : bool
        Nothing will be written to it.
    progress : Progress
        Told of the seconds waited, and for whom.

    Raises
    ------
    LockedError
        If another run still holds it then.
    ChangedMeanwhileError
        If another run took it over, since this one could not be seen for a while; see `bucket.s3_lease`.

    Notes
    -----
    While it is out, a mark stands in the bucket. A process that is killed cannot write the manifest back; the next
    one finds the mark, and `load` then asks the target what was stored.
    """
    key, mark = f"{FOLDER}/{source}.sqlite", f"{FOLDER}/{source}.open"
    failure: BaseException | None = None
    with _patiently(bucket, f"manifest-{source}", run, patience, progress):
        try:
            with bucket.checkout(key) as copy:  # the copy is written back where the body leaves it there
                if bucket.exists(mark):
                    mark_interrupted(copy, bucket.read(mark).decode("utf-8", "replace"))
                before = _header(copy)
                if not dry_run:
                    bucket.write(mark, run.encode())
                try:
                    yield copy
                except BaseException as error:
                    failure = error
                if dry_run or _header(copy) == before:
                    copy.unlink(missing_ok=True)
        except ChangedMeanwhileError:
            # We could not be seen for a while, and another run took over; what both stored only the target knows.
            bucket.write(mark, run.encode())
            raise
        if not dry_run:
            bucket.delete(mark)
        if failure is not None:
            raise failure


def _header(file: Path) -> bytes:
    if not file.exists():
        return b""
    with file.open("rb") as content:
        return content.read(_HEADER)


@contextmanager
def _patiently(bucket: Bucket, name: str, run: str, patience: float, progress: Progress) -> Iterator[None]:
    started = time.monotonic()
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(bucket.lock(name, run=run))
                break
            except LockedError as error:
                waited = time.monotonic() - started
                if waited >= patience:
                    raise
                progress(f"seconds waited for {error.who}", int(waited), int(patience))
                time.sleep(_BETWEEN)
        yield
