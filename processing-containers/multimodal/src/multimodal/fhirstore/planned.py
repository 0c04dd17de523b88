"""What a load will do, as it is read: what changes, in the order in which it is sent."""

from __future__ import annotations

import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from multimodal.fhirstore.bodies import SHARED
from multimodal.fhirstore.manifest import COLUMNS, UPSERT, Manifest
from multimodal.fhirstore.writes import Target, Write

SCHEMA = """
PRAGMA temp_store = FILE;
PRAGMA temp.page_size = 16384;
PRAGMA temp.cache_size = -32000;
PRAGMA temp.journal_mode = OFF;
CREATE TEMP TABLE origin (
    seq INTEGER PRIMARY KEY, patient TEXT NOT NULL, origin TEXT NOT NULL, row INTEGER, sheet TEXT NOT NULL
);
CREATE TEMP TABLE planned (
    num INTEGER PRIMARY KEY, seq INTEGER NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL, change TEXT NOT NULL,
    sha256 BLOB, meta BLOB, content BLOB, at INTEGER, size INTEGER
);
CREATE TEMP TABLE united (type TEXT NOT NULL, id TEXT NOT NULL, num INTEGER, PRIMARY KEY (type, id)) WITHOUT ROWID;
"""
# Resources that several patients' may refer to are written before all of them.
_COMMON = tuple(kind for kind in SHARED if kind == "Device")
_CHANGED = "change IN ('created', 'updated')"
_WRITES = (
    "SELECT type, id, at, size, sha256, origin, row, sheet, patient, meta, content, change"
    " FROM temp.planned JOIN temp.origin USING (seq)"
)
_AT_ONCE = 500


class Change(NamedTuple):
    """What a load does to one resource."""

    change: str
    """``created``, ``updated``, ``unchanged``, ``refused`` or ``deleted``."""
    resource_type: str
    resource_id: str
    row: int | None
    sheet: str
    origin: str


