"""The index on a real OpenSearch: what it holds, what it refuses, and that foreign documents stay foreign."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator

import orjson
import pytest
import requests

from multimodal.index.errors import IndexMissingError, IndexRefusedError
from multimodal.index.series_index import SERIES_KEY, Change, SeriesIndex
from multimodal.index.template import FIELD_TYPES
from multimodal.model.errors import RemoteError
from multimodal.transport.errors import LoginRefusedError, UnreachableError
from multimodal.transport.stores import Auth, Store
from tests.fakes.http_server import HttpServer, answer

AGE = "00000000 ClinicalAge_integer"
STAGE = "00000000 ClinicalStage_keyword"


@pytest.fixture
def index(opensearch: Store) -> Iterator[SeriesIndex]:
    store = dataclasses.replace(opensearch, index=f"project_{uuid.uuid4().hex}")
    with SeriesIndex(store) as index:
        index.ensure()
        yield index
        requests.put(f"{store.url}/{store.index}/_settings", json={"index.blocks.read_only": None}, timeout=30)
        requests.delete(f"{store.url}/{store.index}", timeout=30)
        requests.delete(f"{store.url}/_index_template/multimodal-{store.index}", timeout=30)


def document(uid: str, **more: object) -> tuple[str, dict[str, object]]:
    return uid, {SERIES_KEY: uid, "00080060 Modality_keyword": "CT", **more}


def test_the_index_is_made_once_and_ours(index: SeriesIndex) -> None:
    assert index.ensure() is False
    assert index.owned is True


def test_many_documents_come_with_few_calls(index: SeriesIndex) -> None:
    uids = [f"1.2.{number}" for number in range(2001)]
    index.create(document(uid, **{STAGE: "II"}) for uid in uids[::2])
    calls: list[str] = []
    index._session._session.hooks["response"].append(lambda answer, **_: calls.append(answer.request.path_url))
    found = index.get_many(uids, (SERIES_KEY,))
    assert found == {uid: {SERIES_KEY: uid} for uid in uids[::2]}
    assert len(calls) == 3
    assert index.get_many(uids[:1])[uids[0]] == document(uids[0], **{STAGE: "II"})[1]
    assert index.get_many([]) == {}


def test_an_index_of_the_platform_is_not_ours(index: SeriesIndex) -> None:
    store = dataclasses.replace(index.store, index=f"kaapana_{uuid.uuid4().hex}")
    requests.put(f"{store.url}/{store.index}", timeout=30).raise_for_status()
    with SeriesIndex(store) as platform:
        assert platform.ensure() is False
        assert platform.owned is False


def test_fields_get_their_type_by_their_key(index: SeriesIndex) -> None:
    values = {
        "00200011 SeriesNumber_integer": 2,
        "00180050 SliceThickness_float": 2.5,
        "00000000 Ratio_double": 0.5,
        "00000000 Timestamp_datetime": "2024-01-31 10:15:00.250000",
        "00080020 StudyDate_date": "2024-01-31",
        "00080030 StudyTime_time": "10:15:00.250000",
        "00000000 timestamp": "2024-01-31 10:15:00.250000",
        "00081140 ReferencedImageSequence_object": {"00081155 ReferencedSOPInstanceUID_keyword": "1.9"},
        "00000000 IsSeriesComplete_boolean": True,
    }
    report = index.create([document("1.2.1", **values)])
    assert (report.written, report.refused) == (1, [])
    answer = requests.get(f"{index.store.url}/{index.name}/_mapping", timeout=30).json()
    fields = answer[index.name]["mappings"]["properties"]
    for (word, mapping), key in zip(FIELD_TYPES, values, strict=True):
        assert word in key
        assert fields[key].get("type", "object") == mapping["type"]
    assert fields["00080060 Modality_keyword"]["fields"]["keyword"]["type"] == "keyword"


def test_documents_come_back_in_order_and_by_pages(index: SeriesIndex) -> None:
    uids = [f"1.2.{number}" for number in range(1, 1206)]
    assert index.create(document(uid) for uid in uids).written == 1205
    found = dict(index.scan([SERIES_KEY]))
    assert list(found) == sorted(uids)
    assert found["1.2.7"] == {SERIES_KEY: "1.2.7"}


def test_an_empty_index_has_no_documents(index: SeriesIndex) -> None:
    assert list(index.scan()) == []
    assert index.get("1.2.3") is None


def test_creating_leaves_what_is_there(index: SeriesIndex) -> None:
    index.create([document("1.2.1", **{STAGE: "II"})])
    report = index.create([document("1.2.1"), document("1.2.2")])
    assert (report.written, report.unchanged) == (1, 1)
    assert (index.get("1.2.1") or {})[STAGE] == "II"


def test_an_update_keeps_foreign_keys_and_can_take_ours_away(index: SeriesIndex) -> None:
    index.create([document("1.2.1", **{"00000000 Tags_keyword": ["a"]})])
    assert index.update([Change("1.2.1", {AGE: 63, STAGE: "II"})]).written == 1
    assert index.update([Change("1.2.1", {AGE: 63})]).unchanged == 1
    assert index.update([Change("1.2.1", {AGE: 64}, remove=[STAGE])]).written == 1
    uid, expected = document("1.2.1", **{"00000000 Tags_keyword": ["a"], AGE: 64})
    assert index.get(uid) == expected


def test_a_series_without_document_is_reported_and_not_made(index: SeriesIndex) -> None:
    report = index.update([Change("1.2.9", {AGE: 63}), Change("1.2.8", {}, remove=[AGE])])
    assert report.missing == ["1.2.9", "1.2.8"]
    assert list(index.scan()) == []


def test_a_document_against_the_mapping_is_refused_with_its_series(index: SeriesIndex) -> None:
    index.create([document("1.2.1"), document("1.2.2")])
    report = index.update([Change("1.2.1", {AGE: "sixty-three"}), Change("1.2.2", {AGE: 63})])
    assert report.written == 1
    (refused,) = report.refused
    assert refused.series_uid == "1.2.1"
    assert "sixty-three" in refused.reason


def test_an_index_that_takes_no_writes_is_an_error(index: SeriesIndex) -> None:
    index.create([document("1.2.1")])
    settings = f"{index.store.url}/{index.name}/_settings"
    requests.put(settings, json={"index.blocks.read_only": True}, timeout=30).raise_for_status()
    with pytest.raises(IndexRefusedError, match="read-only") as caught:
        index.update([Change("1.2.1", {AGE: 63})])
    assert caught.value.series_uids == ("1.2.1",)
    assert caught.value.exit_code == 4


def test_a_missing_index_is_named(index: SeriesIndex) -> None:
    with SeriesIndex(dataclasses.replace(index.store, index="project_nowhere")) as missing:
        for call in (lambda: list(missing.scan()), lambda: missing.get("1.2.3"), lambda: missing.owned):
            with pytest.raises(IndexMissingError, match="project_nowhere"):
                call()


def test_a_server_that_is_down_is_named() -> None:
    store = Store("search", "opensearch", url="http://127.0.0.1:9", index="project_x", attempts=1)
    with SeriesIndex(store) as index, pytest.raises(UnreachableError, match="search: no answer"):
        index.ensure()


REFUSALS = [
    (
        403,
        "security_exception",
        "no permissions for [indices:data/read/search]",
        LoginRefusedError,
        "may not use index",
    ),
    (400, "illegal_argument_exception", "no such sort", IndexRefusedError, "no such sort"),
]


@pytest.mark.parametrize(("status", "kind", "reason", "expected", "words"), REFUSALS)
def test_what_the_server_refuses_is_typed(
    status: int, kind: str, reason: str, expected: type[RemoteError], words: str
) -> None:
    body = orjson.dumps({"error": {"type": kind, "reason": reason, "root_cause": []}, "status": status})
    with HttpServer(answer(status, body, Content_Type="application/json")) as server:
        store = Store("search", "opensearch", url=server.url, index="project_x", attempts=1)
        with SeriesIndex(store) as index, pytest.raises(expected, match=words) as caught:
            list(index.scan())
    assert caught.value.store == "search"
    assert caught.value.status == status


def test_the_stores_login_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEARCH_TOKEN", "t0ken")
    auth = Auth("bearer", "SEARCH_TOKEN", "env")
    empty = orjson.dumps({"hits": {"hits": []}})
    with HttpServer(answer(200, empty, Content_Type="application/json")) as server:
        store = Store("search", "opensearch", url=server.url, index="project_x", auth=auth)
        with SeriesIndex(store) as index:
            assert list(index.scan()) == []
    assert server.requests[0]["headers"]["Authorization"] == "Bearer t0ken"
