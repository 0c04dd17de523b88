"""One run of a source taken back: what it created goes, what it overwrote or removed comes back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from multimodal.fhirstore.bodies import SHARED, body_hash, is_withdrawn, source_of, unversioned, writers_of
from multimodal.fhirstore.errors import NotUndoableError
from multimodal.fhirstore.manifest import Entry, Manifest, contribution_of
from multimodal.fhirstore.rebuild import rebuild
from multimodal.fhirstore.report import LoadReport
from multimodal.fhirstore.shared import remover
from multimodal.fhirstore.writes import Is, Outcome, Refusal, Target, Write
from multimodal.model.issue_codes import IssueCode
from multimodal.model.progress import Progress, silent

_AT_ONCE = 500
_STATED = "Provenance"


def undo(target: Target, manifest: Path, *, source: str, run: str, progress: Progress = silent) -> LoadReport:
    """Take back what `run` of `source` wrote to `target`.

    Parameters
    ----------
    target : FhirServer or NdjsonFolder
        Where the run wrote to.
    manifest : Path
        As in `load`.
    source, run : str
        What to take back.
    progress : Progress
        Told of resources taken back.

    Returns
    -------
    LoadReport
        ``deleted``: what the run had created. ``updated``: what has its earlier content again. ``created``: what the
        run had deleted. ``refused``: what somebody changed on the target since then, which is left alone.

    Raises
    ------
    NotUndoableError
        If the run is not known (any more), or a later one wrote on top of it; nothing was changed.
    RemoteError
        If the target fails for good; the same call again completes the work.

    Notes
    -----
    The earlier bodies come from the history of the target: a server's ``_history``, a folder's ``.history``. Of
    shared resources only our contribution is taken back, or put back as it was. Statements of origin that the run
    made go with what they tell of; a server keeps them in its history.
    """
    with Manifest(manifest, source=source, target=target.address) as known:
        if not known.complete:
            rebuild(known, target, source, progress)
        number = known.number_of(run)
        if not number:
            raise NotUndoableError(run, known=known.runs(), completed_by=known.completed_by(run))
        if later := known.later_runs(number):
            raise NotUndoableError(run, later=later)
        work = _Undo(target, known, source, number, progress)
        known.mark("loading")
        report = work.run()
        known.mark("complete")
        return report


class _Undo:
    def __init__(self, target: Target, known: Manifest, source: str, number: int, progress: Progress) -> None:
        self._target = target
        self._known = known
        self._source = source
        self._number = number
        self._progress = progress
        self._leaving: set[str] = set()
        self._merge = remover(source, self._leaving)
        self._report = LoadReport()
        self._done = 0

    def run(self) -> LoadReport:
        """Take back statements, then what was overwritten or removed, then what was created."""
        known, number = self._known, self._number
        made = (
            "first = ?1 AND run = ?1 AND NOT EXISTS (SELECT 1 FROM undo u WHERE u.by = ?1"
            " AND u.type = resource.type AND u.id = resource.id)"
        )
        self._take_back(list(known.select(f"{made} AND type = '{_STATED}'", (number,))))
        self._put_back(known.overwritten(number))
        for shared in (False, True):
            kinds = ", ".join(f"'{kind}'" for kind in SHARED)
            which = f"type {'IN' if shared else 'NOT IN'} ({kinds}, '{_STATED}')"
            self._take_back(sorted(known.select(f"{made} AND {which}", (number,)), key=lambda entry: entry.patient))
        known.drop_run(number)
        return self._report

    def _take_back(self, entries: Iterable[Entry]) -> None:
        """Delete what the run created; of shared resources with other writers only our contribution."""
        for chunk in _chunks(entries, self._target):
            here = self._target.read_many([entry.key for entry in chunk])
            writes, others = list[Write](), list[Entry]()
            for entry in chunk:
                body = here.get(entry.key)
                if body is None:
                    self._known.forget([entry.key])
                elif entry.resource_type not in SHARED:
                    if self._is_ours(entry, body):
                        writes.append(_write(entry, None))
                elif writers_of(body) <= {self._source} and source_of(body) == self._source:
                    writes.append(_write(entry, None))
                else:
                    others.append(entry)
            writes += self._withdrawals(others)
            for outcome in self._target.write(_together(writes), self._merge, exact=True):
                self._note_taken(outcome)

    def _withdrawals(self, entries: Sequence[Entry]) -> Iterator[Write]:
        """Yield the writes that take our contribution out: what stood there before it stays."""
        earlier = self._target.earlier(
            dict.fromkeys([e.key for e in entries], lambda r: self._source not in writers_of(r))
        )
        for entry in entries:
            theirs = earlier.get(entry.key)
            if theirs is None:  # there is no history: nobody knows who else says the same
                theirs = {"identifier": (contribution_of(entry) or {}).get("identifier", [])}
            self._leaving.add(entry.reference)
            body = orjson.dumps({name: value for name, value in theirs.items() if name != "meta"})
            yield _write(entry, body)._replace(shared=True, before=entry.contribution)

    def _note_taken(self, outcome: Outcome) -> None:
        gone = [write for write, _ in outcome.stored] + list(outcome.same)
        self._known.forget([(write.resource_type, write.resource_id) for write in gone])
        self._report.deleted.update(write.resource_type for write in gone if not write.shared)
        self._report.updated.update(write.resource_type for write in gone if write.shared)
        for refusal in outcome.refused:
            if refusal.write.resource_type in SHARED:
                self._report.warnings.append(f"{refusal.write.reference} was kept: {refusal.reason}")
        kept = [refusal for refusal in outcome.refused if refusal.write.resource_type not in SHARED]
        self._report.refuse(Outcome(refused=kept), IssueCode.STILL_REFERENCED)
        self._step(len(gone) + len(outcome.refused))

    def _put_back(self, earlier: Iterable[Entry]) -> None:
        """Write again what was there before the run."""
        for chunk in _chunks(earlier, self._target):
            here = self._target.read_many([entry.key for entry in chunk])
            ours = [entry for entry in chunk if self._may_be_put_back(entry, here.get(entry.key))]
            entries = {entry.reference: entry for entry in ours}
            writes = list(self._earlier(ours))
            for outcome in self._target.write(_together(writes), self._merge, exact=True):
                put = [write for write, _ in outcome.stored] + list(outcome.same)
                self._known.put_back([entries[write.reference] for write in put], self._number)
                for write, created in outcome.stored:
                    (self._report.created if created else self._report.updated)[write.resource_type] += 1
                self._report.updated.update(write.resource_type for write in outcome.same)
                self._report.refuse(outcome, IssueCode.REFUSED_BY_SERVER)
                self._step(len(put) + len(outcome.refused))

    def _may_be_put_back(self, entry: Entry, here: Mapping[str, Any] | None) -> bool:
        now = self._known.get(*entry.key)
        if here is None or now is None or entry.resource_type in SHARED:
            return True
        return body_hash(here) == entry.sha256 or self._is_ours(now, here)

    def _earlier(self, entries: Sequence[Entry]) -> Iterator[Write]:
        """Yield the writes that bring the earlier versions of `entries` back."""
        bodies = self._target.earlier(
            {entry.key: _has_hash(entry.sha256) for entry in entries if entry.resource_type not in SHARED}
        )
        for entry in entries:
            if entry.resource_type not in SHARED:
                if entry.key in bodies:
                    yield _write(entry, orjson.dumps(unversioned(bodies[entry.key])))
                else:
                    self._leave(entry, "its earlier version is not in the history of the target any more")
            elif entry.contribution is None:
                self._report.warnings.append(f"{entry.reference}: what we had contributed to it is not known; kept")
            else:
                now = self._known.get(*entry.key)
                before = now.contribution if now else None
                yield _write(entry, entry.contribution)._replace(shared=True, before=before)

    def _is_ours(self, entry: Entry, body: Mapping[str, Any]) -> bool:
        if body_hash(body) == entry.sha256 or (entry.withdrawn and is_withdrawn(body)):
            return True
        self._leave(entry, "somebody else changed it since; it was left alone")
        return False

    def _leave(self, entry: Entry, reason: str) -> None:
        self._report.refuse(Outcome(refused=[Refusal(_write(entry, None), reason)]), IssueCode.NOT_UNDONE)

    def _step(self, number: int) -> None:
        self._done += number
        self._progress("resources taken back", self._done)


def _write(entry: Entry, body: bytes | None) -> Write:
    return Write(*entry.key, body, entry.sha256, entry.origin, entry.row, "", entry.patient, entry.meta, entry.content)


def _has_hash(sha256: bytes) -> Is:
    return lambda resource: body_hash(resource) == sha256


def _chunks(entries: Iterable[Entry], target: Target) -> Iterator[list[Entry]]:
    """Yield `entries` in chunks that hold whole patients; a folder is read as a whole for each of them."""
    chunk: list[Entry] = []
    most = _AT_ONCE if target.order == "patient" else 40 * _AT_ONCE
    for _, of_patient in groupby(entries, lambda entry: entry.patient or entry.reference):
        group = list(of_patient)
        if chunk and len(chunk) + len(group) > most:
            yield chunk
            chunk = []
        chunk += group
    if chunk:
        yield chunk


def _together(writes: Sequence[Write]) -> list[list[Write]]:
    return [list(group) for _, group in groupby(writes, lambda write: write.patient or write.reference)]
