"""Whose the scans of series of several stores are."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from multimodal.fhirstore import NdjsonFolder
from multimodal.index.origin import COLLECTION, ISSUER, origin_fields
from multimodal.index.series_index import SERIES_KEY, SeriesIndex
from multimodal.model.references import PatientRef
from multimodal.radiomics import load_profile
from multimodal.transport.errors import UnknownStoreError
from multimodal.transport.stores import Store, Stores
from multimodal.workflows.extract_radiomics import SeriesFolders, extract_radiomics
from multimodal.workflows.scanned_patients import ScannedPatients
from multimodal.workflows.series_patients import SeriesPatients
from tests.workflows.line import own_index

_PACS = {"kind": "dicomweb", "url": "http://127.0.0.1:9", "patient_system": "urn:pacs"}
ENTRIES = {"pacs": _PACS, "idc": {**_PACS, "profile": "idc-s3", "patient_system": "urn:idc:{issuer}"}}


@pytest.fixture
def index(opensearch: Store) -> Iterator[SeriesIndex]:
    with own_index(opensearch) as found:
        yield found


def stores(index: SeriesIndex) -> Stores:
    found = Stores(ENTRIES)
    found._stores["search"] = dataclasses.replace(index.store, name="search")
    return found


def test_each_series_is_of_the_patients_of_its_own_store(index: SeriesIndex) -> None:
    told = {
        "1.1": {},
        "1.2": {**origin_fields("idc"), COLLECTION: "lung", ISSUER: "TCIA"},
        "1.3": {**origin_fields("idc"), ISSUER: "TCIA"},
        "1.4": origin_fields("idc"),
        "1.5": origin_fields("elsewhere"),
    }
    index.ensure()
    index.create((uid, {SERIES_KEY: uid, **more}) for uid, more in told.items())
    patients = SeriesPatients(stores(index))
    systems = {"1.1": "urn:pacs", "1.2": "urn:idc:lung", "1.3": "urn:idc:TCIA", "1.9": "urn:pacs"}
    for uid, system in systems.items():
        found = patients.of(uid)
        assert found is not None
        assert found.ref("A1") == PatientRef(system, "A1")
    assert patients.of("1.4") is None
    with pytest.raises(UnknownStoreError):
        patients.of("1.5")
    # Images that nobody registered are of the store of what was drawn on them.
    drawn = patients.of("1.9", "1.2")
    assert drawn is not None
    assert drawn.system == "urn:idc:lung"


@pytest.mark.parametrize("collection", ["lung", ""])
def test_measurements_are_of_the_patient_of_the_images_own_store(
    collection: str, index: SeriesIndex, target: NdjsonFolder, cohort: Path, tmp_path: Path
) -> None:
    scan = next(path for path in sorted((cohort / "dicom").iterdir()) if (path / "RTSTRUCT").is_dir())
    image = pydicom.dcmread(next((scan / "CT").glob("*.dcm")), stop_before_pixels=True)
    uid, whose = str(image.SeriesInstanceUID), {COLLECTION: collection} if collection else {}
    index.ensure()
    index.create([(uid, {SERIES_KEY: uid, **origin_fields("idc"), **whose})])
    result = extract_radiomics(
        [SeriesFolders(scan / "CT", scan / "RTSTRUCT")],
        profile=load_profile("ibsi"),
        out_dir=tmp_path / "out",
        fhir=target,
        patients=ScannedPatients("urn:pacs"),
        origins=SeriesPatients(stores(index)),
    )
    told = {one["subject"]["reference"] for one in target.resources("Observation")}
    assert told == ({PatientRef("urn:idc:lung", str(image.PatientID)).reference} if collection else set())
    assert {issue.code for issue in result.issues} == (set() if collection else {"R103"})


def test_without_an_index_all_are_of_the_internal_archive(index: SeriesIndex) -> None:
    for named in (Stores(ENTRIES), stores(index)):  # the second has none yet
        found = SeriesPatients(named).of("1.2")
        assert found is not None
        assert found.system == "urn:pacs"
