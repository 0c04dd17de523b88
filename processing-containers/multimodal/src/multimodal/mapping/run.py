"""Rows through a mapping: resources and issues, one row at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from multimodal.mapping.errors import TooManyErrorsError
from multimodal.mapping.form_run import FormRun, Mapped
from multimodal.mapping.hiding import Hiding
from multimodal.mapping.opening import Coverage, Opening
from multimodal.mapping.parallel import mapped_by
from multimodal.mapping.plan import Mapping
from multimodal.mapping.settle import RowResult, Settlement, patients_of
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.tables.dictionary import Dictionary
from multimodal.tables.rows import Row

_PROGRESS_ROWS = 1000
Validate = Literal["shape", "every"]


class MappingRun:
    """A mapping over table files; iterate it once or again for its rows.

    Opening checks everything that concerns the input as a whole, so that nothing is yielded of a table that must be
    refused. Rows that the mapping leaves out (`notes` counts them) are not yielded; Patients of which several rows
    speak, and the Encounters of visits, come at the end in results of their own.

    Parameters
    ----------
    mapping : Mapping
        The mapping.
    paths : sequence of Path
        The table files.
    progress : Progress
        Told of ``rows``.
    processes : int
        How many processes map rows; what comes out is the same.
    validate : {"shape", "every"}
        Whether the fhir.resources model sees the first resource of each kind, or each.

    Attributes
    ----------
    issues : list of Issue
        Problems of the files, not of rows.
    notes : list of str
        What a person should know, one line each.
    found : dict of str to dict
        By file: what the reader found out, e.g. encoding and delimiter.
    coverage : Coverage
        What became of each column.
    values : dict
        By column: kind (``inexact``, ``missing``, ``text``, ``otherwise``...) and source value, with counts.
    rows : int
        Rows read so far.
    decimals : dict of str to str
        The decimal sign that was decided for each column.
    dictionaries : dict of str to Dictionary
        By form: what its source knows of the columns.
    all_read : bool
        Whether every row was yielded; what still follows is what several of them became together.
    """

    def __init__(
        self,
        mapping: Mapping,
        paths: Sequence[Path],
        *,
        progress: Progress = silent,
        processes: int = 1,
        validate: Validate = "shape",
    ) -> None:
        self.mapping = mapping
        self._progress = progress
        self._processes = processes
        self._every = validate == "every"
        self._hiding = Hiding(mapping)
        self._opening = opening = Opening(mapping, paths)
        self.issues: list[Issue] = opening.issues
        self.found: dict[str, dict[str, str]] = opening.found
        self.coverage: Coverage = opening.coverage
        self.decimals: dict[str, str] = opening.decimals
        self.dictionaries: dict[str, Dictionary] = opening.dictionaries
        self.values: dict[str, dict[str, Counter[str]]] = {}
        self.rows = 0
        self.all_read = False
        self._told: list[str] = []
        if mapping.max_row_errors or mapping.on_error == "abort":
            self._check_quality()

    @property
    def notes(self) -> list[str]:
        """What a person should know, one line each; of rows only after they were read."""
        return [*self._opening.notes, *self._told]

    def __iter__(self) -> Iterator[RowResult]:
        self.rows = 0
        self.all_read = False
        patients = patients_of(self.mapping, keyed=self._opening.keyed)
        runs = [FormRun(self.mapping, opened, patients, self._every, self._hiding) for opened in self._opening.forms]
        settlement = Settlement(self.mapping, runs, patients)
        self.values = settlement.values
        if self.mapping.duplicate_key == "last":
            settlement.count_rows(self._named(runs))
        for table, row, mapped in self._mapped(runs):
            result = settlement.settle(self.rows, table, row, mapped)
            self.rows += 1
            if result is not None:
                yield result
            if self.rows % _PROGRESS_ROWS == 0:
                self._progress("rows", self.rows)
        self.all_read = True
        yield from settlement.rest()
        self._told = settlement.told()
        self._progress("rows", self.rows, self.rows)

    def _named(self, runs: Sequence[FormRun]) -> Iterator[tuple[int, Row]]:
        for position, (run, table) in enumerate(zip(runs, self._opening.tables(), strict=True)):
            named = run.named
            for row in table.rows:
                yield position, named(row)

    def _mapped(self, runs: Sequence[FormRun]) -> Iterator[tuple[int, Row, Mapped]]:
        if self._processes > 1:
            yield from mapped_by(self._processes, runs, self._named(runs))
            return
        for position, row in self._named(runs):
            yield position, row, runs[position].process(row)

    def _check_quality(self) -> None:
        """Map everything once without yielding it: a table beyond the limit must not be sent in part."""
        bad = sum(1 for result in self if result.issues)
        if self.mapping.on_error == "abort" and bad:
            raise TooManyErrorsError(bad, self.rows, "on_error: abort")
        limit = self.mapping.max_row_errors
        allowed = self.rows * int(limit[:-1]) / 100 if limit.endswith("%") else int(limit or self.rows)
        if bad > allowed:
            raise TooManyErrorsError(bad, self.rows, limit)


def run_mapping(
    mapping: Mapping,
    paths: Sequence[Path],
    *,
    progress: Progress = silent,
    processes: int = 1,
    validate: Validate = "shape",
) -> MappingRun:
    """Open table files under a mapping.

    Parameters
    ----------
    mapping : Mapping
        From `load_mapping`.
    paths : sequence of Path
        The table files.
    progress : Progress
        Told of ``rows``.
    processes : int
        How many processes map rows; what comes out is the same.
    validate : {"shape", "every"}
        Whether the fhir.resources model sees the first resource of each kind, or each (much slower).

    Returns
    -------
    MappingRun
        Iterate it for the rows.

    Raises
    ------
    DataRefusedError
        If the input as a whole cannot be used: a file is missing, empty, encrypted or not what its name says, a key
        column is missing, a column is unknown and the mapping says ``unmapped: error``, or too many rows have errors.
    """
    return MappingRun(mapping, paths, progress=progress, processes=processes, validate=validate)
