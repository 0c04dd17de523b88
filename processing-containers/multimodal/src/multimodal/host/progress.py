"""Progress for people: a bar on a terminal, a line every few seconds in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from multimodal.model.progress import Progress

_SECONDS_BETWEEN_LINES = 5.0


class ShownProgress:
    """Shows progress on standard error while its ``with`` block runs; give it where a Progress is asked for."""

    def __enter__(self) -> Self:
        self._bars: RichProgress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, float] = {}
        self._spoken = time.monotonic()
        if sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bars = RichProgress(*columns, transient=True)
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, what: str, done: int, total: int | None = None) -> None:
        """Show that `done` of `total` of `what` are through."""
        if self._bars is not None:
            if what not in self._tasks:
                self._tasks[what] = self._bars.add_task(what, total=total)
            self._bars.update(self._tasks[what], completed=done, total=total)
            return
        now = time.monotonic()
        started = self._started.setdefault(what, now)
        if now - self._spoken < _SECONDS_BETWEEN_LINES:
            return
        self._spoken = now
        rate = done / (now - started) if now > started else 0.0
        of = f" of {total}" if total is not None else ""
        left = f", about {(total - done) / rate:.0f} s left" if total is not None and rate > 0 else ""
        print(f"{what}: {done}{of} ({rate:.1f}/s{left})", file=sys.stderr, flush=True)


def _holds_to_the_protocol(shown: ShownProgress) -> Progress:
    return shown
