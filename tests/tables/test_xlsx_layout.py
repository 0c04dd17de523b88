"""Workbooks: headers of several rows, merged cells, long sheets, date systems, and sheets too large for memory."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900

from multimodal.tables.errors import HeaderError, TableError, WrongFormatError
from multimodal.tables.read import read_table, read_tables
from multimodal.tables.rows import LongLayout, NumberText, Place, SheetSpec, SourceSpec, Table
from multimodal.tables.xlsx_source import XlsxSource

Fill = Callable[[Any], None]
LONG = LongLayout("test", "result", "unit")


def workbook(folder: Path, fill: Fill, name: str = "labs") -> Path:
    book = openpyxl.Workbook()
    book.active.title = name
    fill(book.active)
    file = folder / "t.xlsx"
    book.save(file)
    return file


def filled(*records: list[Any], merged: tuple[str, ...] = ()) -> Fill:
    def fill(sheet: Any) -> None:
        for record in records:
            sheet.append(record)
        for cells in merged:
            sheet.merge_cells(cells)

    return fill


def spec(**layout: Any) -> SourceSpec:
    return SourceSpec("xlsx", sheets={"labs": SheetSpec(**layout)})


def rows_of(table: Table) -> list[tuple[int, dict[str, str]]]:
    return [(row.number, dict(row.values)) for row in table.rows]


def edited(file: Path, part: str, change: Callable[[str], str]) -> Path:
    """Return the workbook with one of its parts changed."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts[part].decode()).encode()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file


TWO_ROWS = filled(
    ["id", "blood", None, "visit"], [None, "hb", "crp", None], ["a", 13.2, 4, dt.date(2020, 1, 2)],
    merged=("A1:A2", "B1:C1", "D1:D2"),
)  # fmt: skip


def test_two_header_rows_and_merged_cells_give_one_name_for_each_column(tmp_path: Path) -> None:
    table = read_table(workbook(tmp_path, TWO_ROWS), spec(header_row=(1, 2)))
    assert table.headers == ("id", "blood hb", "blood crp", "visit")
    assert rows_of(table) == [(3, {"id": "a", "blood hb": "13.2", "blood crp": "4", "visit": "2020-01-02"})]
    assert table.notes == []


def test_a_header_merged_downwards_is_read_in_its_lower_row(tmp_path: Path) -> None:
    table = read_table(workbook(tmp_path, TWO_ROWS), spec(header_row=2))
    assert table.headers == ("id", "hb", "crp", "visit")


def test_a_merged_header_in_one_row_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(HeaderError, match=r"'blood' stands in columns 2 and 3.*header_row: \[1, 2\]"):
        read_table(workbook(tmp_path, TWO_ROWS), spec(header_row=1))


def test_a_title_above_the_header_does_not_belong_to_it(tmp_path: Path) -> None:
    fill = filled(["A cohort of 2020", None], ["id", "x"], ["a", 1], merged=("A1:B1",))
    assert read_table(workbook(tmp_path, fill), spec(header_row=2)).headers == ("id", "x")


def test_merged_cells_below_the_header_are_told(tmp_path: Path) -> None:
    fill = filled(["id", "x"], ["a", 1], [None, 2], merged=("A2:A3",))
    table = read_table(workbook(tmp_path, fill), spec())
    assert table.notes == ["sheet 'labs' has merged cells in row 2: only their first cell holds the value"]
    assert rows_of(table)[1] == (3, {"id": "", "x": "2"})


def test_rows_below_the_header_can_be_skipped(tmp_path: Path) -> None:
    fill = filled(["id", "x"], ["text", "mg/L"], ["a", 1])
    assert rows_of(read_table(workbook(tmp_path, fill), spec(skip_rows=1))) == [(3, {"id": "a", "x": "1"})]


def test_a_table_that_begins_further_right_and_down_keeps_its_places(tmp_path: Path) -> None:
    def fill(sheet: Any) -> None:
        sheet["C4"], sheet["D4"], sheet["C6"], sheet["D6"] = "id", "x", "a", "#N/A"

    table = read_table(workbook(tmp_path, fill), spec(header_row=4))
    assert table.headers == ("id", "x")
    assert rows_of(table) == [(6, {"id": "a", "x": "#N/A"})]


def long_sheet(*records: list[Any]) -> Fill:
    return filled(["id", "test", "result", "unit"], *records)


def test_a_long_sheet_gives_each_value_under_its_name(tmp_path: Path) -> None:
    fill = long_sheet(["a", "hb", 13.5, "g/dL"], ["a", " crp ", "<5", "mg/L"], ["b", "hb", None, None])
    table = read_table(workbook(tmp_path, fill), spec(long=LONG))
    assert table.headers == ("id", "test", "result", "unit", "hb", "crp")
    first, second, third = table.rows
    assert dict(first.values) == {"id": "a", "test": "hb", "result": "13.5", "unit": "g/dL", "hb": "13.5", "crp": ""}
    assert isinstance(first.values["hb"], NumberText)
    assert first.places == {"hb": Place(2, "result")}
    assert (second.values["crp"], second.values["hb"], second.values["unit"]) == ("<5", "", "mg/L")
    assert third.values["hb"] == ""


