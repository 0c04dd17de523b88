"""A made-up REDCap project: two forms once a record, one that repeats, two events of which one repeats.

The folder ``redcap_made`` holds it as REDCap exports it: data dictionary, raw and labelled records, project XML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from multimodal.tables.read import read_tables
from multimodal.tables.rows import Row, SourceSpec, Table

FORMS = ("baseline", "visit", "lab_values")
_FOLDER = Path(__file__).parent / "redcap_made"
DICTIONARY, RAW, LABELS, XML = (
    (_FOLDER / name).read_text(encoding="utf-8")
    for name in ("dictionary.csv", "records.csv", "labels.csv", "project.xml")
)
RECORDS_XML = re.sub(r"<Study .*</Study>", "", XML, flags=re.DOTALL)


def tables_of(
    folder: Path, content: str, *, dictionary: str | None = DICTIONARY, forms: tuple[str, ...] = FORMS,
    labels: bool = False, options: Mapping[str, str] | None = None, encoding: str = "utf-8",
) -> list[Table]:  # fmt: skip
    """Return the tables of an export in a file of its own."""
    file = folder / ("project.xml" if content.lstrip().startswith("<") else "records.csv")
    file.write_text(content, encoding=encoding)
    described = None
    if dictionary is not None:
        described = folder / ("dictionary.xml" if dictionary.startswith("<") else "dictionary.csv")
        described.write_text(dictionary, encoding="utf-8")
    return read_tables(
        file, SourceSpec("redcap", forms=forms, dictionary=described, labels=labels, options=options or {})
    )


def rows_by_form(tables: list[Table]) -> dict[str, list[Row]]:
    """Return all rows of each form."""
    return {table.sheet: list(table.rows) for table in tables}


def comparable(tables: list[Table]) -> dict[tuple[str, tuple[str, ...]], object]:
    """Return what two exports of one project have in common: form and key to visit, status and values."""
    found: dict[tuple[str, tuple[str, ...]], object] = {}
    for table in tables:
        for row in table.rows:
            assert (table.sheet, row.key) not in found
            values = {header: text for header, text in row.values.items() if text}
            found[table.sheet, row.key] = (row.visit, row.status, row.record, row.event, row.instance, values)
    return found
