"""Loading with the manifest that the bucket keeps: what every writing workflow does alike."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from multimodal.bucket import Bucket
from multimodal.fhirstore import Group, LoadReport, Target, load
from multimodal.fhirstore.load import Deletes
from multimodal.model.progress import Progress, silent
from multimodal.workflows.manifests import manifest_in

_PATIENCE = 60.0  # seconds for another run's load: runs for one series each write at the same time


def load_into(
    target: Target,
    bucket: Bucket | None,
    groups: Iterable[Group],
    *,
    source: str,
    scope: str = "",
    deletes: Deletes = "keep",
    most_deletes: float = 0.2,
    progress: Progress = silent,
) -> LoadReport:
    """Load `groups` with the manifest of `source`; the options are those of `load`.

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
            manifest = held.enter_context(manifest_in(bucket, source, patience=_PATIENCE))
        report = load(
            groups,
            target,
            manifest,
            source=source,
            scope=scope,
            deletes=deletes,
            most_deletes=most_deletes,
            progress=progress,
        )
        report.warnings += [f"{doubt.code}: {doubt.message}" for doubt in report.doubts]
        return report
