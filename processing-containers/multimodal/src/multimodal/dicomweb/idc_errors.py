"""What can be wrong with the index of IDC, or with a question to it."""

from __future__ import annotations

from collections.abc import Sequence

from multimodal.model.errors import ConfigurationError, DataRefusedError


class IndexNotInstalledError(ConfigurationError):
    """The index of IDC, or the library that reads it, is not there.

    Attributes
    ----------
    package : str
        What is missing.
    """

    def __init__(self, origin: str, package: str) -> None:
        self.package = package
        super().__init__(
            f"{origin}: needs {package}, which is not installed: pip install 'kaapana-multimodal[idc]'"
            + ("" if package == "pyarrow" else ", or name the index as index_file in the stores file")
        )


class WrongIndexError(ConfigurationError):
    """A file that is not the index of IDC."""

    def __init__(self, origin: str, problem: str) -> None:
        super().__init__(f"{origin} {problem}; it must be idc_index.parquet of the package idc-index-data")


class UnknownValueError(DataRefusedError):
    """A collection, licence, analysis result or modality that no series of the index has.

    Attributes
    ----------
    column, value : str
        What was asked for.
    near : tuple of str
        Values of the index that are written alike.
    """

    def __init__(self, origin: str, column: str, value: str, near: Sequence[str]) -> None:
        self.column = column
        self.value = value
        self.near = tuple(near)
        hint = f"; near: {', '.join(near)}" if near else ""
        super().__init__(f"{origin}: no series has the {column} {value!r}{hint}")
