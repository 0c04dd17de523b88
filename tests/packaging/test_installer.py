"""The installer: puts the bundle into the dags folder and takes exactly that away again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from local.airflow import ROOT

SCRIPT = ROOT / "extension-chart/installer/install.sh"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    for name in ("import_clinical.py", "multimodal_operators/host.py", "multimodal_operators/mappings/a b.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    folder = tmp_path / "dags"
    folder.mkdir()
    (folder / "somebody_elses.py").write_text("theirs")
    return folder


def install(action: str, bundle: Path, dags: Path) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": os.environ["PATH"], "ACTION": action, "BUNDLE": str(bundle), "DAGS": str(dags)}
    return subprocess.run(["sh", SCRIPT], env=variables, capture_output=True, text=True, check=False)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_copy_then_remove_leaves_others_alone(bundle: Path, dags: Path) -> None:
    assert install("copy", bundle, dags).returncode == 0
    assert files(dags) == files(bundle) | {"somebody_elses.py", "multimodal_operators/.installed"}
    (dags / "multimodal_operators/__pycache__").mkdir()
    (dags / "multimodal_operators/__pycache__/host.pyc").touch()
    done = install("remove", bundle, dags)
    assert (done.returncode, done.stdout.strip()) == (0, f"removed 3 files from {dags}")
    assert [path.name for path in dags.iterdir()] == ["somebody_elses.py"]
    assert install("remove", bundle, dags).returncode == 0


def test_a_new_version_removes_what_it_no_longer_has(bundle: Path, dags: Path) -> None:
    install("copy", bundle, dags)
    (bundle / "import_clinical.py").unlink()
    (bundle / "multimodal_operators/host.py").write_text("new")
    assert install("copy", bundle, dags).returncode == 0
    assert not (dags / "import_clinical.py").exists()
    assert (dags / "multimodal_operators/host.py").read_text() == "new"


def test_an_unknown_action_is_refused(bundle: Path, dags: Path) -> None:
    done = install("prefetch", bundle, dags)
    assert done.returncode == 2
    assert "copy or remove" in done.stderr
    assert files(dags) == {"somebody_elses.py"}
