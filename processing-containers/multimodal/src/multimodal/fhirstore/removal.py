"""What the source no longer has is marked as entered in error, or deleted, and Provenance lets go of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby, islice

import orjson

from multimodal.fhirstore.bodies import (
    body_hash,
    content_hash,
    marked,
    meta_hash,
    source_of,
    unversioned,
    withdrawn,
    writers_of,
)
from multimodal.fhirstore.manifest import Entry, Manifest, entry_of
from multimodal.fhirstore.report import LoadReport
from multimodal.fhirstore.shared import merger
from multimodal.fhirstore.statements import released
from multimodal.fhirstore.writes import Outcome, Target, Write
from multimodal.model.issue_codes import IssueCode
from multimodal.model.progress import Progress

_AT_ONCE = 500


class Remover:
    """Takes resources of one source away and notes it.

    Parameters
    ----------
    target, known : Target and Manifest
        Where they are, and what is known of them.
    source : str
        As in `load`.
    report : LoadReport
        Is told.
    progress : Progress
        Told of resources removed.
    """

    def __init__(self, target: Target, known: Manifest, *, source: str, report: LoadReport, progress: Progress) -> None:
        self._target = target
        self._known = known
        self._source = source
        self._merge = merger(source)
        self._report = report
        self._progress = progress
        self._done = 0

    def remove(self, absent: Iterable[Entry], *, mark: bool) -> None:
        """Delete `absent`, or where `mark` is set mark as entered in error what has such a status."""
        waiting = iter(sorted(absent, key=lambda entry: (entry.patient, entry.origin, entry.row or 0)))
        while chunk := list(islice(waiting, _AT_ONCE)):
            removals = self._marked(chunk) if mark else chunk
            self._delete(removals)

    def remove_emptied(self, patients: Collection[str]) -> None:
        """Delete those Patients that hold nothing any more and are ours alone; tell of the others."""
        for patient in sorted(patients):
            left = [entry for entry in self._known.of_patient(patient) if entry.key != ("Patient", patient)]
            if any(not entry.withdrawn for entry in left):
                continue
            known, name = self._known.get("Patient", patient), f"Patient/{patient}"
            if known is None:
                continue
            here = self._target.read_many([("Patient", patient)]).get(("Patient", patient), {})
            alone = source_of(here) == self._source and writers_of(here) == {self._source}
            if here and (left or not alone):
                self._report.warnings.append(f"{name}: its data moved to another Patient; it was kept, look at it")
                continue
            self._release({name})
            if self._target.is_named(name):
                self._report.warnings.append(f"{name}: its data moved, but something still refers to it; it was kept")
                continue
            self._delete([known], warn=True)

    def _marked(self, entries: Sequence[Entry]) -> list[Entry]:
        """Mark `entries` as entered in error; return those whose type has no such status."""
        current = self._target.read_many([entry.key for entry in entries])
        marks, others = list[Write](), list[Entry]()
        scopes = {entry.reference: entry.scope for entry in entries}
        for entry in entries:
            body = withdrawn(current[entry.key]) if entry.key in current else None
            if body is None:
                others.append(entry)
                continue
            sent = marked(unversioned(body), self._source, entry.scope)
            canonical = orjson.dumps({k: v for k, v in sent.items() if k != "meta"}, option=orjson.OPT_SORT_KEYS)
            marks.append(
                Write(
                    *entry.key, orjson.dumps(sent), body_hash(sent), entry.origin, entry.row, "", entry.patient,
                    meta_hash(sent["meta"]), content_hash(canonical, entry.resource_id),
                )
            )  # fmt: skip
        for outcome in self._target.write(_by_patient(marks), self._merge):
            self._known.record(entry_of(w, scopes[w.reference], withdrawn=True) for w, _ in outcome.stored)
            self._note(outcome, IssueCode.REFUSED_BY_SERVER)
        return others

    def _delete(self, entries: Sequence[Entry], *, warn: bool = False) -> None:
        removals = [
            Write(*entry.key, None, entry.sha256, entry.origin, entry.row, patient=entry.patient) for entry in entries
        ]
        self._release({write.reference for write in removals})
        for outcome in self._target.write(_by_patient(removals), self._merge):
            self._known.forget((w.resource_type, w.resource_id) for w, _ in outcome.stored)
            if warn:
                for refusal in outcome.refused:
                    self._report.warnings.append(f"{refusal.write.reference} could not be deleted: {refusal.reason}")
                outcome = Outcome(outcome.stored)
            self._note(outcome, IssueCode.STILL_REFERENCED)

    def _release(self, gone: set[str]) -> None:
        """Take what will be deleted out of the statements of its origin."""
        changes = dict(released(self._target, self._known, gone))
        for outcome in self._target.write([[write] for write in changes], self._merge):
            stored = {write: changes[write] for write, _ in outcome.stored}
            self._known.record(entry for entry in stored.values() if entry is not None)
            self._known.forget((w.resource_type, w.resource_id) for w, entry in stored.items() if entry is None)
            self._report.refuse(outcome, IssueCode.REFUSED_BY_SERVER)

    def _note(self, outcome: Outcome, code: IssueCode) -> None:
        self._report.deleted.update(write.resource_type for write, _ in outcome.stored)
        self._report.refuse(outcome, code)
        self._done += len(outcome.stored) + len(outcome.refused)
        self._progress("resources removed", self._done)


def _by_patient(writes: Sequence[Write]) -> list[list[Write]]:
    """Return the writes of one patient, or without one of one row, together."""
    return [list(group) for _, group in groupby(writes, _place)]


def _place(write: Write) -> tuple[str, str, int]:
    return (write.patient, "", 0) if write.patient else ("", write.origin, write.row or 0)
