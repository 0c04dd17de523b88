"""REDCap's API: what is asked for, what is written, and each way in which an export can fail."""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import Any

import orjson
import pytest

from multimodal.model.errors import ConfigurationError, RemoteError
from multimodal.tables.read import read_tables
from multimodal.tables.redcap_api import ExportChangedError, describe_project, fetch_export
from multimodal.tables.rows import SourceSpec
from multimodal.transport import session as session_module
from multimodal.transport.errors import (
    BrokenAnswerError,
    LoginRefusedError,
    RequestRefusedError,
    StoreFailedError,
    UnreachableError,
)
from multimodal.transport.stores import Store, load_stores
from multimodal.workflows.check_stores import check_store
from tests.fakes.redcap_server import TOKEN, RedcapServer

SETTINGS: dict[str, Any] = {
    "metadata": [
        {"field_name": "record_id", "form_name": "baseline", "field_type": "text", "field_label": "Id"},
        {
            "field_name": "sex", "form_name": "baseline", "field_type": "radio", "field_label": "Sex",
            "select_choices_or_calculations": "1, male | 2, female",
        },
        {"field_name": "hb", "form_name": "lab", "field_type": "text", "field_label": "Hb [g/dL]"},
    ],
    "instrument": [
        {"instrument_name": "baseline", "instrument_label": "Baseline"},
        {"instrument_name": "lab", "instrument_label": "Lab values"},
    ],
    "project": {
        "project_title": "made up", "is_longitudinal": 1, "has_repeating_instruments_or_events": 1,
        "missing_data_codes": "UNK, unknown\nNASK, not asked",
    },
    "event": [
        {"event_name": "Baseline", "arm_num": 1, "day_offset": 0, "unique_event_name": "baseline_arm_1"},
        {"event_name": "Visit", "arm_num": 1, "day_offset": 14, "unique_event_name": "visit_arm_1"},
    ],
    "formEventMapping": [{"arm_num": 1, "unique_event_name": "baseline_arm_1", "form": "baseline"}],
    "repeatingFormsEvents": [{"event_name": "visit_arm_1", "form_name": "lab", "custom_form_label": ""}],
}  # fmt: skip


def rows_of(record: str) -> list[dict[str, str]]:
    return [
        {
            "record_id": record, "redcap_event_name": "baseline_arm_1", "redcap_repeat_instrument": "",
            "redcap_repeat_instance": "", "sex": "2", "baseline_complete": "2", "hb": "", "lab_complete": "",
        },
        {
            "record_id": record, "redcap_event_name": "visit_arm_1", "redcap_repeat_instrument": "lab",
            "redcap_repeat_instance": "1", "sex": "", "baseline_complete": "", "hb": "13.5", "lab_complete": "0",
        },
    ]  # fmt: skip


RECORDS = [row for number in range(1, 8) for row in rows_of(f"P{number}")]


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TOKEN_OF_TEST", TOKEN)
    monkeypatch.setattr(session_module.time, "sleep", lambda _: None)
    return TOKEN


@pytest.fixture
def registry(tmp_path: Path) -> Any:
    def of(server: RedcapServer, **settings: Any) -> Store:
        file = tmp_path / "stores.yaml"
        entry = {"kind": "redcap", "url": f"{server.url}/", "auth": {"token_env": "TOKEN_OF_TEST"}, "attempts": 3}
        file.write_bytes(orjson.dumps({"stores": {"registry": entry | settings}}))
        return load_stores(file).get("registry", "redcap")

    return of


def test_an_export_is_read_as_files_are(tmp_path: Path, registry: Any) -> None:
    told: list[tuple[str, int, int | None]] = []
    with RedcapServer(SETTINGS, RECORDS) as server:
        records, dictionary = fetch_export(
            registry(server), tmp_path / "export", batch=3, progress=lambda *counts: told.append(counts)
        )
    assert [call["content"] for call in server.calls[:6]] == [
        "project", "metadata", "instrument", "event", "formEventMapping", "repeatingFormsEvents",
    ]  # fmt: skip
    batches = [call for call in server.calls if "records[0]" in call]
    assert [sum(name.startswith("records[") for name in call) for call in batches] == [3, 3, 1]
    assert {call["rawOrLabel"] for call in batches} == {"raw"}
    assert told == [("records", 3, 7), ("records", 6, 7), ("records", 7, 7)]
    baseline, lab = read_tables(records, SourceSpec("redcap", forms=("baseline", "lab"), dictionary=dictionary))
    assert [row.key for row in baseline.rows] == [(f"P{n}", "baseline_arm_1", "", "") for n in range(1, 8)]
    assert [row.key for row in lab.rows] == [(f"P{n}", "visit_arm_1", "lab", "1") for n in range(1, 8)]
    assert baseline.dictionary.missing == {"UNK": "unknown", "NASK": "not asked"}
    assert baseline.dictionary.events["visit_arm_1"].day_offset == 14
    assert baseline.dictionary.fields["hb"].unit == "g/dL"


