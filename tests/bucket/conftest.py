from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.bucket import Bucket, FolderBucket, open_bucket
from multimodal.transport.stores import Store


@pytest.fixture
def store(s3_store: Store) -> Store:
    return s3_store


@pytest.fixture(params=["folder", "s3"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Bucket:
    """A new bucket of each kind."""
    if request.param == "folder":
        return FolderBucket(tmp_path / "bucket")
    return open_bucket(request.getfixturevalue("s3_store"))
