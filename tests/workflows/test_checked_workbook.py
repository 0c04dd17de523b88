from __future__ import annotations

import datetime as dt
import re
import tracemalloc
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import python_calamine as calamine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.comments import Comment
from openpyxl.styles import Font

from multimodal.bucket import FolderBucket
from multimodal.model.issues import Issue
from multimodal.tables.rows import LongLayout, Row, SheetSpec, SourceSpec
from multimodal.workflows.checked_workbook import CheckedWorkbooks
from multimodal.workflows.findings import Findings, compare
from multimodal.workflows.ledger import Decision, Ledger, finding_key, identity_of
from multimodal.workflows.refused import Refused
from multimodal.workflows.workbook_cells import ACCEPTED, AUTHOR, LIST_SHEET, REFUSED

SEX = Issue("E201", "'X' is not in the table", row=3, record="P2", column="sex", value="X", suggestion="add it")
RED, GREY = REFUSED.start_color.rgb, ACCEPTED.start_color.rgb


def findings_of(folder: Path, issues: Sequence[Issue], accepted: Sequence[Issue] = ()) -> Findings:
    ledger = Ledger()
    for issue in accepted:
        decision = Decision(2, identity_of(issue), "Ada", "known")
        ledger.decisions.setdefault(finding_key(decision.identity), []).append(decision)
    return compare(issues, FolderBucket(folder / "bucket"), "study", ledger)


def checked(path: Path, issues: Sequence[Issue], found: Sequence[str] = (), **options: Any) -> Any:
    """Return the checked workbook of a file with these issues, as openpyxl reads it."""
    accepted = options.pop("accepted", ())
    spec = options.pop("spec", SourceSpec())
    folder = path.parent / "reports"
    folder.mkdir(exist_ok=True)
    workbooks = CheckedWorkbooks(spec, options.pop("keys", ["pid"]), **options)
    found = found or [path.name]
    (written,) = workbooks.write([path], found, findings_of(path.parent, issues, accepted), folder)
    assert written.name == f"{path.stem}-checked{'.xlsm' if path.suffix == '.xlsm' else '.xlsx'}"
    return openpyxl.load_workbook(written, keep_vba=path.suffix == ".xlsm")


def marked(workbook: Any) -> dict[tuple[str, str], str]:
    """Return sheet and place -> note of every cell that has one."""
    return {
        (sheet.title, cell.coordinate): cell.comment.text
        for sheet in workbook.worksheets
        for row in sheet.iter_rows()
        for cell in row
        if cell.comment is not None
    }


def colours(workbook: Any) -> dict[str, str]:
    return {
        cell.coordinate: cell.fill.start_color.rgb
        for sheet in workbook.worksheets
        if sheet.title != LIST_SHEET
        for row in sheet.iter_rows()
        for cell in row
        if cell.fill.fill_type and cell.fill.start_color.rgb in (RED, GREY)
    }


def listed(workbook: Any) -> list[list[Any]]:
    rows = list(workbook[LIST_SHEET].iter_rows(values_only=True))
    head = next(at for at, row in enumerate(rows) if row[0] == "where")
    return [["" if value is None else value for value in row] for row in rows[head + 1 :]]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "cohort.csv"
    path.write_text('pid,sex,hb,note\nP1,f,12,"=1+1"\nP2,X,n/a,"a\nb"\n\nP4,m,007,#N/A\n', encoding="utf-8")
    return path


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Two sheets, one with a formula, a format, a note and merged cells; the other is no table."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "Patients "
    for row in [["pid", "sex", "hb"], ["P1", "f", 12.5], ["P2", "X", "=C2*2"], ["P3", "m", "n/a"]]:
        sheet.append(row)
    sheet["C2"].number_format = "0.00"
    sheet["A1"].font = Font(bold=True)
    sheet["C4"].comment = Comment("ask the lab", "Ada")
    sheet.append(["P5", "both"])
    sheet.merge_cells("B5:C6")
    workbook.create_sheet("Legend").append(["f", "female"])
    path = tmp_path / "cohort.xlsx"
    workbook.save(path)
    return path


