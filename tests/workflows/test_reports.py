from __future__ import annotations

import csv
import json
import re
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from multimodal.bucket import FolderBucket
from multimodal.model.errors import ConfigurationError
from multimodal.model.issues import ERRORS_CSV_COLUMNS, Issue
from multimodal.model.results import Status, WorkflowResult
from multimodal.tables.rows import Row
from multimodal.workflows.import_report import ImportReport
from multimodal.workflows.refused import Refused, RefusedRow
from multimodal.workflows.report_page import report_page
from multimodal.workflows.reports import write_reports

ISSUE = Issue("E101", "'ü' is not a number", row=7, record="P1", column="Größe", value='a,"b"\nc', suggestion="fix")


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def written(folder: Path, issues: Sequence[Issue] = (), rows: Sequence[RefusedRow] = ()) -> Path:
    """Return the folder with the reports on these issues and rows."""
    result = WorkflowResult(Status.PARTIAL, issues=issues)
    bucket = FolderBucket(folder / "bucket")
    write_reports(ImportReport("x", result, refused=rows), report_dir=folder / "r", bucket=bucket, run_id="r1")
    return folder / "r"


def test_errors_csv_can_be_read_back_and_says_its_encoding(tmp_path: Path) -> None:
    file = written(tmp_path, [ISSUE]) / "errors.csv"
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    (line,) = lines_of(file)
    assert tuple(line) == ERRORS_CSV_COLUMNS
    assert line["row"] == "7"
    assert line["column"] == "Größe"
    assert line["value"] == 'a,"b"\nc'


@pytest.mark.parametrize(
    ("value", "as_written"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+cmd|x", "'+cmd|x"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\tx", "'\tx"),
        ("-5,3", "-5,3"),
        ("+1.5e-3", "+1.5e-3"),
        ("-", "'-"),
        ("a=b", "a=b"),
        ("a\ud800", "a\\ud800"),
    ],
)
def test_no_cell_is_a_formula(tmp_path: Path, value: str, as_written: str) -> None:
    folder = written(tmp_path, [Issue("E101", "m", value=value)], [RefusedRow(2, "", {value: value})])
    for name in ("errors.csv", "findings.csv", "ledger-lines.csv"):
        assert lines_of(folder / name)[0]["value"] == as_written
    assert lines_of(folder / "quarantine.csv") == [{"row": "2", "sheet": "", as_written: as_written}]


def test_quarantine_keeps_rows_of_sheets_with_different_columns(tmp_path: Path) -> None:
    rows = [RefusedRow(2, "a", {"x": "1"}), RefusedRow(3, "b", {"y": "2"})]
    lines = (written(tmp_path, rows=rows) / "quarantine.csv").read_text(encoding="utf-8-sig").splitlines()
    assert lines == ["row,sheet,x,y", "2,a,1,", "3,b,,2"]


