"""Where the header of a sheet stands, when nobody has said it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from multimodal.tables.xlsx_header import find_header
from multimodal.tables.xlsx_parts import Range

NAMES = ["Pat.-Nr.", "Besuch", "Größe [cm]", "Gewicht [kg]"]
ROWS: list[list[Any]] = [[f"A{n}", f"2024-01-0{n}", 160 + n, f"7{n},5"] for n in range(1, 9)]


class MadeSheet:
    """Rows of cells, as an open workbook gives them."""

    def __init__(self, rows: list[list[Any]], merged: list[Range] | None = None) -> None:
        self._rows, self._merged = rows, merged or []

    def records(self) -> Iterator[tuple[int, list[Any]]]:
        return iter(enumerate(self._rows, start=1))

    def merged(self) -> list[Range]:
        return self._merged


@pytest.mark.parametrize(
    ("above", "merged", "rows"),
    [
        ([], [], (1,)),
        ([["Ambulanz 2024", "", "", ""]], [], (2,)),
        ([["Ambulanz 2024", "", "", ""]], [((1, 1), (1, 4))], (2,)),
        ([["Ambulanz 2024"], [], ["Stand: 01.11.2024"], []], [], (5,)),
        ([["Patient", "", "Befund", ""]], [((1, 1), (1, 2)), ((1, 3), (1, 4))], (1, 2)),
        ([["Patient", "", "Befund", ""]], [], (1, 2)),
        ([["Auszug"], ["Patient", "", "Befund", ""]], [((2, 1), (2, 2)), ((2, 3), (2, 4))], (2, 3)),
    ],
)
def test_the_header_is_found(above: list[list[Any]], merged: list[Range], rows: tuple[int, ...]) -> None:
    found = find_header(MadeSheet([*above, NAMES, *ROWS], merged))
    assert (found.rows, found.doubt) == (rows, "")
    assert bool(found.why) == (rows != (1,))


def test_a_name_merged_over_both_rows_belongs_to_the_second() -> None:
    rows: list[list[Any]] = [["pid", "Labor", "", ""], ["", "Hb", "Krea", "CRP"], *ROWS]
    assert find_header(MadeSheet(rows, [((1, 1), (2, 1)), ((1, 2), (1, 4))])).rows == (1, 2)


def test_a_row_of_units_is_left_to_a_person() -> None:
    found = find_header(MadeSheet([["pid", "Tag", "Größe", "Gewicht"], ["", "Datum", "cm", "kg"], *ROWS]))
    assert found.rows == (1,)
    assert "row 2" in found.doubt


def test_rows_without_any_header_are_left_to_a_person() -> None:
    assert "names of the columns" in find_header(MadeSheet([[], [], *ROWS])).doubt


@pytest.mark.parametrize("rows", [[], [NAMES], [["2019", "2020"], ["1", "2"]], [["id"], ["x"], ["y"]], [["id", "hb"]]])
def test_small_sheets_have_it_in_the_first_row(rows: list[list[Any]]) -> None:
    assert find_header(MadeSheet(rows)).rows == (1,)
    assert not find_header(MadeSheet(rows)).doubt


def test_it_is_not_looked_for_far_down() -> None:
    blank: list[list[Any]] = [[] for _ in range(11)]
    assert find_header(MadeSheet([*blank, NAMES, *ROWS])).doubt