def test_a_value_without_a_name_is_reported(tmp_path: Path) -> None:
    table = read_table(workbook(tmp_path, long_sheet(["a", "hb", 1, ""], ["b", None, 7, ""])), spec(long=LONG))
    good, bad = table.rows
    assert good.problems == ()
    (issue,) = bad.problems
    assert (bad.usable, bad.values["id"]) == (False, "b")
    assert (issue.code, issue.row, issue.sheet, issue.column, issue.value) == ("E504", 3, "labs", "test", "7")
    assert table.issues == [issue]


def test_a_long_sheet_without_the_declared_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeaderError, match="no column 'result' as `long` says; it has: id, test"):
        read_table(workbook(tmp_path, filled(["id", "test"], ["a", "hb"])), spec(long=LONG))


def test_a_value_may_not_be_called_like_a_column(tmp_path: Path) -> None:
    with pytest.raises(HeaderError, match="'unit' is the name of a value and of a column"):
        read_table(workbook(tmp_path, long_sheet(["a", "unit", 1, ""])), spec(long=LONG))


@pytest.mark.parametrize("epoch", [CALENDAR_WINDOWS_1900, CALENDAR_MAC_1904])
def test_dates_of_both_date_systems(tmp_path: Path, epoch: dt.datetime) -> None:
    book = openpyxl.Workbook()
    book.epoch = epoch
    book.active.append(["day", "moment", "time", "span"])
    moment = dt.datetime(2012, 7, 21, 8, 30, 15)
    book.active.append([dt.date(2012, 7, 21), moment, dt.time(8, 30), dt.timedelta(hours=30)])
    file = tmp_path / "t.xlsx"
    book.save(file)
    with zipfile.ZipFile(file) as archive:
        assert (b"date1904" in archive.read("xl/workbook.xml")) == (epoch == CALENDAR_MAC_1904)
    expected = {"day": "2012-07-21", "moment": "2012-07-21T08:30:15", "time": "08:30:00", "span": "30:00:00"}
    for source in (XlsxSource(), XlsxSource(loaded_megabytes=0)):
        (table,) = source.read(file, SourceSpec("xlsx"))
        assert rows_of(table) == [(2, expected)]


def test_a_formula_that_nobody_calculated_is_not_an_empty_cell(tmp_path: Path) -> None:
    file = workbook(tmp_path, filled(["id", "x"], ["a", "=1+B3"], ["b", 2]))
    assert [row.values["x"] for row in read_table(file, spec()).rows] == ["=1+B3", "2"]
    calculated = re.compile(r'<c r="B2"[^>]*>.*?</c>')
    edited(file, "xl/worksheets/sheet1.xml", lambda xml: calculated.sub('<c r="B2"><f>1+B3</f><v>3</v></c>', xml))
    assert [row.values["x"] for row in read_table(file, spec()).rows] == ["3", "2"]
    # An empty text can be the result of a formula.
    empty = '<c r="B2" t="str"><f>IF(1,"")</f><v></v></c>'
    edited(file, "xl/worksheets/sheet1.xml", lambda xml: calculated.sub(empty, xml))
    assert [row.values["x"] for row in read_table(file, spec()).rows] == ["", "2"]


def test_an_error_that_a_formula_gave_is_seen(tmp_path: Path) -> None:
    file = workbook(tmp_path, filled(["id", "x"], ["a", 1], ["b", 2]))
    error = '<c r="B2" s="0" t="e"><f>1/0</f><v>#DIV/0!</v></c>'
    edited(file, "xl/worksheets/sheet1.xml", lambda xml: re.sub(r'<c r="B2"[^>]*>.*?</c>', error, xml))
    assert [row.values["x"] for row in read_table(file, spec()).rows] == ["#DIV/0!", "2"]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('<c t="e"><v>#N/A</v></c>', "#N/A"),
        ("<c><f>1+1</f></c>", "=1+1"),
        ('<c t="d" r="B2"><v>2020-01-02</v></c>', "2020-01-02"),
        ('<c r="B2"><f t="shared" si="0"/><v/></c>', "="),
    ],
)
def test_cells_as_other_programs_write_them(tmp_path: Path, cell: str, text: str) -> None:
    """A cell may leave out its place (18.3.1.4), a date may be ISO 8601, a formula may be shared."""
    file = workbook(tmp_path, filled(["id", "x"], ["a", 1], ["b", "#REF!"]))
    edited(file, "xl/worksheets/sheet1.xml", lambda xml: re.sub(r'<c r="B2"[^>]*>.*?</c>', cell, xml))
    assert [row.values["x"] for row in read_table(file, spec()).rows] == [text, "#REF!"]


