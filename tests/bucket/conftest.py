from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from minio import Minio

from multimodal.bucket import Bucket, FolderBucket, open_bucket
from multimodal.transport.stores import Auth, Store
from tests.fakes.object_server import KEY, SECRET, ObjectServer

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def object_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    with ObjectServer(tmp_path_factory.mktemp("objects")) as server:
        yield server


@pytest.fixture
def make_store(object_server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Store]:
    """Makes stores with a new bucket each."""
    monkeypatch.setenv("S3_KEY", KEY)
    monkeypatch.setenv("S3_SECRET", SECRET)

    def make() -> Store:
        name = f"project-{next(_NUMBERS)}"
        Minio(object_server.url.removeprefix("http://"), KEY, SECRET, secure=False).make_bucket(name)
        auth = Auth("keys", "S3_SECRET", "env", user_reference="S3_KEY")
        return Store("bucket", "s3", url=object_server.url, bucket=name, auth=auth, attempts=2, timeout=10.0)

    return make


@pytest.fixture
def store(make_store: Callable[[], Store]) -> Store:
    return make_store()


@pytest.fixture(params=["folder", "s3"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Bucket:
    """A new bucket of each kind."""
    if request.param == "folder":
        return FolderBucket(tmp_path / "bucket")
    return open_bucket(request.getfixturevalue("store"))
