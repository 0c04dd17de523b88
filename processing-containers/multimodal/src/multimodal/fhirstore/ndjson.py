"""A folder of NDJSON files in the manner of FHIR bulk data: the target of those who run no server."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from multimodal.fhirstore.bodies import source_of, writers_of
from multimodal.fhirstore.writes import Outcome, Write
from multimodal.model.errors import ConfigurationError

_ACKNOWLEDGED_AT_ONCE = 10_000


class NdjsonFolder:
    """The files ``<Type>.ndjson`` in `path`, one resource a line, sorted by id.

    Parameters
    ----------
    path : Path
        The folder; made when first written to.

    Notes
    -----
    File names and media type as in `Bulk Data Access <https://hl7.org/fhir/uv/bulkdata/>`_. Each file is
    replaced whole, so that a reader sees the old or the new one. One load writes at a time.
    """

    # One rewrite of a file takes all changes of its type.
    shared_at_once = 1 << 60

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """Name for messages."""
        return str(self.path)

    @property
    def address(self) -> str:
        """What tells this folder from all other targets; the same wherever the folder is moved to."""
        return "ndjson"

    def read(self, resource_type: str, resource_id: str) -> dict[str, Any] | None:
        """Return a resource, or None where there is none."""
        return self.read_many([(resource_type, resource_id)]).get((resource_type, resource_id))

    def read_many(self, references: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
        """Return those of `references` (type, id) that there are."""
        wanted = set(references)
        return {
            (kind, resource["id"]): resource
            for kind in {kind for kind, _ in references}
            for resource, _ in self._lines(kind)
            if (kind, resource["id"]) in wanted
        }

    def resources(self, resource_type: str) -> Iterator[dict[str, Any]]:
        """Yield all resources of a type, by id."""
        return (resource for resource, _ in self._lines(resource_type))

    def of_source(self, source: str) -> Iterator[dict[str, Any]]:
        """Yield the resources that `source` wrote or contributed to."""
        for file in sorted(self.path.glob("*.ndjson")):
            for resource, _ in self._lines(file.stem):
                if source == source_of(resource) or source in writers_of(resource):
                    yield resource

    def previous(self, resource_type: str, resource_id: str) -> dict[str, Any] | None:
        """Return None: a folder keeps no versions."""
        return None

    def write(self, groups: Iterable[Sequence[Write]]) -> Iterator[Outcome]:
        """Put all `groups` into the files, then yield what became of them."""
        with tempfile.TemporaryDirectory() as folder:
            changes = sqlite3.connect(Path(folder) / "changes.sqlite")
            try:
                changes.executescript(
                    "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                    "CREATE TABLE change (type TEXT, id TEXT, body BLOB, PRIMARY KEY (type, id)) WITHOUT ROWID;"
                )
                stored: list[tuple[Write, bool]] = []
                for group in groups:
                    changes.executemany(
                        "INSERT INTO change VALUES (?, ?, ?)",
                        [(write.resource_type, write.resource_id, write.body) for write in group],
                    )
                    stored.extend((write, False) for write in group)
                for (kind,) in changes.execute("SELECT DISTINCT type FROM change").fetchall():
                    self._rewrite(kind, changes)
            finally:
                changes.close()
        for start in range(0, len(stored), _ACKNOWLEDGED_AT_ONCE):
            yield Outcome(stored[start : start + _ACKNOWLEDGED_AT_ONCE])

    def write_shared(self, writes: Sequence[Write]) -> Outcome:
        """Write shared resources; nobody comes in between."""
        for _ in self.write([writes]):
            pass
        return Outcome([(write, write.version == "") for write in writes])

    def _rewrite(self, kind: str, changes: sqlite3.Connection) -> None:
        for resource, line in self._lines(kind):
            changes.execute("INSERT OR IGNORE INTO change VALUES (?, ?, ?)", (kind, resource["id"], line))
        lines = changes.execute("SELECT body FROM change WHERE type = ? AND body IS NOT NULL ORDER BY id", (kind,))
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.path, prefix=".", suffix=".part", delete=False) as file:
                try:
                    file.writelines(body + b"\n" for (body,) in lines)
                    file.flush()
                    os.fchmod(file.fileno(), 0o644)
                    os.fsync(file.fileno())
                    os.replace(file.name, self._file(kind))
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise ConfigurationError(f"cannot write in {self.path}: {error.strerror}") from error

    def _file(self, kind: str) -> Path:
        return self.path / f"{kind}.ndjson"

    def _lines(self, kind: str) -> Iterator[tuple[dict[str, Any], bytes]]:
        file = self._file(kind)
        if not file.is_file():
            return
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                body = line.strip()
                if not body:
                    continue
                try:
                    resource = orjson.loads(body)
                    resource["id"]
                except (orjson.JSONDecodeError, KeyError, TypeError) as error:
                    raise ConfigurationError("this line is no FHIR resource", file=file, line=number) from error
                yield resource, body
