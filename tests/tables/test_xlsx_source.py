"""Workbooks: typed cells as a person sees them, sheets, and what is refused as a whole."""

from __future__ import annotations

import datetime as dt
import struct
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from multimodal.model.errors import ConfigurationError
from multimodal.tables.errors import EmptyTableError, EncryptedTableError, HeaderError, TableError, WrongFormatError
from multimodal.tables.read import read_table, read_tables
from multimodal.tables.rows import SheetSpec, SourceSpec
from multimodal.tables.xlsx_cells import cell_text
from multimodal.tables.xlsx_errors import error_cells
from multimodal.tables.xlsx_parts import column_letters, place_of

SPEC = SourceSpec("xlsx")


def workbook(folder: Path, **sheets: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, records in sheets.items():
        sheet = book.create_sheet(name)
        for record in records:
            sheet.append(record)
    file = folder / "t.xlsx"
    book.save(file)
    return file


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (5.0, "5"),
        (78.7515, "78.7515"),
        (0.1 + 0.2, "0.3"),
        (True, "true"),
        (dt.date(2012, 7, 21), "2012-07-21"),
        (dt.datetime(2012, 7, 21), "2012-07-21"),
        (dt.datetime(2012, 7, 21, 8, 30), "2012-07-21T08:30:00"),
        (dt.datetime(2012, 7, 21, 8, 29, 59, 999_000), "2012-07-21T08:30:00"),
        (dt.timedelta(hours=30, minutes=5), "30:05:00"),
        (dt.timedelta(seconds=-90), "-0:01:30"),
        (-0.0, "0"),
        (7, "7"),
        (1e16, "1e+16"),
        (None, ""),
        (dt.time(8, 30), "08:30:00"),
        ("007", "007"),
    ],
)
def test_a_typed_cell_becomes_the_text_a_person_sees(cell: Any, text: str) -> None:
    assert cell_text(cell) == text


def test_rows_have_the_number_the_spreadsheet_shows(tmp_path: Path) -> None:
    file = workbook(tmp_path, one=[["id", "x"], ["a", 1], [None, None], ["b", dt.date(2020, 1, 2)]])
    table = read_table(file, SPEC)
    assert table.sheet == "one"
    assert [(row.number, row.sheet, dict(row.values)) for row in table.rows] == [
        (2, "one", {"id": "a", "x": "1"}),
        (4, "one", {"id": "b", "x": "2020-01-02"}),
    ]


def test_the_header_may_stand_further_down(tmp_path: Path) -> None:
    file = workbook(tmp_path, one=[["A cohort"], [], ["id", "x"], ["a", 1]])
    table = read_table(file, SourceSpec("xlsx", sheets={"one": SheetSpec(header_row=3)}))
    assert table.headers == ("id", "x")
    assert [row.number for row in table.rows] == [4]


def test_a_cell_under_no_header_is_reported(tmp_path: Path) -> None:
    file = workbook(tmp_path, one=[["id", "x"], ["a", 1, "stray"]])
    table = read_table(file, SPEC)
    (row,) = table.rows
    assert (row.problems[0].code, row.problems[0].row, row.problems[0].value) == ("E503", 2, "stray")
    assert row.problems[0].message.startswith("a cell stands in column C under no header")
    assert dict(row.values) == {"id": "a", "x": "1", "(C)": "stray"}


@pytest.mark.parametrize(("number", "letters"), [(1, "A"), (26, "Z"), (27, "AA"), (702, "ZZ"), (703, "AAA")])
def test_columns_are_called_as_a_spreadsheet_shows_them(number: int, letters: str) -> None:
    assert column_letters(number) == letters
    assert place_of(f"{letters}7") == (7, number)


def test_sheets_are_chosen_by_name(tmp_path: Path) -> None:
    file = workbook(tmp_path, one=[["id"], ["a"]], two=[["id"], ["b"]])
    tables = read_tables(file, SourceSpec("xlsx", sheets={"two": SheetSpec(), "one": SheetSpec()}))
    assert [table.sheet for table in tables] == ["two", "one"]
    with pytest.raises(TableError, match="no sheet 'three'; it has: one, two"):
        read_tables(file, SourceSpec("xlsx", sheets={"three": SheetSpec()}))
    with pytest.raises(TableError, match="2 visible sheets"):
        read_tables(file, SPEC)


def test_hidden_sheets_are_left_out_with_a_note(tmp_path: Path) -> None:
    file = workbook(tmp_path, one=[["id"], ["a"]], secret=[["id"], ["b"]])
    book = openpyxl.load_workbook(file)
    book["secret"].sheet_state = "hidden"
    book.save(file)
    table = read_table(file, SPEC)
    assert table.sheet == "one"
    assert "hidden sheet 'secret'" in table.notes[0]


def test_the_same_header_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeaderError, match="'x'"):
        read_table(workbook(tmp_path, one=[["id", "x", "x"], ["a", 1, 2]]), SPEC)


def test_an_empty_sheet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmptyTableError, match="holds no header"):
        read_table(workbook(tmp_path, one=[]), SPEC)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "t.xlsx"
    file.touch()
    with pytest.raises(EmptyTableError, match="is empty"):
        read_table(file, SPEC)


