"""Every shipped profile is as its schema says, and what it says of logins and storing holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.dicomweb import open_dicomweb
from multimodal.dicomweb.profiles import load_profile, profile_names
from multimodal.model.errors import ConfigurationError
from multimodal.transport.stores import Auth
from tests.fakes.dicomweb_server import DicomWebServer


def test_there_is_one_for_each_kind_of_store() -> None:
    clouds = {"aws-healthimaging", "azure", "google", "google-folder", "idc-proxy"}
    assert clouds | {"dcm4chee", "generic", "kaapana", "orthanc"} <= set(profile_names())


@pytest.mark.parametrize("name", profile_names())
def test_it_can_be_loaded(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert all("application/dicom" in accept for accept in profile.accept)


def test_one_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match=r"no store profile named 'orthnac'; there are: .*orthanc"):
        load_profile("orthnac")


def test_kaapanas_filter_gets_the_token_twice(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken")
    with DicomWebServer(None) as server:
        store = server.store(profile="kaapana", auth=Auth("bearer", str(tmp_path / "token"), "file"))
        with open_dicomweb(store) as dicom:
            dicom.has_studies()
        (headers,) = server.headers
    assert (headers["Authorization"], headers["x-forwarded-access-token"]) == ("Bearer t0ken", "t0ken")


@pytest.mark.parametrize("name", ["kaapana", "idc-proxy"])
def test_a_store_that_takes_no_instances_is_not_sent_any(name: str, tmp_path: Path) -> None:
    with DicomWebServer(None) as server, open_dicomweb(server.store(profile=name)) as dicom:
        with pytest.raises(ConfigurationError, match=f"fake takes no instances by STOW-RS.*{name}"):
            dicom.push([tmp_path])
        assert not server.requests
