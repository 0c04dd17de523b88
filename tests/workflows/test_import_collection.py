"""Collections of IDC: counted, registered from the index, renewed by its next release, completed, pulled."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from multimodal.bucket import FolderBucket
from multimodal.dicomweb import QueryRefusedError, open_dicomweb
from multimodal.dicomweb.idc_errors import UnknownValueError
from multimodal.fhirstore import NdjsonFolder
from multimodal.index.documents import Arrival, first_instance, series_document
from multimodal.index.origin import (
    ADDRESS,
    ANALYSIS_RESULT,
    COLLECTION,
    LICENCE,
    REVISION,
    SOURCE_DOI,
    is_complete,
)
from multimodal.index.series_index import Change, SeriesIndex
from multimodal.model.references import PatientRef
from multimodal.model.results import Status, WorkflowResult
from multimodal.transport.stores import Store
from multimodal.workflows.datasets import read_dataset
from multimodal.workflows.external_series import Selection
from multimodal.workflows.import_dicomweb import Reference, count_series, fetch_for_copy, import_by_reference
from multimodal.workflows.thumbnails import thumbnail_key
from tests.fakes.bucket_server import BucketServer
from tests.fakes.dicom_files import make_instance
from tests.fakes.dicomweb_server import DicomWebServer
from tests.fakes.idc_index_file import bucket_objects, index_row, row_of, write_index
from tests.workflows.line import own_index

REFERENCE = Reference(Arrival(datetime(2024, 7, 16, tzinfo=UTC), "demo", "lung"), licence="unknown")
WILD = [("397M", "O"), ("N-A", "6657"), ("90", "0000"), ("000Y", "U"), (None, None), ("18 months, about", "f/m?")]
LUNG = Selection(collections=["lung"])
# No server is at this address: nothing may be asked of the store.
NOWHERE = Store(
    "idc",
    "dicomweb",
    "http://127.0.0.1:9",
    profile="idc-s3",
    patient_system="urn:idc:{issuer}",
    attempts=1,
    timeout=1.0,
)


@pytest.fixture
def index(opensearch: Store) -> Iterator[SeriesIndex]:
    with own_index(opensearch) as found:
        yield found


def lung_rows() -> list[dict[str, Any]]:
    return [
        index_row("lung", f"P{number}", number, PatientAge=age, PatientSex=sex)
        for number, (age, sex) in enumerate(WILD)
    ]


def with_index(folder: Path, rows: list[dict[str, Any]], store: Store = NOWHERE, version: str = "25.0.5") -> Store:
    file = write_index(folder / f"{version}.parquet", rows, version)
    return dataclasses.replace(store, index_file=str(file))


def registered(store: Store, selection: Selection, index: SeriesIndex, **ends: Any) -> WorkflowResult:
    with open_dicomweb(store) as idc:
        ends = {"bucket": None, "reference": REFERENCE, **ends}
        return import_by_reference(idc, selection, index=index, **ends)


def documents(index: SeriesIndex) -> dict[str, Mapping[str, Any]]:
    return dict(index.scan())


def test_how_much_it_is_is_said_before_anything_is_done(tmp_path: Path) -> None:
    rows = [*lung_rows(), index_row("lung", "P9", 9, Modality="SEG", license_short_name="CC BY 4.0")]
    with open_dicomweb(with_index(tmp_path, rows)) as idc:
        result = count_series(idc, Selection({"Modality": "CT,SEG"}, collections=["LUNG"]))
        assert result.status is Status.DONE
        assert result.counts == {
            "series found": 7, "instances": 21, "bytes": 3_500_000, "CT series": 6, "SEG series": 1,
            "series under CC BY 4.0": 1, "series under CC BY-NC 3.0": 6,
        }  # fmt: skip
        assert result.versions == {"idc-index-data": "25.0.5"}
        only = Selection(collections=["lung"], licences=["CC BY 4.0"])
        assert count_series(idc, only).counts["series found"] == 1
        with pytest.raises(UnknownValueError, match="lungs"):
            count_series(idc, Selection(collections=["lungs"]))


def test_a_document_holds_what_its_row_tells(tmp_path: Path, index: SeriesIndex, bucket: FolderBucket) -> None:
    rows = lung_rows()
    rows[0]["analysis_result_id"] = "segmented"
    result = registered(with_index(tmp_path, rows), LUNG, index, bucket=bucket)
    assert (result.status, result.issues) == (Status.DONE, [])
    assert (result.counts["documents created"], result.counts["bytes"]) == (6, 3_000_000)
    found = documents(index)
    for row, (age, sex) in zip(rows, WILD, strict=True):
        document = found[row["SeriesInstanceUID"]]
        # As text, whatever they are.
        assert document.get("00101010 PatientAge_keyword") == age
        assert document.get("00100040 PatientSex_keyword") == sex
        assert document["00080020 StudyDate_date"] == "2008-09-18"
        assert document["00201209 NumberofSeriesRelatedInstances_integer"] == 3
        assert document["00120010 ClinicalTrialSponsorName_keyword"] == "lung"
        assert (document[COLLECTION], document[LICENCE], document[ADDRESS]) == ("lung", "CC BY-NC 3.0", "idc")
        assert (document[REVISION], document[SOURCE_DOI]) == (row["crdc_series_uuid"], "10.7937/example")
        assert "00100021 IssuerofPatientID_keyword" not in document
        assert not is_complete(document)
    assert found[rows[0]["SeriesInstanceUID"]][ANALYSIS_RESULT] == "segmented"
    assert read_dataset(bucket, "lung") == sorted(row["SeriesInstanceUID"] for row in rows)


def test_one_patient_id_in_two_collections_is_two_patients(tmp_path: Path, index: SeriesIndex) -> None:
    rows = [index_row("lung", "001", 1), index_row("brain", "001", 2), index_row("brain", "001", 3)]
    target = NdjsonFolder(tmp_path / "fhir")
    both = Selection(collections=["lung", "brain"])
    result = registered(with_index(tmp_path, rows), both, index, fhir=target)
    assert (result.status, result.counts["studies"]) == (Status.DONE, 3)
    lines = [orjson.loads(line) for file in (tmp_path / "fhir").rglob("*.ndjson") for line in file.open("rb")]
    patients = {one["id"]: one["identifier"][0] for one in lines if one["resourceType"] == "Patient"}
    expected = {PatientRef(f"urn:idc:{name}", "001").id for name in ("lung", "brain")}
    assert set(patients) == expected
    subjects = [one["subject"]["reference"] for one in lines if one["resourceType"] == "ImagingStudy"]
    assert sorted(subjects.count(f"Patient/{one}") for one in expected) == [1, 2]
    # A bucket is no DICOMweb service that others could call.
    assert not [one for one in lines if one["resourceType"] == "Endpoint" or one.get("endpoint")]


def test_a_new_release_renews_what_was_revised_alone(tmp_path: Path, index: SeriesIndex) -> None:
    rows = lung_rows()
    registered(with_index(tmp_path, rows), LUNG, index)
    uids = [row["SeriesInstanceUID"] for row in rows]
    stage, tags = "00000000 ClinicalStage_keyword", "00000000 Tags_keyword"
    index.update([Change(uid, {stage: "II", tags: ["seen"], "00180060 KVP_float": 120.0}) for uid in uids[:3]])
    before = documents(index)
    rows[1] |= {"crdc_series_uuid": "00000000-0000-4000-8000-000000000000", "Manufacturer": "New", "PatientAge": None}
    added = index_row("lung", "P9", 9)
    result = registered(with_index(tmp_path, [*rows[:-1], added], version="26.0.0"), LUNG, index)
    assert result.counts["series revised"] == result.counts["documents renewed"] == 1
    assert result.counts["documents created"] == 1
    assert result.versions == {"idc-index-data": "26.0.0"}
    assert result.warnings == [f"1 registered series are no longer in this release of the index, e.g. {uids[-1]}"]
    after = documents(index)
    revised = after.pop(uids[1])
    assert after.pop(added["SeriesInstanceUID"])
    assert after == {uid: one for uid, one in before.items() if uid != uids[1]}
    assert (revised[REVISION], revised["00080070 Manufacturer_keyword"]) == (rows[1]["crdc_series_uuid"], "New")
    assert (revised[stage], revised[tags]) == ("II", ["seen"])
    gone = ("00180060 KVP_float", "00101010 PatientAge_keyword")
    assert not [key for key in gone if key in revised]
    arrived = "00000000 TimestampArrived_datetime"
    assert revised[arrived] == before[uids[1]][arrived]
    assert len(registered(with_index(tmp_path, [*rows[:-1], added], version="26"), LUNG, index).warnings) == 1


def test_from_the_buckets_it_is_completed_and_copied(tmp_path: Path, index: SeriesIndex, bucket: FolderBucket) -> None:
    instances = [make_instance("collection", number, size=64) for number in (1, 2, 3)]
    row = row_of(instances)
    uid = row["SeriesInstanceUID"]
    with BucketServer(bucket_objects(tmp_path, row, instances)) as server:
        store = with_index(tmp_path, [row], server.store())
        registered(store, LUNG, index, bucket=bucket)
        assert server.requests == []
        whole = dataclasses.replace(REFERENCE, complete=True)
        result = registered(store, LUNG, index, bucket=bucket, reference=whole)
        assert (result.counts["documents completed"], result.counts["thumbnails"]) == (1, 1)
        # Each object once, for the attributes as for the picture.
        assert len(server.fetched()) == 3
        document = documents(index)[uid]
        parsed = [instance.to_json_dict() for instance in instances]
        made = series_document(first_instance(parsed), REFERENCE.arrival)
        assert made.items() <= document.items()
        assert {key: document[key] for key in (COLLECTION, REVISION)} == {
            COLLECTION: "lung", REVISION: row["crdc_series_uuid"],
        }  # fmt: skip
        assert bucket.exists(thumbnail_key(uid))
        again = registered(store, LUNG, index, bucket=bucket, reference=whole)
        assert (again.counts["documents completed"], len(server.fetched())) == (0, 3)
        with open_dicomweb(store) as idc:
            copied = fetch_for_copy(idc, LUNG, lambda series: tmp_path / "out" / series)
        assert copied.counts["instances"] == 3


def test_through_the_proxy_a_collection_costs_no_request(tmp_path: Path, index: SeriesIndex) -> None:
    instances = [make_instance("proxied", number) for number in (1, 2)]
    row = row_of(instances)
    folder = tmp_path / "served"
    folder.mkdir()
    for instance in instances:
        instance.save_as(folder / f"{instance.SOPInstanceUID}.dcm", enforce_file_format=True)
    with DicomWebServer(folder) as server:
        proxy = server.store(profile="idc-proxy", patient_system="urn:idc:{issuer}")
        store = with_index(tmp_path, [row], proxy)
        target = NdjsonFolder(tmp_path / "fhir")
        result = registered(store, LUNG, index, fhir=target)
        assert (result.counts["documents created"], result.counts["studies"]) == (1, 1)
        assert server.requests == []
        with open_dicomweb(store) as idc:
            assert fetch_for_copy(idc, LUNG, lambda uid: tmp_path / uid).counts["instances"] == 2
    lines = [orjson.loads(line) for file in (tmp_path / "fhir").rglob("*.ndjson") for line in file.open("rb")]
    assert [one["address"] for one in lines if one["resourceType"] == "Endpoint"] == [server.url]


def test_a_patient_id_without_issuer_is_nobodys(tmp_path: Path, index: SeriesIndex) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    instance = make_instance("nobody", 1)
    instance.save_as(folder / "1.dcm", enforce_file_format=True)
    with DicomWebServer(folder) as server:
        store = server.store(profile="idc-proxy", patient_system="urn:idc:{issuer}")
        everything = Selection(everything=True)  # by a search of the store, which knows no collections
        result = registered(store, everything, index, fhir=NdjsonFolder(tmp_path / "fhir"))
    assert [(issue.code, issue.record) for issue in result.issues] == [("S101", str(instance.StudyInstanceUID))]


def test_another_store_has_no_collections(tmp_path: Path) -> None:
    with (
        open_dicomweb(dataclasses.replace(NOWHERE, name="pacs", profile="orthanc")) as pacs,
        pytest.raises(QueryRefusedError, match="pacs: has no collections"),
    ):
        count_series(pacs, LUNG)
