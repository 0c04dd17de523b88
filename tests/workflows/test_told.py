"""An import into a folder, month after month: what is told of it, and to whom."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import openpyxl
import pytest

from multimodal.bucket import FolderBucket
from multimodal.cli.show import show
from multimodal.fhirstore import NdjsonFolder
from multimodal.model.errors import ConfigurationError, DataRefusedError
from multimodal.model.results import Status, WorkflowResult
from multimodal.workflows.findings import state_key
from multimodal.workflows.import_clinical import import_clinical
from multimodal.workflows.ledger import ledger_key
from tests.workflows.clinical import SmallStudy

GOOD = [("P1", "f", "12"), ("P2", "m", "13")]
BAD = [("P1", "f", "12"), ("P2", "X", "13"), ("P3", "m", "n/a")]
HEADER = "code,record,column,value,decision,who,why\n"


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return SmallStudy(tmp_path)


def run(
    study: SmallStudy, target: NdjsonFolder, bucket: FolderBucket, rows: list[tuple[str, str, str]], run_id: str = "r1",
    *, dry_run: bool = False,
) -> WorkflowResult:  # fmt: skip
    study.write(rows)
    return import_clinical(
        [study.table], study.mapping, target=target, bucket=bucket, report_dir=None, run_id=run_id, dry_run=dry_run
    )


def text(bucket: FolderBucket, name: str, run_id: str = "r1") -> str:
    return bucket.read(f"reports/{run_id}/{name}").decode("utf-8-sig")


def test_the_monthly_import_tells_what_is_new(study: SmallStudy, target: NdjsonFolder, bucket: FolderBucket) -> None:
    first = run(study, target, bucket, BAD)
    assert not any("findings" in name for name in first.counts), "there is no import before"
    second = run(study, target, bucket, [("P0", "f", "11"), *BAD[:2], ("P4", "m", "99")], "r2")
    told = {name: times for name, times in second.counts.items() if "findings" in name}
    assert told == {"new findings": 1, "persisting findings": 1, "fixed findings": 1}
    lines = list(csv.DictReader(text(bucket, "findings.csv", "r2").splitlines()))
    assert [(line["state"], line["code"], line["record"], line["row"]) for line in lines] == [
        ("new", "E102", "P4", "5"), ("persisting", "E201", "P2", "4"), ("fixed", "E101", "P3", ""),
    ]  # fmt: skip
    page = text(bucket, "report.html", "r2")
    assert page.index("E102: ") < page.index("E201: ") < page.index("Fixed since the import of ")
    found = json.loads(text(bucket, "report.json", "r2"))["findings"]
    assert (found["new"], found["persisting"], found["fixed"], found["accepted"]) == (1, 1, 1, 0)


def test_accepted_findings_leave_the_import_whole(
    study: SmallStudy, target: NdjsonFolder, bucket: FolderBucket
) -> None:
    bucket.write(
        ledger_key(study.id),
        f"{HEADER}E201,P2,sex,X,accepted,Ada,site is closed\nE101,P3,hb,n/a,accepted,Ada,lost\n".encode(),
    )
    result = run(study, target, bucket, BAD)
    assert result.status is Status.DONE
    assert result.counts["accepted findings"] == 2
    assert len(result.issues) == 2
    page = text(bucket, "report.html")
    assert "<details><summary>Accepted: 2" in page
    assert "site is closed" in page
    assert "What was refused" not in page


def test_a_broken_ledger_stops_before_anything(study: SmallStudy, target: NdjsonFolder, bucket: FolderBucket) -> None:
    bucket.write(ledger_key(study.id), f"{HEADER}E201,P2,sex,X,accepted,,why\n".encode())
    with pytest.raises(ConfigurationError, match=r"ledger.csv:2: who must be filled in"):
        run(study, target, bucket, BAD)
    assert not list(bucket.list("reports/"))


def test_neither_a_dry_run_nor_a_refusal_is_an_import_to_be_held_to(
    study: SmallStudy, target: NdjsonFolder, bucket: FolderBucket
) -> None:
    run(study, target, bucket, BAD, dry_run=True)
    assert not bucket.exists(state_key(study.id))
    with pytest.raises(DataRefusedError):
        run(study, target, bucket, [("Q", "m", "12")])
    assert not bucket.exists(state_key(study.id))
    run(study, target, bucket, GOOD)
    assert bucket.exists(state_key(study.id))


def test_the_workbook_shows_the_refused_cells(
    study: SmallStudy, target: NdjsonFolder, bucket: FolderBucket, tmp_path: Path
) -> None:
    run(study, target, bucket, GOOD)
    assert not bucket.exists("reports/r1/table-checked.xlsx")
    run(study, target, bucket, BAD, "r2")
    bucket.read_file("reports/r2/table-checked.xlsx", tmp_path / "checked.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "checked.xlsx")["table"]
    noted = {cell.coordinate: cell.comment.text for row in sheet.iter_rows() for cell in row if cell.comment}
    assert set(noted) == {"B3", "C4"}
    assert noted["C4"].startswith("E101: 'n/a' is not a number\n")


def test_too_many_errors_are_shown_in_the_workbook_too(
    study: SmallStudy, target: NdjsonFolder, bucket: FolderBucket
) -> None:
    study.mapping.write_text(study.mapping.read_text() + "quality: {max_row_errors: 10%}\n")
    with pytest.raises(DataRefusedError):
        run(study, target, bucket, BAD)
    assert bucket.exists("reports/r1/table-checked.xlsx")
    assert "refused: nothing was stored" in text(bucket, "report.html")


def test_identifiers_reach_only_the_data_managers_files(
    study: SmallStudy, target: NdjsonFolder, bucket: FolderBucket, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping = study.mapping.read_text()
    study.mapping.write_text(
        mapping.replace("  sex:", "  name: {patient: name}\n  born: {patient: birthDate}\n  sex:"), encoding="utf-8"
    )
    rows = ["P1234567,Ada Miller,1950-02-30,f,12", "P1234567,Ada Miller,1950,f,13", "Q7654321,Bob,1951,m,99",
            "P2222222,Eve\x07Smith,1952,X,oops", "P3333333,Ann,1953,m,12,more,cells"]  # fmt: skip
    study.table.write_text("pid,name,born,sex,hb\n" + "\n".join(rows) + "\n", encoding="utf-8")
    result = import_clinical(
        [study.table], study.mapping, target=target, bucket=bucket, report_dir=None, run_id="r1"
    )  # fmt: skip
    assert {issue.code for issue in result.issues} == {"E301", "E501", "E502", "E104", "E201", "E101", "E503"}
    show(result)
    told = capsys.readouterr().out + json.dumps(result.as_json())
    for name in ("report.html", "report.json"):
        told += text(bucket, name)
    for secret in ("P1234567", "Miller", "1950-02-30", "Q7654321", "Smith", "P2222222", "P3333333", "Ann"):
        assert secret not in told
    assert "oops" in told
    for name in ("errors.csv", "findings.csv", "quarantine.csv", "ledger-lines.csv"):
        assert "P1234567" in text(bucket, name)


def test_the_report_says_how_the_cells_are_written(
    study: SmallStudy, target: NdjsonFolder, bucket: FolderBucket
) -> None:
    run(study, target, bucket, [("P1", "f", '"12,5"'), ("P2", "m", "13")])
    report = json.loads(text(bucket, "report.json"))
    assert report["decimal signs"] == {"hb": ","}
    assert report["translated"] == {"sex": {"cells": 2, "exact": 2, "refused": 0}}
    assert report["found"] == {"table.csv": {"encoding": "utf-8", "delimiter": ","}}
    assert report["run"]["run"] == "r1"


def test_rows_that_share_a_patient_are_counted_once(
    study: SmallStudy, target: NdjsonFolder, bucket: FolderBucket
) -> None:
    mapping = study.mapping.read_text()
    study.mapping.write_text(mapping.replace("key: [pid]", "key: [pid, hb]"), encoding="utf-8")
    run(study, target, bucket, [("P1", "f", "12"), ("P1", "f", "13"), ("P1", "m", "14"), ("P2", "X", "15")])
    assert json.loads(text(bucket, "report.json"))["translated"]["sex"]["cells"] == 4
    rows = [line["row"] for line in csv.DictReader(text(bucket, "quarantine.csv").splitlines())]
    assert len(rows) == len(set(rows))


def test_an_import_that_stops_at_the_first_error_tells_all_of_them(
    study: SmallStudy, target: NdjsonFolder, bucket: FolderBucket
) -> None:
    study.mapping.write_text(study.mapping.read_text() + "quality: {on_error: abort}\n")
    with pytest.raises(DataRefusedError, match="on_error: abort"):
        run(study, target, bucket, BAD)
    assert [line["row"] for line in csv.DictReader(text(bucket, "errors.csv").splitlines())] == ["3", "4"]


def test_the_page_says_which_resources_change(study: SmallStudy, target: NdjsonFolder, bucket: FolderBucket) -> None:
    run(study, target, bucket, GOOD, dry_run=True)
    assert "<h3>Which</h3>" not in text(bucket, "report.html")
    assert text(bucket, "diff.csv").startswith("change,type,id,row,sheet,record\r\ncreated,")
    run(study, target, bucket, GOOD)
    run(study, target, bucket, [GOOD[0], ("P2", "m", "14"), ("P3", "f", "9")], "r2", dry_run=True)
    page = text(bucket, "report.html", "r2")
    assert "What would change" in page
    listed = page.split("<h3>Which</h3>")[1].split("</section>")[0]
    assert listed.index("updated") < listed.index("created")
    assert "P3" not in listed
    assert "more in diff.csv" not in listed
    changes = list(csv.DictReader(text(bucket, "diff.csv", "r2").splitlines()))
    assert {(line["change"], line["record"]) for line in changes} == {
        ("unchanged", "P1"), ("unchanged", "P2"), ("updated", "P2"), ("created", "P3"),
    }  # fmt: skip


def test_a_record_that_looks_like_a_formula_is_none_in_the_list_of_changes(
    study: SmallStudy, target: NdjsonFolder, bucket: FolderBucket
) -> None:
    mapping = study.mapping.read_text()
    study.mapping.write_text(mapping.replace(', pattern: "^P[0-9]+$"', ""), encoding="utf-8")
    run(study, target, bucket, [("=1+1", "f", "12")])
    assert {line["record"] for line in csv.DictReader(text(bucket, "diff.csv").splitlines())} == {"'=1+1"}
