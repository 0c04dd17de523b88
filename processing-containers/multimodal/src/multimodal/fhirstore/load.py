"""Resources into a FHIR server or a folder: only what changed, nothing twice, nothing lost by a kill."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from shutil import copyfile
from typing import Any, Literal

import orjson

from multimodal.fhirstore.bodies import SHARED, body_hash, marked, unversioned, withdrawn
from multimodal.fhirstore.errors import TooManyDeletesError
from multimodal.fhirstore.manifest import Entry, Manifest
from multimodal.fhirstore.plan import Plan
from multimodal.fhirstore.rebuild import rebuild
from multimodal.fhirstore.report import Group, LoadReport
from multimodal.fhirstore.shared import SharedWriter
from multimodal.fhirstore.statements import released
from multimodal.fhirstore.writes import Outcome, Target, Write
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent

Deletes = Literal["keep", "entered-in-error", "delete"]
_DELETED_AT_ONCE = 500


def load(
    groups: Iterable[Group],
    target: Target,
    manifest: Path,
    *,
    source: str,
    scope: str = "",
    run: str = "",
    dry_run: bool = False,
    deletes: Deletes = "keep",
    most_deletes: float = 0.2,
    progress: Progress = silent,
) -> LoadReport:
    """Make `target` hold the resources of `groups`, writing only what changed since the last load.

    Parameters
    ----------
    groups : iterable of Group
        Read once; it may be larger than memory.
    target : FhirServer or NdjsonFolder
        Where to.
    manifest : Path
        The sqlite file that remembers what `source` wrote there. Where it is lost, of another target, or left
        by a load that did not end, it is rebuilt from the target first.
    source : str
        Mapping or workflow id; ``meta.source`` becomes ``urn:multimodal:<source>``.
    scope : str
        The part of the source that `groups` is all of: only what earlier loads wrote under the same scope can
        be absent now. Empty means all of the source.
    run : str
        Id of the run, noted in the manifest.
    dry_run : bool
        Only say what would be written; the manifest is left as it is.
    deletes : {'keep', 'entered-in-error', 'delete'}
        What to do with resources of earlier loads that `groups` no longer has: nothing; mark them as entered in
        error where their type has such a status, and delete the others; delete. Shared resources are kept, and so
        is what was made from an origin that is incomplete this time.
    most_deletes : float
        Share of the earlier resources that may vanish at once.
    progress : Progress
        Told of groups checked and resources stored.

    Returns
    -------
    LoadReport
        What was written and what was refused; a refused resource does not hold up the others.

    Raises
    ------
    TooManyDeletesError
        If more than `most_deletes` would vanish; nothing was sent.
    RemoteError
        If the target fails for good. What it had acknowledged is in the manifest; the same load again
        completes the work.

    Notes
    -----
    Everything is checked before anything is sent. Ids are given by the caller and each resource is sent as
    ``PUT Type/id``, so sending one twice is harmless.
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = manifest
        if dry_run:
            path = Path(scratch) / "manifest.sqlite"
            if manifest.exists():
                copyfile(manifest, path)
        with (
            Manifest(path, source=source, target=target.address) as known,
            Plan(known, source=source, scope=scope) as plan,
        ):
            work = _Load(plan, known, target, source, scope, run, progress)
            return work.run(groups, deletes, most_deletes, dry_run)