def test_a_table_in_which_all_is_wrong_needs_no_more_memory(tmp_path: Path) -> None:
    refused = Refused()
    for number in range(8_000):
        cells = {"hb": "x" * 500}
        refused.add_row(Row(number, cells), [Issue("E101", "m" * 500, row=number, column="hb", value=str(number))])
    tracemalloc.start()
    folder = written(tmp_path, refused.issues, refused.rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(lines_of(folder / "errors.csv")) == 8_000
    assert peak < 6_000_000


def report() -> ImportReport:
    result = WorkflowResult(
        Status.PARTIAL, {"rows": 3}, ["<b>warning</b>"], [ISSUE] * 25, {"v": "1"}, {"mapping": "ab"}
    )
    return ImportReport(
        "A <script>alert(1)</script> study",
        result,
        changes={"Patient": {"created": 1234, "updated": 0}},
        columns={"mapped": {"hb": ""}, "ignored": {"comment": "free <text>"}},
        values={"stage": {"inexact": {"5": 2}}},
    )


def test_all_reports_go_to_the_folder_and_the_bucket(tmp_path: Path) -> None:
    bucket = FolderBucket(tmp_path / "bucket")
    write_reports(report(), report_dir=tmp_path / "report", bucket=bucket, run_id="r1")
    names = ["errors.csv", "findings.csv", "ledger-lines.csv", "quarantine.csv", "report.html", "report.json"]
    assert sorted(file.name for file in (tmp_path / "report").iterdir()) == names
    assert list(bucket.list("reports/r1/")) == [f"reports/r1/{name}" for name in names]
    content = json.loads((tmp_path / "report/report.json").read_text())
    assert content["status"] == "partial"
    assert content["issues"] == 25
    assert content["values"] == {"stage": {"inexact": {"5": 2}}}


def test_the_page_stands_alone_and_shows_what_matters(tmp_path: Path) -> None:
    write_reports(report(), report_dir=tmp_path, bucket=FolderBucket(tmp_path / "bucket"), run_id="r1")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "src=" not in page
    assert "free &lt;text&gt;" in page
    assert "&lt;b&gt;warning" in page
    assert "1,234" in page
    assert "E101 not-a-number" in page
    assert "mapped inexactly" in page
    assert "5 more in errors.csv" in page


def reasons_of(*issues: Issue) -> list[list[str]]:
    page = report_page(ImportReport("x", WorkflowResult(Status.PARTIAL, {}, [], list(issues), {}, {})))
    section = page.split("<h2>What was refused, and why</h2>")[1].split("</section>")[0].split("<tbody>")[1]
    return [re.findall(r"<td[^>]*>(.*?)</td>", line) for line in section.split("<tr>")[1:]]


def test_each_suggestion_has_its_own_examples_and_shows_what_to_write() -> None:
    add, case = "correct the cell, or add the value to the table", "did you mean 'm'? declare `ignore_case: true`"
    key, number = "fill in the key columns of the row", 'write %s, or declare `decimal: ","`'
    assert reasons_of(
        Issue("E201", "m", row=2, column="sex", value="`x`", suggestion=add),
        Issue("E201", "m", row=3, column="sex", value="M", suggestion=case),
        Issue("E201", "m", row=4, column="sex", value="y", suggestion=add),
        Issue("E504", "the row has no key", row=5, column="pid", suggestion=key),
        Issue("E505", "t.csv has no `hb`", column="hb", suggestion="restore"),
        *(Issue("E101", "m", row=6, column="w", value=f"{n},1", suggestion=number % f"{n}.1") for n in (8, 9, 7)),
    ) == [
        ["3", "E101 not-a-number", "w", "8,1 · 9,1 · 7,1", "write 8.1, or declare <code>decimal: &quot;,&quot;</code>"],
        ["2", "E201 not-in-table", "sex", "`x` · y", add],
        ["1", "E201 not-in-table", "sex", "M", "did you mean &#x27;m&#x27;? declare <code>ignore_case: true</code>"],
        ["1", "E504 missing-key", "pid", "(empty)", key],
        ["1", "E505 missing-column", "hb", "t.csv has no <code>hb</code>", "restore"],
    ]  # fmt: skip


def test_a_refusal_and_warnings_show_what_to_write() -> None:
    result = WorkflowResult(Status.NOTHING, {}, ["see `key`"], [], {}, {})
    page = report_page(ImportReport("x", result, refusal="declare `<b>`"))
    assert "declare <code>&lt;b&gt;</code>" in page
    assert "<li>see <code>key</code></li>" in page


def test_a_report_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot write the report"):
        write_reports(report(), report_dir=tmp_path / "file", bucket=FolderBucket(tmp_path / "b"), run_id="r1")


def test_a_cell_that_holds_a_letter_does_not_fill_the_page() -> None:
    (row,) = reasons_of(Issue("E101", "m", row=2, column="w", value="x" * 40_000, suggestion="correct the cell"))
    assert len(row[3]) < 300
    assert "(40,000 characters)" in row[3]


def test_the_first_findings_are_not_all_of_one_reason() -> None:
    many = [Issue("E201", "m", row=row, column="sex", value="x", suggestion="s") for row in range(2, 60)]
    late = Issue("E101", "the late one", row=99, column="w", value="y", suggestion="s")
    page = report_page(ImportReport("x", WorkflowResult(Status.PARTIAL, {}, [], [*many, late], {}, {})))
    assert "E101: the late one" in page
    assert "39 more in errors.csv" in page
