"""What a store can do is found out by asking it, and told where the profile says otherwise."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from multimodal.dicomweb import open_dicomweb
from multimodal.dicomweb.profiles import profile_of
from multimodal.model.errors import ConfigurationError
from multimodal.transport.stores import Store
from multimodal.workflows.check_stores import check_store
from tests.fakes.dicom_files import write_series
from tests.fakes.dicomweb_server import DicomWebServer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("probe")
    for series in "123":
        write_series(folder / series, "probe", 2, series=series)
    return folder


def differing(store: Store) -> dict[str, Any]:
    with open_dicomweb(store) as dicom:
        return {finding.key: finding.found for finding in dicom.probe() if finding.differs}


@pytest.mark.parametrize(
    ("fault", "profile", "found"),
    [
        ("", "generic", {}),
        ("", "google", {"rendered": False}),
        ("no-decode", "google", {"rendered": False, "encoding": "none"}),
        ("406-with-star", "kaapana", {"rendered": False, "thumbnail": False}),
        ("default-limit", "azure", {"rendered": False, "limit": 2}),
        ("orthanc-api", "orthanc", {"rendered": False, "encoding": "percent"}),
        ("orthanc-api-500", "orthanc", {"rendered": False, "encoding": "percent"}),
        ("orthanc-api-lacks-one", "orthanc", {"rendered": False, "index": "none", "encoding": "percent"}),
        ("empty-404", "google", {"rendered": False}),
    ],
)
def test_what_differs_is_found(fault: str, profile: str, found: dict[str, Any], served: Path) -> None:
    with DicomWebServer(served, *filter(None, [fault])) as server:
        differs = differing(server.store(profile=profile))
    accepted = differs.pop("accept", None)
    differs.pop("searchable", None)
    assert differs == found
    assert (accepted is not None) == (fault == "406-with-star")


def test_a_filter_that_is_refused_or_ignored_is_found(served: Path) -> None:
    with DicomWebServer(served, "any-filter-400") as server:
        searchable = differing(server.store(profile="generic"))["searchable"]
    assert "PatientID" in searchable
    assert not {"Modality", "PatientName"} & set(searchable)


def test_what_is_printed_can_be_put_into_the_stores_file(served: Path) -> None:
    with DicomWebServer(served, "default-limit") as server:
        printed = check_store(server.store(profile="azure"))
        assert "query.limit          otherwise: gives 2 at most" in printed
        assert '      query: {"limit":2' in printed
        store = server.store(profile="azure", profile_settings={"query": {"limit": 2}})
        assert "limit" not in differing(store)


def test_an_empty_store_is_not_probed() -> None:
    with DicomWebServer(None) as server:
        assert check_store(server.store()) == "answers searches, profile generic; it has no study"


def test_orthanc_is_as_its_profile_says(orthanc: Store, served: Path) -> None:
    with open_dicomweb(orthanc) as dicom:
        dicom.push(sorted(served.rglob("*.dcm")))
    assert not set(differing(orthanc)) - {"thumbnail", "encoding"}  # newer ones have thumbnails, and decode
    assert "rendered" in differing(dataclasses.replace(orthanc, profile="generic"))


def test_settings_of_a_store_are_held_to_the_schema() -> None:
    store = Store("s", "dicomweb", url="http://x", profile="orthanc", profile_settings={"query": {"limit": 7}})
    profile = profile_of(store)
    assert (profile.limit, profile.orthanc) == (7, True)
    wrong = dataclasses.replace(store, profile_settings={"query": {"limits": 7}})
    with pytest.raises(ConfigurationError, match=r"profile_settings of the store s: query: .*limits"):
        profile_of(wrong)
