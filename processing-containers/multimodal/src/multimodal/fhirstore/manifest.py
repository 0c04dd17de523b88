"""What one source has written to one target: the memory that makes an unchanged load send nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import orjson

from multimodal.fhirstore.writes import Write

_FORMAT = "2"
COLUMNS = "type, id, sha256, meta, content, patient, scope, origin, row, run, first, withdrawn, contribution"
_TYPED = """
    type TEXT NOT NULL, id TEXT NOT NULL, sha256 BLOB NOT NULL, meta BLOB NOT NULL, content BLOB NOT NULL,
    patient TEXT NOT NULL, scope TEXT NOT NULL, origin TEXT NOT NULL, row INTEGER, run INTEGER NOT NULL,
    first INTEGER NOT NULL, withdrawn INTEGER NOT NULL, contribution BLOB
"""
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS resource ({_TYPED}, PRIMARY KEY (type, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS undo (by INTEGER NOT NULL, {_TYPED}, PRIMARY KEY (by, type, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS doubt (scope TEXT, old TEXT, new TEXT, PRIMARY KEY (scope, old, new)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spared (type TEXT, id TEXT, sha256 BLOB, meta BLOB, PRIMARY KEY (type, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS run (number INTEGER PRIMARY KEY, run TEXT NOT NULL, completed_by TEXT NOT NULL DEFAULT '');
"""
_PLACES = ", ".join("?" * len(COLUMNS.split(", ")))
# A resource that is written again keeps the run that wrote it first.
UPSERT = "ON CONFLICT (type, id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in COLUMNS.split(", ")[2:] if name != "first"
)
_KEPT_RUNS = 12  # can be undone


