"""Why a table file as a whole cannot be read."""

from __future__ import annotations

from pathlib import Path

from multimodal.model.errors import ConfigurationError, DataRefusedError


class TableError(DataRefusedError):
    """A file that cannot be read as a table; nothing of it was used.

    Parameters
    ----------
    file : Path
        The file.
    problem : str
        What is wrong and what to do, in one line.
    """

    def __init__(self, file: Path, problem: str) -> None:
        self.file = file
        self.problem = problem
        super().__init__(f"{file.name}: {problem}")


class MissingFileError(TableError):
    """The file is not there, or may not be read."""


class EmptyTableError(TableError):
    """The file, or its sheet, has no header row."""


class EncryptedTableError(TableError):
    """The workbook is protected by a password."""


class WrongFormatError(TableError):
    """The content is not what the file's name says."""


class HeaderError(TableError):
    """The header row is unusable: a name occurs twice."""


class UnknownSourceTypeError(ConfigurationError):
    """No installed source reads this type of table."""

    def __init__(self, type_: str, known: list[str]) -> None:
        self.type = type_
        self.known = known
        super().__init__(f"source type {type_!r} is not supported yet; known: {', '.join(known)}")
