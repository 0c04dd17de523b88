"""Places that a workflow reads from and writes to, empty at the start of each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from multimodal.bucket import FolderBucket
from multimodal.dicomweb import DicomWeb
from multimodal.fhirstore import NdjsonFolder
from tests.workflows.line import empty, image_store


@pytest.fixture(scope="module")
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DicomWeb]:
    """An image store of the module's own, whose Patient IDs are of the module's SYSTEM."""
    with image_store(tmp_path_factory.mktemp("store"), request.module.SYSTEM) as dicom:
        yield dicom


@pytest.fixture
def dicom(store: DicomWeb) -> DicomWeb:
    empty(store)
    return store


@pytest.fixture
def target(tmp_path: Path) -> NdjsonFolder:
    return NdjsonFolder(tmp_path / "fhir")


@pytest.fixture
def bucket(tmp_path: Path) -> FolderBucket:
    return FolderBucket(tmp_path / "bucket")
