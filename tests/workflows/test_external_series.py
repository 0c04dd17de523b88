"""Which series of a store are meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.dicomweb import open_dicomweb
from multimodal.model.dicom_json import text
from multimodal.model.errors import ConfigurationError, InvalidUidError
from multimodal.transport.stores import Store
from multimodal.workflows.external_series import Selection
from tests.fakes.dicom_files import make_instance
from tests.fakes.dicomweb_server import DicomWebServer


@pytest.mark.parametrize(
    ("date", "why"),
    [
        ("2024-03-15", "is no day or span"),
        ("15.03.2024", "is no day or span"),
        ("20241332", "is no day or span"),
        ("2024", "is no day or span"),
        ("202403*", "is no day or span"),
        ("-", "is no day or span"),
        ("20240101-2024-12-31", "is no day or span"),
        ("20240601-20240101", "ends before it begins"),
    ],
)
def test_a_date_that_would_find_nothing_is_refused_before_the_store_is_asked(date: str, why: str) -> None:
    with DicomWebServer(None) as server, open_dicomweb(server.store()) as dicom:
        for ask in (lambda one: list(one.found(dicom)), lambda one: one.totals(dicom)):
            with pytest.raises(ConfigurationError, match=why):
                ask(Selection({"StudyDate": date}))
        with pytest.raises(InvalidUidError):
            list(Selection({"StudyInstanceUID": "abc"}).found(dicom))
        assert server.requests == []


@pytest.mark.parametrize("date", ["20240315", "20240301-20240331", "20240315-", "-20240315", "20240315-20240315"])
def test_days_and_spans_select(date: str, tmp_path: Path) -> None:
    make_instance("dates", 1).save_as(tmp_path / "1.dcm", enforce_file_format=True)
    with open_dicomweb(Store("folder", "dicomweb", profile="google-folder", path=str(tmp_path))) as dicom:
        assert Selection({"StudyDate": date}).totals(dicom).series == 1


def test_several_modalities_are_asked_for_one_by_one(tmp_path: Path) -> None:
    for number, modality in enumerate(("CT", "MR", "SEG"), start=1):
        dataset = make_instance("modalities", 1, series=str(number))
        dataset.Modality = modality
        dataset.save_as(tmp_path / f"{modality}.dcm", enforce_file_format=True)
    with DicomWebServer(tmp_path) as server, open_dicomweb(server.store()) as dicom:
        found = [text(one, "Modality") for one in Selection({"Modality": "CT, SEG,CT"}).find(dicom)]
        assert found == ["CT", "SEG"]
        assert Selection({"Modality": "MR"}).totals(dicom).series == 1
