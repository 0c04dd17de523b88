"""Parquet files, where pyarrow is installed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from multimodal.tables.errors import TableError, WrongFormatError

_MAGIC = b"PAR1"


def is_parquet(path: Path) -> bool:
    """Return whether a file begins as a Parquet file does."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def parquet_columns(path: Path) -> tuple[str, ...]:
    """Return the names of the columns of a Parquet file; raises as `parquet_records` does."""
    return tuple(str(name) for name in _open(path).schema_arrow.names)


def parquet_records(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a Parquet file, a part of it at a time.

    Raises
    ------
    TableError
        If pyarrow is not installed, or the file is damaged.
    """
    for batch in _open(path).iter_batches():
        yield from batch.to_pylist()


def _open(path: Path) -> Any:
    # Not at the top: it is large, and only this format needs it.
    try:
        arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        problem = "Parquet needs pyarrow; install multimodal[analysis], or save the table as CSV"
        raise TableError(path, problem) from error
    try:
        return parquet.ParquetFile(path)
    except (arrow.ArrowException, OSError) as error:
        first = str(error).partition("\n")[0]
        raise WrongFormatError(path, f"cannot be read as Parquet ({first}); export it again") from error
