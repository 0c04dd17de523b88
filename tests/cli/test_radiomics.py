"""``multimodal radiomics`` on folders, without any server."""

from __future__ import annotations

import csv
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pydicom
import pytest

from multimodal.cli import main
from multimodal.imaging import read_volume
from tests.imaging.made import ct_images, rtstruct, seg, write

SHAPE = (10, 30, 32)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    stored = np.random.default_rng(2).integers(900, 1200, SHAPE, dtype=np.int16)
    return write(tmp_path / "image", ct_images(stored))


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["radiomics", *(str(argument) for argument in arguments)])
    return int(ended.value.code or 0)


def contours(image: Path) -> Path:
    volume = read_volume(image)
    square = np.array([[6.2, 6.3], [6.2, 20.4], [19.7, 20.4], [19.7, 6.3]])

    def at(plane: int) -> np.ndarray:
        return volume.to_patient(np.column_stack([np.full(4, plane), square]))

    file = image.parent / "rtstruct.dcm"
    rtstruct({"GTV": [at(z) for z in range(2, 7)], "far": [at(40)]}).save_as(file, enforce_file_format=True)
    return file


def test_an_rtstruct_with_a_region_outside(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run("--image", image, "--mask", contours(image), "--out", out, "--processes", 2) == 0
    assert {file.name for file in out.iterdir()} == {
        "features.csv", "sr.dcm", "seg.dcm", "result.json", "errors.csv",
    }  # fmt: skip
    with (out / "features.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 174
    assert {row["roi"] for row in rows} == {"GTV"}
    result = json.loads((out / "result.json").read_text())
    assert result["status"] == "partial"
    assert result["counts"] == {"series": 1, "masks": 1, "ROIs": 2, "ROIs measured": 1, "features": 174}
    assert result["versions"]["engine"] == f"multimodal-ibsi {version('kaapana-multimodal')}"
    with (out / "errors.csv").open(encoding="utf-8-sig") as file:
        [error] = csv.DictReader(file)
    assert (error["code"], error["value"], error["instance"]) == ("R111", "far", "2")
    assert error["message"].startswith("outside-the-image: ")
    assert "R111 far: outside-the-image" in capsys.readouterr().err


def test_a_second_run_writes_the_same_bytes(image: Path, tmp_path: Path) -> None:
    mask = contours(image)
    written = []
    for out in (tmp_path / "a", tmp_path / "b"):
        run("--image", image, "--mask", mask, "--out", out)
        written.append({file.name: file.read_bytes() for file in out.iterdir()})
    assert written[0] == written[1]


def test_our_own_seg_is_passed_over(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--image", image, "--mask", contours(image), "--out", tmp_path / "a")
    assert run("--image", image, "--mask", tmp_path / "a" / "seg.dcm", "--out", tmp_path / "b") == 126
    assert "passed over" in capsys.readouterr().out


def test_a_seg_is_measured_and_not_copied(image: Path, tmp_path: Path) -> None:
    masks = np.zeros(SHAPE, dtype=np.uint8)
    masks[2:6, 5:15, 5:15], masks[4:8, 18:25, 20:28] = 1, 2
    volume = read_volume(image)
    seg(volume.headers, masks).save_as(tmp_path / "mask.dcm", enforce_file_format=True)
    out = tmp_path / "out"
    assert run("--image", image, "--mask", tmp_path / "mask.dcm", "--out", out) == 0
    assert not (out / "seg.dcm").exists()
    assert pydicom.dcmread(out / "sr.dcm").Modality == "SR"
    assert sum(1 for _ in (out / "features.csv").open()) == 1 + 2 * 174
    with (out / "errors.csv").open(encoding="utf-8-sig") as file:
        assert list(csv.DictReader(file)) == []  # as the help says: always there


def test_image_and_mask_swapped(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masks = np.zeros(SHAPE, dtype=np.uint8)
    masks[2:6, 5:15, 5:15] = 1
    folder = write(tmp_path / "masks", [seg(read_volume(image).headers, masks)])
    assert run("--image", folder, "--mask", image, "--out", tmp_path / "out") == 3
    assert "it is a SEG, not an image; are image and mask (--image and --mask) swapped?" in capsys.readouterr().err


def test_the_help_says_that_errors_csv_is_always_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    assert "without a line where nothing failed" in " ".join(capsys.readouterr().out.split())


def test_a_broken_mask_beside_a_good_one_is_an_issue(image: Path, tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    folder.mkdir()
    contours(image).rename(folder / "good.dcm")
    (folder / "bad.dcm").write_bytes(b"nonsense")
    assert run("--image", image, "--mask", folder, "--out", tmp_path / "out") == 0
    with (tmp_path / "out" / "errors.csv").open(encoding="utf-8-sig") as file:
        assert [row["code"] for row in csv.DictReader(file)] == ["R102", "R111"]


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        ("mask", 3, "mask rtstruct.dcm: is no DICOM file; give a SEG or an RTSTRUCT"),
        ("image", 3, "not evenly spaced"),
        ("profile", 2, "no profile 'ibsy'"),
    ],
)
def test_refusals_are_one_line(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: str, code: int, said: str
) -> None:
    mask = contours(image)
    if spoil == "mask":
        mask.write_bytes(b"nonsense" * 1000)
    if spoil == "image":
        positions = {file: pydicom.dcmread(file).ImagePositionPatient[2] for file in image.iterdir()}
        for file in sorted(positions, key=positions.__getitem__)[2::3]:
            file.unlink()
    profile = "ibsy" if spoil == "profile" else "pyradiomics-compat"
    assert run("--image", image, "--mask", mask, "--out", tmp_path / "out", "--profile", profile) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_choice_of_reading_is_another_configuration(image: Path, tmp_path: Path) -> None:
    mask, found = contours(image), {}
    for name, options in {"usual": [], "covered": ["--coverage", "0.2"]}.items():
        assert run("--image", image, "--mask", mask, "--out", tmp_path / name, *options) == 0
        with (tmp_path / name / "features.csv").open() as file:
            rows = list(csv.DictReader(file))
        found[name] = {row["settings"] for row in rows}, next(r["value"] for r in rows if r["ibsi_code"] == "YEKZ")
    assert not found["usual"][0] & found["covered"][0]
    assert float(found["covered"][1]) > float(found["usual"][1])


def test_a_gap_is_filled_where_that_is_asked_for(image: Path, tmp_path: Path) -> None:
    mask = contours(image)
    positions = {file: pydicom.dcmread(file).ImagePositionPatient[2] for file in image.iterdir()}
    sorted(positions, key=positions.__getitem__)[4].unlink()
    assert run("--image", image, "--mask", mask, "--out", tmp_path / "out", "--resample") == 0
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["counts"]["ROIs measured"] == 1
    assert any("resampled to even slices" in line for line in result["warnings"])
