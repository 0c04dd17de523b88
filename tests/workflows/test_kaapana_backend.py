"""Starting a workflow of Kaapana, whatever its backend does."""

from __future__ import annotations

import pytest

from multimodal.model.errors import ConfigurationError, MultimodalError, RemoteError
from multimodal.workflows.kaapana_backend import KaapanaBackend
from multimodal.workflows.started_runs import NoSuchWorkflowError, RunState, Start, awaited, read_settings
from tests.fakes import kaapana_backend as fake

PROJECT = {"id": "7", "name": "demo", "description": "Köln ✓"}
CONF = {"data_form": {"identifiers": ["1.2.3"]}, "workflow_form": {"task": "total"}}
START = Start("total-segmentator", CONF, "run-on-dataset-1")


def started(backend: fake.KaapanaBackend) -> tuple[KaapanaBackend, str]:
    host = KaapanaBackend(backend.url, PROJECT, "alice", settle=2)
    return host, host.start(START)


def test_a_workflow_is_started_as_the_pages_do_it_and_once() -> None:
    with fake.KaapanaBackend() as backend:
        host, name = started(backend)
        assert host.start(START) == name
        assert host.state(name, START.workflow) is RunState.SUCCESS
        assert host.start(Start("total-segmentator", CONF, "another run")) != name
    body, _ = backend.started
    assert body["dag_id"] == "total-segmentator"
    assert (body["conf_data"], body["username"], body["federated"]) == (CONF, "alice", False)
    assert body["instance_names"] == ["central"]
    assert len(name) <= 64
    assert name.startswith("total-segmentator-")


def test_a_long_name_leaves_room_for_what_the_backend_appends() -> None:
    long = Start("x" * 44, {}, "run")
    with fake.KaapanaBackend() as backend:
        assert len(KaapanaBackend(backend.url, PROJECT).start(long)) <= 64


@pytest.mark.parametrize("fault", ["answer-lost", "jobs-late"])
def test_what_the_backend_did_counts_and_not_what_it_said(fault: str) -> None:
    with fake.KaapanaBackend(fault) as backend:
        host, name = started(backend)
        ended = awaited(lambda: state if (state := host.state(name, "")).ended else None, 10)
        assert ended is RunState.SUCCESS
        assert len(backend.started) == 1


def test_a_start_that_failed_can_be_made_again() -> None:
    with fake.KaapanaBackend("start-fails") as backend:
        host = KaapanaBackend(backend.url, PROJECT, settle=0)
        with pytest.raises(RemoteError):
            host.start(START)
        assert backend.started == []
        host.start(START)
        assert len(backend.started) == 1


@pytest.mark.parametrize(
    ("fault", "state"),
    [("job-failed", RunState.FAILED), ("never-ends", RunState.RUNNING), ("deleted", RunState.GONE)],
)
def test_how_it_ends_is_told(fault: str, state: RunState) -> None:
    with fake.KaapanaBackend(fault) as backend:
        host, name = started(backend)
        assert host.state(name, START.workflow) is state


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("not-enabled", NoSuchWorkflowError, "not enabled for this project"),
        ("start-refused", RemoteError, "refused \\(400\\)"),
        ("no-instance", RemoteError, "which instance"),
        ("no-json", RemoteError, "no JSON"),
    ],
)
def test_each_refusal_is_one_line(fault: str, error: type[MultimodalError], words: str) -> None:
    with fake.KaapanaBackend(fault) as backend:
        with pytest.raises(error, match=words):
            started(backend)
        assert backend.started == []


def test_settings_are_an_object() -> None:
    assert read_settings(" ") == {}
    assert read_settings('{"a": [1]}') == {"a": [1]}
    for text in ("[1]", "{a: 1}"):
        with pytest.raises(ConfigurationError, match="settings of the workflow"):
            read_settings(text)
