"""What the findings were before each of the last imports that wrote, so that undoing one sets them back."""

from __future__ import annotations

import tempfile
from pathlib import Path

from multimodal.bucket import Bucket

_KEPT = 12  # as many imports as can be undone


def keep_before(bucket: Bucket, key: str, run: str) -> None:
    """Keep the findings that stand at `key` as those before `run`, which is about to replace them.

    A run that is repeated under its own id keeps what was before its first attempt.
    """
    runs = _runs(bucket, key)
    if run in runs:
        return
    _copy(bucket, key, _before(key, run))
    _write_runs(bucket, key, [*runs, run][-_KEPT:])
    for old in [*runs, run][:-_KEPT]:
        bucket.delete(_before(key, old))


def bring_back(bucket: Bucket, key: str, run: str) -> None:
    """Make the findings at `key` what they were before `run`, which was undone.

    Where imports after it wrote and stand, theirs stay: what was before `run` is then what was before the next one.
    Repeating it changes nothing.
    """
    runs = _runs(bucket, key)
    if run not in runs:
        return
    later = runs[runs.index(run) + 1 :]
    _copy(bucket, _before(key, run), _before(key, later[0]) if later else key)
    _write_runs(bucket, key, [one for one in runs if one != run])
    bucket.delete(_before(key, run))


def _runs(bucket: Bucket, key: str) -> list[str]:
    """Return the ids of the imports, the latest last."""
    name = f"{_folder(key)}.runs"
    return bucket.read(name).decode().split("\n") if bucket.exists(name) else []


def _write_runs(bucket: Bucket, key: str, runs: list[str]) -> None:
    name = f"{_folder(key)}.runs"
    if runs:
        bucket.write(name, "\n".join(runs).encode())
    else:
        bucket.delete(name)


def _folder(key: str) -> str:
    return f"{key.removesuffix('.csv')}/before"


def _before(key: str, run: str) -> str:
    return f"{_folder(key)}/{run}.csv"


def _copy(bucket: Bucket, key: str, to: str) -> None:
    """Copy through the disk, as there may be more findings than fit into memory; of nothing, nothing is left."""
    if not bucket.exists(key):
        bucket.delete(to)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "findings.csv"
        bucket.read_file(key, copy)
        bucket.write_file(to, copy)
