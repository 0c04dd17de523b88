"""The join on a real index and image store: what matches, what does not, and what the index refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from multimodal.bucket import FolderBucket
from multimodal.dicomweb import DicomWeb
from multimodal.fhirstore import Group, NdjsonFolder, load
from multimodal.index.errors import IndexRefusedError
from multimodal.index.origin import COLLECTION, origin_fields
from multimodal.index.series_index import SERIES_KEY, SeriesIndex
from multimodal.mapping import load_mapping
from multimodal.model.ids import resource_id
from multimodal.model.references import PatientRef
from multimodal.model.results import Status, WorkflowResult
from multimodal.radiomics.table import FEATURES_CSV_COLUMNS
from multimodal.transport.errors import UnreachableError
from multimodal.transport.stores import Store, Stores
from multimodal.workflows.join_metadata import _Document, _Origins, join_metadata
from tests.fakes.dicom_files import make_instance
from tests.workflows.line import own_index

SYSTEM = "urn:test:join"
MAPPING = """\
fhirmap: 1
id: join-test
source: {type: csv, key: [PatientID]}
subject: {id: PatientID, system: "urn:test:join"}
columns:
  PatientID: {patient: id}
  sex: {patient: gender, table: {M: male, F: female}}
  hb: {observation: 'LNC#718-7 "Hemoglobin"', type: number, unit: g/dL}
  age.years: {observation: 'LNC#30525-0 "Age"', type: integer, unit: a}
  first: {observation: 'LNC#1988-5 "CRP"', type: number, unit: mg/L}
  second: {observation: 'LNC#1988-5 "CRP"', type: number, unit: mg/L}
  Trial.Site.Name: {observation: 'LNC#1751-7 "Albumin"', type: number, unit: g/L}
systems: {LNC: "http://loinc.org"}
resources:
  stage_group:
    resourceType: Observation
    code: '{{ concept("LNC#21908-9 \\"Stage group\\"") }}'
    valueCodeableConcept: {text: '{{ "Stage " ~ col("sex") }}'}
