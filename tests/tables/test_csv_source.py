"""CSV: what is found in the file, where rows stand, and what is refused as a whole."""

from __future__ import annotations

import csv
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multimodal.model.errors import DataRefusedError
from multimodal.tables.errors import EmptyTableError, HeaderError, MissingFileError, WrongFormatError
from multimodal.tables.read import read_table
from multimodal.tables.rows import Row, SourceSpec, Table


def table_of(folder: Path, content: str | bytes, name: str = "t.csv", **spec: str) -> Table:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(file, SourceSpec("csv", **spec))


def rows_of(table: Table) -> list[tuple[int, dict[str, str]]]:
    return [(row.number, dict(row.values)) for row in table.rows]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_and_reported(tmp_path: Path, delimiter: str) -> None:
    table = table_of(tmp_path, f"id{delimiter}x\na{delimiter}1,5;2\n".replace(",5;2", "5"))
    assert table.found["delimiter"] == delimiter
    assert rows_of(table) == [(2, {"id": "a", "x": "15"})]


def test_a_decimal_comma_does_not_pass_for_the_delimiter(tmp_path: Path) -> None:
    table = table_of(tmp_path, "id;x;y\na;1,5;2,5\nb;2,5;3,5\n")
    assert table.found["delimiter"] == ";"
    assert rows_of(table)[0] == (2, {"id": "a", "x": "1,5", "y": "2,5"})


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16-le", "utf-16"),
        ("utf-16-be", "utf-16"),
        ("utf-32-le", "utf-32"),
        ("cp1252", "cp1252"),
    ],
)
def test_the_encoding_is_found_and_reported(tmp_path: Path, encoding: str, found: str) -> None:
    mark = "\ufeff" if found in ("utf-16", "utf-32") else ""
    table = table_of(tmp_path, (mark + "id,größe\nä,µ\n").encode(encoding))
    assert table.found["encoding"] == found
    assert rows_of(table) == [(2, {"id": "ä", "größe": "µ"})]


def test_an_umlaut_far_down_is_seen_too(tmp_path: Path) -> None:
    content = b"id,x\n" + b"a,1\n" * 20_000 + "b,ü\n".encode("cp1252")
    table = table_of(tmp_path, content)
    assert table.found["encoding"] == "cp1252"
    assert list(table.rows)[-1].values["x"] == "ü"


def test_a_declared_encoding_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    content = b"id,x\n" + b"a,1\n" * 90_000 + "b,ü\n".encode("cp1252")
    with pytest.raises(WrongFormatError, match=r"row \d+ or one below it is not text in utf-8"):
        list(table_of(tmp_path, content, encoding="utf-8").rows)


def test_a_text_in_utf_8_with_a_damaged_letter_is_not_taken_for_another_encoding(tmp_path: Path) -> None:
    content = "id,größe\nä,µ\n".encode() + b"b,\xfc\n" + "ü,ß\n".encode()
    with pytest.raises(WrongFormatError, match=r"is UTF-8, but damaged in line 3; correct it there, or declare"):
        table_of(tmp_path, content)
    assert len(rows_of(table_of(tmp_path, content, encoding="cp1252"))) == 3
    cut = "id,größe\nä,µ".encode()[:-1]
    with pytest.raises(WrongFormatError, match="damaged in line 2"):
        table_of(tmp_path, cut)


def test_letters_of_another_encoding_that_look_like_utf_8_by_chance_are_not_taken_for_it(tmp_path: Path) -> None:
    content = "id,größe\nÃ¤,ü\nb,é\n".encode("cp1252")
    assert rows_of(table_of(tmp_path, content))[0] == (2, {"id": "Ã¤", "größe": "ü"})


def test_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    table = table_of(tmp_path, 'id,note\na,"two\nlines"\n\nb,one\n')
    assert [row.number for row in table.rows] == [2, 4]


def test_the_hint_line_of_excel_is_no_row(tmp_path: Path) -> None:
    table = table_of(tmp_path, "sep=|\nid|x\na|1\n")
    assert rows_of(table) == [(2, {"id": "a", "x": "1"})]


def test_headers_are_trimmed(tmp_path: Path) -> None:
    assert table_of(tmp_path, " id , Histology \na,b\n").headers == ("id", "Histology")


def test_cells_stay_text(tmp_path: Path) -> None:
    table = table_of(tmp_path, "id,x\n007,1e5\nNA,1.50\n")
    assert [dict(row.values) for row in table.rows] == [{"id": "007", "x": "1e5"}, {"id": "NA", "x": "1.50"}]


def test_a_short_row_keeps_its_cells_and_is_reported(tmp_path: Path) -> None:
    table = table_of(tmp_path, "id,x,y\na,1\nb,2,3\n")
    rows = list(table.rows)
    assert dict(rows[0].values) == {"id": "a", "x": "1", "y": ""}
    assert rows[0].usable
    assert [(issue.code, issue.row, issue.column) for issue in table.issues] == [("E503", 2, "y")]


def test_a_long_row_cannot_be_placed(tmp_path: Path) -> None:
    table = table_of(tmp_path, "id,x,y\na,1,2,5\nb,2,3\n")
    rows: list[Row] = list(table.rows)
    assert not rows[0].usable
    assert dict(rows[0].values) == {"id": "a", "x": "1", "y": "2", "(4)": "5"}
    assert rows[0].problems[0].code == "E503"
    assert rows[0].problems[0].value == "a,1,2,5"
    assert rows[1].usable


