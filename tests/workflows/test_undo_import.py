"""An import through the workflow, the task and the command is taken back; a second one waits for the first."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from multimodal.bucket import FolderBucket, LockedError
from multimodal.fhirstore import NdjsonFolder, NotUndoableError
from multimodal.model.results import Status, WorkflowResult
from multimodal.workflows.findings_history import bring_back, keep_before
from multimodal.workflows.import_clinical import import_clinical
from multimodal.workflows.undo_import import undo_import
from tests.workflows.clinical import SmallStudy


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return SmallStudy(tmp_path, "delete")


def lines(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.glob("*.ndjson"))}


def test_an_import_is_taken_back_and_its_diff_is_beside_the_reports(
    study: SmallStudy, target: NdjsonFolder, bucket: FolderBucket, tmp_path: Path
) -> None:
    def run(run_id: str) -> None:
        import_clinical(
            [study.table], study.mapping, target=target, bucket=bucket, report_dir=tmp_path / "report", run_id=run_id
        )

    def undo(run_id: str) -> dict[str, int]:
        result = undo_import(run_id, study.mapping, target=target, bucket=bucket)
        assert result.status is Status.DONE
        return dict(result.counts)

    run("r1")
    before = lines(target.path)
    study.write([(f"P{number}", "f", "12.5" if number == 2 else str(10 + number / 10)) for number in range(7)])
    run("r2")
    diff = (tmp_path / "report/diff.csv").read_text("utf-8-sig").splitlines()
    assert diff == bucket.read("reports/r2/diff.csv").decode("utf-8-sig").splitlines()
    assert diff[0] == "change,type,id,row,sheet,record"
    assert sum(line.startswith("updated,Patient,") for line in diff) == 3
    assert [line.split(",")[3] for line in diff if line.startswith("updated,Observation,")] == ["4"]
    assert sum(line.startswith("deleted,Observation,") for line in diff) == 1
    with pytest.raises(NotUndoableError, match="undo these first, in this order: r2"):
        undo("r1")
    counts = undo("r2")
    assert counts == {
        "Provenance taken away": 1, "Observation as before": 1, "Patient as before": 3, "Provenance as before": 1,
        "Observation brought back": 1,
    }  # fmt: skip
    assert lines(target.path) == before
    run("r3")
    undo("r3")
    undo("r1")
    assert set(lines(target.path).values()) == {b""}


def test_a_number_corrected_with_the_only_value_of_its_row_is_asked_about_and_can_be_accepted(
    tmp_path: Path, target: NdjsonFolder, bucket: FolderBucket
) -> None:
    study = SmallStudy(tmp_path, "keep")
    rows = [(f"P{number}", "f", f"{10 + number}.5") for number in range(6)]

    def imported(run_id: str) -> WorkflowResult:
        study.write(rows)
        return import_clinical(
            [study.table], study.mapping, target=target, bucket=bucket, report_dir=None, run_id=run_id
        )

    imported("r1")
    rows[5] = ("P55", "f", "20.0")
    result = imported("r2")
    assert result.status is Status.PARTIAL
    assert [(issue.code, issue.record) for issue in result.issues] == [("E702", "P5")]
    assert imported("r3").counts["persisting findings"] == 1
    line = "code,record,column,value,decision,who,why\nE702,P5,,,accepted,A. Person,two patients\n"
    bucket.write(f"fhir-mappings/{study.id}.ledger.csv", line.encode())
    accepted = imported("r4")
    assert accepted.status is Status.DONE
    assert accepted.counts["accepted findings"] == 1


def test_the_second_import_waits_for_the_first(study: SmallStudy, target: NdjsonFolder, bucket: FolderBucket) -> None:
    told: list[str] = []
    waited = threading.Event()

    def progress(what: str, done: int, total: int | None = None) -> None:
        told.append(what)
        if "waited" in what:
            waited.set()

    failures: list[BaseException] = []

    def second() -> None:
        try:
            import_clinical(
                [study.table], study.mapping, target=target, bucket=bucket, report_dir=None, run_id="r2", wait=60,
                progress=progress,
            )  # fmt: skip
        except BaseException as error:
            failures.append(error)

    with bucket.lock(f"manifest-{study.id}", run="the-first"):
        thread = threading.Thread(target=second)
        thread.start()
        assert waited.wait(30)
    thread.join(60)
    assert not failures
    assert any("the-first" in what for what in told)
    assert len(list(target.resources("Patient"))) == 8
    with bucket.lock(f"manifest-{study.id}", run="the-first"), pytest.raises(LockedError, match="the-first"):
        import_clinical(
            [study.table], study.mapping, target=target, bucket=bucket, report_dir=None, run_id="r3", wait=0.3
        )


def test_the_lock_of_a_dead_process_is_taken_over(
    study: SmallStudy, target: NdjsonFolder, bucket: FolderBucket
) -> None:
    code = f"""
