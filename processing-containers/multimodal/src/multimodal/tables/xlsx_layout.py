"""The layout of a sheet: which cells are its header, and which values stand under which name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from multimodal.model.errors import first_few
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.tables.errors import EmptyTableError, HeaderError
from multimodal.tables.rows import LongLayout, Place, Row, SheetSpec, Table, clean_headers, header_problem
from multimodal.tables.xlsx_book import Record, Sheet
from multimodal.tables.xlsx_cells import record_texts
from multimodal.tables.xlsx_parts import Range, column_letters

_SHOWN = 5


def sheet_table(sheet: Sheet, name: str, layout: SheetSpec, path: Path) -> Table:
    """Return the table of a sheet.

    Parameters
    ----------
    sheet : Sheet
        The sheet.
    name : str
        What the table is called.
    layout : SheetSpec
        Its header and its layout.
    path : Path
        The file, for messages.

    Raises
    ------
    EmptyTableError
        If the header row is empty.
    HeaderError
        If a name stands twice in it, or a column of `layout.long` does not.
    """
    rows = layout.header_row if isinstance(layout.header_row, tuple) else (layout.header_row,)
    records, merged = sheet.records(), sheet.merged()
    headers = header_names(records, merged, rows)
    if not any(headers):
        where = ", ".join(map(str, rows))
        hint = "if it stands further down, declare `header_row` under `source.sheets`"
        raise EmptyTableError(path, f"sheet {name!r} is empty: row {where} holds no header; {hint}")
    named = [position for position, header in enumerate(headers) if header]
    columns = tuple(headers[position] for position in named)
    problem = header_problem(columns, rows[-1])
    if problem:
        hint = "; where two rows form the header, declare `header_row: [1, 2]`" if merged and len(rows) == 1 else ""
        raise HeaderError(path, f"sheet {name!r}: {problem}{hint}")
    first = max(rows) + layout.skip_rows + 1
    table = Table(path, columns, iter(()), sheet=name, found={"sheet": name})
    table.notes.extend(_merged_below(merged, first, name))
    if layout.long:
        long = _Long(layout.long, table)
        table.headers += long.names(sheet, first, named)
        table.rows = long.rows(_rows(records, table, columns, named, first))
    else:
        table.rows = _rows(records, table, columns, named, first)
    return table


def header_names(records: Iterator[Record], merged: list[Range], rows: tuple[int, ...]) -> tuple[str, ...]:
    """Return the names of all columns: merged cells under the text of their first one, several rows joined."""
    texts, cells = record_texts(), {}
    width = 0
    for number, record in records:
        width = max(width, len(record))
        cells.update({(number, column): text for column, text in enumerate(texts(record), start=1) if text})
        if number == max(rows):
            break
    for first, last in merged:
        if first in cells and first[0] <= max(rows):
            spanned = [(row, column) for row in rows for column in range(first[1], last[1] + 1)]
            cells.update({place: cells[first] for place in spanned if first[0] <= place[0] <= last[0]})
            width = max(width, last[1])
    return clean_headers([_joined([cells.get((row, column), "") for row in rows]) for column in range(1, width + 1)])


def _joined(texts: list[str]) -> str:
    return " ".join(dict.fromkeys(text for text in (" ".join(text.split()) for text in texts) if text))


def _merged_below(merged: list[Range], first: int, name: str) -> Iterator[str]:
    rows = sorted({begin[0] for begin, end in merged if begin[0] >= first})
    if rows:
        shown = first_few(rows, _SHOWN)
        yield f"sheet {name!r} has merged cells in row {shown}: only their first cell holds the value"


def _rows(
    records: Iterator[Record], table: Table, headers: tuple[str, ...], named: list[int], first: int
) -> Iterator[Row]:
    sheet, width, texts_of = table.sheet, len(headers), record_texts()
    plain = named == list(range(width))
    for number, record in records:
        if number < first:
            continue
        texts = texts_of(record)
        if plain and len(texts) == width:
            if any(texts):
                # No `strict`: the lengths are equal here, and it costs a tenth of the loop.
                yield Row(number, dict(zip(headers, texts)), sheet)  # noqa: B905
            continue
        texts += [""] * (named[-1] + 1 - len(texts))
        values = {header: texts[position] for header, position in zip(headers, named, strict=True)}
        kept = sum(map(bool, values.values()))
        if kept < sum(map(bool, texts)):
            strays = {place: text for place, text in enumerate(texts, start=1) if text and place - 1 not in named}
            issue = _stray(number, sheet, strays)
            table.issues.append(issue)
            values |= {f"({column_letters(place)})": text for place, text in strays.items()}
            yield Row(number, values, sheet, problems=(issue,))
        elif kept:
            yield Row(number, values, sheet)


def _stray(number: int, sheet: str, strays: dict[int, str]) -> Issue:
    where = ", ".join(map(column_letters, strays))
    what = f"a cell stands in column {where}" if len(strays) == 1 else f"{len(strays)} cells stand in columns {where}"
    return Issue(
        code=IssueCode.RAGGED_ROW.code,
        message=f"{what} under no header; the others were used",
        row=number,
        sheet=sheet,
        value=" | ".join(strays.values())[:200],
        suggestion="give the column a header, or clear the cell",
    )


class _Long:
    """A sheet with one value in each row: its name becomes a column of that row."""

    def __init__(self, layout: LongLayout, table: Table) -> None:
        self._name, self._value = layout.name, layout.value
        self._table = table
        for column in (layout.name, layout.value, layout.unit):
            if column and column not in table.headers:
                known = ", ".join(table.headers)
                raise HeaderError(
                    table.file, f"sheet {table.sheet!r} has no column {column!r} as `long` says; it has: {known}"
                )

    def names(self, sheet: Sheet, first: int, named: list[int]) -> tuple[str, ...]:
        """Return all names that the sheet holds, in the order in which they come."""
        position = named[self._table.headers.index(self._name)]
        texts: Callable[[list[Any]], list[str]] = record_texts()
        found = (
            texts(record[position : position + 1])[0].strip()
            for number, record in sheet.records()
            if number >= first and len(record) > position
        )
        names = tuple(dict.fromkeys(name for name in found if name))
        twice = sorted(set(names) & set(self._table.headers))
        if twice:
            problem = f"{twice[0]!r} is the name of a value and of a column; rename the column"
            raise HeaderError(self._table.file, f"sheet {self._table.sheet!r}: {problem}")
        return names

    def rows(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Yield the rows with the value under its name; a value without a name is reported."""
        empty = dict.fromkeys(self._table.headers, "")
        for row in rows:
            name, value = row.values[self._name].strip(), row.values[self._value]
            values = {**empty, **row.values}
            if name:
                values[name] = value
                yield row._replace(values=values, places={name: Place(row.number, self._value)})
            elif value:
                issue = Issue(
                    code=IssueCode.MISSING_KEY.code,
                    message="the row does not say what its value is; the value was not used",
                    row=row.number,
                    sheet=row.sheet,
                    column=self._name,
                    value=value,
                    suggestion=f"fill in {self._name!r}, or clear the value",
                )
                self._table.issues.append(issue)
                yield row._replace(values=values, problems=(*row.problems, issue), usable=False)
            else:
                yield row._replace(values=values)
