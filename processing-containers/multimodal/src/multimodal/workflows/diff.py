"""The list of what an import changed, or would change, beside its other reports."""

from __future__ import annotations

import shutil
from pathlib import Path

from multimodal.bucket import Bucket
from multimodal.model.errors import ConfigurationError


def keep_diff(diff: Path, *, bucket: Bucket, report_dir: Path | None, run_id: str) -> None:
    """Put the file `diff` into the bucket (``reports/<run_id>/diff.csv``) and into `report_dir`.

    Raises
    ------
    ConfigurationError
        If the folder cannot be written.
    """
    bucket.write_file(f"reports/{run_id}/diff.csv", diff)
    if report_dir is None:
        return
    try:
        shutil.copyfile(diff, report_dir / "diff.csv")
    except OSError as error:
        raise ConfigurationError(f"cannot write the report: {error.strerror}", file=report_dir / "diff.csv") from error
