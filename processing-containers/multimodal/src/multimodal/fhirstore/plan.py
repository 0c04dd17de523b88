"""The whole input is checked and compared with the manifest before anything is sent."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import orjson

from multimodal.fhirstore.bodies import KEPT, SHARED, body_hash, marked, references_in, without_references
from multimodal.fhirstore.manifest import Entry, Manifest
from multimodal.fhirstore.merge import merge
from multimodal.fhirstore.report import Group
from multimodal.fhirstore.writes import Write
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.resources.checks import check_resource
from multimodal.resources.serialised import Serialised

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE planned (
    type TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER, change TEXT NOT NULL, body BLOB, sha256 BLOB,
    origin TEXT, row INTEGER, sheet TEXT, PRIMARY KEY (type, id)
) WITHOUT ROWID;
CREATE TABLE changed (seq INTEGER NOT NULL, part INTEGER NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL);
"""


class Plan:
    """What a load will do, kept on disk so that the input may be larger than memory.

    Parameters
    ----------
    manifest : Manifest
        What earlier loads wrote.
    source, scope : str
        As in `load`.
    """

    def __init__(self, manifest: Manifest, *, source: str, scope: str) -> None:
        self._manifest = manifest
        self._source = source
        self._scope = scope
        self._database = sqlite3.connect("")  # a temporary file of sqlite's own, gone with the connection
        self._database.executescript(_SCHEMA)
        self._groups = 0
        self._incomplete: set[str] = set()
        self.refused: list[Issue] = []
        self.warnings: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, groups: Iterable[Group], progress: Progress = silent) -> None:
        """Check the resources of `groups` and note what each of them changes."""
        for group in groups:
            self._groups += 1
            if group.incomplete:
                self._incomplete.add(group.origin)
            for part, resource in enumerate(self._sound(group)):
                if resource["resourceType"] in SHARED:
                    self._add_shared(group, part, resource)
                else:
                    self._add_own(group, part, resource)
            progress("groups checked", self._groups)

    def counts(self, change: str) -> Counter[str]:
        """Return how many resources of each type will be ``created``, ``updated`` or left ``unchanged``."""
        found = self._database.execute("SELECT type, count(*) FROM planned WHERE change = ? GROUP BY type", (change,))
        return Counter(dict(found))

    @property
    def is_empty(self) -> bool:
        """Whether the input holds nothing that may be stored."""
        return not self._database.execute("SELECT 1 FROM planned WHERE change <> 'refused' LIMIT 1").fetchone()

    def change(self, write: Write) -> str:
        """Return what was planned for a resource: ``created``, ``updated``, ``unchanged`` or ``refused``."""
        change: str = self._database.execute(
            "SELECT change FROM planned WHERE type = ? AND id = ?", (write.resource_type, write.resource_id)
        ).fetchone()[0]
        return change

    def references(self) -> Iterator[str]:
        """Yield the resources that will be created or updated, as ``Type/id``."""
        found = self._database.execute(
            "SELECT type || '/' || id FROM planned WHERE change IN ('created', 'updated') ORDER BY type, id"
        )
        return (reference for (reference,) in found)

    def absent(self) -> list[Entry]:
        """Return what earlier loads of this scope wrote and this input no longer has."""
        planned = "SELECT 1 FROM planned WHERE type = ? AND id = ?"
        return [
            entry
            for entry in self._manifest.entries(self._scope)
            if entry.resource_type not in KEPT
            and not self._database.execute(planned, (entry.resource_type, entry.resource_id)).fetchone()
        ]

    def is_unknown(self, entry: Entry) -> bool:
        """Whether the input has the entry's origin, but could not be read as a whole there."""
        return entry.origin in self._incomplete

    def known(self) -> int:
        """Return how many resources earlier loads of this scope wrote, shared ones apart."""
        return sum(entry.resource_type not in KEPT for entry in self._manifest.entries(self._scope))

    def shared(self, resource_type: str) -> Iterator[tuple[Write, dict[str, Any]]]:
        """Yield the shared resources of one type that changed, each with our contribution to it."""
        found = self._database.execute(
            "SELECT id, body, sha256, origin, row, sheet FROM planned"
            " WHERE type = ? AND change IN ('created', 'updated') ORDER BY seq",
            (resource_type,),
        )
        for key, body, sha256, origin, row, sheet in found:
            yield Write(resource_type, key, body, sha256, origin, row, sheet), orjson.loads(body)

    def groups(self) -> Iterator[list[Write]]:
        """Yield the changed resources that are not shared, group by group, in the order of the input."""
        found = self._database.execute(
            "SELECT changed.seq, type, id, body, sha256, origin, row, sheet FROM changed JOIN planned USING (type, id)"
            " ORDER BY changed.seq, part"
        )
        current, group = None, list[Write]()
        for seq, *write in found:
            if seq != current and group:
                yield group
                group = []
            current = seq
            group.append(Write(*write))
        if group:
            yield group

    def _sound(self, group: Group) -> list[dict[str, Any]]:
        """Return the resources of `group` that may be sent; a reference to one that may not is left out."""
        sound = [one.resource() if isinstance(one, Serialised) else one for one in group.resources]
        waiting = list(sound)
        named = Counter((resource.get("resourceType"), resource.get("id")) for resource in sound)
        while waiting:
            gone = set()
            for resource in waiting:
                if problem := self._problem(resource, named):
                    self._refuse(group, resource, *problem)
                    sound.remove(resource)
                    gone.add(f"{resource.get('resourceType')}/{resource.get('id')}")
            hit = [resource for resource in sound if gone & references_in(resource)]
            waiting = [without_references(resource, gone) for resource in hit]
            sound = [resource for resource in sound if resource not in hit] + waiting
            if hit:
                self.warnings.append(f"{len(hit)} resources of row {group.row} lost references to refused ones")
        return sound

    def _problem(self, resource: dict[str, Any], named: Counter[tuple[Any, Any]]) -> tuple[IssueCode, str] | None:
        problems = check_resource(resource)
        if problems:
            return IssueCode.INVALID_RESOURCE, "; ".join(problems)
        kind, key = resource["resourceType"], resource["id"]
        if kind in SHARED:
            return None
        planned = self._database.execute(
            "SELECT row, origin FROM planned WHERE type = ? AND id = ?", (kind, key)
        ).fetchone()
        if planned is None and named[kind, key] == 1:
            return None
        place = f"row {planned[0]} ({planned[1]})" if planned else "the same row"
        return IssueCode.DUPLICATE_RESOURCE, f"{kind}/{key} was already made from {place}"

    def _refuse(self, group: Group, resource: dict[str, Any], code: IssueCode, problem: str) -> None:
        kind, key = str(resource.get("resourceType")), str(resource.get("id"))
        named = problem if kind in problem else f"{kind}/{key}: {problem}"
        self.refused.append(
            Issue(code.code, named, row=group.row, sheet=group.sheet, record=group.origin, suggestion=code.suggestion)
        )
        # In the input all the same: what an earlier load stored of it is not absent now.
        self._database.execute(
            "INSERT OR IGNORE INTO planned VALUES (?, ?, ?, 'refused', NULL, NULL, ?, ?, ?)",
            (kind, key, self._groups, group.origin, group.row, group.sheet),
        )

    def _add_own(self, group: Group, part: int, resource: dict[str, Any]) -> None:
        kind, key, sha256 = resource["resourceType"], resource["id"], body_hash(resource)
        known = self._manifest.get(kind, key)
        change = "created" if known is None else "unchanged" if known.sha256 == sha256 else "updated"
        body = None if change == "unchanged" else orjson.dumps(marked(resource, self._source, self._scope))
        row = (kind, key, self._groups, change, body, sha256, group.origin, group.row, group.sheet)
        self._database.execute("INSERT INTO planned VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        if body is not None:
            self._database.execute("INSERT INTO changed VALUES (?, ?, ?, ?)", (self._groups, part, kind, key))

    def _add_shared(self, group: Group, part: int, resource: dict[str, Any]) -> None:
        """Unite what the groups of this run contribute to one shared resource."""
        kind, key = resource["resourceType"], resource["id"]
        earlier = self._database.execute(
            "SELECT seq, body, origin, row, sheet FROM planned WHERE type = ? AND id = ?", (kind, key)
        ).fetchone()
        first, united, origin, row, sheet = self._groups, resource, group.origin, group.row, group.sheet
        if earlier and earlier[1] is not None:
            first, body, origin, row, sheet = earlier
            contribution = orjson.loads(body)
            united, disputed = merge(contribution, resource)
            united["meta"] = {**contribution.get("meta", {}), **resource.get("meta", {})}
            self._dispute(group, kind, key, disputed, row)
        sha256 = body_hash(united)
        known = self._manifest.get(kind, key)
        change = "created" if known is None else "unchanged" if known.sha256 == sha256 else "updated"
        values = (kind, key, first, change, orjson.dumps(united), sha256, origin, row, sheet)
        self._database.execute("INSERT OR REPLACE INTO planned VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def _dispute(self, group: Group, kind: str, key: str, elements: Sequence[str], row: int | None) -> None:
        code = IssueCode.CONFLICTING_PATIENT
        for element in elements:
            message = f"{kind}/{key}: {element} differs from that of row {row}, which was kept"
            self.refused.append(
                Issue(
                    code.code,
                    message,
                    row=group.row,
                    sheet=group.sheet,
                    record=group.origin,
                    suggestion=code.suggestion,
                )
            )
