"""``multimodal query --collection`` as a person calls it."""

from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.cli import main
from tests.fakes.idc_index_file import index_row, write_index


@pytest.fixture
def stores(tmp_path: Path) -> Path:
    rows = [index_row("lung", "P1", 1), index_row("lung", "P2", 2, Modality="SEG"), index_row("brain", "P1", 3)]
    index = write_index(tmp_path / "idc_index.parquet", rows)
    idc = f"{{kind: dicomweb, profile: idc-s3, url: 'http://127.0.0.1:9', patient_system: u, index_file: '{index}'}}"
    file = tmp_path / "stores.yaml"
    file.write_text(f"stores:\n  idc: {idc}\n")
    return file


def called(stores: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(("query", "--store", "idc", "--stores", str(stores), *arguments))
    return int(ended.value.code or 0)


def test_it_is_counted(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(stores, "--collection", "lung", "--dry-run") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == [["series", "found", "2"], ["instances", "6"], ["bytes", "1,000,000"]]
    assert called(stores, "--collection", "brain", "--modality", "SEG", "--dry-run") == 126
    assert "nothing to do" in capsys.readouterr().out


def test_it_is_listed_with_its_size(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(stores, "--collection", "lung", "--collection", "brain", "--modality", "CT") == 0
    said = capsys.readouterr()
    assert [line.split("\t")[2] for line in said.out.splitlines()] == ["PatientID", "P1", "P1"]
    assert said.err.splitlines()[-1] == "2 series (2 CT), 6 instances, 0.0 GB"


def test_a_slip_is_told_with_what_is_near(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(stores, "--collection", "lungs", "--dry-run") == 3
    assert "no series has the collection_id 'lungs'; near: lung" in capsys.readouterr().err
