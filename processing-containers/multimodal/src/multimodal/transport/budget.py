"""What a store may be asked for in a day: bytes and calls, counted across runs in a small file."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from multimodal.model.errors import ConfigurationError
from multimodal.transport.errors import BudgetSpentError

_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_WRITTEN_EVERY = 16_000_000  # bytes: what a run that is killed may leave uncounted


@dataclass(frozen=True, slots=True)
class DailyLimit:
    """The most that a store may be asked for in one UTC day; None for no limit."""

    bytes: int | None = None
    requests: int | None = None
    state_file: str | None = None


def size_in_bytes(text: str | int) -> int:
    """Return the bytes that a size like ``20GB`` (decimal units) or a plain number means."""
    if isinstance(text, int):
        return text
    number = text.rstrip("kMGTB")
    return int(float(number) * _UNITS[text[len(number) :] or "B"])


class Budget:
    """Counts what one store was asked for today, and says when it is enough.

    Parameters
    ----------
    store : str
        Name of the store.
    limit : DailyLimit
        The most in one UTC day.
    state : Path, optional
        Keeps the counts of all runs of the day, of several processes at once; without one, only this run counts.
    now : callable
        The clock.

    Raises
    ------
    ConfigurationError
        If the state file cannot be used.
    """

    def __init__(
        self,
        store: str,
        limit: DailyLimit,
        state: Path | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._limit = limit
        self._state = state
        self._now = now
        self._lock = threading.Lock()
        self._day = ""
        self._bytes = self._requests = 0  # of today, as far as known
        self._new_bytes = self._new_requests = 0  # of those, not yet in the file
        self._share()

    def begin_call(self) -> None:
        """Count one call.

        Raises
        ------
        BudgetSpentError
            If it would be one too many, or the bytes are used up.
        """
        with self._lock:
            self._roll_over()
            self._refuse_if_spent()
            self._requests += 1
            self._new_requests += 1

    def received(self, count: int) -> None:
        """Count bytes of an answer.

        Raises
        ------
        BudgetSpentError
            If they pass the limit.
        """
        with self._lock:
            self._bytes += count
            self._new_bytes += count
            if self._new_bytes >= _WRITTEN_EVERY:
                self._share()
            if self._limit.bytes is not None and self._bytes > self._limit.bytes:
                self._refuse_if_spent()

    def close(self) -> None:
        """Write what was counted."""
        with self._lock:
            self._share()

    def _refuse_if_spent(self) -> None:
        limit = self._limit
        for spent, most, what in ((self._bytes, limit.bytes, "bytes"), (self._requests, limit.requests, "requests")):
            if most is not None and spent >= most:
                self._share()
                raise BudgetSpentError(self._store, what, most, self._next_day())

    def _next_day(self) -> datetime:
        today = self._now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return today + timedelta(days=1)

    def _roll_over(self) -> None:
        if self._now().astimezone(UTC).date().isoformat() != self._day:
            self._share()

    def _share(self) -> None:
        """Add the new counts to those of the file, and take over what others have added."""
        today = self._now().astimezone(UTC).date().isoformat()
        if self._state is None:
            if today != self._day:
                self._bytes = self._requests = 0
        else:
            try:
                self._state.parent.mkdir(parents=True, exist_ok=True)
                with self._state.open("a+b") as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    file.seek(0)
                    content = _counts(file.read())
                    mine = content.get(self._store, {})
                    before = mine if mine.get("day") == today else {"bytes": 0, "requests": 0}
                    self._bytes = before["bytes"] + self._new_bytes
                    self._requests = before["requests"] + self._new_requests
                    content[self._store] = {"day": today, "bytes": self._bytes, "requests": self._requests}
                    file.truncate(0)
                    file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))
            except OSError as error:
                raise ConfigurationError(
                    f"store {self._store}: cannot keep its budget in {self._state}: {error.strerror}"
                ) from error
        self._day = today
        self._new_bytes = self._new_requests = 0


def _counts(content: bytes) -> dict[str, dict[str, Any]]:
    """Read the counts of all stores; what is unreadable counts as nothing spent only for the entry concerned."""
    try:
        entries = orjson.loads(content or b"{}")
    except orjson.JSONDecodeError:
        entries = {}  # a run that was killed while it wrote; the store itself refuses what is too much
    if not isinstance(entries, dict):
        return {}
    return {
        name: entry
        for name, entry in entries.items()
        if isinstance(entry, dict) and all(isinstance(entry.get(key), int) for key in ("bytes", "requests"))
    }