class _Load:
    """One call of `load`, with what its steps share."""

    def __init__(
        self, plan: Plan, known: Manifest, target: Target, source: str, scope: str, run: str, progress: Progress
    ) -> None:
        self._plan = plan
        self._known = known
        self._target = target
        self._source = source
        self._scope = scope
        self._run = run
        self._progress = progress
        self._report = LoadReport(recovered=known.interrupted)
        self._stored = 0

    def run(self, groups: Iterable[Group], deletes: Deletes, most_deletes: float, dry_run: bool) -> LoadReport:
        report, plan = self._report, self._plan
        rebuilt = not self._known.complete
        if rebuilt:
            rebuild(self._known, self._target, self._source, self._progress)
        plan.add(groups, self._progress)
        report.refused.extend(plan.refused)
        report.warnings.extend(plan.warnings)
        report.unchanged = plan.counts("unchanged")
        absent = []
        for entry in plan.absent():
            if plan.is_unknown(entry):
                report.absent[entry.resource_type] += 1
            else:
                absent.append(entry)
        if deletes == "keep" or plan.is_empty:
            report.absent.update(entry.resource_type for entry in absent)
            absent = []
        elif len(absent) > most_deletes * plan.known():
            raise TooManyDeletesError(len(absent), plan.known())
        if dry_run:
            report.created, report.updated = plan.counts("created"), plan.counts("updated")
            report.deleted.update(entry.resource_type for entry in absent)
            report.written.extend(plan.references())
            return report
        self._total = plan.counts("created").total() + plan.counts("updated").total() + len(absent)
        if self._total or rebuilt:
            self._known.mark("loading")
            self._write(absent, deletes)
            self._known.mark("complete")
        return report

    def _write(self, absent: Sequence[Entry], deletes: Deletes) -> None:
        shared = SharedWriter(self._target, self._known, source=self._source, scope=self._scope, run=self._run)
        for kind in SHARED:
            for outcome in shared.write(self._plan.shared(kind), self._report):
                self._note(outcome, shared=True)
        for outcome in self._target.write(self._plan.groups()):
            self._note(outcome)
        for start in range(0, len(absent), _DELETED_AT_ONCE):
            self._remove(absent[start : start + _DELETED_AT_ONCE], deletes)

    def _note(self, outcome: Outcome, *, shared: bool = False) -> None:
        """Record what is stored, before anything else is sent."""
        report = self._report
        if not shared:
            self._known.record(
                Entry(w.resource_type, w.resource_id, w.sha256, self._scope, w.origin, w.row, self._run)
                for w, _ in outcome.stored
            )
        for write, created in outcome.stored:
            new = created if shared else self._plan.change(write) == "created"
            (report.created if new else report.updated)[write.resource_type] += 1
            report.written.append(write.reference)
        self._refuse(outcome, IssueCode.REFUSED_BY_SERVER)
        self._stored += len(outcome.stored) + len(outcome.refused)
        self._progress("resources stored", self._stored, self._total)

    def _refuse(self, outcome: Outcome, code: IssueCode) -> None:
        for refusal in outcome.refused:
            write = refusal.write
            message = f"{write.reference}: {refusal.reason}"
            self._report.refused.append(
                Issue(
                    code.code,
                    message,
                    row=write.row,
                    sheet=write.sheet,
                    record=write.origin,
                    suggestion=code.suggestion,
                )
            )

    def _remove(self, absent: Sequence[Entry], deletes: Deletes) -> None:
        """Mark or delete what the source no longer has; what came from one origin together."""
        marks, removals = list[Write](), list[Write]()
        current: dict[tuple[str, str], dict[str, Any]] = {}
        if deletes == "entered-in-error":
            current = self._target.read_many([(entry.resource_type, entry.resource_id) for entry in absent])
        for entry in absent:
            name = (entry.resource_type, entry.resource_id)
            body = withdrawn(current[name]) if name in current else None
            if body is None:
                removals.append(Write(*name, None, entry.sha256, entry.origin, entry.row))
            else:
                sent = orjson.dumps(marked(unversioned(body), self._source, self._scope))
                marks.append(Write(*name, sent, body_hash(body), entry.origin, entry.row))
        for outcome in self._target.write([[write] for write in marks]):
            self._known.record(
                Entry(w.resource_type, w.resource_id, w.sha256, self._scope, w.origin, w.row, self._run, withdrawn=True)
                for w, _ in outcome.stored
            )
            self._note_removed(outcome, IssueCode.REFUSED_BY_SERVER)
            self._report.written.extend(write.reference for write, _ in outcome.stored)
        self._release({write.reference for write in removals})
        removals.sort(key=_place)
        for outcome in self._target.write([list(group) for _, group in groupby(removals, _place)]):
            self._known.forget((w.resource_type, w.resource_id) for w, _ in outcome.stored)
            self._note_removed(outcome, IssueCode.STILL_REFERENCED)

    def _release(self, gone: set[str]) -> None:
        """Take what will be deleted out of the statements of its origin."""
        changes = dict(released(self._target, self._known, gone))
        for outcome in self._target.write([[write] for write in changes]):
            stored = {write: changes[write] for write, _ in outcome.stored}
            self._known.record(entry for entry in stored.values() if entry is not None)
            self._known.forget((w.resource_type, w.resource_id) for w, entry in stored.items() if entry is None)
            self._refuse(outcome, IssueCode.REFUSED_BY_SERVER)

    def _note_removed(self, outcome: Outcome, code: IssueCode) -> None:
        self._report.deleted.update(write.resource_type for write, _ in outcome.stored)
        self._refuse(outcome, code)
        self._stored += len(outcome.stored) + len(outcome.refused)
        self._progress("resources stored", self._stored, self._total)


def _place(write: Write) -> tuple[str, int]:
    return write.origin, write.row or 0