class Planned:
    """The tables of a plan, in the temporary database of the manifest's connection, and its bodies.

    Parameters
    ----------
    manifest : Manifest
        What earlier loads wrote.
    scope : str
        As in `load`.
    """

    def __init__(self, manifest: Manifest, scope: str) -> None:
        self._manifest = manifest
        self._scope = scope
        self._database = manifest.database
        self._database.executescript(SCHEMA)
        self._bodies = Bodies()
        # Once, before anything is read: sqlite replaces no function while a statement is active.
        self._database.create_function("body_at", 2, self._bodies.get)
        self._is_first = False
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)  # by type, how many of each change

    def close(self) -> None:
        """Let go of the bodies; the tables go with the manifest's connection."""
        self._bodies.close()

    def counts(self, change: str) -> Counter[str]:
        """Return how many resources of each type will be ``created``, ``updated`` or left ``unchanged``."""
        return Counter({kind: counts[change] for kind, counts in self._counts.items() if counts[change]})

    def changes(self, *, unchanged: bool = False) -> Iterator[Change]:
        """Yield what happens to each resource, by type and id."""
        found = self._database.execute(
            "SELECT change, type, id, row, sheet, origin FROM temp.planned JOIN temp.origin USING (seq)"
            " WHERE change <> 'unchanged' OR ? ORDER BY type, id",
            (unchanged,),
        )
        return map(Change._make, found)

    def leave_existing(self, kind: str, target: Target) -> None:
        """Plan no write of those resources of a type that `target` has, whatever the input says of them.

        The manifest remembers what was spared so (table ``spared``): as long as the input says the same of it, the
        target is not asked again.
        """
        spared = (
            "EXISTS (SELECT 1 FROM spared s WHERE s.type = planned.type AND s.id = planned.id"
            " AND s.sha256 = planned.sha256 AND s.meta = planned.meta)"
        )
        found = self._database.execute(
            f"SELECT num, id, change, {spared} FROM temp.planned"  # noqa: S608
            f" WHERE type = ? AND {_CHANGED} ORDER BY num",
            (kind,),
        ).fetchall()
        self._spare(kind, [(number, change) for number, _, change, known in found if known])
        asked = [row[:3] for row in found if not row[3]]
        most = _AT_ONCE if target.order == "patient" else 40 * _AT_ONCE  # a folder is read as a whole each time
        for start in range(0, len(asked), most):
            chunk = asked[start : start + most]
            there = target.read_many([(kind, key) for _, key, _ in chunk])
            left = [(number, change) for number, key, change in chunk if (kind, key) in there]
            with self._database:
                self._database.executemany(
                    "INSERT OR REPLACE INTO spared SELECT type, id, sha256, meta FROM temp.planned WHERE num = ?",
                    [(number,) for number, _ in left],
                )
            self._spare(kind, left)

    def _spare(self, kind: str, planned: Sequence[tuple[int, str]]) -> None:
        numbers = [(number,) for number, _ in planned]
        self._database.executemany("UPDATE temp.planned SET change = 'unchanged' WHERE num = ?", numbers)
        for _, change in planned:
            self._counts[kind][change] -= 1
            self._counts[kind]["unchanged"] += 1

    def gone_for_good(self) -> int:
        """Return how many of the resources that `verify` found gone this load does not store again."""
        found: int = self._database.execute(
            "SELECT count(*) FROM temp.gone g WHERE NOT EXISTS (SELECT 1 FROM temp.planned p"
            " WHERE p.type = g.type AND p.id = g.id AND p.change = 'created')"
        ).fetchone()[0]
        return found

    def created_with(self, contents: Collection[bytes]) -> dict[str, list[tuple[bytes, int | None]]]:
        """Return content and row of what is created with any of `contents`, by patient."""
        self._database.execute("CREATE TEMP TABLE IF NOT EXISTS sought (content BLOB PRIMARY KEY) WITHOUT ROWID")
        self._database.executemany("INSERT OR IGNORE INTO temp.sought VALUES (?)", [(each,) for each in contents])
        found: dict[str, list[tuple[bytes, int | None]]] = {}
        for patient, content, row in self._database.execute(
            "SELECT patient, content, row FROM temp.planned JOIN temp.origin USING (seq)"
            " WHERE change = 'created' AND patient <> '' AND content IN (SELECT content FROM temp.sought)"
        ):
            found.setdefault(patient, []).append((content, row))
        return found

    def created_with_or_in(
        self, contents: Collection[bytes], rows: Collection[int]
    ) -> dict[str, list[tuple[bytes, int | None]]]:
        """Return content and row of what is created with any of `contents` or in any of `rows`, by patient."""
        database = self._database
        database.execute("CREATE TEMP TABLE IF NOT EXISTS looked_for (what PRIMARY KEY) WITHOUT ROWID")
        database.execute("DELETE FROM temp.looked_for")
        database.executemany("INSERT OR IGNORE INTO temp.looked_for VALUES (?)", [(each,) for each in contents])
        database.executemany("INSERT OR IGNORE INTO temp.looked_for VALUES (?)", [(each,) for each in rows])
        found: dict[str, list[tuple[bytes, int | None]]] = {}
        for patient, content, row in database.execute(
            "SELECT patient, content, row FROM temp.planned JOIN temp.origin USING (seq)"
            " WHERE change = 'created' AND type <> 'Patient' AND patient <> ''"
            " AND (content IN (SELECT what FROM temp.looked_for) OR row IN (SELECT what FROM temp.looked_for))"
        ):
            found.setdefault(patient, []).append((content, row))
        return found

    def body_of(self, kind: str, key: str) -> bytes:
        """Return what will be written of a resource; empty where it is not."""
        found = self._database.execute(
            f"SELECT at, size FROM temp.planned WHERE type = ? AND id = ? AND {_CHANGED}",  # noqa: S608
            (kind, key),
        ).fetchone()
        return self._bodies.get(*found) if found else b""

    def left_patients(self) -> set[str]:
        """Return the patients from whom this load takes resources, which get another subject."""
        found = self._database.execute(
            "SELECT DISTINCT r.patient FROM temp.planned p JOIN temp.origin o USING (seq)"
            " JOIN resource r ON r.type = p.type AND r.id = p.id"
            " WHERE p.change = 'updated' AND r.patient NOT IN ('', o.patient) AND NOT r.withdrawn"
        )
        return {patient for (patient,) in found}

    def not_named(self, patients: Collection[str]) -> set[str]:
        """Return those of `patients` of whom the input says nothing."""
        named = "SELECT 1 FROM temp.planned WHERE type = 'Patient' AND id = ?"
        also = "SELECT 1 FROM temp.origin WHERE patient = ? LIMIT 1"
        return {
            patient
            for patient in patients
            if not self._database.execute(named, (patient,)).fetchone()
            and not self._database.execute(also, (patient,)).fetchone()
        }

    def record(self, kind: str) -> None:
        """Note in the manifest that all changed resources of a type are stored."""
        number = self._manifest.run
        contribution = "body_at(at, size)" if kind in SHARED else "NULL"
        with self._database:
            if number and not self._is_first:
                self._database.execute(
                    f"INSERT OR IGNORE INTO undo SELECT {number}, {COLUMNS} FROM resource"  # noqa: S608
                    f" WHERE type = ?1 AND run <> {number} AND id IN"
                    " (SELECT id FROM temp.planned WHERE type = ?1 AND change = 'updated')",
                    (kind,),
                )
            self._database.execute(
                f"INSERT INTO resource ({COLUMNS}) SELECT type, id, sha256, meta, content, patient, ?1, origin, row,"  # noqa: S608
                f" {number}, {number}, 0, {contribution} FROM temp.planned JOIN temp.origin USING (seq)"
                f" WHERE +type = ?2 AND {_CHANGED} ORDER BY id {UPSERT}",
                (self._scope, kind),
            )

    def common(self) -> Iterator[list[Write]]:
        """Yield what is written before all else: what resources of several patients refer to."""
        for kind in _COMMON:
            found = self._database.execute(f"{_WRITES} WHERE {_CHANGED} AND type = ? ORDER BY id", (kind,))
            for row in found:
                yield [self._write(row)]

    def by_patient(self) -> Iterator[list[Write]]:
        """Yield what changed, all of one patient together, the Patient first, in the order of the input."""
        database = self._database
        common = ", ".join(f"'{kind}'" for kind in _COMMON)
        database.executescript(
            "CREATE TEMP TABLE begin AS SELECT patient, min(seq) AS first FROM temp.origin"  # noqa: S608
            " WHERE patient <> '' GROUP BY patient;"
            "CREATE UNIQUE INDEX temp.begin_patient ON begin (patient);"
            "CREATE TEMP TABLE ordered AS SELECT num, coalesce(first, seq) AS first FROM temp.planned"
            " JOIN temp.origin o USING (seq) LEFT JOIN temp.begin b ON b.patient = o.patient"
            f" WHERE {_CHANGED} AND type NOT IN ({common})"
            " ORDER BY coalesce(first, seq), type <> 'Patient', num;"
        )
        found = database.execute(
            "SELECT type, p.id, p.at, p.size, p.sha256, o.origin, o.row, o.sheet, o.patient, p.meta, p.content,"
            " p.change, s.first FROM temp.ordered s JOIN temp.planned p USING (num) JOIN temp.origin o USING (seq)"
            " ORDER BY s.rowid"
        )
        current, group = None, list[Write]()
        for *row, first in found:
            if first != current and group:
                yield group
                group = []
            current = first
            group.append(self._write(row))
        if group:
            yield group

    def by_name(self) -> Iterator[list[Write]]:
        """Yield what changed by type and id, some at a time."""
        for kind in sorted(self.counts("created") | self.counts("updated")):
            found = self._database.execute(f"{_WRITES} WHERE {_CHANGED} AND +type = ? ORDER BY id", (kind,))
            while rows := found.fetchmany(_AT_ONCE):
                yield [self._write(row) for row in rows]

    def _write(self, row: Sequence[Any]) -> Write:
        kind, key, at, size, *told, change = row
        body = self._bodies.get(at, size)
        if kind not in SHARED:
            return Write(kind, key, body, *told)
        known = self._manifest.get(kind, key) if change == "updated" else None
        write = Write(kind, key, body, *told)
        return write._replace(before=known.contribution if known else None, shared=True)


class Bodies:
    """The bodies of what is to be written, in a file without a name."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=1 << 20)  # noqa: SIM115 - it goes with the plan
        self._end = 0
        self._stored = 0

    def add(self, body: bytes) -> int:
        """Keep `body` and return its place."""
        at = self._end
        self._end += self._file.write(body)
        return at

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def get(self, at: int, size: int) -> bytes:
        """Return what is kept at a place."""
        if at + size > self._stored:
            self._file.flush()
            self._stored = self._end
        return os.pread(self._file.fileno(), size, at)
