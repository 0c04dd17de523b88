"""The index of NCI's Imaging Data Commons: one row for each of its million series, in one Parquet file.

The file is part of the package ``idc-index-data`` (https://github.com/ImagingDataCommons/idc-index-data), a new one for
each release of IDC. It is read a part at a time, and only the columns that a question needs.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multimodal.dicomweb.idc_errors import IndexNotInstalledError, WrongIndexError
from multimodal.dicomweb.idc_query import Condition, IndexQuery
from multimodal.dicomweb.idc_series import COLUMNS, NUMBERS, REQUIRED, IndexedSeries
from multimodal.transport.stores import Store

_PACKAGE, _FILE = "idc_index_data", "idc_index.parquet"
_ROWS = 16_384  # read at once: with more of them memory grows, with fewer time
_BUFFER = 1 << 18
# All but these repeat often enough to be read as a list of values and a number for each row.
_DISTINCT = frozenset(
    {"SeriesInstanceUID", "StudyInstanceUID", "SeriesDescription", "crdc_series_uuid", "series_aws_url"}
)
_COUNTED = ("Modality", "license_short_name", "collection_id")


@dataclass(frozen=True, slots=True)
class Totals:
    """How much a selection is.

    Parameters
    ----------
    bytes : int or None
        None where nobody knows.
    modalities, licences, collections : Counter of str
        Series of each.
    """

    series: int = 0
    instances: int = 0
    bytes: int | None = 0
    modalities: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    collections: Counter[str] = field(default_factory=Counter)

    def line(self) -> str:
        """Return the totals in one line for a person."""
        kinds = ", ".join(f"{number} {kind or '?'}" for kind, number in sorted(self.modalities.items()))
        size = "" if self.bytes is None else f", {self.bytes / 1e9:,.1f} GB"
        return f"{self.series} series ({kinds or 'none'}), {self.instances} instances{size}"

    def counts(self) -> dict[str, int]:
        """Return the totals by name, as a report shows them."""
        kinds = {f"{name} series": number for name, number in sorted(self.modalities.items())}
        licences = {f"series under {name or 'no licence'}": number for name, number in sorted(self.licences.items())}
        return {
            "series found": self.series, "instances": self.instances,
            **({} if self.bytes is None else {"bytes": self.bytes}), **kinds, **licences,
        }  # fmt: skip


class IdcIndex:
    """One release of the index.

    Parameters
    ----------
    path : Path
        The Parquet file.
    origin : str
        What names it in a message.

    Raises
    ------
    IndexNotInstalledError
        If pyarrow, which reads it, is not there.
    WrongIndexError
        If it is no such file.
    """

    def __init__(self, path: Path, origin: str = "") -> None:
        self.path = path
        self._origin = origin or str(path)
        try:
            arrow, self._parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
        except ImportError as error:
            raise IndexNotInstalledError(self._origin, "pyarrow") from error
        self._unreadable = (arrow.ArrowException, OSError)
        try:
            schema = self._parquet.read_schema(path)
        except self._unreadable as error:
            raise WrongIndexError(self._origin, f"cannot be read as Parquet ({_first_line(error)})") from error
        if missing := [name for name in REQUIRED if name not in schema.names]:
            raise WrongIndexError(self._origin, f"has no column {', '.join(missing)}")
        self._columns = [name for name in COLUMNS if name in schema.names]
        self._kinds = {name: str(schema.field(name).type) for name in self._columns}
        for name, kind in self._kinds.items():
            if kind not in (("int64", "int32", "double") if name in NUMBERS else ("string", "large_string")):
                raise WrongIndexError(self._origin, f"has a column {name} of {kind}")
        self.version = (schema.metadata or {}).get(b"idc_index_data_version", b"").decode("ascii", "replace")

    def series(self, query: IndexQuery) -> Iterator[IndexedSeries]:
        """Yield the series that a query means, in the order of the file.

        Raises
        ------
        UnknownValueError
            If the index has no such collection, licence or analysis result at all; names that are near are told.
        QueryRefusedError
            If it does not hold what is searched by.
        """
        for batch, rows in self._matching(query, self._columns):
            empty = [None] * len(rows)
            columns = [_taken(batch.column(name), rows) if name in self._columns else empty for name in COLUMNS]
            for row in zip(*columns, strict=True):
                yield IndexedSeries.of_row(row)

    def totals(self, query: IndexQuery) -> Totals:
        """Count the series that a query means, their instances and bytes; raises as `series` does."""
        series = instances = size = 0
        kinds = [Counter[str]() for _ in _COUNTED]
        for batch, rows in self._matching(query, [*_COUNTED, "instanceCount", "series_size_MB"]):
            series += len(rows)
            instances += int(_numbers(batch.column("instanceCount"))[rows].sum())
            size += int(np.rint(_numbers(batch.column("series_size_MB"))[rows] * 1_000_000).sum())
            for name, counted in zip(_COUNTED, kinds, strict=True):
                codes, times = np.unique(_codes(batch.column(name))[rows], return_counts=True)
                for value, number in zip(_values(batch.column(name), codes), times.tolist(), strict=True):
                    counted[value or ""] += number
        return Totals(series, instances, size, *kinds)

    def _matching(self, query: IndexQuery, wanted: Sequence[str]) -> Iterator[tuple[Any, NDArray[np.int64]]]:
        """Yield some thousand rows with the columns `wanted`, and the numbers of those that match, if there are any."""
        conditions = query.conditions(frozenset(self._columns), self._origin)
        for batch in self._batches(list(dict.fromkeys([*(condition.column for condition in conditions), *wanted]))):
            rows = _rows(batch, conditions)
            if rows.size:
                yield batch, rows
        for condition in conditions:
            if condition.has_unmet:
                condition.check_names(self._distinct(condition.column), self._origin)

    def _distinct(self, column: str) -> set[str]:
        """Return all values of a column that has few."""
        found: set[str] = set()
        for batch in self._batches([column]):
            values = _values(batch.column(0), np.unique(_codes(batch.column(0))))
            found.update(value for value in values if value is not None)
        return found

    def _batches(self, columns: Sequence[str]) -> Iterator[Any]:
        coded = [name for name in columns if name not in _DISTINCT and name not in NUMBERS]
        try:
            file = self._parquet.ParquetFile(self.path, read_dictionary=coded, pre_buffer=False, buffer_size=_BUFFER)
            with file:
                yield from file.iter_batches(batch_size=_ROWS, columns=list(columns), use_threads=False)
        except self._unreadable as error:
            raise WrongIndexError(self._origin, f"cannot be read as Parquet ({_first_line(error)})") from error


def open_index(store: Store) -> IdcIndex:
    """Return the index that a store names (``index_file``), else that of the installed package.

    Raises
    ------
    IndexNotInstalledError
        If there is none.
    WrongIndexError
        If the file cannot be used.
    """
    if store.index_file:
        return IdcIndex(Path(store.index_file), f"store {store.name}: its index_file {store.index_file}")
    # Found, not imported: the package reads all its tables' descriptions when it is.
    found = importlib.util.find_spec(_PACKAGE)
    for folder in (found.submodule_search_locations or ()) if found is not None else ():
        if Path(folder, _FILE).is_file():
            return IdcIndex(Path(folder, _FILE), f"store {store.name}: the installed {_PACKAGE}")
    raise IndexNotInstalledError(f"store {store.name}", "idc-index-data")


def _rows(batch: Any, conditions: Sequence[Condition]) -> NDArray[np.int64]:
    """Return the numbers of the rows that meet all conditions; what few values decide is looked at first."""
    rows: NDArray[np.int64] = np.arange(batch.num_rows, dtype=np.int64)
    for condition in sorted(conditions, key=lambda one: one.column in _DISTINCT):
        if not rows.size:
            break
        column = batch.column(condition.column)
        if condition.column in _DISTINCT:
            met = _met(_taken(column, rows), condition)
        else:
            codes, place = np.unique(_codes(column)[rows], return_inverse=True)
            met = _met(_values(column, codes), condition)[place]
        rows = rows[met]
    return rows


def _met(values: Sequence[str | None], condition: Condition) -> NDArray[np.bool_]:
    return np.fromiter((condition.met_by(value) for value in values), dtype=bool, count=len(values))


# Below, `pyarrow.array`, `Array.take` and the like are left alone: they load pandas where it is installed, which takes
# longer than all the rest.


def _values(column: Any, codes: NDArray[np.int64]) -> list[str | None]:
    """Return the values that codes of a column stand for, None for -1."""
    there = codes[codes >= 0]
    return [None] * (len(codes) - len(there)) + _taken(column.dictionary, there)


def _codes(column: Any) -> NDArray[np.int64]:
    """Return the code of each row's value, -1 for an empty cell."""
    codes, there = _cells(column.indices)
    return np.where(there, codes, -1).astype(np.int64)


def _numbers(column: Any) -> NDArray[Any]:
    numbers, there = _cells(column)
    return np.nan_to_num(np.where(there, numbers, 0))


def _cells(column: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the numbers of a column, and which of its cells are not empty."""
    valid, cells = column.buffers()
    first, last = column.offset, column.offset + len(column)
    numbers = np.frombuffer(cells, dtype=str(column.type).replace("double", "float64"))[first:last]
    if valid is None:
        return numbers, np.ones(len(column), dtype=bool)
    bits = np.unpackbits(np.frombuffer(valid, dtype=np.uint8), bitorder="little")
    return numbers, bits[first:last].astype(bool)


def _taken(column: Any, rows: NDArray[np.int64]) -> list[Any]:
    arrow, compute = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.compute")
    positions = arrow.Array.from_buffers(arrow.int64(), len(rows), [None, arrow.py_buffer(rows)])
    taken: list[Any] = compute.call_function("array_take", [column, positions]).to_pylist()
    return taken


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
