"""What is wrong with a mapping file, and with a single cell."""

from __future__ import annotations

from pathlib import Path

from multimodal.model.errors import ConfigurationError, DataRefusedError
from multimodal.model.issue_codes import IssueCode


class MappingError(ConfigurationError):
    """A mapping file is wrong; it names file, line and column, and nothing was read or sent."""


class ColumnsRefusedError(DataRefusedError):
    """The table's columns do not fit the mapping; nothing was stored.

    Parameters
    ----------
    file : Path
        The table.
    columns : list of str
        The headers in question.
    problem : str
        What is wrong with them and what to do.
    """

    def __init__(self, file: Path, columns: list[str], problem: str) -> None:
        self.file = file
        self.columns = columns
        super().__init__(f"{file.name}: {problem}")


class TooManyErrorsError(DataRefusedError):
    """More rows have errors than the mapping's ``quality.max_row_errors`` allows; nothing was stored."""

    def __init__(self, bad: int, rows: int, limit: str) -> None:
        self.bad = bad
        self.rows = rows
        self.limit = limit
        super().__init__(
            f"{bad} of {rows} rows have errors, more than quality.max_row_errors ({limit}) allows; correct the table"
        )


class CellError(Exception):
    """One cell cannot be used. Caught by the row, which reports it and keeps its other cells.

    Parameters
    ----------
    code : IssueCode
        The kind of problem.
    message : str
        What is wrong, in one line.
    suggestion : str
        What to do; by default what the code suggests.
    column : str
        Header of the cell, where it is not the one being read.
    value : str or None
        Text of that cell.
    """

    def __init__(
        self, code: IssueCode, message: str, *, suggestion: str = "", column: str = "", value: str | None = None
    ) -> None:
        self.code = code
        self.message = message
        self.suggestion = suggestion or code.suggestion
        self.column = column
        self.value = value
        super().__init__(message)