class Entry(NamedTuple):
    """One resource that we wrote.

    Parameters
    ----------
    resource_type, resource_id : str
        Its name on the target.
    sha256 : bytes
        Hash of what we contributed, without ``meta``.
    meta, content : bytes
        Short hashes: of the profiles and labels (`meta_hash`), and of the body without ids (`content_hash`).
    patient : str
        Id of its Patient; empty where it has none.
    scope, origin, row : str, str and int
        Which part of the source it came from.
    run, first : int
        Number of the run that wrote it last, and first; 0 where that is not known.
    withdrawn : bool
        Marked as entered in error, since the source no longer has it.
    contribution : bytes or None
        For shared types what we contributed, as JSON; None where that is not known.
    """

    resource_type: str
    resource_id: str
    sha256: bytes
    meta: bytes = b""
    content: bytes = b""
    patient: str = ""
    scope: str = ""
    origin: str = ""
    row: int | None = None
    run: int = 0
    first: int = 0
    withdrawn: bool = False
    contribution: bytes | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Type and id."""
        return self.resource_type, self.resource_id

    @property
    def reference(self) -> str:
        """``Type/id``."""
        return f"{self.resource_type}/{self.resource_id}"


def entry_of(write: Write, scope: str, *, withdrawn: bool = False) -> Entry:
    """Return what to remember of a write that was stored."""
    return Entry(
        write.resource_type, write.resource_id, write.sha256, write.meta, write.content, write.patient, scope,
        write.origin, write.row, withdrawn=withdrawn, contribution=write.body if write.shared else None,
    )  # fmt: skip


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

    Attributes
    ----------
    database : sqlite3.Connection
        The open file. A plan keeps its own tables in the connection's temporary database.
    run : int
        Number of the run that writes; 0 outside of `begin`.

    Notes
    -----
    A manifest can be believed when its last load ended. One that is new, unreadable, of another target or was
    left by a load that did not end is rebuilt from the target before it is used.

    What a run overwrites is kept for its undoing in the table ``undo``: the earlier entries. The earlier bodies are
    the target's to keep.
    """

    def __init__(self, path: Path, *, source: str, target: str) -> None:
        self._identity = {"format": _FORMAT, "source": source, "target": target}
        self.run = 0
        try:
            self.database = _opened(path)
            self._check()
        except sqlite3.DatabaseError:
            path.unlink()
            self.database = _opened(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.database.close()

    def _check(self) -> None:
        """Look through what a load left that did not end: a loss of power may have spoilt it, see `mark`."""
        if self.interrupted and (said := self.database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            self.database.close()
            raise sqlite3.DatabaseError(said)

    def _state(self) -> dict[str, str]:
        return dict(self.database.execute("SELECT key, value FROM state"))

    @property
    def complete(self) -> bool:
        """Whether the last load into this target ended, so that the manifest tells all of it."""
        state = self._state()
        return state.get("status") == "complete" and self._identity.items() <= state.items()

    @property
    def interrupted(self) -> bool:
        """Whether a load into this target began and did not end."""
        state = self._state()
        ours = all(state.get(key, value) == value for key, value in self._identity.items())
        return state.get("status") == "loading" and ours

    @property
    def interrupted_run(self) -> str:
        """Id of the run that did not end; empty where it gave none."""
        return self._state().get("run", "") if self.interrupted else ""

    def mark(self, status: str, run: str = "") -> None:
        """Note that a load begins (``loading``) or has ended (``complete``), durably when this returns.

        In between, what is noted survives the end of this process, but not that of the machine: waiting for the disk
        at each bundle costs a tenth of a load, and a load that did not end is compared with the target in any case.
        """
        if status == "complete":
            self.database.execute("PRAGMA synchronous = FULL")
        rows = {**self._identity, "status": status, "run": run}.items()
        with self.database:
            self.database.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", rows)
            if status == "complete":
                oldest = "(SELECT number FROM run ORDER BY number DESC LIMIT 1 OFFSET ?)"
                self.database.execute(f"DELETE FROM undo WHERE by < {oldest}", (_KEPT_RUNS - 1,))  # noqa: S608
                self.database.execute(f"DELETE FROM run WHERE number < {oldest}", (_KEPT_RUNS - 1,))  # noqa: S608
        if status == "loading":
            self.database.execute("PRAGMA synchronous = OFF")

    def begin(self, run: str) -> None:
        """Keep for its undoing what is overwritten from now on; an empty `run` cannot be undone."""
        self.run = 0
        if run:
            with self.database:
                known = self.number_of(run)
                self.run = known or int(
                    self.database.execute("INSERT INTO run (run) VALUES (?)", (run,)).lastrowid or 0
                )

    def number_of(self, run: str) -> int:
        """Return the number of a run; 0 where it is not known."""
        found = self.database.execute("SELECT number FROM run WHERE run = ? AND completed_by = ''", (run,)).fetchone()
        return int(found[0]) if found else 0

    def take_over(self, run: str) -> None:
        """Make what the unfinished `run` wrote that of the current one, which completes it."""
        number = self.number_of(run)
        if not number or number == self.run or not self.run:
            return
        with self.database:
            for statement in (
                f"INSERT OR REPLACE INTO undo SELECT ?1, {COLUMNS} FROM undo WHERE by = ?2",  # noqa: S608
                "UPDATE resource SET run = ?1 WHERE run = ?2",
                "UPDATE resource SET first = ?1 WHERE first = ?2",
                "UPDATE run SET completed_by = (SELECT run FROM run WHERE number = ?1) WHERE number = ?2",
            ):
                self.database.execute(statement, (self.run, number))
            self.database.execute("DELETE FROM undo WHERE by = ?", (number,))

    def clear(self) -> None:
        """Forget all resources and runs."""
        with self.database:
            for table in ("resource", "undo", "run", "doubt", "spared"):
                self.database.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own

    def get(self, resource_type: str, resource_id: str) -> Entry | None:
        """Return what is known of one resource."""
        found = self.database.execute(
            f"SELECT {COLUMNS} FROM resource WHERE type = ? AND id = ?",  # noqa: S608
            (resource_type, resource_id),
        ).fetchone()
        return entry(found) if found else None

    def record(self, entries: Iterable[Entry]) -> None:
        """Note `entries`; see `mark` for how durably."""
        rows = [(*e[:9], self.run, self.run, e.withdrawn, e.contribution) for e in entries]
        with self.database:
            self._keep_for_undo([row[:2] for row in rows])
            self.database.executemany(
                f"INSERT INTO resource ({COLUMNS}) VALUES ({_PLACES}) {UPSERT}",  # noqa: S608
                rows,
            )

    def forget(self, references: Iterable[tuple[str, str]]) -> None:
        """Drop resources that are deleted on the target."""
        names = list(references)
        with self.database:
            self._keep_for_undo(names)
            self.database.executemany("DELETE FROM resource WHERE type = ? AND id = ?", names)

    def _keep_for_undo(self, names: Sequence[tuple[Any, ...]]) -> None:
        if self.run:
            self.database.executemany(
                f"INSERT OR IGNORE INTO undo SELECT {self.run}, {COLUMNS} FROM resource"  # noqa: S608
                f" WHERE type = ? AND id = ? AND run <> {self.run}",
                names,
            )

    def entries(self, scope: str = "") -> Iterator[Entry]:
        """Yield the resources of `scope` (all of them where it is empty) that are not withdrawn."""
        found = self.database.execute(
            f"SELECT {COLUMNS} FROM resource"  # noqa: S608
            " WHERE NOT withdrawn AND (? = '' OR scope = ?) ORDER BY type, id",
            (scope, scope),
        )
        return map(entry, found)

    def select(self, condition: str, values: Sequence[Any] = ()) -> Iterator[Entry]:
        """Yield the entries for which a condition of ours holds, in the order of type and id."""
        found = self.database.execute(
            f"SELECT {COLUMNS} FROM resource WHERE {condition} ORDER BY type, id",  # noqa: S608
            values,
        )
        return map(entry, found)

    def of_patient(self, patient: str) -> Iterator[Entry]:
        """Yield what belongs to a Patient, itself included."""
        return self.select("patient = ?", (patient,))

    def with_contents(self, contents: Collection[bytes]) -> Iterator[Entry]:
        """Yield the entries that have any of `contents` and are not withdrawn."""
        self._want(contents)
        return self.select("NOT withdrawn AND content IN (SELECT content FROM temp.wanted)")

    def patients_with(self, contents: Collection[bytes]) -> dict[bytes, int]:
        """Return of each of `contents` how many patients have it."""
        self._want(contents)
        found = self.database.execute(
            "SELECT content, count(DISTINCT patient) FROM resource"
            " WHERE NOT withdrawn AND content IN (SELECT content FROM temp.wanted) GROUP BY content"
        )
        return dict(found)

    def _want(self, contents: Collection[bytes]) -> None:
        self.database.execute("CREATE TEMP TABLE IF NOT EXISTS wanted (content BLOB PRIMARY KEY) WITHOUT ROWID")
        self.database.execute("DELETE FROM temp.wanted")
        self.database.executemany("INSERT INTO temp.wanted VALUES (?)", [(content,) for content in contents])

    def overwritten(self, number: int) -> Iterator[Entry]:
        """Yield, as it was before, what the run `number` overwrote or removed, by patient, statements last."""
        found = self.database.execute(
            f"SELECT {COLUMNS} FROM undo WHERE by = ? ORDER BY type = 'Provenance', patient, type, id",  # noqa: S608
            (number,),
        )
        return iter([entry(row) for row in found])

    def put_back(self, entries: Iterable[Entry], number: int) -> None:
        """Note that `entries` are again what they were before the run `number`."""
        rows = list(entries)
        with self.database:
            self.database.executemany(
                f"INSERT OR REPLACE INTO resource ({COLUMNS}) VALUES ({_PLACES})",  # noqa: S608
                rows,
            )
            self.database.executemany(
                "DELETE FROM undo WHERE by = ? AND type = ? AND id = ?", [(number, *row.key) for row in rows]
            )

    def drop_run(self, number: int) -> None:
        """Forget a run that was taken back."""
        with self.database:
            self.database.execute("DELETE FROM undo WHERE by = ?", (number,))
            self.database.execute("DELETE FROM run WHERE number = ?", (number,))

    def runs(self) -> list[str]:
        """Return the ids of the runs that can be undone, the latest first."""
        found = self.database.execute("SELECT run FROM run WHERE completed_by = '' ORDER BY number DESC")
        return [run for (run,) in found]

    def completed_by(self, run: str) -> str:
        """Return the id of the run that completed `run`; empty where there is none."""
        found = self.database.execute("SELECT completed_by FROM run WHERE run = ?", (run,)).fetchone()
        return str(found[0]) if found else ""

    def later_runs(self, number: int) -> list[str]:
        """Return the ids of the runs that wrote on top of the run `number`, the latest first."""
        touched = "SELECT type, id FROM resource WHERE first = ?1 UNION SELECT type, id FROM undo WHERE by = ?1"
        found = self.database.execute(
            "SELECT DISTINCT r.run FROM run r JOIN ("  # noqa: S608
            f" SELECT run AS number FROM resource WHERE run > ?1 AND type <> 'Provenance' AND (type, id) IN ({touched})"
            " UNION SELECT by FROM undo u WHERE by > ?1 AND type <> 'Provenance' AND (u.run = ?1"
            f" OR (u.type, u.id) IN ({touched}))"
            ") later USING (number) ORDER BY number DESC",
            (number,),
        )
        return [run for (run,) in found]

    def samples(self) -> list[tuple[str, str]]:
        """Return a few resources that the target must have: the first and the last of each type."""
        found = self.database.execute(
            "WITH RECURSIVE kind(type) AS (SELECT min(type) FROM resource UNION ALL"
            " SELECT (SELECT min(type) FROM resource WHERE type > kind.type) FROM kind WHERE kind.type IS NOT NULL)"
            " SELECT type, (SELECT min(id) FROM resource r WHERE r.type = kind.type),"
            " (SELECT max(id) FROM resource r WHERE r.type = kind.type) FROM kind WHERE type IS NOT NULL"
        ).fetchall()
        return sorted({(kind, key) for kind, *keys in found for key in keys})

    def __len__(self) -> int:
        count: int = self.database.execute("SELECT count(*) FROM resource").fetchone()[0]
        return count


def mark_interrupted(path: Path, run: str = "") -> None:
    """Make the manifest at `path` be rebuilt before it is used again, since `run` did not end.

    Where there is none, one is made that says so: the run may have stored something before it could note it.
    """
    try:
        database = _opened(path)
    except sqlite3.DatabaseError:
        return  # unreadable, so it will be rebuilt in any case
    with database:
        database.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", [("status", "loading"), ("run", run)])
    database.close()


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    try:
        # One file beside which no journal is left when it is closed, so that it can be copied into a bucket.
        database.execute("PRAGMA journal_mode = DELETE")
        database.execute("PRAGMA cache_size = -32000")
        database.executescript(_SCHEMA)
        columns = [column[1] for column in database.execute("PRAGMA table_info(resource)")]
    except sqlite3.DatabaseError:
        database.close()
        raise
    if columns == COLUMNS.split(", "):
        return database
    database.close()  # of an earlier format
    path.unlink()
    return _opened(path)


def entry(row: tuple[Any, ...]) -> Entry:
    """Return the entry of a line of the table."""
    return Entry._make((*row[:11], bool(row[11]), row[12]))


def contribution_of(entry: Entry | None) -> dict[str, Any] | None:
    """Return what an entry says we contributed to a shared resource."""
    if entry is None or entry.contribution is None:
        return None
    made: dict[str, Any] = orjson.loads(entry.contribution)
    return made
