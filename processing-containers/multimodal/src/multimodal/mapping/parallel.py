"""Rows mapped by several processes, and given back in their order.

Each process maps chunks of rows by themselves; what rows are to each other (repeated keys, Patients, visits) is decided
by the one that asks, so that the outcome is that of a single process. Processes are forked: they have the mapping with
its compiled expressions from the start, and only rows and results travel.
"""

from __future__ import annotations

import multiprocessing
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any

from multimodal.mapping.form_run import FormRun, Mapped
from multimodal.model.errors import ConfigurationError
from multimodal.resources.serialised import Serialised
from multimodal.tables.rows import Row

_CHUNK = 100

Numbered = tuple[int, Row]


def mapped_by(processes: int, runs: Sequence[FormRun], rows: Iterable[Numbered]) -> Iterator[tuple[int, Row, Mapped]]:
    """Yield each row with what it is by itself, in order.

    Parameters
    ----------
    processes : int
        How many processes map.
    runs : sequence of FormRun
        One for each table.
    rows : iterable of (int, Row)
        Rows, each with the position of its run.

    Raises
    ------
    ConfigurationError
        If this system cannot fork.
    """
    if "fork" not in multiprocessing.get_all_start_methods():
        raise ConfigurationError("several processes need a system that can fork (Linux); leave --processes out")
    chunks = iter(rows)
    workers = [_Worker(runs) for _ in range(processes)]
    try:
        busy: deque[_Worker] = deque(worker for worker in workers if worker.take(chunks))
        while busy:
            worker = busy.popleft()
            done, results = worker.results()
            if worker.take(chunks):  # it works on while its results are used
                busy.append(worker)
            for (table, row), mapped in zip(done, results, strict=True):
                yield table, row, mapped
    finally:
        for worker in workers:
            worker.end()


class _Worker:
    """One process and the chunk of rows that it has."""

    def __init__(self, runs: Sequence[FormRun]) -> None:
        context = multiprocessing.get_context("fork")
        self._connection, other = context.Pipe()
        self._process: ForkProcess = context.Process(target=_work, args=(runs, other, self._connection), daemon=True)
        self._process.start()
        other.close()
        self._chunk: list[Numbered] = []

    def take(self, rows: Iterator[Numbered]) -> bool:
        """Hand over the next rows; False where there are none."""
        self._chunk = list(islice(rows, _CHUNK))
        if self._chunk:
            self._connection.send_bytes(pickle.dumps([(table, *row) for table, row in self._chunk], _PROTOCOL))
        return bool(self._chunk)

    def results(self) -> tuple[list[Numbered], Iterator[Mapped]]:
        """Return the rows it had, and what they are."""
        answer = pickle.loads(self._connection.recv_bytes())  # noqa: S301 - from our own process
        if isinstance(answer, BaseException):
            raise answer
        return self._chunk, _unpacked(answer)

    def end(self) -> None:
        """Stop the process."""
        self._connection.close()
        self._process.terminate()
        self._process.join()


_PROTOCOL = pickle.HIGHEST_PROTOCOL


def _work(runs: Sequence[FormRun], connection: Connection, others: Connection) -> None:
    """Map chunks until the other end is closed."""
    others.close()
    process: list[Callable[[Row], Mapped]] = [run.process for run in runs]
    while True:
        try:
            received = connection.recv_bytes()
        except (EOFError, ConnectionResetError):
            return
        try:
            rows = pickle.loads(received)  # noqa: S301 - from the process that forked this one
            answer: Any = _packed([process[table](Row(*row)) for table, *row in rows])
        except Exception as error:  # whatever it is, the asking process raises it
            answer = error
        connection.send_bytes(pickle.dumps(answer, _PROTOCOL))


def _packed(results: list[Mapped]) -> list[tuple[Any, ...]]:
    """Return results as plain tuples: named ones take several times as long to pickle."""
    return [
        (
            [part for one in mapped.resources for part in one],
            *mapped[1:8],
            [part for one in mapped.keyed for part in one],
            *mapped[9:],
        )
        for mapped in results
    ]


def _unpacked(answer: list[tuple[Any, ...]]) -> Iterator[Mapped]:
    new = tuple.__new__
    for resources, *rest in answer:
        rest[7] = _resources(rest[7])
        yield new(Mapped, (_resources(resources), *rest))


def _resources(flat: list[Any]) -> list[Serialised]:
    new = tuple.__new__
    parts = iter(flat)
    return [new(Serialised, one) for one in zip(parts, parts, parts, parts, strict=True)]
