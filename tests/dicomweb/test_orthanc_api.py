"""Orthanc's own API saves searches, and is believed only where what came agrees with it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from multimodal.dicomweb import DicomWeb, IncompleteSeriesError, SeriesNotFoundError, open_dicomweb, orthanc_api
from multimodal.dicomweb.orthanc_api import KnownSeries, OrthancDatabase, orthanc_id
from multimodal.model.errors import InvalidUidError
from multimodal.model.ids import hash_uid
from multimodal.model.references import SeriesRef
from multimodal.transport.session import HttpSession, UnreachableError
from multimodal.transport.stores import Store
from multimodal.workflows.pull_series import pull_series
from tests.fakes.dicom_files import make_instance, write_series
from tests.fakes.dicomweb_server import DicomWebServer

NAME, COUNT, MANY = "own-api", 4, 60
REF = SeriesRef(hash_uid("test", NAME), hash_uid("test", NAME, "1"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    write_series(folder, NAME, COUNT, size=8)
    return folder


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    for number in range(MANY):
        write_series(folder / str(number), f"{NAME}-{number}", 1, size=8)
    return folder


def uid_of(number: int) -> str:
    return hash_uid("test", f"{NAME}-{number}", "1")


def of_orthanc(server: DicomWebServer) -> DicomWeb:
    return open_dicomweb(server.store(profile="orthanc"))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*.dcm")}


def searches(server: DicomWebServer) -> list[str]:
    return [request for request in server.requests if "?" in request]


def test_an_identifier_is_that_of_a_real_orthanc() -> None:
    study = orthanc_id("P1", "2.25.126006498233505734356328429134797445636")
    assert study == "15d3ea32-f8a5d08f-9c2d76bf-ce583c35-ef77961c"


def test_no_instance_is_searched_for(served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served, "orthanc-api") as server, of_orthanc(server) as dicom:
        assert len(dicom.pull(REF, tmp_path).instances) == COUNT
        assert not searches(server)
        assert dicom.pull(REF, tmp_path).resumed == COUNT
        assert not searches(server)


@pytest.mark.parametrize(
    "fault",
    ["", "orthanc-api-lacks-one", "orthanc-api-lists-more", "orthanc-api-other-ids", "orthanc-api-rubbish",
     "orthanc-api-500", "orthanc-api-lists-none", "orthanc-api-redirects"],
)  # fmt: skip
def test_where_it_does_not_agree_the_list_is_asked_for(fault: str, served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served, *filter(None, [fault])) as server, of_orthanc(server) as dicom:
        assert len(dicom.pull(dicom.find_series(REF.series_uid), tmp_path).instances) == COUNT
        assert any("/instances?" in request for request in server.requests)
    assert names(tmp_path) == names(served)


@pytest.mark.parametrize("api", ["orthanc-api", "orthanc-api-rubbish"])
def test_one_instance_in_place_of_another_is_noticed(api: str, served: Path, tmp_path: Path) -> None:
    """As many as there should be, all of the series: only their UIDs tell."""
    with (
        DicomWebServer(served, api, "wrong-uid") as server,
        of_orthanc(server) as dicom,
        pytest.raises(IncompleteSeriesError) as caught,
    ):
        dicom.pull(REF, tmp_path)
    assert {f"{uid}.dcm" for uid in caught.value.missing} == names(served) - names(tmp_path)
    assert len(names(tmp_path)) == COUNT - 1


def test_where_the_file_of_one_is_lost_the_others_come(served: Path, tmp_path: Path) -> None:
    """An Orthanc then answers 500 to the series, and to a search for its instances, which reads their files."""
    with (
        DicomWebServer(served, "orthanc-api", "series-500", "instances-500", "instance-500") as server,
        open_dicomweb(server.store(profile="orthanc", retry_seconds=0.5)) as dicom,
        pytest.raises(IncompleteSeriesError) as caught,
    ):
        dicom.pull(REF, tmp_path)
    assert len(names(tmp_path)) == COUNT - 1
    assert {f"{uid}.dcm" for uid in caught.value.missing} == names(served) - names(tmp_path)


def test_many_series_are_asked_for_together(many: Path, tmp_path: Path) -> None:
    with DicomWebServer(many, "orthanc-api") as server, of_orthanc(server) as dicom:
        result = pull_series(dicom, [uid_of(number) for number in range(MANY)], tmp_path.joinpath)
        assert result.counts["instances"] == MANY
        assert len([request for request in server.requests if request.startswith("POST")]) == 2 * 2  # fifty, then ten
        assert not searches(server)
    assert names(tmp_path) == names(many)


def test_what_is_not_there_is_not_found(many: Path, tmp_path: Path) -> None:
    with DicomWebServer(many, "orthanc-api") as server, of_orthanc(server) as dicom:
        dicom.prepare(series_uids=["1.2.3", uid_of(1)])
        with pytest.raises(SeriesNotFoundError):
            dicom.find_series("1.2.3")
        with pytest.raises(SeriesNotFoundError):
            dicom.pull(SeriesRef("1.2.3", uid_of(1)), tmp_path / "other study")
        with pytest.raises(InvalidUidError):
            dicom.find_series("1.2*")
        assert dicom.pull(dicom.find_series(uid_of(1)), tmp_path / "one").instances


def test_one_uid_that_is_none_costs_the_others_nothing(many: Path) -> None:
    with DicomWebServer(many, "orthanc-api") as server, of_orthanc(server) as dicom:
        dicom.prepare(series_uids=["../1", uid_of(1), uid_of(2)])
        assert [dicom.find_series(uid_of(number)).series_uid for number in (1, 2)] == [uid_of(1), uid_of(2)]
        assert not searches(server)
        assert not any("../1" in request for request in server.requests)


def test_what_changed_since_it_was_asked_is_as_it_is_now(served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served, "orthanc-api") as server, of_orthanc(server) as dicom:
        ref = dicom.find_series(REF.series_uid)
        more = tmp_path / "more.dcm"
        make_instance(NAME, COUNT + 1).save_as(more, enforce_file_format=True)
        new = server.put(more.read_bytes())
        assert len(dicom.pull(ref, tmp_path / "grown").instances) == COUNT + 1
        ref = dicom.find_series(REF.series_uid)
        del server.stored[new]
        assert len(dicom.pull(ref, tmp_path / "shrunk").instances) == COUNT
        assert names(tmp_path / "shrunk") == names(served)


def one_more(server: DicomWebServer, folder: Path) -> None:
    more = folder / "more.dcm"
    make_instance(NAME, COUNT + 1).save_as(more, enforce_file_format=True)
    server.put(more.read_bytes())


def test_each_search_of_a_series_asks_the_store(served: Path, tmp_path: Path) -> None:
    """A folder that holds what an old answer lists would seem whole."""
    with DicomWebServer(served, "orthanc-api") as server, of_orthanc(server) as dicom:
        dicom.pull(REF, tmp_path / "out")
        dicom.find_series(REF.series_uid)
        one_more(server, tmp_path)
        assert len(dicom.pull(dicom.find_series(REF.series_uid), tmp_path / "out").instances) == COUNT + 1


def test_what_was_found_long_ago_is_asked_for_again(
    served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DicomWebServer(served, "orthanc-api") as server, of_orthanc(server) as dicom:
        dicom.pull(REF, tmp_path / "out")
        ref = dicom.find_series(REF.series_uid)
        one_more(server, tmp_path)
        monkeypatch.setattr(orthanc_api, "_HOLDS", 0.0)
        assert len(dicom.pull(ref, tmp_path / "out").instances) == COUNT + 1


def test_what_is_never_pulled_does_not_fill_memory(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orthanc_api, "_KEPT", 5, raising=False)
    with DicomWebServer(many, "orthanc-api") as server, HttpSession(server.store()) as session:
        database = OrthancDatabase(session)
        database.prepare(uid_of(number) for number in range(MANY))
        found = [database.find(uid_of(number)) for number in range(MANY)]
        kept = [series for series in found if series is not None and database.take(series.ref) is not None]
    assert None not in found
    assert len(kept) == 5


def test_a_call_does_not_wait_for_that_of_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the store does not answer, all would else wait one after the other."""
    both = threading.Barrier(2)

    def ask(_: OrthancDatabase, series_uids: Sequence[str]) -> list[KnownSeries]:
        both.wait(3)
        raise UnreachableError("s", "no answer")

    monkeypatch.setattr(OrthancDatabase, "_ask", ask)
    with HttpSession(Store("s", "dicomweb", url="http://127.0.0.1:1/dicom-web", patient_system="urn:test")) as session:
        database = OrthancDatabase(session)
        with ThreadPoolExecutor(2) as pool:
            calls = [pool.submit(database.find, uid) for uid in ("1.2", "1.3")]
            assert all(isinstance(call.exception(), UnreachableError) for call in calls)


