"""One main line for the tests of the workflows: its own image store, names of its own on the shared servers."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pydicom
import pytest
import requests
from pydicom.dataset import Dataset

from local.guard import guard
from local.install import MissingProgramError
from local.stack import Stack
from multimodal.bucket import FolderBucket
from multimodal.dicomweb import DicomWeb, open_dicomweb
from multimodal.fhirstore import FhirServer
from multimodal.index.series_index import SeriesIndex
from multimodal.model.ids import hash_uid
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store, Stores

ROOT = Path(__file__).parents[2]


@dataclass
class Line:
    """The ends of the workflows, and the cohort that goes through them."""

    dicom: DicomWeb
    fhir: FhirServer
    index: SeriesIndex
    bucket: FolderBucket
    cohort: Path
    mapping: Path
    planted: dict[str, Any]

    @property
    def patient_system(self) -> str:
        return self.dicom.store.patient_system


def copy_with_own_uids(cohort: Path, folder: Path, token: str) -> None:
    """Copy the cohort's DICOM files with every UID of its own replaced: studies of one test are no other's."""
    for file in sorted((cohort / "dicom").rglob("*.dcm")):
        dataset = pydicom.dcmread(file)
        dataset.walk(lambda _, element: _replace(element, token))
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        target = folder / "dicom" / file.relative_to(cohort / "dicom")
        target.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(target)


def _replace(element: Any, token: str) -> None:
    if element.VR == "UI" and element.value and str(element.value).startswith("2.25."):
        element.value = hash_uid(token, str(element.value))


def series_of(folder: Path, patient: str) -> dict[str, str]:
    """Return modality -> Series Instance UID of one patient's files."""
    files = [next(series.glob("*.dcm")) for series in sorted((folder / "dicom" / patient).iterdir())]
    headers: list[Dataset] = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    return {header.Modality: str(header.SeriesInstanceUID) for header in headers}


@contextmanager
def image_store(folder: Path, patient_system: str) -> Iterator[DicomWeb]:
    """Start an Orthanc of the test's own, empty; it ends with the test, however that ends."""
    stack = Stack(folder / "stack")
    watch = guard(stack.folder)
    try:
        stack.start({"pacs"})["pacs"].result()
        stack.orthanc.wait()
        store = Stores(stack.stores()).get("pacs", "dicomweb")
        with open_dicomweb(dataclasses.replace(store, patient_system=patient_system)) as dicom:
            yield dicom
    except MissingProgramError as error:
        pytest.skip(str(error))
    finally:
        watch.communicate()


@contextmanager
def archive_and_hospital(folders: pytest.TempPathFactory) -> Iterator[dict[str, DicomWeb]]:
    """Start the internal archive (``pacs``) and a store elsewhere (``hospital``), whose patients are the same."""
    with (
        image_store(folders.mktemp("pacs"), "urn:x") as pacs,
        image_store(folders.mktemp("hospital"), "urn:x") as hospital,
    ):
        yield {"pacs": pacs, "hospital": hospital}


def empty(dicom: DicomWeb) -> None:
    """Delete every study of an image store of the test's own."""
    root = dicom.store.url.removesuffix("/dicom-web")
    auth = dicom.store.auth
    assert auth is not None
    login = (auth.user, auth.secret("pacs"))
    for study in requests.get(f"{root}/studies", auth=login, timeout=30).json():
        requests.delete(f"{root}/studies/{study}", auth=login, timeout=30).raise_for_status()


@contextmanager
def own_index(opensearch: Store) -> Iterator[SeriesIndex]:
    """Give an index of the test's own on the shared server; it is not made yet."""
    store = dataclasses.replace(opensearch, index=f"project_{uuid.uuid4().hex[:12]}")
    try:
        with SeriesIndex(store) as index:
            yield index
    finally:
        requests.put(f"{store.url}/{store.index}/_settings", json={"index.blocks.read_only": None}, timeout=30)
        requests.delete(f"{store.url}/{store.index}", timeout=30)
        requests.delete(f"{store.url}/_index_template/multimodal-{store.index}", timeout=30)


@contextmanager
def main_line(folder: Path, cohort: Path, hapi: Store, opensearch: Store) -> Iterator[Line]:
    """Give an empty image store, and the shared FHIR server and index under names of the test's own."""
    token = uuid.uuid4().hex[:12]
    system = f"urn:test:{token}"
    copy_with_own_uids(cohort, folder / "cohort", token)
    text = (ROOT / "mappings/demo-cohort.yaml").read_text(encoding="utf-8")
    mapping = folder / "mapping.yaml"
    mapping.write_text(text.replace("id: demo-cohort", f"id: demo-{token}").replace("urn:demo:pacs", system))
    with image_store(folder, system) as dicom, HttpSession(hapi) as session, own_index(opensearch) as index:
        yield Line(
            dicom=dicom,
            fhir=FhirServer(session),
            index=index,
            bucket=FolderBucket(folder / "bucket"),
            cohort=folder / "cohort",
            mapping=mapping,
            planted=orjson.loads((cohort / "planted.json").read_bytes()),
        )
