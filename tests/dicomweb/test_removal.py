"""One series taken out of a store: a real Orthanc, and what the other kinds are asked."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from multimodal.dicomweb import open_dicomweb, remove_series
from multimodal.model.errors import ConfigurationError
from multimodal.model.ids import hash_uid
from multimodal.model.references import SeriesRef
from multimodal.transport.session import LoginRefusedError, RequestRefusedError
from multimodal.transport.stores import Store
from tests.fakes.dicom_files import write_series
from tests.fakes.http_server import HttpServer, answer

REF = SeriesRef("1.2.3", "1.2.3.4")


def test_an_orthanc_loses_this_series_alone(orthanc: Store, tmp_path: Path) -> None:
    token = uuid.uuid4().hex
    study = hash_uid("test", token)
    one, other = (SeriesRef(study, hash_uid("test", token, series)) for series in ("1", "2"))
    with open_dicomweb(orthanc) as dicom:
        for series in ("1", "2"):
            assert not dicom.push(write_series(tmp_path / series, token, 2, series=series)).failed
        remove_series(orthanc, SeriesRef("1.2.3", one.series_uid))  # of another study: not this one
        assert len(list(dicom.instances(study, one.series_uid))) == 2
        remove_series(orthanc, one)
        remove_series(orthanc, one)
        assert list(dicom.series(study, {"SeriesInstanceUID": one.series_uid})) == []
        assert len(list(dicom.instances(study, other.series_uid))) == 2


@pytest.mark.parametrize(
    ("profile", "asked"),
    [
        ("google", ["DELETE /x/aets/A/rs/studies/1.2.3/series/1.2.3.4"]),
        ("kaapana", ["DELETE /x/aets/A/rs/projects/7/studies/1.2.3/series/1.2.3.4"]),
        (
            "dcm4chee",
            [
                "POST /x/aets/A/rs/studies/1.2.3/series/1.2.3.4/reject/113001%5EDCM",
                "DELETE /x/reject/113001%5EDCM",
            ],
        ),
    ],
)
def test_each_kind_is_asked_in_its_own_way(profile: str, asked: list[str]) -> None:
    with HttpServer(answer(204, b"")) as server:
        store = Store("far", "dicomweb", url=f"{server.url}/x/aets/A/rs", profile=profile)
        remove_series(store, REF, project="7")
    assert [request["line"].removesuffix(" HTTP/1.1") for request in server.requests] == asked


def test_kaapana_says_of_a_series_it_does_not_have_that_it_is_not_mapped() -> None:
    with HttpServer(answer(403, b"Series not mapped to project"), answer(403, b"User not in project 7")) as server:
        store = Store("far", "dicomweb", url=server.url, profile="kaapana")
        remove_series(store, REF, project="7")
        with pytest.raises(LoginRefusedError, match="may not delete"):
            remove_series(store, REF, project="7")
    with pytest.raises(ConfigurationError, match="names none"):
        remove_series(store, REF)


def test_a_kind_without_a_way_is_left_alone() -> None:
    with pytest.raises(ConfigurationError, match="knows no way to delete"):
        remove_series(Store("far", "dicomweb", url="http://127.0.0.1:9", profile="generic"), REF)
    with pytest.raises(ConfigurationError, match="has no /dicom-web"):
        remove_series(Store("far", "dicomweb", url="http://127.0.0.1:9/x", profile="orthanc"), REF)


def test_a_refusal_is_an_error() -> None:
    with HttpServer(answer(400, b"no")) as server:
        store = Store("far", "dicomweb", url=server.url, profile="google")
        with pytest.raises(RequestRefusedError):
            remove_series(store, REF)