def test_the_error_of_another_call_is_not_that_of_this_one(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []
    real, begun, go_on = OrthancDatabase._ask, threading.Event(), threading.Event()

    def ask(database: OrthancDatabase, series_uids: Sequence[str]) -> list[KnownSeries]:
        asked.append(series_uids)
        if len(asked) == 1:
            begun.set()
            go_on.wait(5)
            raise UnreachableError("s", "no answer")
        return real(database, series_uids)

    monkeypatch.setattr(OrthancDatabase, "_ask", ask)
    with DicomWebServer(many, "orthanc-api") as server, HttpSession(server.store()) as session:
        database = OrthancDatabase(session)
        database.prepare([uid_of(0), uid_of(1)])
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(database.find, uid_of(0))
            assert begun.wait(5)
            second = pool.submit(database.find, uid_of(1))
            go_on.set()
            assert isinstance(first.exception(), UnreachableError)
            assert second.result() is not None
    assert asked == [[uid_of(0), uid_of(1)], [uid_of(1)]]


@pytest.mark.parametrize("study", [None, "text", {"ID": "x"}, {"PatientMainDicomTags": "text"}])
def test_an_answer_of_something_else_tells_nothing(study: object, monkeypatch: pytest.MonkeyPatch) -> None:
    uids = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3"}
    series = {"ID": "s", "ParentStudy": "x", "MainDicomTags": uids, "Instances": ["i"]}
    if isinstance(study, dict):
        study = {"ID": "x", "MainDicomTags": uids, **study}
    answers = {"tools/find": [series], "tools/bulk-content": [study]}
    monkeypatch.setattr(OrthancDatabase, "_post", lambda _, path, __: answers[path])
    with HttpSession(Store("s", "dicomweb", url="http://127.0.0.1:1/dicom-web", patient_system="urn:test")) as session:
        assert OrthancDatabase(session).ask(SeriesRef("1.2", "1.3")) is None


def test_what_was_deleted_is_not_found_again(many: Path) -> None:
    with DicomWebServer(many, "orthanc-api") as server, of_orthanc(server) as dicom:
        assert dicom.find_series(uid_of(1)).series_uid == uid_of(1)
        (gone,) = [uid for uid, one in server.stored.items() if one.dataset.SeriesInstanceUID == uid_of(1)]
        del server.stored[gone]
        with pytest.raises(SeriesNotFoundError):
            dicom.find_series(uid_of(1))


def test_a_series_in_two_studies_is_searched_for(served: Path, tmp_path: Path) -> None:
    other = make_instance(NAME, 9)
    other.StudyInstanceUID = "1.2.3.4"
    other.save_as(tmp_path / "other.dcm", enforce_file_format=True)
    with DicomWebServer(served, "orthanc-api") as server, of_orthanc(server) as dicom:
        server.put((tmp_path / "other.dcm").read_bytes())
        assert len(dicom.pull(SeriesRef("1.2.3.4", REF.series_uid), tmp_path / "other").instances) == 1
        assert len(dicom.pull(REF, tmp_path / "one").instances) == COUNT
        assert not searches(server)
        dicom.find_series(REF.series_uid)
        assert searches(server)


@pytest.mark.parametrize("path", ["/dicom-web/aets/x", "/wado", ""])
def test_where_the_plugin_lies_elsewhere_nothing_beside_it_is_called(path: str) -> None:
    store = Store("s", "dicomweb", url=f"http://127.0.0.1:1{path}", patient_system="urn:test")  # a call would fail
    with HttpSession(store) as session:
        assert OrthancDatabase(session).ask(REF) is None
