"""The workflow run-on-dataset on a plain Airflow: two Orthancs, and the started run in Airflow's own API."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from ruamel.yaml import YAML

from local.airflow import AirflowHome, run_dag
from multimodal.cli import main
from multimodal.dicomweb import DicomWeb, open_dicomweb
from multimodal.index.documents import series_document
from multimodal.index.origin import origin_fields
from multimodal.index.series_index import SeriesIndex
from multimodal.model.ids import hash_uid
from multimodal.model.references import SeriesRef
from multimodal.transport.stores import load_stores
from multimodal.workflows.airflow_api import AirflowApi
from multimodal.workflows.copies import instances_in
from multimodal.workflows.started_runs import NoSuchWorkflowError, RunState, Start
from tests.contract.served_airflow import PASSWORD, USER, served
from tests.fakes.dicom_files import make_instance, write_series
from tests.workflows.line import image_store
from tests.workflows.test_stage_series import entry

PROJECT = f"mixed-{uuid.uuid4().hex[:12]}"
COUNT = 2


@pytest.fixture(scope="module")
def external(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DicomWeb]:
    with image_store(tmp_path_factory.mktemp("external"), "urn:test:hospital") as dicom:
        yield dicom


@pytest.fixture(scope="module")
def home(external: DicomWeb, stores_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowHome]:
    """An Airflow that serves its API, and a stores file that names it and the external store."""
    folder = tmp_path_factory.mktemp("airflow")
    plain = AirflowHome(folder / "home", stores=folder / "stores.yaml")
    variables = {"MULTIMODAL_PROJECT": PROJECT, "STARTER_PASSWORD": PASSWORD}
    with served(plain) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STARTER_PASSWORD", PASSWORD)
        content = YAML(typ="safe", pure=True).load(stores_file.read_text())
        content["stores"]["hospital"] = entry(external.store)
        content["stores"]["bucket"] = {"kind": "folder", "path": str(folder / "bucket")}
        login = {"basic": {"user": USER, "password_env": "STARTER_PASSWORD"}}
        content["stores"]["airflow"] = {"kind": "airflow", "url": url, "auth": login}
        with (folder / "stores.yaml").open("w") as file:
            YAML().dump(content, file)
        yield dataclasses.replace(plain, variables=variables)


def switch_on(home: AirflowHome, dag_id: str, on: bool = True) -> None:
    url = load_stores(home.stores).get("airflow").url
    body = {"is_paused": not on}
    requests.patch(f"{url}/dags/{dag_id}", json=body, auth=(USER, PASSWORD), timeout=30).raise_for_status()


def test_a_mixed_dataset_runs_and_its_copies_go_when_the_run_has_ended(
    home: AirflowHome, external: DicomWeb, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = uuid.uuid4().hex
    study = hash_uid("test", token)
    uids = [hash_uid("test", token, series) for series in ("1", "2")]
    assert not external.push(write_series(tmp_path / "2", token, COUNT, series="2")).failed
    stores = load_stores(home.stores, project=PROJECT)
    switch_on(home, "store-measurements")
    form = {"workflow": "store-measurements", "settings": '{"layout": "components"}', "evict": True, "run_hours": 0}
    with (
        open_dicomweb(stores.get("pacs")) as pacs,
        SeriesIndex(stores.get("search")) as index,
        AirflowApi(stores.get("airflow")) as airflow,
    ):
        assert not pacs.push(write_series(tmp_path / "1", token, COUNT, series="1")).failed
        index.ensure()
        image = make_instance(token, 1, series="2").to_json_dict()
        index.create([(uids[1], series_document(image) | origin_fields("hospital"))])

        run = run_dag("run-on-dataset", {**form, "identifiers": uids}, home)
        assert run.state == "success", run.log.read_text()[-3000:]
        assert set(run.tasks.values()) == {"success"}
        assert run.result_of("dcmsend")["counts"]["instances stored"] == COUNT
        assert run.result_of("run-workflow")["counts"] == {"series of the dataset": 2, "copies": 1, "runs started": 1}
        assert "still runs" in run.result_of("evict-copies")["warnings"][0]
        listed = requests.get(
            f"{stores.get('airflow').url}/dags/store-measurements/dagRuns", auth=(USER, PASSWORD), timeout=30
        ).json()["dag_runs"]
        (started,) = [one for one in listed if uids[1] in one["conf"]["data_form"]["identifiers"]]
        assert started["conf"]["data_form"] == {"identifiers": uids}
        assert started["conf"]["workflow_form"] == {"layout": "components"}
        ref = SeriesRef(study, uids[1])
        assert len(instances_in(pacs, ref)) == COUNT

        name = started["dag_run_id"]
        assert airflow.state(name, "store-measurements") is RunState.RUNNING
        requests.patch(
            f"{airflow._session.store.url}/dags/store-measurements/dagRuns/{name}",
            json={"state": "success"}, auth=(USER, PASSWORD), timeout=30,
        ).raise_for_status()  # fmt: skip
        assert airflow.state(name, "store-measurements") is RunState.SUCCESS
        arguments = ["run-on-dataset", "--evict-left", "--stores", str(home.stores), "--project", PROJECT]
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert not ended.value.code, capsys.readouterr().err
        assert instances_in(pacs, ref) == frozenset()
        assert len(instances_in(pacs, SeriesRef(study, uids[0]))) == COUNT
        assert len(instances_in(external, ref)) == COUNT


def test_a_workflow_that_cannot_be_started_is_told_before_anything_is_copied(home: AirflowHome) -> None:
    switch_on(home, "sync-imaging", on=False)
    with AirflowApi(load_stores(home.stores).get("airflow")) as airflow:
        for workflow, words in (("sync-imaging", "paused"), ("none-such", "is installed"), ("../x", "no id")):
            with pytest.raises(NoSuchWorkflowError, match=words):
                airflow.check(workflow)
        assert airflow.state("none", "sync-imaging") is RunState.GONE
        switch_on(home, "sync-imaging")
        start = Start("sync-imaging", {"workflow_form": {}}, "one run")
        assert airflow.start(start) == airflow.start(start) == f"sync-imaging-{start.number}"


def test_a_run_that_starts_nothing_has_failed(home: AirflowHome) -> None:
    run = run_dag("run-on-dataset", {"workflow": "none-such", "identifiers": ["2.25.1"]}, home)
    assert run.state == "failed"
    assert run.tasks["evict-copies"] == "failed"  # which runs though the steps before it did not
    assert "cannot start 'none-such': no workflow of this id is installed" in run.log.read_text()


def test_the_store_is_checked_by_name(home: AirflowHome, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["stores", "check", "airflow", "--stores", str(home.stores)])
    assert not ended.value.code
    assert "Airflow 2.11.0 with " in capsys.readouterr().out