import sys
from pathlib import Path
from multimodal.bucket import FolderBucket
from multimodal.workflows.manifests import manifest_in
with manifest_in(FolderBucket(Path({str(bucket.root)!r})), {study.id!r}, run="killed"):
    print("held", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        process.kill()
    result = import_clinical([study.table], study.mapping, target=target, bucket=bucket, report_dir=None, run_id="next")
    assert result.counts["Patient created"] == 8
    assert any("did not end" in warning for warning in result.warnings)


def test_the_command_takes_back_what_it_says_it_can(study: SmallStudy, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def multimodal(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from multimodal.cli import main; main()", "import", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = multimodal(study.table, "--mapping", study.mapping, "--to", out)
    assert done.returncode == 0, done.stderr
    (run,) = [line.split()[1].rstrip(",") for line in done.stdout.splitlines() if line.startswith("run ")]
    wrong = multimodal("--undo", "import-of-nobody", "--mapping", study.mapping, "--to", out)
    assert wrong.returncode == 2
    assert run in wrong.stderr
    both = multimodal(study.table, "--undo", run, "--mapping", study.mapping, "--to", out)
    assert both.returncode == 2
    undone = multimodal("--undo", run, "--mapping", study.mapping, "--to", out)
    assert undone.returncode == 0, undone.stderr
    assert "Patient taken away" in undone.stdout
    assert set(lines(out).values()) == {b""}
    nothing = multimodal("--mapping", study.mapping, "--to", out)
    assert nothing.returncode == 2
    assert "give at least one table" in nothing.stderr


def test_after_an_undoing_findings_are_held_to_what_was_before(
    study: SmallStudy, target: NdjsonFolder, bucket: FolderBucket
) -> None:
    def imported(run_id: str, *values: str) -> dict[str, int]:
        study.write([(f"P{number}", "f", value) for number, value in enumerate(values)])
        result = import_clinical(
            [study.table], study.mapping, target=target, bucket=bucket, report_dir=None, run_id=run_id
        )
        return {kind: number for kind, number in result.counts.items() if kind.endswith("findings")}

    def undo(run_id: str) -> None:
        undo_import(run_id, study.mapping, target=target, bucket=bucket)

    imported("r1", "12.1", "low", "high")
    assert imported("r2", "12.2", "12.2", "high") == {"persisting findings": 1, "fixed findings": 1}
    assert imported("r3", "12.2", "12.2", "high") == {"persisting findings": 1}  # wrote nothing
    undo("r2")
    assert imported("r4", "12.1", "low", "high") == {"persisting findings": 2}
    undo("r1")
    assert imported("r5", "12.1", "low", "high") == {}, "as a first import, which is held to none"


def test_of_two_imports_that_stand_apart_the_earlier_is_undone(bucket: FolderBucket) -> None:
    """The findings of the later one stay; once it is undone too, they are those before both."""
    key = "state/findings/study.csv"
    for run, content in [("r1", b"of r1"), ("r2", b"of r2"), ("r2", b"of r2 again")]:
        keep_before(bucket, key, run)
        bucket.write(key, content)
    for _ in range(2):  # as an undoing that was killed and is done again
        bring_back(bucket, key, "r1")
        assert bucket.read(key) == b"of r2 again"
    bring_back(bucket, key, "r2")
    assert list(bucket.list("state/findings")) == []