def test_a_csv_comes_back_as_text_with_its_refused_cells_marked(table: Path) -> None:
    number = Issue("E101", "'n/a' is not a number", row=3, record="P2", column="hb", value="n/a")
    workbook = checked(table, [SEX, number, Issue("E505", "cohort.csv has no column 'age'", column="age")])
    sheet = workbook["cohort"]
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [
        ["pid", "sex", "hb", "note"],
        ["P1", "f", "12", "=1+1"],
        ["P2", "X", "n/a", "a\nb"],
        [None, None, None, None],
        ["P4", "m", "007", "#N/A"],
    ]
    assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value} == {"s"}
    assert sheet["D2"].quotePrefix, "no formula even when somebody edits the cell"
    assert marked(workbook) == {
        ("cohort", "B3"): "E201: 'X' is not in the table\nadd it",
        ("cohort", "C3"): "E101: 'n/a' is not a number",
    }
    assert colours(workbook) == {"B3": RED, "C3": RED}


def test_the_first_sheet_lists_all_and_links_to_the_cells(table: Path) -> None:
    workbook = checked(table, [SEX, Issue("E505", "no column 'age'", column="age", suggestion="restore it")])
    assert workbook.sheetnames == [LIST_SHEET, "cohort"]
    assert workbook.active.title == LIST_SHEET
    assert not workbook["cohort"].sheet_view.tabSelected
    assert listed(workbook) == [
        ["B3", "", 3, "P2", "sex", "X", "E201", "'X' is not in the table", "add it", "new"],
        ["", "", "", "", "age", "", "E505", "no column 'age'", "restore it", "new"],
    ]
    sheet = workbook[LIST_SHEET]
    links = [cell.hyperlink.location for row in sheet.iter_rows() for cell in row if cell.hyperlink]
    assert links == ["'cohort'!B3"]


def test_a_workbook_keeps_what_it_is_and_gets_its_marks(book: Path) -> None:
    sex = Issue("E201", "m", row=3, sheet="Patients", record="P2", column="sex", value="X")
    hb = Issue("E101", "m2", row=4, sheet="Patients", record="P3", column="hb", value="n/a", suggestion="s")
    merged = Issue("E201", "m3", row=6, sheet="Patients", column="hb", value="both")
    spec = SourceSpec("xlsx", sheets={"Patients": SheetSpec()})
    workbook = checked(book, [sex, hb, merged], ["cohort.xlsx:Patients"], spec=spec)
    sheet = workbook["Patients "]
    assert workbook.sheetnames == [LIST_SHEET, "Patients ", "Legend"]
    assert sheet["C3"].value == "=C2*2"
    assert sheet["C2"].number_format == "0.00"
    assert sheet["A1"].font.bold
    assert str(next(iter(sheet.merged_cells.ranges))) == "B5:C6"
    assert workbook["Legend"]["B1"].value == "female"
    assert marked(workbook) == {
        ("Patients ", "B3"): "E201: m",
        ("Patients ", "C4"): "ask the lab\n\nE101: m2\ns",
        ("Patients ", "B5"): "E201: m3",
    }
    assert sheet["C4"].comment.author == "Ada"
    assert sheet["B3"].comment.author == AUTHOR
    assert colours(workbook) == {"B3": RED, "C4": RED, "B5": RED}


