"""IBSI's digital phantom through the DAG on a plain Airflow, on real servers: published values, SR and SEG, twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from ruamel.yaml import YAML

from local.airflow import AirflowHome, DagResult, run_dag
from multimodal.bucket import open_bucket
from multimodal.dicomweb import DicomWeb, open_dicomweb
from multimodal.fhirstore import FhirServer
from multimodal.imaging import read_rois, read_volume
from multimodal.model.features import Feature
from multimodal.model.ids import hash_uid
from multimodal.model.references import PatientRef, imaging_study_id
from multimodal.radiomics import load_profile
from multimodal.radiomics.report_reading import read_report
from multimodal.resources.systems import RADIOMICS_CONFIGURATION
from multimodal.terminology.radiomics_codes import FEATURE_SYSTEM, IBSI_SYSTEM
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store, load_stores
from tests.imaging.made import ct_images, item, rtstruct, write
from tests.radiomics.conformance import DATA, DIGITAL, missed, references

PATIENT = "DIGITAL-PHANTOM"
STUDY, IMAGES, MASK = (hash_uid("phantom through the DAG", part) for part in ("study", "images", "mask"))
CONF = {
    "workflow_form": {"profile": "ibsi1-digital", "send_results": True},
    "data_form": {"identifiers": [MASK]},
}


@dataclass(frozen=True, slots=True)
class State:
    """What the servers hold of the phantom, and in which version."""

    instances: dict[str, set[str]]
    arrived: int
    resources: dict[str, str]
    documents: dict[str, int]
    tables: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Phantom:
    """The phantom on the servers, and the run that measured it."""

    mask: NDArray[np.bool_]
    dicom: DicomWeb
    fhir: FhirServer
    stores: Path
    home: AirflowHome
    run: DagResult

    def observations(self) -> list[dict[str, Any]]:
        return list(self.fhir.search("Observation", {"subject": PatientRef("urn:demo:pacs", PATIENT).reference}))

    def state(self) -> State:
        """Return what is there now, as the servers say."""
        stores = load_stores(self.stores)
        series = {self.uid(one, "0020000E"): one for one in self.dicom.series(filters={"StudyInstanceUID": STUDY})}
        found = [
            *self.observations(),
            *self.fhir.search("BodyStructure", {"patient": PatientRef("urn:demo:pacs", PATIENT).reference}),
            *self.fhir.search("ImagingStudy", {"_id": imaging_study_id(STUDY)}),
            *self.fhir.search("Patient", {"_id": PatientRef("urn:demo:pacs", PATIENT).id}),
        ]
        bucket = open_bucket(stores.get("bucket"))
        return State(
            {
                uid: {self.uid(one, "00080018") for one in self.dicom.instances(STUDY, uid)} for uid in series
            },
            arrived(stores.get("pacs")),
            {f"{one['resourceType']}/{one['id']}": one["meta"]["versionId"] for one in found},
            dict(versions(stores.get("search"), series)),
            {key: bucket.read(key) for key in bucket.list(f"features/{MASK}/")},
        )  # fmt: skip

    def of_modality(self, modality: str, folder: Path) -> Path:
        """Return the one instance of the one series of a modality."""
        [series] = self.dicom.series(filters={"StudyInstanceUID": STUDY, "Modality": modality})
        self.dicom.pull(self.dicom.find_series(self.uid(series, "0020000E")), folder)
        [file] = folder.glob("*.dcm")
        return file

    @staticmethod
    def uid(found: dict[str, Any] | Dataset, tag: str) -> str:
        return str(found[tag]["Value"][0])


def arrived(store: Store) -> int:
    """Count how often an instance of the phantom arrived, overwritten ones too, by Orthanc's log of changes."""
    root = Store(name=store.name, kind=store.kind, url=store.url.rsplit("/", 1)[0], auth=store.auth)
    asked = {"Level": "Instance", "Query": {"StudyInstanceUID": STUDY}}
    count = since = 0
    with HttpSession(root) as session:
        found = session.request("POST", "tools/find", data=orjson.dumps(asked))
        ours = set(found.json())
        while True:
            page = session.request("GET", "changes", query=f"since={since}&limit=1000").json()
            count += sum(one["ChangeType"] == "NewInstance" and one["ID"] in ours for one in page["Changes"])
            since = page["Last"]
            if page["Done"]:
                return count


