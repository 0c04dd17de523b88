"""Loading with the manifest that the bucket keeps: what every writing workflow does alike."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from multimodal.bucket import Bucket, LockedError
from multimodal.fhirstore import Group, LoadReport, Target, load
from multimodal.fhirstore.load import Deletes

_PATIENCE = 60.0  # seconds for another run's load: runs for one series each write at the same time
_BETWEEN = 0.5


def load_into(
    target: Target,
    bucket: Bucket | None,
    groups: Iterable[Group],
    *,
    source: str,
    scope: str = "",
    deletes: Deletes = "keep",
    most_deletes: float = 0.2,
) -> LoadReport:
    """Load `groups` under the lock and with the manifest of `source`; the options are those of `load`.

    Without a bucket there is no memory between runs: the manifest is rebuilt from the target each time.

    Raises
    ------
    LockedError
        If another run still writes for this source after a minute.
    """
    with ExitStack() as held:
        if bucket is None:
            manifest = Path(held.enter_context(TemporaryDirectory())) / "manifest.sqlite"
        else:
            key = f"state/manifests/{source}.sqlite"
            held.enter_context(_locked(bucket, key))
            manifest = held.enter_context(bucket.checkout(key))
        return load(groups, target, manifest, source=source, scope=scope, deletes=deletes, most_deletes=most_deletes)


@contextmanager
def _locked(bucket: Bucket, name: str) -> Iterator[None]:
    deadline = time.monotonic() + _PATIENCE
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(bucket.lock(name))
                break
            except LockedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_BETWEEN)
        yield
