"""The verbs stores, pull and push, with their exit codes and their one line for an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.cli import main
from multimodal.model.ids import hash_uid
from tests.fakes.dicom_files import write_series
from tests.fakes.dicomweb_server import DicomWebServer
from tests.fakes.http_server import HttpServer, answer

SERIES = hash_uid("test", "cli", "1")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stores file beside a running fake store `pacs` that serves a series of three."""
    monkeypatch.setenv("CLI_PASSWORD", "hunter2")
    return tmp_path / "stores.yaml"


def write_stores(file: Path, url: str) -> None:
    file.write_text(
        f"stores:\n  pacs: {{kind: dicomweb, url: '{url}', patient_system: urn:x, attempts: 2, retry_seconds: 5,\n"
        "         auth: {basic: {user: u, password_env: CLI_PASSWORD}}}\n"
        f"  bucket: {{kind: folder, path: '{file.parent}/bucket/{{project}}'}}\n"
    )


def test_pull_and_push(stores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path / "served", "cli", 3)
    with DicomWebServer(None) as server:
        write_stores(stores, server.url)
        common = ("--store", "pacs", "--stores", str(stores))
        assert run("push", str(tmp_path / "served"), *common) == 0
        assert "instances stored" in capsys.readouterr().out
        assert run("pull", "--series", SERIES, "--out", str(tmp_path / "out"), *common) == 0
        assert len(list((tmp_path / "out" / SERIES).glob("*.dcm"))) == 3
        as_in_sync = ("--pacs", "pacs", "--stores", str(stores))
        assert run("push", str(tmp_path / "served"), *as_in_sync) == 0
        assert run("pull", "--series", SERIES, "--out", str(tmp_path / "out"), *as_in_sync) == 0
        assert run("pull", "--series", "1.2.3", "--out", str(tmp_path / "out"), *common) == 3
        assert capsys.readouterr().err.splitlines()[-1].startswith("multimodal: pacs: no series 1.2.3")
        assert run("pull", "--series", "1.2.3", "--series", "1.2.4", "--out", str(tmp_path / "out"), *common) == 3
        assert "not there either (1): 1.2.4" in capsys.readouterr().err
        assert run("pull", "--series", "1.2/..", "--out", str(tmp_path / "out"), *common) == 3
        assert run("pull", "--series", "1.2.3", "--series", SERIES, "--out", str(tmp_path / "out"), *common) == 0
        assert "E901" in capsys.readouterr().err


@pytest.mark.parametrize(("fault", "code", "line"), [("401", 4, "login refused"), ("503-for-ever", 4, "status 503")])
def test_a_store_that_fails(
    fault: str, code: int, line: str, stores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "served", "cli", 1)
    with DicomWebServer(None, fault) as server:
        write_stores(stores, server.url)
        for arguments in (
            ("push", str(tmp_path / "served"), "--store", "pacs", "--stores", str(stores)),
            ("pull", "--series", SERIES, "--out", str(tmp_path / "out"), "--store", "pacs", "--stores", str(stores)),
            ("stores", "--stores", str(stores), "check", "pacs"),
        ):
            assert run(*arguments) == code
            error = capsys.readouterr().err
            assert line in error
            assert error.count("\n") == 1
            assert "hunter2" not in error


def test_the_stores_are_listed_and_checked(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with DicomWebServer(None) as server:
        write_stores(stores, server.url)
        assert run("stores", "--stores", str(stores)) == 0
        listed = capsys.readouterr().out
        assert server.url in listed
        assert "bucket/default" in listed
        assert "hunter2" not in listed
        assert run("stores", "--stores", str(stores), "check", "pacs") == 0
        assert "profile generic; it has no study" in capsys.readouterr().out
        assert run("stores", "--stores", str(stores), "--project", "p1", "check", "bucket") == 0
        assert "bucket/p1 can be made" in capsys.readouterr().out
        assert run("stores", "--stores", str(stores), "--project", "../p", "check", "bucket") == 2
    assert run("stores", "--stores", str(stores), "check", "pacs") == 4
    assert "is it running and reachable?" in capsys.readouterr().err
    assert run("stores", "--stores", str(stores), "check", "other") == 2


def test_the_options_stand_before_or_after_check(
    stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stores(stores, "http://127.0.0.1:1")
    assert run("stores", "check", "bucket", "--stores", str(stores), "--project", "p1") == 0
    assert "bucket/p1 can be made" in capsys.readouterr().out
    assert run("stores", "--project", "p2", "check", "bucket", "--stores", str(stores)) == 0
    assert "bucket/p2 can be made" in capsys.readouterr().out
    assert run("stores", "--project", "p2", "--stores", "none.yaml", "check", "bucket", "--stores", str(stores)) == 0
    assert run("stores", "--stores", str(stores), "check", "bucket") == 0
    for name in ("MULTIMODAL_STORES", "MULTIMODAL_STORES_YAML"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path / "..")
    capsys.readouterr()
    assert run("stores", "check", "--help") == 0
    assert "--stores" in capsys.readouterr().out
    assert run("stores", "check", "pacs") == 2
    assert "cannot read the stores file" in capsys.readouterr().err


def test_a_secret_that_is_not_set(
    stores: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CLI_PASSWORD")
    write_stores(stores, "http://127.0.0.1:1")
    assert run("stores", "--stores", str(stores), "check", "pacs") == 2
    assert "set the environment variable CLI_PASSWORD" in capsys.readouterr().err


def test_the_real_servers_are_checked(stores_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {
        "pacs": "answers searches, profile orthanc",
        "clinical": "FHIR 4.0.1",
        "search": "opensearch 2.",
        "bucket": "/bucket",
    }
    for name, line in found.items():
        assert run("stores", "--stores", str(stores_file), "check", name) == 0
        assert line in capsys.readouterr().out


def test_a_wrong_address_is_told_as_such(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with HttpServer(answer(404)) as server:
        write_stores(stores, f"{server.url}/dicom-wep")
        assert run("stores", "--stores", str(stores), "check", "pacs") == 4
        assert f"is {server.url}/dicom-wep the root of its DICOMweb service?" in capsys.readouterr().err