def test_text_under_the_name_of_a_workbook_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "t.xlsx"
    file.write_text("id,größe\na,1\n", encoding="utf-8")
    with pytest.raises(WrongFormatError, match=r"is a text table; name it \.csv"):
        read_table(file, SPEC)
    file.write_bytes(b"%PDF-1.7\xe2\xe3")
    with pytest.raises(WrongFormatError, match="is a PDF document"):
        read_table(file, SPEC)
    file.write_text("<html><table></table></html>")
    with pytest.raises(WrongFormatError, match="cannot be read as one"):
        read_table(file, SPEC)


def test_a_missing_file_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(TableError) as caught:
        read_table(Path("nope.xlsx"), SPEC)
    assert str(caught.value) == "nope.xlsx: no such file"
    with pytest.raises(TableError) as caught:
        read_table(tmp_path / "nope.xlsx", SPEC)
    assert str(caught.value) == f"nope.xlsx: no such file in {tmp_path}"


def test_a_truncated_workbook_is_refused(tmp_path: Path) -> None:
    file = workbook(tmp_path, one=[["id"], ["a"]])
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(WrongFormatError):
        read_table(file, SPEC)


def compound_file(*streams: str) -> bytes:
    """Return a compound file (MS-CFB) with empty streams: header, one sector of its allocation table, one directory."""
    end, free, table = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
    header = struct.pack(
        "<8s16xHHHHH6xIIIIIIIIII", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6,
        0, 1, 1, 0, 4096, end, 0, end, 0, 0,
    )  # fmt: skip
    allocation = struct.pack("<II", table, end) + struct.pack("<I", free) * 126
    directory = b""
    for position, name in enumerate(["Root Entry", *streams]):
        text = name.encode("utf-16-le") + b"\0\0"
        right = position + 1 if 0 < position < len(streams) else free
        child = 1 if position == 0 and streams else free
        directory += text.ljust(64, b"\0") + struct.pack(
            "<HBBIII", len(text), 2 if position else 5, 1, free, right, child
        )
        directory += bytes(36) + struct.pack("<IQ", end, 0)
    return header.ljust(512, b"\xff") + allocation + directory.ljust(512, b"\0")


def test_an_encrypted_workbook_is_refused(tmp_path: Path) -> None:
    # An encrypted xlsx is an OLE container with these two streams (MS-OFFCRYPTO 2.3.4.4, 2.3.4.10).
    file = tmp_path / "t.xlsx"
    file.write_bytes(compound_file("EncryptedPackage", "EncryptionInfo"))
    with pytest.raises(EncryptedTableError, match="protected by a password; save a copy without one"):
        read_table(file, SPEC)
    file.write_bytes(compound_file("Workbook"))
    with pytest.raises(EncryptedTableError, match=r"protected by a password, or an old \.xls"):
        read_table(file, SPEC)


def test_a_workbook_may_stand_in_for_the_csv_of_a_mapping(tmp_path: Path) -> None:
    table = read_table(workbook(tmp_path, one=[["id"], ["a"]]), SourceSpec("csv"))
    assert table.sheet == "one"


def test_an_unknown_source_type_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'sas' is not supported yet; known: csv, .*xlsx"):
        read_table(tmp_path / "t.sas7bdat", SourceSpec("sas"))


def test_an_error_cell_is_not_an_empty_one(tmp_path: Path) -> None:
    file = workbook(
        tmp_path, other=[["x"], ["y"]], **{"R&D": [["id", "x", "y"], ["a", 1, "#N/A"], ["b", "#DIV/0!", 2]]}
    )
    table = read_table(file, SourceSpec("xlsx", sheets={"R&D": SheetSpec()}))
    assert [dict(row.values) for row in table.rows] == [
        {"id": "a", "x": "1", "y": "#N/A"},
        {"id": "b", "x": "#DIV/0!", "y": "2"},
    ]
    assert error_cells(file, "R&D") == {(2, 3): "#N/A", (3, 2): "#DIV/0!"}
    assert error_cells(file, "other") == error_cells(file, "none") == {}


def test_an_error_beyond_the_last_value_is_seen(tmp_path: Path) -> None:
    file = workbook(tmp_path, one=[["id", "x"], ["a", 1], ["#REF!", "#N/A"]])
    assert [dict(row.values) for row in read_table(file, SPEC).rows][-1] == {"id": "#REF!", "x": "#N/A"}


def test_rows_that_a_filter_hides_are_told(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["pid", "hb"], ["A1", 13], ["A2", 14], ["A3", 15]):
        sheet.append(row)
    sheet.column_dimensions["B"].hidden = True
    sheet.row_dimensions[3].hidden = sheet.row_dimensions[9].hidden = True
    sheet.auto_filter.ref = "A1:B4"
    book.save(tmp_path / "filtered.xlsx")
    (table,) = read_tables(tmp_path / "filtered.xlsx", SourceSpec(type="xlsx"))
    assert len(list(table.rows)) == 3
    assert [note for note in table.notes if "hidden" in note] == [
        "sheet 'Sheet': 1 hidden row is read as all others (3): a filter hides them, or a person did"
    ]
