"""The source table back as a workbook, with every refused cell coloured and a note in it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl

from multimodal.tables.rows import SourceSpec
from multimodal.workflows.findings import Finding, Findings, State
from multimodal.workflows.ledger import finding_key, identity_of
from multimodal.workflows.refused import RefusedRow
from multimodal.workflows.workbook_cells import Listed, list_sheet, mark, put
from multimodal.workflows.workbook_copies import UNREADABLE, Copy, new_sheet, whole_copy

MOST_LOADED = 500_000
"""Cells up to which an xlsx comes back as it is: openpyxl needs about 600 bytes and 25 microseconds for each."""
MOST_COPIED = 2_000_000
"""Cells up to which a text table comes back whole; spreadsheets become slow beyond."""
MOST_MARKED = 10_000
"""Findings of one file that are marked; no spreadsheet is pleasant to use with more notes."""
_ROW_COLUMN = "row in the file"
_IN_NAMES = re.compile(r"[/\\\x00-\x1f\x7f]")
_LONGEST_NAME = 120
_MET = (State.NEW, State.PERSISTING, State.ACCEPTED)


@dataclass(slots=True)
class _Source:
    """One file of the import, what issues call its sheets, and the first of its findings."""

    path: Path
    sheets: set[str]
    findings: list[Finding] = field(default_factory=list)
    more: int = 0


@dataclass(frozen=True, slots=True)
class CheckedWorkbooks:
    """Writes the checked workbooks of an import.

    Parameters
    ----------
    spec : SourceSpec
        How the files were read.
    keys : sequence of str
        Headers of the columns that name a row: a finding on a whole row is marked there.
    rows : iterable of RefusedRow
        The rows with findings, for files that cannot come back whole.
    most_loaded, most_copied, most_marked : int
        See `MOST_LOADED`, `MOST_COPIED` and `MOST_MARKED`.
    """

    spec: SourceSpec
    keys: Sequence[str]
    rows: Iterable[RefusedRow] = ()
    most_loaded: int = MOST_LOADED
    most_copied: int = MOST_COPIED
    most_marked: int = MOST_MARKED

    def write(self, files: Sequence[Path], found: Iterable[str], findings: Findings, folder: Path) -> list[Path]:
        """Write ``<name>-checked.xlsx`` for each file with findings, and return what was written.

        Parameters
        ----------
        files : sequence of Path
            The files of the import.
        found : iterable of str
            The tables that were read, ``<file>`` or ``<file>:<sheet>``, as `MappingRun.found` names them.
        findings : Findings
            Of the import; fixed ones are of an earlier file and not marked.
        folder : Path
            Where to.
        """
        written: list[Path] = []
        for source in self._shared_out(files, list(found), findings):
            stem = folder / f"{_name(source.path, {other.name for other in written})}-checked"
            try:
                written.append(_saved(source, *self._marked(source), stem))
            except UNREADABLE:  # openpyxl cannot write back all that it can load
                written.append(_saved(source, *self._rows_only(source), stem))
        return written

    def _shared_out(self, files: Sequence[Path], found: Sequence[str], findings: Findings) -> list[_Source]:
        """Return the files that were read and have findings, each with its own; what names no file is the first's."""
        sources = [source for source in (_source(path, found) for path in files) if source.sheets]
        owner = {sheet: source for source in reversed(sources) for sheet in source.sheets}
        for finding in findings.of(*_MET) if sources else ():
            source = owner.get(finding.issue.sheet, sources[0])
            if len(source.findings) < self.most_marked:
                source.findings.append(finding)
            else:
                source.more += 1
        return [source for source in sources if source.findings]

    def _marked(self, source: _Source) -> tuple[Copy, list[Listed]]:
        """Return the workbook with its marks, and its list."""
        copy = whole_copy(source.path, self.spec, most_loaded=self.most_loaded, most_copied=self.most_copied)
        if copy is None:
            return self._rows_only(source)
        columns: dict[str, dict[str, int]] = {}
        listed = []
        for finding in source.findings:
            sheet = copy.sheet(finding.issue.sheet.removeprefix(f"{source.path.name}:"))
            if finding.issue.row is None or sheet is None:
                listed.append(Listed(finding))
                continue
            if sheet.title not in columns:
                columns[sheet.title] = copy.columns(sheet, self.spec)
            column = _column(finding.issue.column, columns[sheet.title], self.keys)
            listed.append(Listed(finding, sheet.title, mark(sheet, finding.issue.row, column, finding)))
        return copy, listed

    def _rows_only(self, source: _Source) -> tuple[Copy, list[Listed]]:
        workbook, listed = _RefusedRows(self, source).sheets()
        return Copy(workbook, ["Only the rows with findings are here, under their row numbers in the file."]), listed


