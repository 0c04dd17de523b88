"""IDC's ``clinical_index``: one line for each column of each clinical table.

Its columns are ``collection_id``, ``table_name`` (``project.dataset.table``), ``short_table_name``, ``column``,
``column_label``, ``values`` and, in BigQuery's ``column_metadata``, ``data_type`` and ``original_column_headers``.
``values`` lists ``option_code`` and ``option_description``; it is empty where a column has more than 20 of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from multimodal.tables.csv_source import csv_rows, open_csv
from multimodal.tables.dictionary import Dictionary, Field
from multimodal.tables.errors import WrongFormatError
from multimodal.tables.parquet import is_parquet, parquet_records
from multimodal.tables.rows import SourceSpec, Table

PATIENT = "dicom_patient_id"
_TYPES = {
    "INTEGER": "integer",
    "INT64": "integer",
    "FLOAT": "number",
    "FLOAT64": "number",
    "NUMERIC": "number",
    "BOOLEAN": "boolean",
    "BOOL": "boolean",
    "DATE": "date",
    "DATETIME": "datetime",
    "TIMESTAMP": "datetime",
    "TIME": "time",
    "STRING": "text",
}
_QUOTED = r"""(None|null|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,}]+)"""
# In a CSV file the list stands as JSON or as Python or NumPy print it, the latter without commas between its entries.
_OPTION = re.compile(rf"""["']option_code["']\s*:\s*{_QUOTED}(?:\s*,\s*["']option_description["']\s*:\s*{_QUOTED})?""")


def clinical_index(path: Path, collection: str, table: str) -> tuple[Dictionary, str]:
    """Return what ``clinical_index`` says of one table.

    Parameters
    ----------
    path : Path
        The index as CSV, Parquet or JSON (a list of objects, or one object in each line).
    collection : str
        ``collection_id``; ``-`` and ``_`` and upper and lower case are the same. Empty for any.
    table : str
        ``short_table_name``, or ``table_name`` in full.

    Returns
    -------
    Dictionary
        Empty where the index has no such table.
    str
        What a person should know of that, else empty.
    """
    fields = {}
    others = set()
    for line in _lines(path):
        full = _text(line.get("table_name"))
        short = _text(line.get("short_table_name")) or full.rpartition(".")[2]
        if collection and _plain(_text(line.get("collection_id"))) != _plain(collection):
            continue
        if _plain(table) not in (_plain(short), _plain(full)):
            others.add(short)
            continue
        field = _field(line, short)
        fields[field.name] = field
    if fields:
        return Dictionary(fields), ""
    known = f"; it has: {', '.join(sorted(others)[:10])}" if others else ""
    where = f" of collection {collection!r}" if collection else ""
    return Dictionary(), f"has no table {table!r}{where}{known}; name it under `source.table`"


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_")


def _field(line: Mapping[str, Any], table: str) -> Field:
    name = _text(line.get("column"))
    choices = _choices(line.get("values"))
    # An option without description is a value that was met, not a code: text as well as codes have them.
    coded = any(choices.values())
    original = line.get("original_column_headers")
    return Field(
        name=name,
        label=_text(line.get("column_label")) or name,
        type="code" if coded else _TYPES.get(_text(line.get("data_type")).upper(), ""),
        form=table,
        choices=choices,
        identifier=name == PATIENT,
        note=f"originally {_text(original)}" if _text(original) not in ("", "[]") else "",
    )


def _choices(values: Any) -> dict[str, str]:
    if isinstance(values, list):
        return {
            _text(value.get("option_code")): _text(value.get("option_description"))
            for value in values
            if isinstance(value, Mapping)
        }
    return {_unquoted(code): _unquoted(description) for code, description in _OPTION.findall(_text(values))}


def _unquoted(text: str) -> str:
    if text in ("None", "null", ""):
        return ""
    if text[0] not in "'\"":
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1]).strip()


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_text(part) for part in value)
    return "" if value is None else str(value).strip()


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    if is_parquet(path):
        yield from parquet_records(path)
    elif path.suffix.lower() in (".json", ".ndjson", ".jsonl"):
        yield from _json_lines(path)
    else:
        opened = open_csv(path, SourceSpec())
        table = Table(path, opened.headers, iter(()), found=opened.found)
        for row in csv_rows(opened, table):
            yield row.values


def _json_lines(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        whole = text.lstrip().startswith("[")
        lines = json.loads(text) if whole else [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as error:
        raise WrongFormatError(path, f"is no JSON list of the lines of clinical_index ({error})") from error
    yield from (line for line in lines if isinstance(line, Mapping))
