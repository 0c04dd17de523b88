"""The root of all errors of this package, and the few that several rooms raise.

An error carries its data as attributes and reads as one line that says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from multimodal.model.exit_codes import ExitCode


class MultimodalError(Exception):
    """Root of every error this package raises on purpose.

    Attributes
    ----------
    exit_code : ExitCode
        What a task or command that ends with this error exits with.
    """

    exit_code: ExitCode = ExitCode.DEFECT


class ConfigurationError(MultimodalError):
    """A setting, stores file, form or mapping is wrong; nothing was read or sent.

    Parameters
    ----------
    problem : str
        What is wrong and what to do, in one line.
    file : Path or str, optional
        The file that holds the mistake.
    line, column : int, optional
        Position in that file, counted from 1.
    """

    exit_code = ExitCode.CONFIGURATION

    def __init__(
        self, problem: str, *, file: Path | str | None = None, line: int | None = None, column: int | None = None
    ) -> None:
        self.problem = problem
        self.file = file
        self.line = line
        self.column = column
        place = ":".join(str(part) for part in (file, line, column) if part is not None)
        super().__init__(f"{place}: {problem}" if place else problem)


class DataRefusedError(MultimodalError):
    """The input as a whole cannot be used; nothing was stored."""

    exit_code = ExitCode.REFUSED


class RemoteError(MultimodalError):
    """A remote system failed or refused.

    Parameters
    ----------
    store : str
        Name of the store in the stores file.
    problem : str
        What happened and what to do, in one line.
    status : int, optional
        HTTP status of the last answer.

    Attributes
    ----------
    series_uid : str
        The series that was to be fetched, where it was about one.
    other_series : tuple of str
        Further series that did not come in the same run.
    """

    exit_code = ExitCode.REMOTE
    series_uid: str = ""
    other_series: tuple[str, ...] = ()

    def __init__(self, store: str, problem: str, *, status: int | None = None) -> None:
        self.store = store
        self.problem = problem
        self.status = status
        super().__init__(f"{store}: {problem}")

    def __str__(self) -> str:
        text, others = super().__str__(), self.other_series
        if not others:
            return text
        return f"{text}; {len(others)} more series did not come: {first_few(others)}"


class InvalidUidError(DataRefusedError):
    """A text that should be a DICOM UID is none (PS3.5 9.1)."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f"not a DICOM UID: {text[:80]!r}")


def first_few(names: Sequence[object], shown: int = 3) -> str:
    """Return the first of `names` for a message, with dots where there are more."""
    return ", ".join(map(str, names[:shown])) + (", ..." if len(names) > shown else "")
