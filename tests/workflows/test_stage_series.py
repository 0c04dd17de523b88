"""A dataset whose series lie in two real stores, into one batch."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from multimodal.dicomweb import DicomWeb, SeriesNotFoundError
from multimodal.index.origin import origin_fields
from multimodal.index.series_index import SERIES_KEY
from multimodal.model.ids import hash_uid
from multimodal.model.results import Status
from multimodal.transport.errors import UnknownStoreError
from multimodal.transport.stores import Store, Stores
from multimodal.workflows.stage_series import origins_of, stage_series
from tests.fakes.dicom_files import write_series
from tests.workflows.line import image_store, own_index


def entry(store: Store) -> dict[str, Any]:
    assert store.auth is not None
    secret = {f"password_{store.auth.source}": store.auth.reference}
    login = {"basic": {"user": store.auth.user, **secret}}
    return {"kind": "dicomweb", "profile": "orthanc", "url": store.url, "patient_system": "urn:x", "auth": login}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, DicomWeb]]:
    with (
        image_store(tmp_path_factory.mktemp("pacs"), "urn:x") as pacs,
        image_store(tmp_path_factory.mktemp("hospital"), "urn:x") as hospital,
    ):
        yield {"pacs": pacs, "hospital": hospital}


@pytest.fixture
def stores(servers: dict[str, DicomWeb], opensearch: Store) -> Iterator[Stores]:
    """Both image stores, and an index that refers to series 2 and 3 in the hospital and to 4 in a store unknown."""
    with own_index(opensearch) as index:
        index.ensure()
        index.create(
            (uid, {SERIES_KEY: uid, **(origin_fields(store) if store else {})})
            for uid, store in ((series("1"), ""), (series("2"), "hospital"), (series("4"), "gone"))
        )
        entries = {name: entry(dicom.store) for name, dicom in servers.items()}
        entries["search"] = {"kind": "opensearch", "url": opensearch.url, "index": index.name}
        yield Stores(entries)


TOKEN = uuid.uuid4().hex


def series(number: str) -> str:
    return hash_uid("test", TOKEN, number)


def test_a_mixed_dataset_is_staged_from_both_stores(
    servers: dict[str, DicomWeb], stores: Stores, tmp_path: Path
) -> None:
    for number, name in (("1", "pacs"), ("2", "hospital")):
        assert not servers[name].push(write_series(tmp_path / name, TOKEN, 2, series=number)).failed
    batch = tmp_path / "batch"
    chosen = [series("1"), series("2"), series("3")]
    result = stage_series(stores, chosen, lambda uid: batch / uid / "get-input")
    assert {folder.name: len(list(folder.glob("get-input/*.dcm"))) for folder in batch.iterdir()} == {
        series("1"): 2,
        series("2"): 2,
    }
    assert (result.counts["series"], result.counts["series of other stores"]) == (2, 1)
    assert result.status is Status.PARTIAL
    assert [(issue.code, issue.record) for issue in result.issues] == [("E901", series("3"))]


def test_nothing_found_and_stores_that_nobody_named_are_told(stores: Stores, tmp_path: Path) -> None:
    assert origins_of(stores, [series("1"), series("2"), series("3")]) == {series("2"): "hospital"}
    with pytest.raises(SeriesNotFoundError):
        stage_series(stores, [series("3")], lambda uid: tmp_path / uid)
    with pytest.raises(UnknownStoreError, match="gone"):
        stage_series(stores, [series("1"), series("4")], lambda uid: tmp_path / uid)
    assert list(tmp_path.iterdir()) == []
    assert stage_series(stores, [], lambda uid: tmp_path / uid).status is Status.NOTHING


def test_without_an_index_all_lie_in_the_internal_archive(stores: Stores) -> None:
    without = Stores({"bucket": {"kind": "folder", "path": "b"}})
    assert origins_of(without, [series("2")]) == {}
    search = stores.get("search")
    missing = {"search": {"kind": "opensearch", "url": search.url, "index": f"none_{TOKEN}"}}
    assert origins_of(Stores(missing), [series("2")]) == {}
