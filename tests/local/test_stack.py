"""The stack as `make up`, `make down` and the fixtures see it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from local import stack as stack_module
from local.install import ORTHANC, MissingProgramError, ensure
from local.stack import PATIENT_SYSTEM, Stack, main
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store, load_stores


@pytest.fixture
def orthanc_alone(tmp_path: Path) -> Iterator[Stack]:
    try:
        ensure(ORTHANC)
    except MissingProgramError as error:
        pytest.skip(str(error))
    stack = Stack(tmp_path / "stack")
    stack.start({"pacs"})["pacs"].result()
    yield stack
    stack.stop()


def test_the_stores_file_leads_to_the_servers_and_holds_no_secret(orthanc_alone: Stack) -> None:
    orthanc_alone.orthanc.wait()
    file = orthanc_alone.write_stores()
    stores = load_stores(file)
    assert {store.name for store in stores} == {"pacs", "bucket"}
    assert stores.get("pacs", "dicomweb").patient_system == PATIENT_SYSTEM
    with HttpSession(stores.get("pacs")) as session:
        assert session.request("GET", "studies").status_code == 200
    assert Path(stores.get("bucket", "folder").path).is_dir()
    assert orthanc_alone.password not in file.read_text(encoding="utf-8")
    assert stat.S_IMODE(orthanc_alone.password_file.stat().st_mode) == 0o600


def test_down_stops_what_runs_and_only_once(orthanc_alone: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    record = orthanc_alone.orthanc.running()
    assert record is not None
    assert main(["down", "--folder", str(orthanc_alone.folder)]) == 0
    assert not record.alive()
    assert main(["down", "--folder", str(orthanc_alone.folder)]) == 0
    assert capsys.readouterr().out.splitlines() == ["Stopped Orthanc.", "Nothing was running."]


def test_status_says_what_is_silent_and_where_its_log_is(
    orthanc_alone: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    orthanc_alone.orthanc.wait()
    assert main(["status", "--folder", str(orthanc_alone.folder)]) == 1
    orthanc, hapi, opensearch = capsys.readouterr().out.splitlines()
    assert "answers" in orthanc
    assert "not running" in hapi
    assert str(orthanc_alone.opensearch.log) in opensearch


@pytest.mark.parametrize(("command", "code"), [("down", 0), ("status", 1)])
def test_a_folder_that_never_was_is_not_made(tmp_path: Path, command: str, code: int) -> None:
    assert main([command, "--folder", str(tmp_path / "never")]) == code
    assert not (tmp_path / "never").exists()


def test_up_uses_what_is_up(stores_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {name: server.running() for name, server in Stack(stores_file.parent).servers.items()}
    again = stack_module.up(stores_file.parent)
    assert {name: server.running() for name, server in again.servers.items()} == before
    assert capsys.readouterr().out.count("already up") == 3


def test_the_fixtures_are_the_stores_of_the_file(stores_file: Path, orthanc: Store, hapi: Store) -> None:
    entries = YAML(typ="safe").load(stores_file)["stores"]
    assert entries["pacs"]["url"] == orthanc.url
    assert entries["clinical"]["url"] == hapi.url


def test_real_servers_answer_through_their_stores(orthanc: Store, hapi: Store, opensearch: Store) -> None:
    for store, path in ((orthanc, "studies"), (hapi, "metadata"), (opensearch, "_cluster/health")):
        with HttpSession(store) as session:
            assert session.request("GET", path).status_code in {200, 204}
