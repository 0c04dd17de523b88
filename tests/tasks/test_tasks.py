"""What the tasks themselves decide; whole runs of them are in tests/contract/test_real_runs.py."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pydicom
import pytest

from local.airflow import ROOT
from multimodal.dicomweb import open_dicomweb
from multimodal.host.context import TaskContext, make_context
from multimodal.model.errors import ConfigurationError
from multimodal.model.ids import hash_uid
from multimodal.model.results import Status, WorkflowResult
from multimodal.radiomics import DEFAULT_PROFILE, profile_names
from multimodal.tasks import TASKS, load_task
from multimodal.transport.stores import load_stores

FOLDER = ROOT / "processing-containers/multimodal/src/multimodal/tasks"


def context(task: str, folder: Path, stores: Path, *, conf: dict[str, Any] | None = None, **more: str) -> TaskContext:
    file = folder / f"{task}.conf.json"
    file.write_text(json.dumps(conf or {}))
    settings = {"WORKFLOW_DIR": str(folder / "run"), "DAG_ID": "extract-radiomics", **more}
    return make_context(task, settings, conf_file=file, stores_file=stores)


def test_every_task_has_its_module_and_no_other_is_there() -> None:
    assert {file.stem for file in FOLDER.glob("*.py")} - {"__init__"} == {name.replace("-", "_") for name in TASKS}
    for name in TASKS:
        assert callable(load_task(name))
    with pytest.raises(ConfigurationError, match="no task named 'host'; there are: get-input"):
        load_task("host")


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.py")), ids=lambda file: file.stem)
def test_a_task_is_at_most_a_page(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 70
    assert all(
        node.end_lineno - node.lineno < 40 for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)
    )


def test_the_form_offers_the_profiles_there_are() -> None:
    form = json.loads((ROOT / "operators/multimodal_operators/forms/extract-radiomics.json").read_text())
    field = form["workflow_form"]["properties"]["profile"]
    # the configurations of IBSI's phantoms prove the software and measure no patients
    assert field["examples"] == [name for name in profile_names() if not name.startswith("ibsi1-")]
    assert field["default"] == DEFAULT_PROFILE


@pytest.mark.parametrize(
    ("conf", "problem"),
    [
        ({}, "pick at least one table.* in plain Airflow that is the param files"),
        ({"backend_form": {"selectedFilesAndFolders": ["tables/a.csv"]}}, "name a mapping"),
    ],
)
def test_import_clinical_says_what_was_not_picked(tmp_path: Path, conf: dict[str, Any], problem: str) -> None:
    (tmp_path / "bucket/tables").mkdir(parents=True)
    (tmp_path / "bucket/tables/a.csv").write_text("id\n1\n")
    stores = tmp_path / "stores.yaml"
    stores.write_text(f"stores:\n  bucket: {{kind: folder, path: '{tmp_path}/bucket'}}\n")
    with pytest.raises(ConfigurationError, match=problem):
        load_task("import-clinical")(context("import-clinical", tmp_path, stores, conf=conf, DAG_ID="import-clinical"))


def test_draft_mapping_takes_tables_only(tmp_path: Path) -> None:
    (tmp_path / "bucket/tables").mkdir(parents=True)
    (tmp_path / "bucket/tables/a.csv").write_text("patient_id;weight_kg\n1;80\n")
    (tmp_path / "bucket/tables/a.yaml").write_text("fhirmap: 1\n")
    stores = tmp_path / "stores.yaml"
    stores.write_text(f"stores:\n  bucket: {{kind: folder, path: '{tmp_path}/bucket'}}\n")

    def run(*keys: str) -> WorkflowResult:
        conf = {"workflow_form": {"name": "a-study"}, "backend_form": {"selectedFilesAndFolders": list(keys)}}
        given = context("draft-mapping", tmp_path, stores, conf=conf, DAG_ID="draft-mapping")
        return load_task("draft-mapping")(given)

    with pytest.raises(ConfigurationError, match="pick at least one table"):
        run()
    with pytest.raises(ConfigurationError, match=r"a\.yaml is a mapping already"):
        run("tables/")
    assert run("tables/a.csv").counts["columns proposed"] == 2
    assert (tmp_path / "bucket/fhir-mappings/drafts/a-study.yaml").is_file()


def test_nothing_is_joined_after_a_dry_run(tmp_path: Path) -> None:
    conf = {"workflow_form": {"dry_run": True}}
    run = context("join-metadata", tmp_path, tmp_path / "none.yaml", conf=conf, DAG_ID="import-clinical")
    assert load_task("join-metadata")(run).status is Status.NOTHING


def test_segmentations_of_one_series_share_its_files(
    orthanc: object, running_servers: Any, cohort: Path, tmp_path: Path
) -> None:
    stores = running_servers.stack.write_stores()
    mask = sorted((cohort / "dicom").glob("*/SEG/*.dcm"))[0]
    dataset = pydicom.dcmread(mask)
    copy = tmp_path / "copy.dcm"
    dataset.SeriesInstanceUID = hash_uid("test-tasks", "series")
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = hash_uid("test-tasks", "instance")
    dataset.save_as(copy)
    with open_dicomweb(load_stores(stores).get("pacs")) as dicom:
        assert not dicom.push([*sorted(mask.parents[1].rglob("*.dcm")), copy]).failed
    masks = [str(pydicom.dcmread(file, stop_before_pixels=True).SeriesInstanceUID) for file in (mask, copy)]

    pulled = load_task("get-input")(context("get-input", tmp_path, stores, conf={"data_form": {"identifiers": masks}}))
    assert pulled.counts["series"] == 2
    result = load_task("get-ref-series")(context("get-ref-series", tmp_path, stores, OPERATOR_IN_DIR="get-input"))
    assert result.counts["series"] == 1, "the images were fetched once"
    first, second = (tmp_path / "run" / "batch" / uid / "get-ref-series" for uid in masks)
    names = sorted(file.name for file in first.iterdir())
    assert names
    assert names == sorted(file.name for file in second.iterdir())
    assert (first / names[0]).samefile(second / names[0])


def test_with_no_series_chosen_the_workflow_s_modalities_are_fetched(
    orthanc: object, running_servers: Any, cohort: Path, tmp_path: Path
) -> None:
    stores = running_servers.stack.write_stores()
    files = sorted((cohort / "dicom").glob("*/RTSTRUCT/*.dcm"))[:1]
    with open_dicomweb(load_stores(stores).get("pacs")) as dicom:
        dicom.push(files)
    run = context("get-input", tmp_path, stores, MULTIMODAL_MODALITIES="RTSTRUCT")
    load_task("get-input")(run)
    fetched = [pydicom.dcmread(file, stop_before_pixels=True) for file in run.batch_dir.rglob("*.dcm")]
    assert {dataset.Modality for dataset in fetched} == {"RTSTRUCT"}
    assert pydicom.dcmread(files[0], stop_before_pixels=True).SOPInstanceUID in {d.SOPInstanceUID for d in fetched}
