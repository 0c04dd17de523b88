"""A mapping that names a REDCap store: its project is fetched and imported, and again without a change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from multimodal.bucket import FolderBucket
from multimodal.fhirstore import NdjsonFolder
from multimodal.model.errors import ConfigurationError
from multimodal.model.results import WorkflowResult
from multimodal.transport.stores import Stores
from multimodal.workflows.import_clinical import import_clinical
from tests.fakes.redcap_server import TOKEN, RedcapServer

MAPPING = """\
fhirmap: 1
id: fetched
source: {type: redcap, dictionary: dictionary.csv, api: {store: registry}}
subject: {id: record_id, system: "urn:test:fetched"}
forms:
  base:
    columns:
      sex: {patient: gender, table: {"1": male, "2": female}}
      base_complete: {ignore: form status}
  labs:
    repeat: true
    encounter: true
    columns:
      hb: {observation: 'LNC#718-7 "Hemoglobin"', type: number, unit: g/dL}
      labs_complete: {ignore: form status}
unmapped: error
"""
SETTINGS: dict[str, Any] = {
    "metadata": [
        {"field_name": "record_id", "form_name": "base", "field_type": "text"},
        {
            "field_name": "sex",
            "form_name": "base",
            "field_type": "radio",
            "select_choices_or_calculations": "1, m | 2, f",
        },
        {"field_name": "hb", "form_name": "labs", "field_type": "text"},
    ],
    "instrument": [],
    "project": {"is_longitudinal": 0, "has_repeating_instruments_or_events": 1, "missing_data_codes": ""},
    "repeatingFormsEvents": [{"form_name": "labs", "custom_form_label": ""}],
}
EMPTY = dict.fromkeys(
    ("record_id", "redcap_repeat_instrument", "redcap_repeat_instance", "sex", "base_complete", "hb", "labs_complete"),
    "",
)


def records(hb: str = "13.5") -> list[dict[str, str]]:
    found = []
    for record in ("1", "2", "3"):
        found.append(EMPTY | {"record_id": record, "sex": "2", "base_complete": "2"})
        lab = {"redcap_repeat_instrument": "labs", "redcap_repeat_instance": "1", "labs_complete": "2"}
        found.append(EMPTY | {"record_id": record, "hb": hb if record == "2" else "12"} | lab)
    return found


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[RedcapServer]:
    monkeypatch.setenv("REDCAP_TOKEN_OF_TEST", TOKEN)
    with RedcapServer(SETTINGS, records()) as server:
        yield server


def imported(folder: Path, server: RedcapServer, **options: Any) -> WorkflowResult:
    mapping = folder / "mapping.yaml"
    mapping.write_text(MAPPING, encoding="utf-8")
    stores = Stores({"registry": {"kind": "redcap", "url": server.url, "auth": {"token_env": "REDCAP_TOKEN_OF_TEST"}}})
    return import_clinical(
        [], mapping, target=NdjsonFolder(folder / "out"), bucket=FolderBucket(folder / "bucket"), report_dir=None,
        run_id="run", **{"stores": stores, **options},
    )  # fmt: skip


def test_a_fetched_project_is_imported_as_its_files_would_be(tmp_path: Path, registry: RedcapServer) -> None:
    result = imported(tmp_path, registry)
    assert list(result.issues) == []
    assert result.counts["Patient created"] == 3
    assert result.counts["Observation created"] == 3
    assert {"records.csv", "dictionary.json"} <= set(result.hashes)
    values = [
        orjson.loads(line)["valueQuantity"]["value"]
        for line in (tmp_path / "out/Observation.ndjson").read_bytes().splitlines()
    ]
    assert sorted(values) == [12, 12, 13.5]


def test_a_second_fetch_writes_what_changed(tmp_path: Path, registry: RedcapServer) -> None:
    imported(tmp_path, registry)
    again = imported(tmp_path, registry)
    assert again.counts.get("Observation created", 0) == 0
    assert again.counts["Observation unchanged"] == 3
    registry.records = records(hb="9.9")
    changed = imported(tmp_path, registry)
    assert changed.counts["Observation updated"] == 1
    assert changed.counts["Observation unchanged"] == 2


def test_without_a_stores_file_it_says_what_to_give(tmp_path: Path, registry: RedcapServer) -> None:
    with pytest.raises(ConfigurationError, match="from the store registry; give the stores file, or files"):
        imported(tmp_path, registry, stores=None)
    with pytest.raises(ConfigurationError, match="no redcap store named 'registry'"):
        imported(tmp_path, registry, stores=Stores({}))
