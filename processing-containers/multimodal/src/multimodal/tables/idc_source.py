"""Clinical tables of NCI's Imaging Data Commons, with its ``clinical_index`` as their dictionary.

A table is what ``idc-index`` saves with ``get_clinical_table`` (or BigQuery exports): CSV or Parquet. The dictionary is
its ``clinical_index`` table as CSV, Parquet or JSON (https://learn.canceridc.dev/data/organization-of-data/clinical).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from multimodal.tables.csv_source import csv_rows, open_csv
from multimodal.tables.errors import HeaderError, WrongFormatError
from multimodal.tables.idc_index import clinical_index
from multimodal.tables.parquet import is_parquet, parquet_columns, parquet_records
from multimodal.tables.rows import Row, SourceSpec, Table, clean_headers, header_problem
from multimodal.tables.xlsx_cells import cell_text


class IdcSource:
    """Reads one clinical table of IDC; blanks around headers and cells, which many collections have, are removed.

    The options ``collection`` and ``table`` choose the lines of ``clinical_index``; without ``table`` the name of the
    file is taken for it.
    """

    suffixes = (".csv", ".parquet")

    def read(self, path: Path, source: SourceSpec) -> list[Table]:
        """Open `path`; see `TableSource.read`."""
        table = _parquet(path) if is_parquet(path) else _csv(path, source)
        problem = header_problem(table.headers, 1)
        if problem:
            raise HeaderError(path, problem)
        table.rows = map(_stripped, table.rows)
        if source.dictionary is not None:
            _describe(table, source.dictionary, source)
        return [table]


def _describe(table: Table, index: Path, source: SourceSpec) -> None:
    if not index.is_file():
        table.notes.append(f"{index.name} was not given: labels and codes of the columns are not known")
        return
    collection, name = source.options.get("collection", ""), source.options.get("table", "") or table.file.stem
    table.dictionary, problem = clinical_index(index, collection, name)
    unknown = [header for header in table.headers if header not in table.dictionary.fields]
    if problem:
        table.notes.append(f"{index.name}: {problem}")
    elif unknown:
        table.notes.append(f"{table.file.name}: not in {index.name}: {', '.join(unknown)}")


def _stripped(row: Row) -> Row:
    return row._replace(values={header: text.strip() for header, text in row.values.items()})


def _csv(path: Path, source: SourceSpec) -> Table:
    if path.suffix.lower() == ".parquet":
        raise WrongFormatError(path, "is named like a Parquet file but is none; export it again")
    opened = open_csv(path, source)
    table = Table(path, opened.headers, iter(()), found=opened.found)
    table.rows = csv_rows(opened, table)
    return table


def _parquet(path: Path) -> Table:
    names = parquet_columns(path)
    found = {"format": "Parquet", "rows": "counted as below a header row"}
    return Table(path, clean_headers(list(names)), _rows(path, names), found=found)


def _rows(path: Path, names: tuple[str, ...]) -> Iterator[Row]:
    headers = clean_headers(list(names))
    for number, record in enumerate(parquet_records(path), start=2):
        texts = (_text(record[name]) for name in names)
        yield Row(number, dict(zip(headers, texts, strict=True)))


def _text(cell: Any) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    return cell_text(cell)