"""
HB = "00000000 ClinicalHb_float"
SEX = "00000000 ClinicalSex_keyword"
VOLUME = "00000000 RadiomicsMeshVolume_float"


@pytest.fixture
def index(opensearch: Store) -> Iterator[SeriesIndex]:
    with own_index(opensearch) as index:
        yield index


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    file = tmp_path / "join-test.yaml"
    file.write_text(MAPPING)
    assert load_mapping(file).id == "join-test"
    return file


@pytest.fixture
def join(
    dicom: DicomWeb, target: NdjsonFolder, index: SeriesIndex, bucket: FolderBucket, mapping: Path
) -> Callable[[], WorkflowResult]:
    return lambda: join_metadata(dicom, fhir=target, index=index, bucket=bucket, mappings=[mapping])


def send(dicom: DicomWeb, folder: Path, patient: str, **attributes: str) -> str:
    """Store one image of a patient and return its Series Instance UID."""
    image = make_instance(f"study of {patient}", 1, patient=patient)
    for keyword, value in attributes.items():
        setattr(image, keyword, value)
    file = folder / f"{image.SOPInstanceUID}.dcm"
    image.save_as(file, enforce_file_format=True)
    assert dicom.push([file]).failed == ()
    return str(image.SeriesInstanceUID)


def observation(patient: PatientRef, code: str, value: dict[str, Any], when: str = "2024-01-01") -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": resource_id("Observation", "join-test", patient.value, code, when),
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": patient.reference},
        "effectiveDateTime": when,
        **value,
    }


def row(name: str, *observations: dict[str, Any], gender: str = "female", birth_date: str = "") -> Group:
    patient = PatientRef(SYSTEM, name)
    resource = {
        "resourceType": "Patient",
        "id": patient.id,
        "identifier": [{"system": SYSTEM, "value": name}],
        "gender": gender,
        **({"birthDate": birth_date} if birth_date else {}),
    }
    return Group([resource, *observations])


def grams(value: float, **more: str) -> dict[str, Any]:
    return {"valueQuantity": {"value": value, "unit": "g/dL", "system": "http://unitsofmeasure.org", **more}}


def clinical(target: NdjsonFolder, folder: Path, *groups: Group) -> None:
    load(groups, target, folder / "clinical.sqlite", source="join-test")


def test_nothing_anywhere_is_nothing_to_do(join: Callable[[], WorkflowResult]) -> None:
    assert join().status is Status.NOTHING


def test_values_of_a_patient_go_on_the_series(
    join: Callable[[], WorkflowResult], dicom: DicomWeb, target: NdjsonFolder, index: SeriesIndex, tmp_path: Path
) -> None:
    series, patient = send(dicom, tmp_path, "P1"), PatientRef(SYSTEM, "P1")
    values = [observation(patient, "718-7", grams(13.5)), observation(patient, "30525-0", grams(63.0))]
    clinical(target, tmp_path, row("P1", *values))
    result = join()
    assert result.counts["documents created"] == result.counts["documents updated"] == 1
    document = index.get(series) or {}
    assert document[HB] == 13.5
    assert document["00000000 ClinicalAgeYears_integer"] == 63
    assert document[SEX] == "female"
    assert document["00000000 FhirPatient_keyword"] == patient.reference
    assert document["00080060 Modality_keyword"] == "CT"
    again = join()
    assert (again.counts["documents updated"], again.counts["documents unchanged"]) == (0, 1)


def test_values_of_templates_are_joined_by_their_name(
    join: Callable[[], WorkflowResult], dicom: DicomWeb, target: NdjsonFolder, index: SeriesIndex, tmp_path: Path
) -> None:
    series, patient = send(dicom, tmp_path, "P1"), PatientRef(SYSTEM, "P1")
    clinical(target, tmp_path, row("P1", observation(patient, "21908-9", {"valueCodeableConcept": {"text": "IIIA"}})))
    join()
    assert (index.get(series) or {})["00000000 ClinicalStageGroup_keyword"] == "IIIA"


def test_columns_that_cannot_be_told_apart_are_reported(
    join: Callable[[], WorkflowResult], dicom: DicomWeb, tmp_path: Path
) -> None:
    send(dicom, tmp_path, "P1")
    refused = {issue.column: issue.message for issue in join().issues if issue.code == "J203"}
    assert set(refused) == {"first", "second", "Trial.Site.Name"}
    assert "same code" in refused["first"]
    assert "DICOM attribute ClinicalTrialSiteName" in refused["Trial.Site.Name"]


def test_unmatched_on_both_sides(
    join: Callable[[], WorkflowResult], dicom: DicomWeb, target: NdjsonFolder, tmp_path: Path
) -> None:
    for name in ("P1", "P2", ""):
        send(dicom, tmp_path, name)
    clinical(target, tmp_path, row("P1"), row("P3"))
    result = join()
    found = {(issue.code, issue.record) for issue in result.issues if issue.code != "J203"}
    nameless = str(make_instance("study of ", 1).SeriesInstanceUID)
    assert found == {("J101", "P3"), ("J102", "P2"), ("J103", nameless)}
    assert result.status is Status.PARTIAL


def test_two_identifier_systems_are_suspected_when_nobody_matches(
    join: Callable[[], WorkflowResult], dicom: DicomWeb, target: NdjsonFolder, tmp_path: Path
) -> None:
    send(dicom, tmp_path, "P1")
    clinical(target, tmp_path, row("P3"))
    assert any("patient_system" in warning for warning in join().warnings)


@pytest.mark.parametrize(
    ("scan", "told", "warned"),
    [
        ({"PatientSex": "M"}, {}, "sex is female in the table and M in the scan"),
        ({"PatientSex": "F"}, {}, ""),
        ({"PatientAge": "070Y"}, {"birth_date": "1964-03-15"}, "age is 60.0 in the table and 70 in the scan"),
        ({"PatientAge": "060Y"}, {"birth_date": "1964-03-15"}, ""),
    ],
)
def test_demographics_that_differ_are_warnings(
    join: Callable[[], WorkflowResult],
    dicom: DicomWeb,
    target: NdjsonFolder,
    tmp_path: Path,
    scan: dict[str, str],
    told: dict[str, str],
    warned: str,
) -> None:
    send(dicom, tmp_path, "P1", **scan)
    clinical(target, tmp_path, row("P1", **told))  # type: ignore[arg-type]
    whom = PatientRef(SYSTEM, "P1").reference
    assert list(join().warnings) == ([f"{whom}: {warned}"] if warned else [])


def test_the_last_of_several_values_stands(
    join: Callable[[], WorkflowResult], dicom: DicomWeb, target: NdjsonFolder, index: SeriesIndex, tmp_path: Path
) -> None:
    series, patient = send(dicom, tmp_path, "P1"), PatientRef(SYSTEM, "P1")
    later = observation(patient, "718-7", grams(11.0), "2024-05-01")
    clinical(target, tmp_path, row("P1", later, observation(patient, "718-7", grams(13.5), "2023")))
    result = join()
    assert (index.get(series) or {})[HB] == 11.0
    assert any("hb: 1 earlier values stay out" in warning for warning in result.warnings)


def test_below_a_limit_is_not_the_limit(
    join: Callable[[], WorkflowResult], dicom: DicomWeb, target: NdjsonFolder, index: SeriesIndex, tmp_path: Path
) -> None:
    series, patient = send(dicom, tmp_path, "P1"), PatientRef(SYSTEM, "P1")
    clinical(target, tmp_path, row("P1", observation(patient, "718-7", grams(5.0, comparator="<"))))
    join()
    assert HB not in (index.get(series) or {})


def test_a_value_that_went_is_taken_away_and_foreign_keys_stay(
    join: Callable[[], WorkflowResult], dicom: DicomWeb, target: NdjsonFolder, index: SeriesIndex, tmp_path: Path
) -> None:
    index.ensure()
    series = send(dicom, tmp_path, "P1")
    tagged = {"00000000 Tags_keyword": ["seen"], "00000000 ClinicalGone_keyword": "old", HB: 9.0}
    index.create([(series, {SERIES_KEY: series, "00100020 PatientID_keyword": "P1", **tagged})])
    clinical(target, tmp_path, row("P1"))
    join()
    document = index.get(series) or {}
    assert document["00000000 Tags_keyword"] == ["seen"]
    assert not {HB, "00000000 ClinicalGone_keyword"} & document.keys()


def test_what_a_call_knows_nothing_of_stays(dicom: DicomWeb, target: NdjsonFolder, index: SeriesIndex) -> None:
    index.ensure()
    index.create([("1.2.3", {SERIES_KEY: "1.2.3", HB: 9.0, VOLUME: 1.0})])
    join_metadata(dicom, fhir=target, index=index)
    assert (index.get("1.2.3") or {}).keys() >= {HB, VOLUME}


def test_the_platform_alone_makes_documents_in_its_index(
    join: Callable[[], WorkflowResult], dicom: DicomWeb, index: SeriesIndex, tmp_path: Path
) -> None:
    requests.put(f"{index.store.url}/{index.name}", timeout=30).raise_for_status()
    send(dicom, tmp_path, "P1")
    assert join().status is Status.NOTHING


def table(series: str, *rows: tuple[str, int, float], settings: str = "a" * 64) -> bytes:
    lines = [",".join(FEATURES_CSV_COLUMNS)]
    lines += [
        f"{series},1.9,{segment},{roi},original_shape_MeshVolume,RNU0,,,{settings},{value!r},mm3"
        for roi, segment, value in rows
    ]
    return ("\n".join(lines) + "\n").encode()


def test_chosen_features_go_on_image_and_mask(
    join: Callable[[], WorkflowResult], dicom: DicomWeb, index: SeriesIndex, bucket: FolderBucket, tmp_path: Path
) -> None:
    index.ensure()
    series = send(dicom, tmp_path, "P1")
    index.create([("1.8", {SERIES_KEY: "1.8", "00100020 PatientID_keyword": "P1"})])
    bucket.write(f"features/1.8/{'a' * 64}.csv", table(series, ("node", 2, 5.0), ("GTV", 1, 1234.5)))
    join()
    for uid in (series, "1.8"):
        document = index.get(uid) or {}
        assert document["00000000 RadiomicsRegion_keyword"] == ["GTV", "node"]
        assert document[VOLUME] == [1234.5, 5.0]
        assert document["00000000 RadiomicsSettings_keyword"] == "a" * 64


def test_of_two_settings_the_usual_one_is_joined_and_said(
    join: Callable[[], WorkflowResult], dicom: DicomWeb, index: SeriesIndex, bucket: FolderBucket, tmp_path: Path
) -> None:
    series = send(dicom, tmp_path, "P1")
    for mask, settings, value in (("1.8", "b" * 64, 1.0), ("1.9", "b" * 64, 1.0), ("1.8", "a" * 64, 2.0)):
        bucket.write(f"features/{mask}/{settings}.csv", table(series, ("GTV", 1, value), settings=settings))
    result = join()
    assert any("2 settings" in warning for warning in result.warnings)
    assert (index.get(series) or {})["00000000 RadiomicsSettings_keyword"] == "b" * 64


def test_a_refused_document_is_an_issue_with_its_series(
    join: Callable[[], WorkflowResult], dicom: DicomWeb, target: NdjsonFolder, index: SeriesIndex, tmp_path: Path
) -> None:
    index.ensure()
    conflict = {"properties": {HB: {"type": "date", "format": "yyyy-MM-dd"}}}  # somebody mapped the field before
    requests.put(f"{index.store.url}/{index.name}/_mapping", json=conflict, timeout=30).raise_for_status()
    first, second = send(dicom, tmp_path, "P1"), send(dicom, tmp_path, "P2")
    hb = observation(PatientRef(SYSTEM, "P1"), "718-7", grams(13.5))
    clinical(target, tmp_path, row("P1", hb), row("P2"))
    result = join()
    (refused,) = [issue for issue in result.issues if issue.code == "J201"]
    assert refused.record == first
    assert "13.5" in refused.message
    assert result.counts["documents refused"] == 1
    assert (index.get(second) or {})[SEX] == "female"


def test_an_index_that_takes_no_writes_ends_the_join(
    join: Callable[[], WorkflowResult], dicom: DicomWeb, target: NdjsonFolder, index: SeriesIndex, tmp_path: Path
) -> None:
    index.ensure()
    series = send(dicom, tmp_path, "P1")
    index.create([(series, {SERIES_KEY: series, "00100020 PatientID_keyword": "P1"})])
    clinical(target, tmp_path, row("P1"))
    block = {"index.blocks.read_only": True}
    requests.put(f"{index.store.url}/{index.name}/_settings", json=block, timeout=30).raise_for_status()
    with pytest.raises(IndexRefusedError, match="read-only") as caught:
        join()
    assert caught.value.series_uids == (series,)


def test_an_index_that_is_down_is_named(dicom: DicomWeb, target: NdjsonFolder) -> None:
    down = Store("search", "opensearch", url="http://127.0.0.1:9", index="project_x", attempts=1)
    with SeriesIndex(down) as index, pytest.raises(UnreachableError, match="search: no answer"):
        join_metadata(dicom, fhir=target, index=index)


def test_a_patient_id_of_another_store_is_another_patient(
    dicom: DicomWeb, target: NdjsonFolder, index: SeriesIndex, bucket: FolderBucket, opensearch: Store
) -> None:
    refs = {"1.2.1": "", "1.2.2": "hospital", "1.2.3": "unknown"}
    people = [PatientRef(system, "A1") for system in (SYSTEM, "urn:test:hospital")]
    index.ensure()
    index.create(
        (uid, {SERIES_KEY: uid, "00100020 PatientID_keyword": "A1", **(origin_fields(store) if store else {})})
        for uid, store in refs.items()
    )
    stores = Stores({"hospital": {"kind": "dicomweb", "url": "http://h/web", "patient_system": "urn:test:hospital"}})
    origins = _Origins(dicom.store, stores)
    found = {uid: origins.ref(_Document(uid, content)) for uid, content in index.scan()}
    assert found == {"1.2.1": people[0], "1.2.2": people[1], "1.2.3": None}
    result = join_metadata(dicom, fhir=target, index=index, stores=stores)
    assert [line for line in result.warnings if "store unknown" in line] == [
        "1 series lie in store unknown, which the stores file does not name: whose is not known"
    ]


def test_a_patient_id_of_another_collection_is_another_patient(dicom: DicomWeb, index: SeriesIndex) -> None:
    lung, brain = ({COLLECTION: name, "00100021 IssuerofPatientID_keyword": "TCIA"} for name in ("lung", "brain"))
    told = {"1.2.1": lung, "1.2.2": brain, "1.2.3": {"00100021 IssuerofPatientID_keyword": "a b"}, "1.2.4": {}}
    index.ensure()
    index.create(
        (uid, {SERIES_KEY: uid, "00100020 PatientID_keyword": "A1", **origin_fields("idc"), **more})
        for uid, more in told.items()
    )
    entry = {"kind": "dicomweb", "url": "http://h", "profile": "idc-s3", "patient_system": "urn:idc:{issuer}"}
    origins = _Origins(dicom.store, Stores({"idc": entry}))
    found = {uid: origins.ref(_Document(uid, content)) for uid, content in index.scan()}
    systems = {"1.2.1": "urn:idc:lung", "1.2.2": "urn:idc:brain", "1.2.3": "urn:idc:a%20b"}
    assert found == {**{uid: PatientRef(system, "A1") for uid, system in systems.items()}, "1.2.4": None}
