"""A collection of IDC as a real run of a plain Airflow, out of buckets on loopback: documents, thumbnails, studies."""

from __future__ import annotations

import dataclasses
import uuid
from pathlib import Path

from ruamel.yaml import YAML

from local.airflow import AirflowHome, run_dag
from multimodal.bucket import open_bucket
from multimodal.fhirstore import FhirServer
from multimodal.index.origin import COLLECTION, LICENCE, is_complete, store_of
from multimodal.index.series_index import SeriesIndex
from multimodal.model.references import PatientRef, imaging_study_id
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import load_stores
from multimodal.workflows.datasets import read_dataset
from tests.fakes.bucket_server import BucketServer
from tests.fakes.dicom_files import make_instance
from tests.fakes.idc_index_file import bucket_objects, index_row, row_of, write_index

PROJECT = f"collection-{uuid.uuid4().hex[:12]}"


def test_a_collection_is_registered_whole(stores_file: Path, tmp_path: Path) -> None:
    token = uuid.uuid4().hex
    instances = [make_instance(token, number, size=64, patient=token[:16]) for number in (1, 2)]
    row = row_of(instances)
    others = [index_row("lung", "P2", 2, Modality="SEG"), index_row("brain", token[:16], 3)]
    with BucketServer(bucket_objects(tmp_path, row, instances)) as server:
        content = YAML(typ="safe", pure=True).load(stores_file.read_text())
        content["stores"]["idc"] = {
            "kind": "dicomweb", "profile": "idc-s3", "url": server.url, "patient_system": "urn:test:idc:{issuer}",
            "index_file": str(write_index(tmp_path / "idc_index.parquet", [row, *others])),
        }  # fmt: skip
        content["stores"]["bucket"] = {"kind": "folder", "path": str(tmp_path / "bucket")}
        file = tmp_path / "stores.yaml"
        YAML().dump(content, file)
        home = AirflowHome(tmp_path / "home", stores=file)
        home = dataclasses.replace(home, variables={**home.variables, "MULTIMODAL_PROJECT": PROJECT})
        stores = load_stores(file, project=PROJECT)

        form = {"store": "idc", "collection": "lung", "modality": "CT", "analysis_result": "none", "aetitle": "lung"}
        run = run_dag("import-dicomweb", form, home)
        assert run.state == "success", run.log.read_text()[-3000:]
        counts = run.result_of("import-dicomweb")["counts"]
        assert (counts["series found"], counts["bytes"]) == (1, 500_000)
        assert len(server.fetched()) == 2
    uid = row["SeriesInstanceUID"]
    with SeriesIndex(stores.get("search")) as index:
        document = index.get(uid) or {}
    assert is_complete(document)
    assert (store_of(document), document[COLLECTION], document[LICENCE]) == ("idc", "lung", "CC BY-NC 3.0")
    bucket = open_bucket(stores.get("bucket"))
    assert list(bucket.list("thumbnails/")) == [f"thumbnails/{uid}.png"]
    assert read_dataset(bucket, "lung") == [uid]
    with HttpSession(stores.get("clinical")) as session:
        study = FhirServer(session).read("ImagingStudy", imaging_study_id(row["StudyInstanceUID"])) or {}
    assert study["subject"]["reference"] == PatientRef("urn:test:idc:lung", token[:16]).reference
    assert [one["uid"] for one in study["series"]] == [uid]