def test_delimiters_at_the_end_of_a_row_are_no_cells(tmp_path: Path) -> None:
    table = table_of(tmp_path, "id,x,,\na,1,,\nb,2\n")
    assert rows_of(table) == [(2, {"id": "a", "x": "1"}), (3, {"id": "b", "x": "2"})]
    assert table.issues == []


@pytest.mark.parametrize("content", ["", "\n\n", "﻿", "  \n"])
def test_an_empty_file_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(EmptyTableError, match="no header row"):
        table_of(tmp_path, content)


def test_a_file_with_a_header_only_has_no_rows(tmp_path: Path) -> None:
    assert rows_of(table_of(tmp_path, "id,x\n")) == []


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04rest", "ZIP"),
        (b"\xd0\xcf\x11\xe0rest", "Office"),
        (b"%PDF-1.7", "PDF"),
        (b"<?xml version='1.0'?>", "XML"),
        (b"id,x\n\0\0\0", "binary"),
    ],
)
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    with pytest.raises(WrongFormatError, match=what):
        table_of(tmp_path, content)


def test_a_header_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeaderError, match="'x' stands in columns 2 and 3"):
        table_of(tmp_path, "id,x,x \na,1,2\n")


def test_a_column_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeaderError, match="column 2"):
        table_of(tmp_path, "id,,x\na,1,2\n")


def test_an_open_quotation_mark_is_refused_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(WrongFormatError, match=r"row 3.*quotation mark"):
        list(table_of(tmp_path, 'id,x\na,1\nb,"2\nc,3\n').rows)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        read_table(tmp_path / "none.csv", SourceSpec("csv"))
    assert issubclass(MissingFileError, DataRefusedError)


def test_a_quotation_mark_inside_a_cell_is_refused_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(WrongFormatError, match=r"row 2.*quotation mark"):
        list(table_of(tmp_path, 'id,x\n"a"b,1\nc,3\n').rows)
    with pytest.raises(WrongFormatError, match=r"row 1.*quotation mark"):
        table_of(tmp_path, 'id,"x\na,1\n')


def test_a_cell_without_an_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    with pytest.raises(WrongFormatError, match=r"row 2: field larger .*perhaps a quotation mark is not closed"):
        list(table_of(tmp_path, 'id,x\na,"1\n' + "b,2\n" * 300_000).rows)


def test_delimiters_and_quotation_marks_inside_a_quoted_cell_are_text(tmp_path: Path) -> None:
    table = table_of(tmp_path, 'id,note\r\na,"one, ""two""; three"\r\n')
    assert rows_of(table) == [(2, {"id": "a", "note": 'one, "two"; three'})]


def test_a_single_nul_is_a_damaged_cell_and_not_a_binary_file(tmp_path: Path) -> None:
    content = b"id,x\na,1\0\n" + b"b,2\n" * 50
    assert rows_of(table_of(tmp_path, content))[0] == (2, {"id": "a", "x": "1\0"})


def test_utf_16_without_its_mark_is_refused_and_readable_once_declared(tmp_path: Path) -> None:
    content = "id,x\na,1\n".encode("utf-16-le")
    with pytest.raises(WrongFormatError, match="UTF-16 without its mark"):
        table_of(tmp_path, content)
    assert rows_of(table_of(tmp_path, content, encoding="utf-16-le")) == [(2, {"id": "a", "x": "1"})]


@pytest.mark.parametrize("delimiter", ["", "ab", "\n", '"'])
def test_a_delimiter_that_cannot_be_one_is_refused(tmp_path: Path, delimiter: str) -> None:
    with pytest.raises(WrongFormatError, match="cannot be used"):
        list(table_of(tmp_path, "id,x\na,1\n", delimiter=delimiter).rows)


def test_an_unknown_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongFormatError, match="unknown encoding 'utf-9'"):
        table_of(tmp_path, "id,x\na,1\n", encoding="utf-9")


def test_a_table_larger_than_memory_is_streamed(tmp_path: Path) -> None:
    """Read 20 MB under a limit of far less: only a part of the file is ever held."""
    file = tmp_path / "t.csv"
    with file.open("w", encoding="utf-8") as out:
        out.write("id,x\n")
        for number in range(20_000):
            out.write(f"{number},{'x' * 1000}\n")
    table = read_table(file, SourceSpec("csv"))
    tracemalloc.start()
    try:
        count = sum(1 for _ in table.rows)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 1_000_000


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELL, CELL, CELL), max_size=8), st.sampled_from(",;\t|"))
def test_what_the_csv_module_writes_is_read_back(
    tmp_path: Path, records: list[tuple[str, ...]], delimiter: str
) -> None:
    file = tmp_path / "t.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([("id", "x", "y"), *records])
    table = read_table(file, SourceSpec("csv", "utf-8", delimiter))
    assert [tuple(row.values.values()) for row in table.rows] == [record for record in records if any(record)]


def test_rows_without_any_value_are_no_rows(tmp_path: Path) -> None:
    table = table_of(tmp_path, "id,x\n,\na,1\n,\n,\n")
    assert rows_of(table) == [(3, {"id": "a", "x": "1"})]
