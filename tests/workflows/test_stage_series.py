"""A dataset whose series lie in two real stores, into one batch."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from multimodal.dicomweb import DicomWeb, SeriesNotFoundError, open_dicomweb
from multimodal.index.documents import Arrival, first_instance, series_document
from multimodal.index.origin import origin_fields, store_of
from multimodal.index.series_index import SERIES_KEY, Change, SeriesIndex
from multimodal.model.ids import hash_uid
from multimodal.model.references import SeriesRef
from multimodal.model.results import Status
from multimodal.transport.errors import UnknownStoreError
from multimodal.transport.stores import Store, Stores
from multimodal.workflows.stage_series import origins_of, stage_series
from tests.fakes.dicom_files import write_series
from tests.workflows.line import archive_and_hospital, own_index


def entry(store: Store) -> dict[str, Any]:
    assert store.auth is not None
    secret = {f"password_{store.auth.source}": store.auth.reference}
    login = {"basic": {"user": store.auth.user, **secret}}
    return {"kind": "dicomweb", "profile": "orthanc", "url": store.url, "patient_system": "urn:x", "auth": login}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, DicomWeb]]:
    with archive_and_hospital(tmp_path_factory) as both:
        yield both


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


def test_what_was_registered_by_a_search_is_completed_when_it_is_first_fetched(
    servers: dict[str, DicomWeb], stores: Stores, opensearch: Store, tmp_path: Path
) -> None:
    files = write_series(tmp_path / "files", TOKEN, 2, series="5")
    assert not servers["hospital"].push(files).failed
    study = hash_uid("test", TOKEN)
    with SeriesIndex(stores.get("search")) as index, open_dicomweb(stores.get("hospital")) as hospital:
        (found,) = hospital.series(filters={"SeriesInstanceUID": series("5")}, fields=["StudyInstanceUID"])
        arrival = Arrival(datetime(2024, 7, 16, tzinfo=UTC), "demo", "lung")
        index.create([(series("5"), {**series_document(found, arrival), **origin_fields("hospital", "CC0")})])
        index.update([Change(series("5"), {"00000000 ClinicalStage_keyword": "II"})])
        entries: dict[str, Any] = {name: entry(dicom.store) for name, dicom in servers.items()}
        entries["search"] = {"kind": "opensearch", "url": opensearch.url, "index": index.name}
        entries["bucket"] = {"kind": "folder", "path": str(tmp_path / "bucket")}
        result = stage_series(Stores(entries), [series("5")], lambda uid: tmp_path / uid)
        assert (result.counts["documents completed"], result.counts["thumbnails"]) == (1, 1)
        document = index.get(series("5")) or {}
        expected = series_document(first_instance(hospital.metadata(SeriesRef(study, series("5")))), arrival)
    assert expected.items() <= document.items()
    assert (document["00000000 ClinicalStage_keyword"], store_of(document)) == ("II", "hospital")
    assert (tmp_path / "bucket" / "thumbnails" / f"{series('5')}.png").is_file()
    again = stage_series(Stores(entries), [series("5")], lambda uid: tmp_path / uid)
    assert again.counts["documents completed"] == 0