def test_headers_in_several_rows_are_found_as_the_reader_names_them(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for row in [["a title"], ["pid", "Lab", None], [None, "Hb", "CRP"], ["", "g/dL", "mg/L"], ["P1", "x", "y"]]:
        sheet.append(row)
    sheet.merge_cells("B2:C2")
    workbook.save(tmp_path / "t.xlsx")
    spec = SourceSpec("xlsx", sheets={"Sheet": SheetSpec((2, 3), 1)})
    issues = [
        Issue("E101", "m", row=5, sheet="Sheet", column="Lab CRP"),
        Issue("E101", "m", row=5, sheet="Sheet", column="pid"),
    ]
    assert set(colours(checked(tmp_path / "t.xlsx", issues, ["t.xlsx:Sheet"], spec=spec))) == {"C5", "A5"}


def test_a_long_sheet_is_marked_at_its_value(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    for row in [["pid", "name", "value"], ["P1", "Hb", "n/a"]]:
        workbook.active.append(row)
    workbook.save(tmp_path / "t.xlsx")
    spec = SourceSpec("xlsx", sheets={"Sheet": SheetSpec(long=LongLayout("name", "value"))})
    issue = Issue("E101", "m", row=2, sheet="Sheet", column="value")
    assert set(colours(checked(tmp_path / "t.xlsx", [issue], ["t.xlsx:Sheet"], spec=spec))) == {"C2"}


@pytest.mark.parametrize(
    ("column", "place"),
    [("", "B5"), ("sex, hb", "A5"), ("gone", "B5"), ("a, b", "C5"), ("hb", "D5")],
    ids=["row", "several", "no such column", "a comma in the name", "plain"],
)
def test_a_finding_on_a_row_is_marked_at_its_key(tmp_path: Path, column: str, place: str) -> None:
    (tmp_path / "t.csv").write_text('sex,pid,"a, b",hb\n' + "f,P1,1,2\n" * 4, encoding="utf-8")
    workbook = checked(tmp_path / "t.csv", [Issue("E501", "m", row=5, column=column)])
    assert set(colours(workbook)) == {place}


def test_two_findings_of_a_cell_share_its_note(table: Path) -> None:
    workbook = checked(table, [SEX, Issue("E104", "m", row=3, column="sex", value="X")])
    assert marked(workbook) == {("cohort", "B3"): "E201: 'X' is not in the table\nadd it\n\nE104: m"}


def test_accepted_findings_are_grey_unless_another_is_not(table: Path) -> None:
    number = Issue("E101", "m", row=3, column="hb", value="n/a")
    other = Issue("E104", "m", row=3, column="sex", value="X")
    workbook = checked(table, [number, SEX, other], accepted=[SEX, number])
    assert colours(workbook) == {"B3": RED, "C3": GREY}
    assert marked(workbook)["cohort", "C3"] == "E101: m\naccepted by Ada: known"
    assert [line[-1] for line in listed(workbook)] == ["new", "accepted by Ada: known", "accepted by Ada: known"]


def test_macros_stay(book: Path) -> None:
    macros = book.with_suffix(".xlsm")
    workbook = openpyxl.load_workbook(book)
    workbook.save(macros)
    with zipfile.ZipFile(macros, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"the macros")
    issue = Issue("E201", "m", row=3, sheet="Patients", column="sex")
    read = checked(macros, [issue], ["cohort.xlsm:Patients"])
    assert read.vba_archive.read("xl/vbaProject.bin") == b"the macros"
    assert set(colours(read)) == {"B3"}


def refused_rows(sheet: str, issues: Sequence[Issue]) -> Refused:
    refused = Refused()
    for number in (2, 3, 5):
        own = [issue for issue in issues if issue.row == number]
        cells = {"pid": f"P{number - 1}", "sex": "X", "hb": "=1"}
        refused.add_row(Row(number, cells, sheet), own)
    return refused


def test_a_table_that_is_too_large_comes_back_with_its_refused_rows(table: Path) -> None:
    issues = [SEX, Issue("E101", "m", row=5, column="hb", value="=1"), Issue("E505", "m", column="age")]
    issues.append(Issue("E602", "the server refused it", row=2, record="P1"))
    workbook = checked(table, issues, rows=refused_rows("", issues[:3]).rows, most_copied=6)
    assert [[cell.value for cell in row] for row in workbook["cohort"].iter_rows()] == [
        ["row in the file", "pid", "sex", "hb"], [3, "P2", "X", "=1"], [5, "P4", "X", "=1"],
    ]  # fmt: skip
    assert workbook["cohort"]["D2"].data_type == "s"
    assert set(marked(workbook)) == {("cohort", "C2"), ("cohort", "D3")}
    assert [line[0] for line in listed(workbook)] == ["", "C2", "D3", ""]
    assert "Only the rows with findings" in str(workbook[LIST_SHEET]["A2"].value)


def test_a_large_workbook_comes_back_with_its_refused_rows(book: Path) -> None:
    issue = Issue("E201", "m", row=3, sheet="Patients", column="sex")
    workbook = checked(
        book, [issue], ["cohort.xlsx:Patients"], rows=refused_rows("Patients", [issue]).rows, most_loaded=9
    )
    assert workbook.sheetnames == [LIST_SHEET, "Patients"]
    assert set(colours(workbook)) == {"C2"}


def test_forms_of_an_xml_file_are_sheets(tmp_path: Path) -> None:
    path = tmp_path / "trial.xml"
    path.write_text("<ODM/>")
    refused = Refused()
    found, issues = [], []
    for form, column in [("IG.DEMOGRAPHICS/with a very long name", "I.SEX"), ("IG:LAB", "I.HB")]:
        issue = Issue("E201", "m", row=17, sheet=form, record="S1", column=column, value="X")
        refused.add_row(Row(12, {"SubjectKey": "S1", column: "X"}, form), [issue])
        found.append(f"trial.xml:{form}")
        issues.append(issue)
    workbook = checked(path, issues, found, rows=refused.rows, keys=["SubjectKey"])
    assert workbook.sheetnames == [LIST_SHEET, "IG.DEMOGRAPHICS_with a very lon", "IG_LAB"]
    assert set(marked(workbook)) == {("IG.DEMOGRAPHICS_with a very lon", "C2"), ("IG_LAB", "C2")}


def test_only_so_many_findings_are_marked_and_it_says_so(table: Path) -> None:
    issues = [Issue("E101", "m", row=row, column="hb") for row in range(2, 6)]
    workbook = checked(table, issues, most_marked=3)
    assert len(marked(workbook)) == 3
    assert workbook[LIST_SHEET]["A2"].value == "Only the first 3 findings are here; errors.csv has all of them."


def test_a_workbook_that_openpyxl_cannot_load_comes_back_as_rows(book: Path) -> None:
    with zipfile.ZipFile(book) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/styles.xml"] = b"<broken"
    with zipfile.ZipFile(book, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    issue = Issue("E201", "m", row=3, sheet="Patients", column="sex")
    workbook = checked(book, [issue], ["cohort.xlsx:Patients"], rows=refused_rows("Patients", [issue]).rows)
    assert set(colours(workbook)) == {"C2"}


def test_a_workbook_that_openpyxl_cannot_save_comes_back_as_rows(book: Path, tmp_path: Path) -> None:
    """Its form controls lie in a part that is not there; with macros kept, openpyxl looks for it when it saves."""
    with zipfile.ZipFile(book) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    drawing = (
        b'<legacyDrawing xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" r:id="v1"/>'
    )
    parts[sheet] = re.sub(rb"<legacyDrawing[^>]*/>", drawing, parts[sheet])
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/vmlDrawing"
    parts["xl/worksheets/_rels/sheet1.xml.rels"] = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="v1" Type="{kind}" Target="/xl/drawings/gone.vml"/></Relationships>'
    ).encode()
    macros = tmp_path / "controls.xlsm"
    with zipfile.ZipFile(macros, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    findings = findings_of(tmp_path, [issue := Issue("E201", "m", row=3, sheet="Patients", column="sex")])
    rows = refused_rows("Patients", [issue]).rows
    (tmp_path / "out").mkdir()
    workbooks = CheckedWorkbooks(SourceSpec("xlsx"), ["pid"], rows)
    (written,) = workbooks.write([macros], ["controls.xlsm:Patients"], findings, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["controls-checked.xlsx"]
    assert set(colours(openpyxl.load_workbook(written))) == {"C2"}


def test_each_file_has_its_own_and_files_without_findings_have_none(tmp_path: Path, book: Path) -> None:
    for name in ("a.csv", "b.csv", "a.tsv"):
        (tmp_path / name).write_text("pid\tsex\nP1\tX\n" if name == "a.tsv" else "pid,sex\nP1,X\n")
    issues = [
        Issue("E201", "m", row=2, sheet="a.csv", column="sex"), Issue("E201", "m", row=2, sheet="a.tsv", column="sex"),
    ]  # fmt: skip
    (tmp_path / "out").mkdir()
    files = [tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "a.tsv"]
    found = [file.name for file in files]
    written = CheckedWorkbooks(SourceSpec(), ["pid"]).write(
        files, found, findings_of(tmp_path, issues), tmp_path / "out"
    )
    assert [path.name for path in written] == ["a-checked.xlsx", "a.tsv-checked.xlsx"]
    for path in written:
        assert set(colours(openpyxl.load_workbook(path))) == {"B2"}


def test_a_checked_workbook_taken_for_the_source_does_not_grow(table: Path) -> None:
    workbook = checked(table, [SEX])
    again = table.parent / "again.xlsx"
    workbook.save(again)
    issue = Issue("E201", "m", row=3, sheet="cohort", column="hb")
    assert checked(again, [issue], ["again.xlsx:cohort"]).sheetnames == [LIST_SHEET, "cohort"]


ODS = """<?xml version="1.0"?><office:document-content office:version="1.2"
 xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>
<table:table table:name="Visits"><table:table-row><table:table-cell office:value-type="string"><text:p>pid</text:p>
</table:table-cell><table:table-cell office:value-type="string"><text:p>hb</text:p></table:table-cell>
<table:table-cell office:value-type="string"><text:p>day</text:p></table:table-cell></table:table-row>
<table:table-row><table:table-cell office:value-type="string"><text:p>=P1</text:p></table:table-cell>
<table:table-cell office:value-type="float" office:value="12.5"><text:p>12.5</text:p></table:table-cell>
<table:table-cell office:value-type="date" office:date-value="2020-02-01"><text:p>2020-02-01</text:p>
</table:table-cell></table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"""


def test_other_workbooks_come_back_as_their_values(tmp_path: Path) -> None:
    path = tmp_path / "old.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", ODS.replace("\n", ""))
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
    issues = [Issue("E102", "m", row=2, sheet="Visits", column="hb"), Issue("E502", "m", row=2, sheet="Visits")]
    workbook = checked(path, issues, ["old.ods:Visits"])
    sheet = workbook["Visits"]
    assert [cell.value for cell in sheet[2]] == ["=P1", 12.5, dt.datetime(2020, 2, 1)]
    assert sheet["A2"].data_type == "s"
    assert sheet["A2"].quotePrefix, "marked, and still no formula"
    assert colours(workbook) == {"A2": RED, "B2": RED}
    assert "formatting of the .ods file" in workbook[LIST_SHEET]["A2"].value


def test_a_copy_can_be_read_by_other_programs(table: Path) -> None:
    checked(table, [SEX])
    book = calamine.CalamineWorkbook.from_path(str(table.parent / "reports/cohort-checked.xlsx"))
    rows = book.get_sheet_by_name("cohort").to_python(skip_empty_area=False)
    assert rows[1:3] == [["P1", "f", "12", "=1+1"], ["P2", "X", "n/a", "a\nb"]]
    assert rows[4] == ["P4", "m", "007", "#N/A"]


def test_a_large_table_is_copied_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_text("pid,sex,hb\n" + "".join(f"P{number},X,{number}\n" for number in range(20_000)), encoding="utf-8")
    findings = findings_of(tmp_path, [Issue("E201", "m", row=15_000, column="sex")])
    tracemalloc.start()
    (written,) = CheckedWorkbooks(SourceSpec(), ["pid"]).write([path], ["large.csv"], findings, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000
    book = calamine.CalamineWorkbook.from_path(str(written))
    assert book.get_sheet_by_name("large").to_python()[-1] == ["P19999", "X", "19999"]


CELLS = st.text(st.characters(codec="utf-8"), max_size=8)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_every_finding_with_row_and_column_is_on_exactly_one_cell(tmp_path: Path, data: st.DataObject) -> None:
    headers = ["pid", *data.draw(st.lists(st.sampled_from("abcde"), unique=True, max_size=4))]
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(headers), max_size=len(headers)), min_size=1, max_size=5))
    workbook = openpyxl.Workbook()
    workbook.active.append(headers)
    for number, row in enumerate(rows, start=2):
        for column, text in enumerate(row, start=1):
            shown = "".join(sign for sign in text if sign.isprintable())
            workbook.active.cell(number, column).value = shown
    path = tmp_path / "t.xlsx"
    workbook.save(path)
    places = data.draw(
        st.lists(st.tuples(st.integers(2, len(rows) + 1), st.sampled_from(headers)), unique=True, min_size=1)
    )
    issues = [Issue("E101", data.draw(CELLS), row=row, sheet="Sheet", column=column) for row, column in places]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        marks = marked(checked(path, issues, ["t.xlsx:Sheet"]))
    assert set(marks) == {("Sheet", f"{'ABCDE'[headers.index(column)]}{row}") for row, column in places}
