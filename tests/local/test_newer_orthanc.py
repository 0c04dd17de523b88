"""The second Orthanc is fetched by apt beside the system; where that cannot be, one line says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import install, newer_orthanc
from local.install import MissingProgramError


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(install, "RUN", tmp_path / "run")
    return tmp_path / "run"


def test_what_was_unpacked_is_not_fetched_again(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run / f"orthanc-{newer_orthanc.RELEASE}").mkdir(parents=True)
    monkeypatch.setenv("PATH", "/nowhere")
    assert newer_orthanc.unpacked() == run / f"orthanc-{newer_orthanc.RELEASE}"


def test_without_apt_it_is_said_to_be_missing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingProgramError, match="no Debian here"):
        newer_orthanc.unpacked()


def test_an_apt_that_cannot_fetch_leaves_nothing(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt = tmp_path / "bin" / "apt-get"
    apt.parent.mkdir()
    apt.write_text(
        '#!/bin/sh\ncase "$1" in indextargets) echo "http://mirror Debian bookworm amd64";; *) exit 100; esac\n'
    )
    apt.chmod(0o755)
    keyring = tmp_path / "keyring.gpg"
    keyring.touch()
    monkeypatch.setattr(newer_orthanc, "_KEYRING", keyring)
    monkeypatch.setenv("PATH", f"{apt.parent}:/usr/bin:/bin")
    with pytest.raises(MissingProgramError, match=r"apt-get failed, read .*\.log"):
        newer_orthanc.unpacked()
    assert not (run / f"orthanc-{newer_orthanc.RELEASE}").exists()