def versions(store: Store, series: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield the version of each series' document."""
    with HttpSession(store) as session:
        for uid in series:
            yield uid, session.request("GET", f"{store.index}/_doc/{uid}").json()["_version"]


@pytest.fixture(scope="module")
def phantom(stores_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phantom]:
    folder = tmp_path_factory.mktemp("phantom")
    published: dict[str, Any] = YAML(typ="safe").load((DATA / "ibsi_digital_phantom.yaml").read_text(encoding="utf-8"))
    images = ct_images(
        np.asarray(published["intensities"], dtype=np.int16), spacing=tuple(published["spacing"]), intercept=0
    )
    mask = np.asarray(published["mask"]) > 0
    for number, image in enumerate(images):
        image.SeriesInstanceUID, image.SOPInstanceUID = IMAGES, hash_uid(IMAGES, str(number))
        image.StudyInstanceUID, image.PatientID, image.PatientName = STUDY, PATIENT, "Phantom^Digital"
    volume = read_volume(write(folder / "images", images))
    corners = np.array([[0, -0.4, -0.4], [0, -0.4, 0.4], [0, 0.4, 0.4], [0, 0.4, -0.4]])
    structures = rtstruct({"phantom": [volume.to_patient(voxel + corners) for voxel in np.argwhere(mask)]})
    structures.SOPInstanceUID, structures.SeriesInstanceUID = hash_uid(MASK, "instance"), MASK
    structures.StudyInstanceUID, structures.PatientID = STUDY, PATIENT
    structures.ReferencedFrameOfReferenceSequence = item(
        FrameOfReferenceUID=images[0].FrameOfReferenceUID,
        RTReferencedStudySequence=item(RTReferencedSeriesSequence=item(SeriesInstanceUID=IMAGES)),
    )
    structures.save_as(folder / "images" / "mask.dcm", enforce_file_format=True)
    stores = load_stores(stores_file)
    with open_dicomweb(stores.get("pacs")) as dicom, HttpSession(stores.get("clinical")) as session:
        assert not dicom.push(sorted((folder / "images").iterdir())).failed
        home = AirflowHome(tmp_path_factory.mktemp("airflow"), stores=stores_file)
        run = run_dag("extract-radiomics", CONF, home)
        yield Phantom(mask, dicom, FhirServer(session), stores_file, home, run)


def test_the_run_succeeds(phantom: Phantom) -> None:
    assert set(phantom.run.tasks.values()) == {"success", "skipped"}, phantom.run.log.read_text()[-2000:]
    counts = phantom.run.result_of("extract-radiomics")["counts"]
    assert (counts["ROIs"], counts.get("ROIs failed", 0)) == (1, 0)


def test_fhir_holds_the_482_published_values(phantom: Phantom) -> None:
    features = {}
    for one in phantom.observations():
        if "valueQuantity" in one:
            codes = {coding["system"]: coding["code"] for coding in one["code"]["coding"]}
            method = one.get("method", {"coding": [{"code": None}]})["coding"][0]["code"]
            name, quantity = codes[FEATURE_SYSTEM], one["valueQuantity"]
            features[name.removeprefix("original_")] = Feature(
                name, quantity["value"], quantity["code"], codes[IBSI_SYSTEM], one["code"]["text"], method
            )
    wanted = references(DIGITAL, "dig")
    assert len(wanted) == 482
    assert missed(features, wanted) == []


def test_what_the_observations_lead_to_is_there(phantom: Phantom) -> None:
    observations = phantom.observations()
    [group] = [one for one in observations if "hasMember" in one]
    assert {member["reference"] for member in group["hasMember"]} == {
        f"Observation/{one['id']}" for one in observations if one is not group
    }
    study = phantom.fhir.read(*group["derivedFrom"][0]["reference"].split("/")) or {}
    modalities = sorted(one["modality"]["code"] for one in study["series"])
    assert modalities == ["CT", "RTSTRUCT", "SEG", "SR"]  # synchronised after the results were stored
    device = phantom.fhir.read(*group["device"]["reference"].split("/")) or {}
    said = {one["system"]: one["value"] for one in device["identifier"]}
    assert said[RADIOMICS_CONFIGURATION] == f"sha256:{load_profile('ibsi1-digital').sha256}"
    assert phantom.fhir.read(*group["bodySite"]["extension"][0]["valueReference"]["reference"].split("/"))


def test_the_image_store_holds_sr_and_seg(phantom: Phantom, tmp_path: Path) -> None:
    [reported] = read_report(phantom.of_modality("SR", tmp_path / "sr"))
    seg = phantom.of_modality("SEG", tmp_path / "seg")
    in_fhir = {one["valueQuantity"]["value"] for one in phantom.observations() if "valueQuantity" in one}
    assert {feature.value for feature in reported.features} == in_fhir
    assert not reported.left_out
    phantom.dicom.pull(phantom.dicom.find_series(IMAGES), tmp_path / "ct")
    volume = read_volume(tmp_path / "ct")
    [region] = read_rois(seg, volume)
    assert np.array_equal(region.in_full(volume.shape), phantom.mask)
    assert (reported.mask_sop_uid, reported.segment) == (region.mask_sop_uid, region.number)


def test_a_second_run_changes_nothing(phantom: Phantom) -> None:
    before = phantom.state()
    assert len(before.instances) == 4
    assert len(before.tables) == 2
    again = run_dag("extract-radiomics", CONF, phantom.home)
    assert set(again.tasks.values()) == {"success", "skipped"}, again.log.read_text()[-2000:]
    assert again.result_of("extract-radiomics")["counts"]["resources sent"] == 0
    assert phantom.state() == before
