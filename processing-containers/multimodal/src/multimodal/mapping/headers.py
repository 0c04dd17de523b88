"""The headers of a file held to those of the mapping: which are there, which are not, which may be meant."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from multimodal.mapping.plan import Column, Form
from multimodal.model.issue_codes import IssueCode
from multimodal.tables.rows import SheetSpec, SourceSpec, Table

# Below this, headers of different columns (height_cm, weight_kg) would be taken for each other.
_ALIKE = 0.8


@dataclass(frozen=True, slots=True)
class Headers:
    """What a form finds of its columns in a table.

    Parameters
    ----------
    present : dict of str to str
        Header in the mapping to header in the file.
    unnamed : list of str
        Headers of the file that the mapping does not name.
    absent : list of str
        Headers of the mapping that the file does not have; ignored columns are not missed.
    meant : dict of str to str
        Absent header to the unnamed one that is probably the same.
    options : dict of str to dict
        Checkbox group of the mapping to its columns in the file: code of the option to header.
    """

    present: dict[str, str]
    unnamed: list[str]
    absent: list[str]
    meant: dict[str, str]
    options: dict[str, dict[str, str]] = field(default_factory=dict)

    def differences(self) -> str:
        """Return in one line all in which file and mapping differ."""
        parts = [misspelt(header, actual) for header, actual in self.meant.items()]
        unnamed = [repr(header) for header in self.unnamed if header not in self.meant.values()]
        absent = [repr(header) for header in self.absent if header not in self.meant]
        if unnamed:
            names = ", ".join(unnamed)
            parts.append(f"the mapping does not name the columns {names}; map them, or ignore them with a reason")
        if absent:
            which = (
                f"columns {', '.join(absent)} of the mapping are"
                if absent[1:]
                else f"column {absent[0]} of the mapping is"
            )
            parts.append(f"the {which} missing; {IssueCode.MISSING_COLUMN.suggestion}")
        return "; ".join(parts)


def compare(form: Form, table: Table) -> Headers:
    """Return what `form` finds of its columns in `table`."""
    present = present_headers(form, table)
    options = {
        header: found
        for header, column in form.columns.items()
        if column.verb in ("checkbox", "ignore", "helper") and (found := option_headers(column, table))
    }
    named = {*present.values(), *table.given, *(header for found in options.values() for header in found.values())}
    unnamed = [header for header in table.headers if header not in named]
    absent = [
        header
        for header, column in form.columns.items()
        if header not in present and header not in options and column.verb != "ignore"
    ]
    return Headers(present, unnamed, absent, _meant(absent, unnamed), options)


def option_headers(column: Column, table: Table) -> dict[str, str]:
    """Return code of the option -> header in the file of a checkbox field, which has no column of its own.

    The source's dictionary says which columns these are; without one, REDCap's names do: ``field___2``, and
    ``field____1`` for the code -1.
    """
    names = (column.header, *column.aliases)
    found = {code: header for header, (field_, code) in table.dictionary.option_of.items() if field_ in names}
    found = {code: header for code, header in found.items() if header in table.headers}
    if found:
        return found
    for name in names:
        for header in table.headers:
            if header.startswith(f"{name}___") and len(header) > len(name) + 3:
                code = header[len(name) + 3 :]
                found[f"-{code[1:]}" if code.startswith("_") else code] = header
    return found


def present_headers(form: Form, table: Table) -> dict[str, str]:
    """Return header in the mapping -> header in the file, for the columns that the file has.

    An earlier header (``was``) is looked for where the present one is not there.
    """
    found = {}
    composed = {_composed(header): header for header in table.headers}
    composed |= {header: header for header in table.headers}
    for header, column in form.columns.items():
        names = (header, *column.aliases, *map(_composed, (header, *column.aliases)))
        actual = next((composed[name] for name in names if name in composed), None)
        if actual is not None:
            found[header] = actual
    return found


def _composed(header: str) -> str:
    """Return a header with each umlaut as one character (NFC); macOS writes two, which look the same."""
    return unicodedata.normalize("NFC", header)


def _meant(absent: Sequence[str], unnamed: Sequence[str]) -> dict[str, str]:
    free = {header.casefold(): header for header in unnamed}
    found = {}
    for header in absent:
        for close in difflib.get_close_matches(header.casefold(), free, n=1, cutoff=_ALIKE):
            found[header] = free.pop(close)
    return found


def misspelt(header: str, actual: str) -> str:
    """Return the message on a column of the mapping that the file has under a similar header."""
    return f"the mapping's {header!r} is not in the file; the file's {actual!r} is not in the mapping: did you mean it?"


def without_key(lost: Sequence[str], table: Table, headers: Headers, source: SourceSpec) -> str:
    """Return the message on a table whose key columns `lost` are not there."""
    # Where no header is known, the row may be one of values, which are not to be shown in a log.
    known = headers.present or headers.meant
    has = f"the file has: {', '.join(table.headers)}" if known else "no cell of that row is a column of the mapping"
    problem = f"the key column {', '.join(lost)} is missing; {has}"
    meant = [headers.meant[header] for header in lost if header in headers.meant]
    if meant:
        return f"{problem}; did you mean {' and '.join(map(repr, meant))}?"
    if not table.sheet:
        return f"{problem}; the header has to be the first row with cells: delete what stands above it"
    declared = source.sheets.get(table.sheet.strip(), SheetSpec()).header_row
    row = declared if isinstance(declared, int) else declared[-1]
    if row > 1:
        return f"{problem}; that is row {row}, as `header_row` says: correct it if the header stands elsewhere"
    hint = "or declare its row: `header_row` under `source.sheets`"
    return f"{problem}; the header has to be the first row: delete what stands above it, {hint}"