def test_sheets_are_read_by_the_forms_of_the_mapping(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for name in ("labs ", "visits", "notes"):
        book.create_sheet(name).append(["id"])
    file = tmp_path / "t.xlsx"
    book.save(file)
    tables = read_tables(file, SourceSpec("xlsx", forms=("visits", "labs")))
    assert [table.sheet for table in tables] == ["visits", "labs"]
    assert tables[0].notes == ["t.xlsx: the sheet 'Sheet' was not read", "t.xlsx: the sheet 'notes' was not read"]
    with pytest.raises(TableError, match="no sheet 'drugs'; it has: Sheet, labs , visits, notes"):
        read_tables(file, SourceSpec("xlsx", forms=("drugs",)))
    layouts = {"labs": SheetSpec(skip_rows=1)}
    assert len(read_tables(file, SourceSpec("xlsx", forms=("visits", "labs"), sheets=layouts))) == 2


def test_a_chart_is_no_sheet(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["id"])
    book.create_chartsheet("figure")
    file = tmp_path / "t.xlsx"
    book.save(file)
    assert read_table(file, SourceSpec("xlsx")).notes == []


SHEET = [["id", "x", "y", "z"], ["a", 1.5, dt.date(2020, 1, 2), True], [None] * 4, ["b", "#N/A", "t", 10]]


def test_a_sheet_too_large_for_memory_is_read_row_by_row_with_the_same_result(tmp_path: Path) -> None:
    file = workbook(tmp_path, filled(*SHEET))
    (loaded,) = XlsxSource().read(file, SourceSpec("xlsx"))
    (streamed,) = XlsxSource(loaded_megabytes=0).read(file, SourceSpec("xlsx"))
    assert rows_of(streamed) == rows_of(loaded)
    assert (loaded.notes, len(streamed.notes)) == ([], 1)
    assert "row by row" in streamed.notes[0]


@pytest.mark.parametrize("megabytes", [0, 300])
def test_both_readers_know_merged_headers_and_long_sheets(tmp_path: Path, megabytes: int) -> None:
    source = XlsxSource(loaded_megabytes=megabytes)
    (table,) = source.read(workbook(tmp_path, TWO_ROWS), spec(header_row=(1, 2)))
    assert table.headers == ("id", "blood hb", "blood crp", "visit")
    (table,) = source.read(workbook(tmp_path, long_sheet(["a", "hb", 1.5, "g/dL"])), spec(long=LONG))
    assert table.headers[-1] == "hb"
    assert [row.values["hb"] for row in table.rows] == ["1.5"]


def test_a_wrong_dimension_hides_no_column_from_the_reader_of_large_sheets(tmp_path: Path) -> None:
    file = workbook(tmp_path, filled(*SHEET))
    edited(file, "xl/worksheets/sheet1.xml", lambda xml: re.sub(r'<dimension ref="[^"]*"', '<dimension ref="A1"', xml))
    (table,) = XlsxSource(loaded_megabytes=0).read(file, SourceSpec("xlsx"))
    assert table.headers == ("id", "x", "y", "z")


def test_entities_are_refused_before_the_reader_of_large_sheets_sees_them(tmp_path: Path) -> None:
    file = workbook(tmp_path, filled(*SHEET))
    entity = '<!DOCTYPE x [<!ENTITY a "aaaa">]><worksheet '
    edited(file, "xl/worksheets/sheet1.xml", lambda xml: xml.replace("<worksheet ", entity, 1))
    with pytest.raises(WrongFormatError, match=r"sheet1\.xml declares a document type"):
        XlsxSource(loaded_megabytes=0).read(file, SourceSpec("xlsx"))


def test_too_many_shared_texts_are_refused(tmp_path: Path) -> None:
    file = workbook(tmp_path, filled(*SHEET))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", f"<sst>{'<si><t>text</t></si>' * 100_000}</sst>")
    with pytest.raises(TableError, match="its texts take 2 MB; save its sheets as CSV"):
        XlsxSource(loaded_megabytes=1).read(file, SourceSpec("xlsx"))


@pytest.mark.parametrize("megabytes", [0, 300])
def test_a_broken_sheet_is_refused(tmp_path: Path, megabytes: int) -> None:
    file = workbook(tmp_path, filled(*SHEET))
    edited(file, "xl/worksheets/sheet1.xml", lambda xml: xml[: len(xml) // 2] + "<<<")
    source = XlsxSource(loaded_megabytes=megabytes)
    with pytest.raises(WrongFormatError, match=r"cannot be read \(.*save it again"):
        [list(table.rows) for table in source.read(file, SourceSpec("xlsx"))]
