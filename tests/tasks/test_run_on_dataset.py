"""The tasks of run-on-dataset as Kaapana starts them: its backend a stand-in, both image stores real."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from ruamel.yaml import YAML

from multimodal.dicomweb import DicomWeb
from multimodal.host.context import make_context
from multimodal.index.documents import series_document
from multimodal.index.origin import origin_fields
from multimodal.index.series_index import Change, SeriesIndex
from multimodal.model.errors import ConfigurationError
from multimodal.model.ids import hash_uid
from multimodal.model.references import SeriesRef
from multimodal.model.results import Status, WorkflowResult
from multimodal.tasks import load_task
from multimodal.transport.stores import Store
from multimodal.workflows.copies import ARRIVED, instances_in
from multimodal.workflows.run_on_dataset import StartedRunError
from multimodal.workflows.started_runs import NoSuchWorkflowError
from tests.fakes.dicom_files import make_instance, write_series
from tests.fakes.kaapana_backend import KaapanaBackend
from tests.workflows.line import archive_and_hospital, empty, own_index
from tests.workflows.test_stage_series import entry

PROJECT = {"id": "7", "name": "demo", "kubernetes_namespace": "project-demo"}
FORM = {"workflow": "total-segmentator", "settings": '{"task": "total"}', "evict": True, "username": "alice"}


@dataclass
class Platform:
    """A project of Kaapana, and a series that is referenced in it."""

    folder: Path
    pacs: DicomWeb
    index: SeriesIndex
    ref: SeriesRef

    def task(self, name: str, backend: KaapanaBackend, **form: Any) -> WorkflowResult:
        conf = {"project_form": PROJECT, "workflow_form": {**FORM, **form}}
        conf["data_form"] = {"identifiers": [self.ref.series_uid]}
        file = self.folder / "conf.json"
        file.write_text(json.dumps(conf).replace("&", "&amp;"))
        settings = {
            "RUN_ID": "run-on-dataset-1", "DAG_ID": "run-on-dataset", "WORKFLOW_DIR": str(self.folder / "run"),
            "OPERATOR_IN_DIR": "" if name == "fetch-referenced" else "fetch-referenced",
            "OPERATOR_OUT_DIR": name, "KAAPANA_BACKEND_URL": backend.url,
        }  # fmt: skip
        return load_task(name)(make_context(name, settings, conf_file=file, stores_file=self.folder / "stores.yaml"))

    def copied_in(self, backend: KaapanaBackend) -> None:
        """Do what comes before the start; the platform's way of indexing is played here."""
        self.task("fetch-referenced", backend)
        self.task("dcmsend", backend)
        self.index.update([Change(self.ref.series_uid, {ARRIVED: "2025-01-01 00:00:00.000000"})])

    @property
    def there(self) -> int:
        return len(instances_in(self.pacs, self.ref))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, DicomWeb]]:
    with archive_and_hospital(tmp_path_factory) as both:
        yield both


@pytest.fixture
def platform(servers: dict[str, DicomWeb], opensearch: Store, tmp_path: Path) -> Iterator[Platform]:
    token = uuid.uuid4().hex
    empty(servers["pacs"])
    assert not servers["hospital"].push(write_series(tmp_path / "files", token, 2)).failed
    entries: dict[str, Any] = {name: entry(dicom.store) for name, dicom in servers.items()}
    entries["bucket"] = {"kind": "folder", "path": str(tmp_path / "bucket")}
    with own_index(opensearch) as index:
        index.ensure()
        mapping = {"_meta": {"owner": "the platform"}}
        requests.put(f"{opensearch.url}/{index.name}/_mapping", json=mapping, timeout=30).raise_for_status()
        ref = SeriesRef(hash_uid("test", token), hash_uid("test", token, "1"))
        document = series_document(make_instance(token, 1).to_json_dict())
        index.create([(ref.series_uid, document | origin_fields("hospital"))])
        entries["search"] = {"kind": "opensearch", "url": opensearch.url, "index": index.name}
        with (tmp_path / "stores.yaml").open("w") as file:
            YAML().dump({"stores": entries}, file)
        yield Platform(tmp_path, servers["pacs"], index, ref)


def test_the_dataset_is_run_and_the_copies_go(platform: Platform) -> None:
    with KaapanaBackend("jobs-late", "answer-lost") as backend:
        platform.copied_in(backend)
        assert platform.there == 2
        before = {**(platform.index.get(platform.ref.series_uid) or {})}
        assert platform.task("run-workflow", backend).counts["copies"] == 1
        assert platform.task("run-workflow", backend).counts["runs started"] == 1  # tried again: still one
        result = platform.task("evict-copies", backend)
        assert (result.status, result.counts["copies evicted"]) == (Status.DONE, 1)
    (started,) = backend.started
    assert started["dag_id"] == "total-segmentator"
    assert started["username"] == "alice"
    assert started["conf_data"]["data_form"] == {"identifiers": [platform.ref.series_uid]}
    assert started["conf_data"]["workflow_form"] == {"task": "total"}
    assert platform.there == 0
    after = platform.index.get(platform.ref.series_uid) or {}
    assert {key for key in before if before[key] != after.get(key)} == {ARRIVED}
    assert ARRIVED not in after


@pytest.mark.parametrize(
    ("fault", "at_start", "words"),
    [
        ("not-enabled", NoSuchWorkflowError, "was not started"),
        ("job-failed", None, "failed, see its own log"),
    ],
)
def test_what_goes_wrong_is_told_and_leaves_no_copies(
    platform: Platform, fault: str, at_start: type[Exception] | None, words: str
) -> None:
    with KaapanaBackend(fault) as backend:
        platform.copied_in(backend)
        if at_start is None:
            platform.task("run-workflow", backend)
        else:
            with pytest.raises(at_start, match="not enabled for this project"):
                platform.task("run-workflow", backend)
        with pytest.raises(StartedRunError, match=words):
            platform.task("evict-copies", backend)
    assert platform.there == 0


def test_what_never_ends_keeps_its_copies_and_says_so(platform: Platform) -> None:
    with KaapanaBackend("never-ends") as backend:
        platform.copied_in(backend)
        platform.task("run-workflow", backend)
        result = platform.task("evict-copies", backend, run_hours=0)
    assert (result.status, platform.there) == (Status.PARTIAL, 2)
    assert "still runs" in result.warnings[0]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"settings": "{task}"}, "not JSON"),
        ({"workflow": "run-on-dataset"}, "cannot start itself"),
        ({"workflow": None}, "required"),
    ],
)
def test_a_wrong_form_is_told_before_anything_is_fetched(platform: Platform, form: dict[str, Any], words: str) -> None:
    with KaapanaBackend() as backend:
        with pytest.raises(ConfigurationError, match=words):
            platform.task("fetch-referenced", backend, **form)
        with pytest.raises((StartedRunError, ConfigurationError)):  # the last step runs all the same
            platform.task("evict-copies", backend, **form)
    assert not (platform.folder / "run" / "batch").exists()
