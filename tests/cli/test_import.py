from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from multimodal.transport.stores import Store
from tests.workflows.clinical import SmallStudy


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return SmallStudy(tmp_path)


def multimodal(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from multimodal.cli import main; main()", "import", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_into_a_folder_and_again(study: SmallStudy, tmp_path: Path) -> None:
    arguments = (study.table, "--mapping", study.mapping, "--to", tmp_path / "out", "--report", tmp_path / "report")
    first = multimodal(*arguments)
    assert first.returncode == 0, first.stderr
    assert "Patient created" in first.stdout
    assert len((tmp_path / "out/Patient.ndjson").read_text().splitlines()) == 8
    assert (tmp_path / "report/report.html").is_file()
    before = (tmp_path / "out/Observation.ndjson").read_bytes()
    second = multimodal(*arguments)
    assert "Patient unchanged" in second.stdout
    assert "created" not in second.stdout
    assert (tmp_path / "out/Observation.ndjson").read_bytes() == before


def test_into_a_server_of_the_stores_file(study: SmallStudy, hapi: Store, tmp_path: Path) -> None:
    stores = tmp_path / "stores.yaml"
    bucket = tmp_path / "bucket"
    stores.write_text(
        f"stores:\n  clinical: {{kind: fhir, url: '{hapi.url}'}}\n  bucket: {{kind: folder, path: '{bucket}'}}\n"
    )
    study.write([("P1", "f", "12"), ("P2", "X", "13")])
    done = multimodal(study.table, "--mapping", study.mapping, "--store", "clinical", "--stores", stores)
    assert done.returncode == 0, done.stderr
    [reports] = bucket.glob("reports/*")
    assert f"1 issue; see {reports}/errors.csv\n" in done.stdout
    assert f"reports in {reports}\n" in done.stdout
    assert (reports / "report.html").is_file()
    wrong = multimodal(study.table, "--mapping", study.mapping, "--store", "clinic", "--stores", stores)
    assert wrong.returncode == 2
    assert "it has: clinical" in wrong.stderr


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (lambda study: study.table.write_text(""), 3, "empty"),
        (lambda study: study.table.unlink(), 3, "table.csv"),
        (lambda study: study.mapping.write_text("fhirmap: 1\nid: x\nwrong: 1\n"), 2, "mapping.yaml:"),
        (lambda study: study.mapping.unlink(), 2, "mapping.yaml"),
        (lambda study: study.write([("Q1", "f", "1")]), 3, "nothing was stored"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(
    study: SmallStudy, tmp_path: Path, change: object, code: int, says: str
) -> None:
    change(study)  # type: ignore[operator]
    done = multimodal(study.table, "--mapping", study.mapping, "--to", tmp_path / "out")
    assert done.returncode == code, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert says in done.stderr
    assert not list((tmp_path / "out").glob("*.ndjson"))


def test_it_says_where_the_resources_and_the_reports_are(study: SmallStudy, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = (study.table, "--mapping", study.mapping, "--to", out)
    dry = multimodal(*arguments, "--dry-run")
    assert "Patient would be created" in dry.stdout
    assert "Patient created" not in dry.stdout
    assert "resources in" not in dry.stdout
    [reports] = out.glob(".state/reports/*")
    assert dry.stdout.endswith(f"reports in {reports}\n")
    done = multimodal(*arguments, "--report", tmp_path / "report")
    assert "Patient created" in done.stdout
    assert done.stdout.endswith(f"resources in {out}\nreports in {tmp_path / 'report'}\n")
    study.write([("Q1", "f", "1")])
    refused = multimodal(*arguments, "--report", tmp_path / "refused")
    assert refused.returncode == 3
    assert refused.stdout == f"reports in {tmp_path / 'refused'}\n"
    assert (tmp_path / "refused/errors.csv").is_file()


def test_where_to_must_be_said(study: SmallStudy) -> None:
    done = multimodal(study.table, "--mapping", study.mapping)
    assert done.returncode == 2
    assert "--to DIR or --store NAME" in done.stderr


def test_what_the_folder_lost_is_found_with_verify(study: SmallStudy, tmp_path: Path) -> None:
    file = tmp_path / "out/Observation.ndjson"
    arguments = (study.table, "--mapping", study.mapping, "--to", tmp_path / "out")
    assert multimodal(*arguments).returncode == 0
    whole = file.read_bytes()
    file.write_bytes(b"".join(whole.splitlines(keepends=True)[1:]))
    assert "stored again" not in multimodal(*arguments).stdout
    found = multimodal(*arguments, "--verify")
    assert "1 were gone from" in found.stdout
    assert file.read_bytes() == whole


def test_what_an_undoing_leaves_alone_is_told_without_the_patients_number(study: SmallStudy, tmp_path: Path) -> None:
    done = multimodal(study.table, "--mapping", study.mapping, "--to", tmp_path / "out")
    (run,) = [line.split()[1].rstrip(",") for line in done.stdout.splitlines() if line.startswith("run ")]
    file = tmp_path / "out/Observation.ndjson"
    file.write_bytes(file.read_bytes().replace(b"10.3", b"99.9"))  # that of P3
    undone = multimodal("--undo", run, "--mapping", study.mapping, "--to", tmp_path / "out")
    assert "E606: Observation/" in undone.stderr
    assert "P3" not in undone.stderr + undone.stdout
