"""What one source has written to one target: the memory that makes an unchanged load send nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

_FORMAT = "1"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS resource (
    type TEXT NOT NULL, id TEXT NOT NULL, sha256 BLOB NOT NULL, scope TEXT NOT NULL, origin TEXT NOT NULL,
    row INTEGER, run TEXT NOT NULL, withdrawn INTEGER NOT NULL, contribution BLOB, PRIMARY KEY (type, id)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource that we wrote.

    Parameters
    ----------
    resource_type, resource_id : str
        Its name on the target.
    sha256 : bytes
        Hash of what we contributed, without ``meta``.
    scope, origin, row, run : str and int
        Which part of the source it came from, and by which run.
    withdrawn : bool
        Marked as entered in error, since the source no longer has it.
    contribution : dict or None
        For shared types what we contributed; None where that is not known.
    """

    resource_type: str
    resource_id: str
    sha256: bytes
    scope: str = ""
    origin: str = ""
    row: int | None = None
    run: str = ""
    withdrawn: bool = False
    contribution: dict[str, Any] | None = None


class Manifest:
    """The manifest in the sqlite file `path`.

    Parameters
    ----------
    path : Path
        The file; made where there is none.
    source : str
        Mapping or workflow id.
    target : str
        Address of the server or folder: what is known of one target says nothing of another.

    Notes
    -----
    A manifest can be believed when its last load ended. One that is new, unreadable, of another target or was
    left by a load that did not end is rebuilt from the target before it is used.
    """

    def __init__(self, path: Path, *, source: str, target: str) -> None:
        self._identity = {"format": _FORMAT, "source": source, "target": target}
        try:
            self._database = _opened(path)
        except sqlite3.DatabaseError:
            path.unlink()
            self._database = _opened(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    @property
    def complete(self) -> bool:
        """Whether the last load into this target ended, so that the manifest tells all of it."""
        state = dict(self._database.execute("SELECT key, value FROM state"))
        return state == {**self._identity, "status": "complete"}

    @property
    def interrupted(self) -> bool:
        """Whether a load into this target began and did not end."""
        state = dict(self._database.execute("SELECT key, value FROM state"))
        return state == {**self._identity, "status": "loading"}

    def mark(self, status: str) -> None:
        """Note that a load begins (``loading``) or has ended (``complete``)."""
        rows = {**self._identity, "status": status}.items()
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", rows)

    def clear(self) -> None:
        """Forget all resources."""
        with self._database:
            self._database.execute("DELETE FROM resource")

    def get(self, resource_type: str, resource_id: str) -> Entry | None:
        """Return what is known of one resource."""
        found = self._database.execute(
            "SELECT * FROM resource WHERE type = ? AND id = ?", (resource_type, resource_id)
        ).fetchone()
        return _entry(found) if found else None

    def record(self, entries: Iterable[Entry]) -> None:
        """Note `entries`, durably when this returns."""
        rows = [
            (
                entry.resource_type, entry.resource_id, entry.sha256, entry.scope, entry.origin, entry.row, entry.run,
                entry.withdrawn, orjson.dumps(entry.contribution) if entry.contribution is not None else None,
            )
            for entry in entries
        ]  # fmt: skip
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO resource VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def forget(self, references: Iterable[tuple[str, str]]) -> None:
        """Drop resources that are deleted on the target."""
        with self._database:
            self._database.executemany("DELETE FROM resource WHERE type = ? AND id = ?", references)

    def entries(self, scope: str = "") -> Iterator[Entry]:
        """Yield the resources of `scope` (all of them where it is empty) that are not withdrawn."""
        found = self._database.execute(
            "SELECT * FROM resource WHERE NOT withdrawn AND (? = '' OR scope = ?) ORDER BY type, id", (scope, scope)
        )
        return map(_entry, found)

    def all_entries(self) -> Iterator[Entry]:
        """Yield every resource, withdrawn ones too."""
        return map(_entry, self._database.execute("SELECT * FROM resource"))

    def __len__(self) -> int:
        count: int = self._database.execute("SELECT count(*) FROM resource").fetchone()[0]
        return count


def mark_interrupted(path: Path) -> None:
    """Make the manifest at `path`, if there is one, be rebuilt before it is used again."""
    if not path.exists():
        return
    with sqlite3.connect(path) as database:
        database.execute("UPDATE state SET value = 'loading' WHERE key = 'status'")
    database.close()


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    try:
        # One file beside which no journal is left when it is closed, so that it can be copied into a bucket.
        database.execute("PRAGMA journal_mode = DELETE")
        database.executescript(_SCHEMA)
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database


def _entry(row: tuple[Any, ...]) -> Entry:
    kind, key, sha256, scope, origin, number, run, gone, contribution = row
    body = orjson.loads(contribution) if contribution is not None else None
    return Entry(kind, key, sha256, scope, origin, number, run, bool(gone), body)