class _RefusedRows:
    """The rows with findings, on a sheet for each form, for a file that cannot come back whole."""

    def __init__(self, of: CheckedWorkbooks, source: _Source) -> None:
        self._of = of
        self._source = source
        self._waiting: dict[bytes, list[Finding]] = {}
        for finding in source.findings:
            self._waiting.setdefault(finding_key(identity_of(finding.issue)), []).append(finding)
        self._columns: dict[str, dict[str, int]] = {}
        self._sheets: dict[str, Any] = {}
        self._cells = 0

    def sheets(self) -> tuple[Any, list[Listed]]:
        """Return the workbook and the list of its findings."""
        workbook = openpyxl.Workbook()
        workbook.remove(workbook.active)
        listed = []
        for row in self._of.rows:
            if row.sheet in self._source.sheets and self._cells <= self._of.most_loaded:
                met = [(self._take(issue), column) for issue, column in zip(row.issues, row.columns, strict=True)]
                if any(finding is not None for finding, _ in met):
                    sheet, number = self._sheet(workbook, row), self._written(row)
                    columns = self._columns[row.sheet]
                    for finding, header in met:
                        if finding is not None:
                            cell = mark(sheet, number, _column(header, columns, self._of.keys), finding)
                            listed.append(Listed(finding, sheet.title, cell))
        rest = [Listed(finding) for waiting in self._waiting.values() for finding in waiting]
        return workbook, [*(line for line in rest if line.finding.issue.row is None), *listed,
                          *(line for line in rest if line.finding.issue.row is not None)]  # fmt: skip

    def _take(self, issue: Any) -> Finding | None:
        waiting = self._waiting.get(finding_key(identity_of(issue)))
        return waiting.pop(0) if waiting else None

    def _sheet(self, workbook: Any, row: RefusedRow) -> Any:
        if row.sheet not in self._sheets:
            headers = [_ROW_COLUMN, *row.cells]
            self._sheets[row.sheet] = new_sheet(workbook, row.sheet or self._source.path.stem, headers)
            self._columns[row.sheet] = {header: column for column, header in enumerate(row.cells, start=2)}
        return self._sheets[row.sheet]

    def _written(self, row: RefusedRow) -> int:
        """Write the cells of a row below the others, and return its row in the sheet."""
        sheet, columns = self._sheets[row.sheet], self._columns[row.sheet]
        number = int(sheet.max_row) + 1
        sheet.cell(number, 1).value = row.number
        for header, text in row.cells.items():
            if text and header in columns:
                put(sheet.cell(number, columns[header]), text)
        self._cells += len(columns) + 1
        return number


def _source(path: Path, found: Sequence[str]) -> _Source:
    """Return a file with all that issues may call it: its sheets, and itself where there are several files."""
    sheets: set[str] = set()
    for name in found:
        if name == path.name:
            sheets |= {"", name}
        elif name.startswith(f"{path.name}:"):
            sheets |= {name.removeprefix(f"{path.name}:"), name}
    return _Source(path, sheets)


def _saved(source: _Source, copy: Copy, listed: list[Listed], stem: Path) -> Path:
    """Put the list before the sheets, and write the workbook."""
    lead = [f"{source.path.name}: what did not come through", *copy.lacks]
    if source.more:
        lead.append(f"Only the first {len(source.findings):,} findings are here; errors.csv has all of them.")
    lead.append("This is a copy: correct the cells in the original file, then import that again.")
    list_sheet(copy.workbook, lead, listed)
    path = stem.with_name(stem.name + (".xlsm" if copy.workbook.vba_archive else ".xlsx"))
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:  # of a failure nothing is left
        part = Path(folder) / path.name
        copy.save(part)
        return part.replace(path)


def _column(header: str, columns: Mapping[str, int], keys: Sequence[str]) -> int:
    """Return the one column that a finding is marked in.

    A finding on several columns names them all, joined by commas; one on the row is marked at its key.
    """
    for name in (header, *header.split(", "), *keys):
        if name in columns:
            return columns[name]
    return 1


def _name(path: Path, taken: set[str]) -> str:
    stem = _IN_NAMES.sub("_", path.stem).lstrip(".")[:_LONGEST_NAME] or "table"
    if any(name.startswith(f"{stem}-checked.") for name in taken):
        stem = _IN_NAMES.sub("_", path.name).lstrip(".")[:_LONGEST_NAME]
    number, name = 1, stem
    while any(other.startswith(f"{name}-checked.") for other in taken):
        number += 1
        name = f"{stem}-{number}"
    return name
