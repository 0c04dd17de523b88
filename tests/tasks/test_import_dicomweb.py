"""The tasks of import-dicomweb on a collection of IDC: what a form means, and a dry run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from multimodal.dicomweb import open_dicomweb
from multimodal.model.errors import ConfigurationError
from multimodal.model.results import Status
from multimodal.tasks import load_task
from multimodal.tasks.fetch_external import selection
from tests.fakes.bucket_server import BucketServer
from tests.fakes.dicom_files import make_instance
from tests.fakes.idc_index_file import bucket_objects, index_row, row_of, write_index
from tests.tasks.test_tasks import context

INSTANCES = [make_instance("task", number) for number in (1, 2)]
ROWS = [
    row_of(INSTANCES),
    index_row("lung", "P2", 2, Modality="SEG", license_short_name="CC BY 4.0", analysis_result_id="segmented"),
    index_row("brain", "P3", 3, license_short_name="Terms and Conditions; May 21, 2019"),
]


@pytest.fixture
def stores(tmp_path: Path) -> Path:
    return stores_file(tmp_path, "http://127.0.0.1:9")


def stores_file(folder: Path, url: str) -> Path:
    index = write_index(folder / "idc_index.parquet", ROWS)
    idc = f"{{kind: dicomweb, profile: idc-s3, url: '{url}', patient_system: 'urn:idc', index_file: '{index}'}}"
    file = folder / "stores.yaml"
    file.write_text(f"stores:\n  idc: {idc}\n  bucket: {{kind: folder, path: '{folder}/bucket'}}\n")
    return file


def form(**fields: Any) -> dict[str, Any]:
    return {"workflow_form": {"store": "idc", "mode": "reference", "complete": False, **fields}}


@pytest.mark.parametrize(
    ("fields", "series"),
    [
        ({"collection": "lung"}, 2),
        ({"collection": "lung; brain"}, 3),
        ({"collection": "lung;brain", "modality": "CT"}, 2),
        ({"collection": "lung", "modality": "CT,SEG"}, 2),
        ({"collection": "lung", "analysis_result": "none"}, 1),
        ({"analysis_result": "segmented"}, 1),
        ({"only_licence": "CC BY 4.0"}, 1),
        ({"only_licence": "CC BY 4.0", "collection": "lung", "patient_id": "P1"}, 0),
    ],
)
def test_a_form_selects_by_the_index(fields: dict[str, Any], series: int, stores: Path, tmp_path: Path) -> None:
    run = context("import-dicomweb", tmp_path, stores, conf=form(**fields), DAG_ID="import-dicomweb")
    with open_dicomweb(run.stores.get("idc")) as idc:
        assert len(list(selection(run).find(idc))) == series


@pytest.mark.parametrize("mode", ["reference", "copy"])
def test_a_dry_run_counts_and_does_nothing_else(mode: str, stores: Path, tmp_path: Path) -> None:
    conf = form(mode=mode, collection="lung", dry_run=True)
    fetch = context("fetch-external", tmp_path, stores, conf=conf, DAG_ID="import-dicomweb")
    assert load_task("fetch-external")(fetch).status is Status.NOTHING
    result = load_task("import-dicomweb")(
        context("import-dicomweb", tmp_path, stores, conf=conf, DAG_ID="import-dicomweb")
    )
    assert (result.status, result.counts["series found"], result.counts["bytes"]) == (Status.DONE, 2, 1_000_000)


def test_copies_come_from_the_buckets(tmp_path: Path) -> None:
    with BucketServer(bucket_objects(tmp_path, ROWS[0], INSTANCES)) as server:
        conf = form(mode="copy", collection="lung", modality="CT")
        run = context(
            "fetch-external", tmp_path, stores_file(tmp_path, server.url), conf=conf, DAG_ID="import-dicomweb"
        )
        result = load_task("fetch-external")(run)
    assert (result.status, result.counts["instances"]) == (Status.DONE, 2)
    assert len(list((tmp_path / "run/batch").rglob("*.dcm"))) == 2


def test_nothing_selected_is_refused(stores: Path, tmp_path: Path) -> None:
    run = context("import-dicomweb", tmp_path, stores, conf=form(dry_run=True), DAG_ID="import-dicomweb")
    with pytest.raises(ConfigurationError, match="a collection of IDC"):
        load_task("import-dicomweb")(run)
