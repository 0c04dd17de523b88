"""Work that follows the bytes in a thread of its own: hashing releases the interpreter, so the next bytes come in."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Self

_AHEAD = 8  # tasks waiting at most, of about 1 MiB each


class Behind:
    """Runs tasks one after the other, in the order in which they come; use it in a ``with`` statement.

    Notes
    -----
    Where a task fails, those after it are not run, and its error is raised by the next `put` or at the end.
    """

    def __init__(self) -> None:
        self._tasks: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._room: SimpleQueue[None] = SimpleQueue()  # a semaphore, several times faster than that of threading
        for _ in range(_AHEAD):
            self._room.put(None)
        self._error: BaseException | None = None
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tasks.put(None)
        if self._thread is not None:
            self._thread.join()
        if self._error is not None and value is None:
            raise self._error

    def put(self, task: Callable[[], object]) -> None:
        """Have `task` run after all before it; waits while too many are waiting already."""
        self._room.get()
        if self._error is not None:
            self._room.put(None)
            raise self._error
        self._tasks.put(task)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                if self._error is None:
                    task()
            except BaseException as error:
                self._error = error
            finally:
                self._room.put(None)
