"""Searches give all matches or an error, whatever the server makes of limit, offset and encoding."""

from __future__ import annotations

import dataclasses
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from multimodal.dicomweb import QueryRefusedError, UnexpectedAnswerError, open_dicomweb
from multimodal.dicomweb.matching import matches
from multimodal.model.dicom_json import text
from multimodal.model.errors import InvalidUidError
from multimodal.model.ids import hash_uid
from multimodal.transport.errors import NotFoundError
from multimodal.transport.stores import Store
from tests.fakes.dicom_files import write_series
from tests.fakes.dicomweb_server import DicomWebServer

STUDIES = 7
PATIENTS = {"P0", "P1", "P 2", "P3", "PÄ4", "P3x", "p3"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("qido")
    for number, patient in enumerate(sorted(PATIENTS)):
        write_series(folder / str(number), f"qido{number}", 1, patient=patient)
    return folder


def found(store: Store, filters: dict[str, str] | None = None) -> list[str]:
    with open_dicomweb(store) as dicom:
        return sorted(text(match, "PatientID") for match in dicom.studies(filters))


@pytest.mark.parametrize("fault", ["", "default-limit", "limit-ignored", "empty-204", "empty-200"])
def test_all_pages_are_read(fault: str, served: Path) -> None:
    with DicomWebServer(served, *filter(None, [fault])) as server:
        assert found(server.store()) == sorted(PATIENTS)
        assert found(server.store(), {"PatientID": "nobody"}) == []


def test_a_short_page_is_the_last_where_the_profile_says_so(served: Path) -> None:
    with DicomWebServer(served) as server:
        found(server.store(profile="orthanc"))
        assert len(server.requests) == 1


@pytest.mark.parametrize("cap", [(), ("default-limit",)])
def test_a_store_that_ignores_offset_is_refused(cap: tuple[str, ...], served: Path) -> None:
    """Two of seven are all that such a store may give: an error, neither two nor an endless loop."""
    with DicomWebServer(served, "offset-ignored", *cap) as server:
        with pytest.raises(QueryRefusedError, match="ignores offset"):
            found(server.store())
        assert len(server.requests) == 3
    with DicomWebServer(served, "offset-ignored") as server:  # this profile knows what a short page means
        assert found(server.store(profile="orthanc")) == sorted(PATIENTS)


@pytest.mark.parametrize("fault", ["", "no-decode"])
@pytest.mark.parametrize("profile", ["orthanc", "generic"])
@pytest.mark.parametrize("patient", sorted(PATIENTS))
def test_a_value_is_found_whatever_must_be_encoded(fault: str, profile: str, patient: str, served: Path) -> None:
    with DicomWebServer(served, *filter(None, [fault])) as server:
        assert found(server.store(profile=profile), {"PatientID": patient}) == [patient]


@pytest.mark.parametrize("profile", ["orthanc", "generic"])
def test_a_name_is_found_by_its_separator_and_umlaut(profile: str, served: Path) -> None:
    with DicomWebServer(served, "no-decode") as server:
        store = server.store(profile=profile)
        assert len(found(store, {"PatientName": "DOE^JÄNE"})) == STUDIES
        assert len(found(store, {"PatientName": "DOE^J*"})) == STUDIES
        assert found(store, {"PatientName": "ROE^J*"}) == []


def test_what_the_store_does_not_search_by_is_filtered_here(served: Path) -> None:
    with DicomWebServer(served, "unknown-filter-400") as server:
        store = server.store()
        assert len(found(store, {"SliceThickness": "3.0"})) == STUDIES
        assert found(store, {"SliceThickness": "4.0"}) == []
        assert "SliceThickness=" not in "".join(server.requests)


@pytest.mark.parametrize("filters", [{"Bogus": "1"}, {"PatientID": ""}, {"PatientID": "a\nb"}])
def test_a_search_that_would_find_anything_is_refused(filters: dict[str, str], served: Path) -> None:
    with DicomWebServer(served) as server:
        with pytest.raises(QueryRefusedError):
            found(server.store(), filters)
        assert not server.requests


def test_a_uid_that_cannot_be_sent_is_refused(served: Path) -> None:
    with DicomWebServer(served) as server, pytest.raises(QueryRefusedError, match="cannot be sent"):
        found(server.store(profile="orthanc"), {"StudyInstanceUID": "1.2 3"})


def test_an_error_object_is_no_list_of_matches(served: Path) -> None:
    with DicomWebServer(served, "object-body") as server, pytest.raises(UnexpectedAnswerError):
        found(server.store())


@pytest.mark.parametrize("uid", ["../../secret", "1.2/3", "1.2?x=1", "", "1." + "2" * 70])
def test_a_uid_that_is_none_reaches_no_address(uid: str, served: Path) -> None:
    with DicomWebServer(served) as server, open_dicomweb(server.store()) as dicom:
        for call in (lambda: dicom.series(uid), lambda: dicom.instances("1.2", uid), lambda: dicom.find_series(uid)):
            with pytest.raises(InvalidUidError):
                list(call())  # type: ignore[call-overload]
        assert not server.requests


def test_series_and_instances_of_a_study(served: Path) -> None:
    study, series = hash_uid("test", "qido0"), hash_uid("test", "qido0", "1")
    with DicomWebServer(served) as server, open_dicomweb(server.store()) as dicom:
        (match,) = dicom.series(study)
        assert text(match, "SeriesInstanceUID") == series
        assert len(list(dicom.series(filters={"Modality": "CT"}))) == STUDIES
        assert len(list(dicom.instances(study, series))) == 1
        assert dicom.find_series(series).study_uid == study


@pytest.mark.parametrize(
    ("keyword", "value", "wanted", "result"),
    [
        ("StudyDate", "20240315", "20240101-20241231", True),
        ("StudyDate", "20240315", "20240316-", False),
        ("StudyDate", "20240315", "-20240315", True),
        ("StudyTime", "101530", "10-11", True),
        ("StudyDate", "20240315", "20240315", True),
        ("Modality", "CT", "ct", False),
        ("Modality", "CT", "C?", True),
        ("PatientID", "a.b", "a?b", True),
        ("PatientID", "aXb", "a.b", False),
        ("PatientID", "", "*", True),
        ("PatientID", "", "?*", False),
        ("StudyInstanceUID", "1.2", "1.1,1.2", True),
        ("StudyInstanceUID", "1.2", "1.*", False),
    ],
)
def test_matching_follows_the_standard(keyword: str, value: str, wanted: str, result: bool) -> None:
    from multimodal.model.dicom_json import json_tag

    dataset = {json_tag(keyword): {"vr": "XX", "Value": [value] if value else []}}
    assert matches(dataset, keyword, wanted) is result
    assert matches({}, keyword, wanted) is (wanted == "*")


def test_a_name_matches_regardless_of_case() -> None:
    assert matches({"00100010": {"vr": "PN", "Value": [{"Alphabetic": "DOE^JANE"}]}}, "PatientName", "doe^*")


@pytest.mark.parametrize("profile", ["orthanc", "generic", "google"])
def test_a_filter_that_is_refused_is_filtered_here(profile: str, served: Path) -> None:
    with DicomWebServer(served, "any-filter-400") as server, open_dicomweb(server.store(profile=profile)) as dicom:
        filters = {"Modality": "CT", "PatientID": "P0"}
        assert [text(match, "PatientID") for match in dicom.series(filters=filters)] == ["P0"]
        assert not list(dicom.series(filters={"Modality": "MR"}))
        refused = len(server.requests)
        assert len(list(dicom.series(filters={"Modality": "C?", "PatientName": "DOE*"}))) == STUDIES
        assert not [request for request in server.requests[refused:] if "Modality=" in request]  # learnt


@pytest.mark.parametrize("profile", ["orthanc", "generic", "google"])
def test_a_field_that_is_refused_is_done_without(profile: str, served: Path) -> None:
    with DicomWebServer(served, "field-400") as server, open_dicomweb(server.store(profile=profile)) as dicom:
        for _ in range(2):
            assert len(list(dicom.series(filters={"Modality": "CT"}, fields=["BodyPartExamined"]))) == STUDIES
        assert len([request for request in server.requests if "includefield=" in request]) == 1


def test_what_can_neither_be_asked_nor_seen_is_refused(served: Path) -> None:
    """Nothing found would look like nothing there."""
    with (
        DicomWebServer(served, "any-filter-400", "field-400", "bare-matches") as server,
        open_dicomweb(server.store()) as dicom,
        pytest.raises(QueryRefusedError, match="neither searches by Modality nor returns it"),
    ):
        list(dicom.series(filters={"Modality": "CT"}))


def test_more_matches_than_the_store_can_give_are_refused(served: Path) -> None:
    with DicomWebServer(served) as server, open_dicomweb(server.store()) as dicom:
        dicom._qido._profile = dataclasses.replace(dicom.profile, limit=2, max_offset=3)
        with pytest.raises(QueryRefusedError, match="more than 4 matches"):
            list(dicom.studies())


def test_an_address_with_nothing_at_it_is_named_and_what_it_must_be(tmp_path: Path) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/elsewhere"
        store = Store("wrong", "dicomweb", url=url, profile="generic", patient_system="urn:test")
        with pytest.raises(NotFoundError, match=rf"nothing at {url}/studies: its url must be the root"):
            found(store)
        server.shutdown()
