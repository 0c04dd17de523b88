"""A folder of NDJSON files in the manner of FHIR bulk data: the target of those who run no server."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import chain, groupby
from pathlib import Path
from typing import IO, Any, Literal

import orjson

from multimodal.fhirstore.bodies import references_in, source_of, writers_of
from multimodal.fhirstore.writes import Is, Merge, Outcome, Write
from multimodal.model.errors import ConfigurationError

_HISTORY = ".history"
_KEPT_HISTORY = 40  # files of a type
_BLOCK = 1 << 20

Line = tuple[str, bytes]


class NdjsonFolder:
    """The files ``<Type>.ndjson`` in `path`, one resource a line, sorted by id.

    Parameters
    ----------
    path : Path
        The folder; made when first written to.

    Notes
    -----
    File names and media type as in `Bulk Data Access <https://hl7.org/fhir/uv/bulkdata/>`_. Each file is
    replaced whole, so that a reader sees the old or the new one. One load writes at a time. Lines that are replaced
    or removed are kept in ``.history``, from where an import can be undone.
    """

    order: Literal["patient", "name"] = "name"

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
            for resource, _ in _lines(self._file(kind))
            if (kind, resource["id"]) in wanted
        }

    def resources(self, resource_type: str) -> Iterator[dict[str, Any]]:
        """Yield all resources of a type, by id."""
        return (resource for resource, _ in _lines(self._file(resource_type)))

    def of_source(self, source: str) -> Iterator[dict[str, Any]]:
        """Yield the resources that `source` wrote or contributed to."""
        for file in sorted(self.path.glob("*.ndjson")):
            for resource, _ in _lines(file):
                if source == source_of(resource) or source in writers_of(resource):
                    yield resource

    def earlier(self, wanted: Mapping[tuple[str, str], Is]) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the last version of each that is what is wanted, of those that are still kept."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for kind in {kind for kind, _ in wanted}:
            for file in sorted(self.path.glob(f"{_HISTORY}/{kind}.*.ndjson")):
                for resource, _ in _lines(file):
                    name = (kind, resource["id"])
                    if name in wanted and wanted[name](resource):
                        found[name] = resource
        return found

    def lacks(self, references: Sequence[tuple[str, str]]) -> bool:
        """Say whether a file is gone in which any of `references` was."""
        return not all(self._file(kind).is_file() for kind in {kind for kind, _ in references})

    def is_named(self, reference: str) -> bool:
        """Say whether any resource refers to `reference`."""
        wanted = orjson.dumps(reference)
        return any(
            wanted in line and reference in references_in(resource)
            for file in sorted(self.path.glob("*.ndjson"))
            for resource, line in _lines(file)
        )

    def write(self, groups: Iterable[Sequence[Write]], merge: Merge, *, exact: bool = False) -> Iterator[Outcome]:
        """Put `groups` into the files, and yield what became of them once a file is replaced.

        Notes
        -----
        The writes of a stream come by type and id, and are acknowledged type by type (`Outcome.kind`), since they
        may be more than memory holds. Those of a sequence come as they like, and are acknowledged each.
        """
        if isinstance(groups, Sequence):
            writes = sorted(chain.from_iterable(groups), key=lambda write: write[:2])
            for kind, found in groupby(writes, key=lambda write: write.resource_type):
                of_kind = list(found)
                same, warnings, new = self._rewrite(kind, iter(of_kind), merge)
                stored = [(write, write.resource_id in new) for write in of_kind if write not in same]
                yield Outcome(stored, same=same, warnings=warnings)
            return
        for kind, writes_of_kind in groupby(chain.from_iterable(groups), key=lambda write: write.resource_type):
            same, warnings, _ = self._rewrite(kind, writes_of_kind, merge)
            yield Outcome(same=same, warnings=warnings, kind=kind)

    def _rewrite(self, kind: str, writes: Iterator[Write], merge: Merge) -> tuple[list[Write], list[str], set[str]]:
        """Replace the file of `kind` by one with `writes`, which come by id."""
        change = _Change(merge)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # The history is in its place before the file is, so that a kill between them loses nothing.
            with self._replacing(self._file(kind)) as file, self._replacing(self._next_history(kind)) as history:
                if self._file(kind).is_file():
                    with _sorted(self._file(kind)) as lines:
                        file.writelines(change.united(lines, writes, history))
                else:
                    file.writelines(change.alone(writes))
        except OSError as error:
            raise ConfigurationError(f"cannot write in {self.path}: {error.strerror}") from error
        return change.same, change.warnings, change.new

    @contextmanager
    def _replacing(self, path: Path) -> Iterator[IO[bytes]]:
        """Give a file that takes the place of `path` when the body ends well; an empty history is not kept."""
        part = self.path / f".{path.name}.part"
        try:
            with part.open("wb", buffering=_BLOCK) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if path.parent.name == _HISTORY and not part.stat().st_size:
                part.unlink()
                return
            path.parent.mkdir(exist_ok=True)
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def _next_history(self, kind: str) -> Path:
        earlier = sorted(self.path.glob(f"{_HISTORY}/{kind}.*.ndjson"))
        for file in earlier[: -_KEPT_HISTORY + 1]:
            file.unlink()
        number = int(earlier[-1].name.split(".")[1]) + 1 if earlier else 1
        return self.path / _HISTORY / f"{kind}.{number:08}.ndjson"

    def _file(self, kind: str) -> Path:
        return self.path / f"{kind}.ndjson"


class _Change:
    """How the lines of one file become those of the next."""

    def __init__(self, merge: Merge) -> None:
        self._merge = merge
        self.same: list[Write] = []
        self.warnings: list[str] = []
        self.new: set[str] = set()

    def alone(self, writes: Iterator[Write]) -> Iterator[bytes]:
        """Yield the lines of a new file."""
        for write in writes:
            body = self._merge(write, None).write.body if write.shared else write.body  # type: ignore[union-attr]
            if body is not None:
                yield body + b"\n"

    def united(self, lines: Iterator[Line], writes: Iterator[Write], history: IO[bytes]) -> Iterator[bytes]:
        """Yield the lines with `writes` in them; what they replace or remove goes to `history`."""
        line, write = next(lines, None), next(writes, None)
        while line is not None or write is not None:
            if write is None or (line is not None and line[0] < write.resource_id):
                assert line is not None  # noqa: S101
                yield line[1] + b"\n"
                line = next(lines, None)
                continue
            here = None
            if line is not None and line[0] == write.resource_id:
                here = line[1]
                line = next(lines, None)
            body = self._body(write, here)
            if here is not None and body != here:
                history.write(here + b"\n")
            if body is not None:
                yield body + b"\n"
            write = next(writes, None)

    def _body(self, write: Write, here: bytes | None) -> bytes | None:
        if here is None:
            self.new.add(write.resource_id)
        if not write.shared:
            return write.body
        current: Mapping[str, Any] | None = None if here is None else orjson.loads(here)
        made, warnings = self._merge(write, current)
        self.warnings.extend(warnings)
        if made is None:
            self.same.append(write)
            return here
        return made.body


@contextmanager
def _sorted(file: Path) -> Iterator[Iterator[Line]]:
    """Give the lines of `file` by id; a file that another program wrote is sorted first."""
    before = ""
    for resource, _ in _lines(file):
        if resource["id"] < before:
            break
        before = resource["id"]
    else:
        yield ((resource["id"], line) for resource, line in _lines(file))
        return
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(Path(folder) / "lines")) as database:
        database.executescript("PRAGMA journal_mode = OFF; CREATE TABLE line (id TEXT, body BLOB);")
        rows = ((resource["id"], line) for resource, line in _lines(file))
        database.executemany("INSERT INTO line VALUES (?, ?)", rows)
        yield iter(database.execute("SELECT id, body FROM line ORDER BY id"))


def _lines(file: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
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
