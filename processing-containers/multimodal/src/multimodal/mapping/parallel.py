"""Rows mapped by several processes, and given back in their order.

Each process maps chunks of rows by themselves; what rows are to each other (repeated keys, Patients, visits) is decided
by the one that asks, so that the outcome is that of a single process. Processes are forked: they have the mapping with
its compiled expressions from the start, and only rows and results travel.
"""

from __future__ import annotations

import gc
import mmap
import multiprocessing
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from queue import SimpleQueue
from threading import Thread
from typing import Any

from multimodal.mapping.form_run import FormRun, Mapped
from multimodal.model.errors import ConfigurationError
from multimodal.resources.serialised import Serialised
from multimodal.tables.rows import Row

_CHUNK = 100
_AT_ONCE = 4  # chunks of a process: it works on some while the results of others are used
_COLLECTED = 50  # chunks between two looks for cyclic garbage: rows leave next to none
_SLOT = 4 << 20  # bytes of results; what is larger goes through the pipe
_PROTOCOL = pickle.HIGHEST_PROTOCOL

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
    for table, row in islice(chunks, _CHUNK):  # here: what the first rows prepare and check, all processes then have
        yield table, row, runs[table].process(row)
    workers = [_Worker(runs) for _ in range(processes)]
    try:
        busy = deque(worker for _ in range(_AT_ONCE) for worker in workers if worker.take(chunks))
        while busy:
            worker = busy.popleft()
            done, results = worker.results()
            if worker.take(chunks):
                busy.append(worker)
            for (table, row), mapped in zip(done, results, strict=True):
                yield table, row, mapped
    finally:
        for worker in workers:
            worker.end()


class _Worker:
    """One process and the chunks of rows that it has."""

    def __init__(self, runs: Sequence[FormRun]) -> None:
        context = multiprocessing.get_context("fork")
        self._connection, other = context.Pipe()
        # Results lie in memory that both have: a pipe holds less than one chunk, and each would wait for the other.
        self._memory = mmap.mmap(-1, _AT_ONCE * _SLOT)
        self._process: ForkProcess = context.Process(
            target=_work, args=(runs, other, self._connection, self._memory), daemon=True
        )
        self._process.start()
        other.close()
        self._chunks: deque[list[Numbered]] = deque()
        self._read = 0

    def take(self, rows: Iterator[Numbered]) -> bool:
        """Hand over the next rows; False where there are none."""
        chunk = list(islice(rows, _CHUNK))
        if chunk:
            self._chunks.append(chunk)
            self._connection.send_bytes(pickle.dumps([(table, *row) for table, row in chunk], _PROTOCOL))
        return bool(chunk)

    def results(self) -> tuple[list[Numbered], Iterator[Mapped]]:
        """Return the rows it had first, and what they are."""
        answer: Any = pickle.loads(self._connection.recv_bytes())  # noqa: S301 - from our own process
        if isinstance(answer, int):
            with memoryview(self._memory)[_slot(self._read)] as slot:
                answer = pickle.loads(slot[:answer])  # noqa: S301 - from our own process, too
        self._read += 1
        if isinstance(answer, BaseException):
            raise answer
        return self._chunks.popleft(), _unpacked(*answer)

    def end(self) -> None:
        """Stop the process."""
        self._connection.close()
        self._process.terminate()
        self._process.join()
        self._memory.close()


def _slot(number: int) -> slice:
    """Return where the results of a chunk lie: in turns, since that many chunks are under way at once."""
    start = number % _AT_ONCE * _SLOT
    return slice(start, start + _SLOT)


def _work(runs: Sequence[FormRun], connection: Connection, others: Connection, memory: mmap.mmap) -> None:
    """Map chunks until the other end is closed."""
    others.close()
    gc.freeze()  # what was there at the fork stays: never looked through, and its memory stays shared
    gc.disable()
    process: list[Callable[[Row], Mapped]] = [run.process for run in runs]
    # Always ready to take rows: else both ends could wait for the other one to take what they have.
    received: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_receive, args=(connection, received), daemon=True).start()
    done = 0
    while chunk := received.get():
        try:
            rows = pickle.loads(chunk)  # noqa: S301 - from the process that forked this one
            answer: Any = _packed([process[table](Row(*row)) for table, *row in rows])
        except Exception as error:  # whatever it is, the asking process raises it
            answer = error
        packed = pickle.dumps(answer, _PROTOCOL)
        if len(packed) <= _SLOT:
            start = _slot(done).start
            memory[start : start + len(packed)] = packed
            packed = pickle.dumps(len(packed), _PROTOCOL)
        connection.send_bytes(packed)
        done += 1
        if done % _COLLECTED == 0:
            gc.collect()


def _receive(connection: Connection, received: SimpleQueue[bytes]) -> None:
    """Take chunks as they come, and an empty one at the end."""
    while True:
        try:
            received.put(connection.recv_bytes())
        except (EOFError, OSError):
            received.put(b"")
            return


_Packed = tuple[list[Any], list[tuple[Any, ...]]]


def _packed(results: list[Mapped]) -> _Packed:
    """Return the parts of all resources in one list, and of each row how many it has, and the rest.

    Named tuples take several times as long to pickle as what they are made of.
    """
    resources = chain.from_iterable(mapped.resources for mapped in results)
    keyed = chain.from_iterable(mapped.keyed for mapped in results)
    rest = [(len(mapped[0]), len(mapped[8]), *mapped[1:8], *mapped[9:]) for mapped in results]
    return list(chain.from_iterable(chain(resources, keyed))), rest


def _unpacked(parts: list[Any], rest: list[tuple[Any, ...]]) -> Iterator[Mapped]:
    flat = iter(parts)
    made = list(map(partial(tuple.__new__, Serialised), zip(flat, flat, flat, flat, strict=True)))
    at, keyed_at = 0, sum(row[0] for row in rest)
    new = tuple.__new__
    for number, keyed, *told in rest:
        end, keyed_end = at + number, keyed_at + keyed
        yield new(Mapped, (made[at:end], *told[:7], made[keyed_at:keyed_end], *told[7:]))
        at, keyed_at = end, keyed_end