def test_a_project_without_events_is_not_asked_for_them(tmp_path: Path, registry: Any) -> None:
    settings = {name: SETTINGS[name] for name in ("metadata", "instrument")}
    settings["project"] = {"is_longitudinal": 0, "has_repeating_instruments_or_events": 0}
    with RedcapServer(settings, [{"record_id": "1", "sex": "1", "baseline_complete": "0"}]) as server:
        files = fetch_export(registry(server), tmp_path)
    tables = read_tables(files[0], SourceSpec("redcap", forms=("baseline",), dictionary=files[1]))
    assert [row.key for row in tables[0].rows] == [("1", "", "", "")]


def test_an_empty_project_is_an_empty_file(tmp_path: Path, registry: Any) -> None:
    with RedcapServer(SETTINGS, []) as server:
        assert fetch_export(registry(server), tmp_path)[0].read_bytes() == b""


@pytest.mark.parametrize(
    "faults",
    [
        ("failing", "failing"), ("cut",), ("none", "short"), ("slow",), ("none", "deleted"), ("none", "field"),
        ("none", "again"), ("none", "none", "cut", "failing"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_passing_fault_costs_nothing(tmp_path: Path, registry: Any, faults: tuple[str, ...]) -> None:
    with RedcapServer(SETTINGS, list(RECORDS), *faults) as server:
        records, _ = fetch_export(registry(server, timeout=0.5), tmp_path, batch=3)
        with records.open(encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file))
        expected = [{name: row.get(name, "") for name in server.columns} for row in server.records]
    assert found == expected
    assert server.faults == []


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        ("failing", StoreFailedError, "status 500 after all tries"),
        ("cut", BrokenAnswerError, "cut"),
        ("short", BrokenAnswerError, "cut short"),
        ("web page", BrokenAnswerError, "web page in place of record; is its url that of the API"),
        ("slow", UnreachableError, "nothing came in time"),
        ("again", ExportChangedError, "2 records|of 3 records asked for"),
        ("refused", RequestRefusedError, 'refuses to export record .400.: The value of the parameter "records"'),
    ],
)
def test_a_lasting_fault_is_one_clear_error(
    tmp_path: Path, registry: Any, fault: str, error: type[RemoteError], says: str
) -> None:
    faults = [fault] * 20 if fault != "again" else ["none", "again"] * 2
    with (
        RedcapServer(SETTINGS, list(RECORDS), *faults) as server,
        pytest.raises(error, match=says) as raised,
    ):
        fetch_export(registry(server, timeout=0.3), tmp_path, batch=3)
    assert raised.value.store == "registry"
    assert not (tmp_path / "records.csv").exists()


def test_records_that_keep_vanishing_end_the_export(tmp_path: Path, registry: Any) -> None:
    with (
        RedcapServer(SETTINGS, list(RECORDS), "deleted", "deleted") as server,
        pytest.raises(ExportChangedError, match="of 3 records asked for 1 did not come"),
    ):
        fetch_export(registry(server), tmp_path, batch=3)


def test_a_wrong_token_is_said_and_no_token_is_written_anywhere(
    tmp_path: Path, registry: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TOKEN_OF_TEST", "F" * 32)
    with RedcapServer(SETTINGS, RECORDS) as server:
        store = registry(server)
        with pytest.raises(LoginRefusedError, match=r"refuses the token \(403: You do not have permissions") as raised:
            fetch_export(store, tmp_path)
    assert server.requests[0]["headers"].get("Authorization") is None
    said = f"{raised.value}{raised.value.__dict__}{caplog.text}{store}"
    assert "F" * 32 not in said


@pytest.mark.parametrize("auth", ["", ", auth: {bearer_env: TOKEN_OF_TEST}"])
def test_a_store_without_token_is_a_setting_to_correct(tmp_path: Path, auth: str) -> None:
    file = tmp_path / "stores.yaml"
    file.write_text(f"stores: {{registry: {{kind: redcap, url: 'http://127.0.0.1:1/api'{auth}}}}}")
    with pytest.raises(ConfigurationError, match="token_env" if auth else "auth"):
        fetch_export(load_stores(file).get("registry"), tmp_path)


def test_a_store_is_checked_by_its_project(registry: Any) -> None:
    with RedcapServer(SETTINGS, RECORDS) as server:
        assert check_store(registry(server)) == "REDCap project 'made up', with events"
        assert describe_project(registry(server)).endswith("with events")
