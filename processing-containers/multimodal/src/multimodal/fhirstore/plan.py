"""The whole input is checked and compared with the manifest before anything is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from multimodal.fhirstore.bodies import (
    KEPT,
    SHARED,
    content_hash,
    marked_meta,
    meta_hash,
    patient_of,
    references_in,
    without_references,
)
from multimodal.fhirstore.manifest import Entry, Manifest
from multimodal.fhirstore.merge import merge
from multimodal.fhirstore.planned import Planned
from multimodal.fhirstore.report import Group
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.resources.checks import check_resource
from multimodal.resources.serialised import Serialised, serialised

_COMPARED_AT_ONCE = 500
_MET = 1 << 20  # bytes
_Waiting = tuple[int, int, Serialised, bytes, bytes, bytes, bool]


class Plan(Planned):
    """What a load will do, kept on disk so that the input may be larger than memory.

    Parameters
    ----------
    manifest : Manifest
        What earlier loads wrote; the plan keeps its tables in the temporary database of the same connection.
    source, scope : str
        As in `load`.
    """

    def __init__(self, manifest: Manifest, *, source: str, scope: str) -> None:
        super().__init__(manifest, scope)
        self._source = source
        self._groups = 0
        self._number = 0
        self._incomplete: set[str] = set()
        self._metas: dict[tuple[bytes, str], tuple[bytes, bytes]] = {}
        self._waiting: list[_Waiting] = []
        self._met = bytearray(_MET)  # shared resources, by hash: most are met once, and need no look into the plan
        self._origins: list[tuple[Any, ...]] = []
        self.refused: list[Issue] = []
        self.warnings: list[str] = []

    def add(self, groups: Iterable[Group], progress: Progress = silent) -> None:
        """Check the resources of `groups` and note what each of them changes."""
        self._is_first = len(self._manifest) == 0
        for group in groups:
            self._groups += 1
            if group.incomplete:
                self._incomplete.add(group.origin)
            patient = group.patient
            for resource in self._sound(group):
                patient = patient or patient_of(resource.resource())
                if resource.type in SHARED:
                    self._unite(group, resource)
                else:
                    self._add(resource)
            self._origins.append((self._groups, patient, group.origin, group.row, group.sheet))
            if len(self._waiting) >= _COMPARED_AT_ONCE or len(self._origins) >= _COMPARED_AT_ONCE:
                self._store()
                progress("groups checked", self._groups)
        self._store()
        self._compare_united()
        self._database.execute("CREATE INDEX temp.planned_name ON planned (type, id)")
        self._refuse_duplicates()
        self._database.commit()
        progress("groups checked", self._groups)

    @property
    def is_empty(self) -> bool:
        """Whether the input holds nothing that may be stored."""
        return not any(self.counts(change) for change in ("created", "updated", "unchanged"))

    def absent(self) -> Iterator[Entry]:
        """Yield what earlier loads of this scope wrote and this input no longer has."""
        found = self._manifest.select(
            "NOT withdrawn AND (? = '' OR scope = ?)"
            " AND NOT EXISTS (SELECT 1 FROM temp.planned p WHERE p.type = resource.type AND p.id = resource.id)",
            (self._scope, self._scope),
        )
        return (entry for entry in found if entry.resource_type not in KEPT)

    def is_unknown(self, entry: Entry) -> bool:
        """Whether the input has the entry's origin, but could not be read as a whole there."""
        return entry.origin in self._incomplete

    def known(self) -> int:
        """Return how many resources earlier loads of this scope wrote, shared ones apart."""
        kept = ", ".join("?" * len(KEPT))
        count: int = self._database.execute(
            "SELECT count(*) FROM resource WHERE NOT withdrawn AND (? = '' OR scope = ?)"  # noqa: S608
            f" AND type NOT IN ({kept})",
            (self._scope, self._scope, *KEPT),
        ).fetchone()[0]
        return count

    def _sound(self, group: Group) -> Sequence[Serialised]:
        """Return the resources of `group` that may be sent; a reference to one that may not is left out."""
        done = [resource for resource in group.resources if isinstance(resource, Serialised)]
        if len(done) == len(group.resources):
            return done  # checked where they were made
        sound = [resource for resource in group.resources if not isinstance(resource, Serialised)]
        waiting = list(sound)
        while waiting:
            gone = set()
            for resource in waiting:
                if problems := check_resource(resource):
                    self._refuse(group, resource, IssueCode.INVALID_RESOURCE, "; ".join(problems))
                    sound.remove(resource)
                    gone.add(f"{resource.get('resourceType')}/{resource.get('id')}")
            hit = [resource for resource in sound if gone & references_in(resource)] if gone else []
            waiting = [without_references(resource, gone) for resource in hit]
            sound = [resource for resource in sound if resource not in hit] + waiting
            if hit:
                self.warnings.append(f"{len(hit)} resources of row {group.row} lost references to refused ones")
        return [*done, *map(serialised, sound)]

    def _refuse(self, group: Group, resource: dict[str, Any], code: IssueCode, problem: str) -> None:
        kind, key = str(resource.get("resourceType")), str(resource.get("id"))
        named = problem if kind in problem else f"{kind}/{key}: {problem}"
        self.refused.append(
            Issue(code.code, named, row=group.row, sheet=group.sheet, record=group.origin, suggestion=code.suggestion)
        )
        # In the input all the same: what an earlier load stored of it is not absent now.
        self._number += 1
        self._database.execute(
            "INSERT INTO temp.planned VALUES (?, ?, ?, ?, 'refused', NULL, NULL, NULL, NULL, NULL)",
            (self._number, self._groups, kind, key),
        )

    def _add(self, resource: Serialised, *, united: bool = False) -> None:
        self._number += 1
        sha256 = hashlib.sha256(resource.body).digest()
        self._waiting.append((self._number, self._groups, resource, sha256, *self._meta_of(resource), united))

    def _meta_of(self, resource: Serialised) -> tuple[bytes, bytes]:
        """Return the hash of the meta, and the beginning of the body that is sent: few metas serve all resources."""
        found = self._metas.get((resource.meta, resource.type))
        if found is None:
            meta = orjson.loads(resource.meta)
            sent = meta if resource.type in SHARED else marked_meta(meta, resource.type, self._source, self._scope)
            found = meta_hash(meta), b'{"meta":' + orjson.dumps(sent) + b"," if sent else b"{"
            if len(self._metas) < 10_000:
                self._metas[resource.meta, resource.type] = found
        return found

    def _store(self) -> None:
        """Compare what was added with the manifest; the bodies of what is unchanged are not kept."""
        known = self._known([(each[2].type, each[2].id) for each in self._waiting if not each[-1]])
        rows: list[tuple[Any, ...]] = []
        for number, seq, resource, sha256, meta, start, united in self._waiting:
            kind, key, body, _ = resource
            change = "" if united else _change(known.get((kind, key)), sha256, meta) if known else "created"
            if change == "unchanged":
                self._counts[kind][change] += 1
                rows.append((number, seq, kind, key, change, sha256, meta, None, None, None))
                continue
            if not united:
                self._counts[kind][change] += 1
            sent = start + body[1:]
            at = self._bodies.add(sent)
            rows.append((number, seq, kind, key, change, sha256, meta, content_hash(body, key), at, len(sent)))
        self._database.executemany("INSERT INTO temp.planned VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._database.executemany(
            "INSERT INTO temp.united VALUES (?, ?, ?)", [(r.type, r.id, n) for n, _, r, *_, u in self._waiting if u]
        )
        self._database.executemany("INSERT INTO temp.origin VALUES (?, ?, ?, ?, ?)", self._origins)
        self._waiting.clear()
        self._origins.clear()

    def _known(self, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[bytes, bytes, int]]:
        """Return hashes and withdrawal of what earlier loads wrote."""
        found: dict[tuple[str, str], tuple[bytes, bytes, int]] = {}
        if self._is_first:
            return found
        by_type: dict[str, list[str]] = {}
        for kind, key in names:
            by_type.setdefault(kind, []).append(key)
        for kind, keys in by_type.items():
            places = ",".join("?" * len(keys))
            for key, *hashes in self._database.execute(
                f"SELECT id, sha256, meta, withdrawn FROM resource WHERE type = ? AND id IN ({places})",  # noqa: S608
                (kind, *keys),
            ):
                found[kind, key] = (hashes[0], hashes[1], hashes[2])
        return found

    def _unite(self, group: Group, resource: Serialised) -> None:
        """Unite what the groups of this run contribute to one shared resource."""
        place, bit = divmod(hash((resource.type, resource.id)) % (8 * _MET), 8)
        if not self._met[place] & 1 << bit:
            self._met[place] |= 1 << bit
            self._add(resource, united=True)
            return
        self._store()
        earlier = self._database.execute(
            "SELECT num FROM temp.united WHERE type = ? AND id = ?", (resource.type, resource.id)
        ).fetchone()
        if earlier is None:
            self._add(resource, united=True)
            return
        at, size, row = self._database.execute(
            "SELECT at, size, row FROM temp.planned LEFT JOIN temp.origin USING (seq) WHERE num = ?", earlier
        ).fetchone()
        contribution, again = orjson.loads(self._bodies.get(at, size)), resource.resource()
        united, disputed = merge(contribution, again)
        united["meta"] = {**contribution.get("meta", {}), **again.get("meta", {})}
        self._dispute(group, resource.type, resource.id, disputed, row)
        made = serialised(united)
        meta, start = self._meta_of(made)
        sent = start + made.body[1:]
        self._database.execute(
            "UPDATE temp.planned SET sha256 = ?, meta = ?, at = ?, size = ? WHERE num = ?",
            (hashlib.sha256(made.body).digest(), meta, self._bodies.add(sent), len(sent), *earlier),
        )

    def _compare_united(self) -> None:
        """Say what changes of the shared resources, now that all contributions are known."""
        found = self._database.execute(
            "SELECT num, type, id, sha256, meta FROM temp.planned WHERE num IN (SELECT num FROM temp.united)"
        )
        while rows := found.fetchmany(_COMPARED_AT_ONCE):
            known = self._known([(kind, key) for _, kind, key, *_ in rows])
            changes = []
            for number, kind, key, sha256, meta in rows:
                change = _change(known.get((kind, key)), sha256, meta)
                self._counts[kind][change] += 1
                changes.append((change, number))
            self._database.executemany("UPDATE temp.planned SET change = ? WHERE num = ?", changes)

    def _refuse_duplicates(self) -> None:
        """Refuse what was made a second time under the same id; the first is used."""
        # From the index alone, which the condition of the next query would not let it use.
        twice = self._database.execute(
            "SELECT type, id FROM temp.planned GROUP BY type, id HAVING count(*) > 1"
        ).fetchall()
        code = IssueCode.DUPLICATE_RESOURCE
        for kind, key in twice:
            (_, _, _, row, origin, _), *others = self._database.execute(
                "SELECT num, change, seq, row, origin, sheet FROM temp.planned JOIN temp.origin USING (seq)"
                " WHERE type = ? AND id = ? AND change <> 'refused' ORDER BY num",
                (kind, key),
            ).fetchall() or [(0, "", 0, None, "", "")]
            for number, change, _, again, record, sheet in others:
                place = f"row {row} ({origin})" if again != row else "the same row"
                message = f"{kind}/{key} was already made from {place}"
                self.refused.append(
                    Issue(code.code, message, row=again, sheet=sheet, record=record, suggestion=code.suggestion)
                )
                self._counts[kind][change] -= 1
                self._database.execute("UPDATE temp.planned SET change = 'refused' WHERE num = ?", (number,))

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


def _change(known: tuple[bytes, bytes, int] | None, sha256: bytes, meta: bytes) -> str:
    if known is None:
        return "created"
    return "unchanged" if known == (sha256, meta, 0) else "updated"
