"""Resources into a FHIR server or a folder: only what changed, nothing twice, nothing lost by a kill."""

from __future__ import annotations

import csv
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from shutil import copyfile
from typing import Literal

from multimodal.fhirstore.changed_moves import changed_moves, told_of
from multimodal.fhirstore.errors import TooManyDeletesError
from multimodal.fhirstore.manifest import Entry, Manifest, entry_of
from multimodal.fhirstore.moves import Move, moves
from multimodal.fhirstore.plan import Plan
from multimodal.fhirstore.planned import Change
from multimodal.fhirstore.rebuild import rebuild
from multimodal.fhirstore.removal import Remover
from multimodal.fhirstore.report import Group, LoadReport
from multimodal.fhirstore.shared import merger
from multimodal.fhirstore.verify import Verified, verify
from multimodal.fhirstore.writes import Outcome, Target, Write
from multimodal.model.issue_codes import IssueCode
from multimodal.model.progress import Progress, silent

Deletes = Literal["keep", "entered-in-error", "delete"]


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
    leave: Collection[str] = (),
    verified: bool = False,
    diff: Path | None = None,
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
        The sqlite file that remembers what `source` wrote there. Where it is lost, of another target, left
        by a load that did not end, or the target was emptied since, it is rebuilt from the target first.
    source : str
        Mapping or workflow id; ``meta.source`` becomes ``urn:multimodal:<source>``.
    scope : str
        The part of the source that `groups` is all of: only what earlier loads wrote under the same scope can
        be absent now. Empty means all of the source.
    run : str
        Id of the run, by which it can be undone; without one it cannot.
    dry_run : bool
        Only say what would be written; the manifest is left as it is.
    deletes : {'keep', 'entered-in-error', 'delete'}
        What to do with resources of earlier loads that `groups` no longer has: nothing; mark them as entered in
        error where their type has such a status, and delete the others; delete. Shared resources are kept, and so
        is what was made from an origin that is incomplete this time. What moved to another patient (see `moves`)
        is taken away in any case.
    most_deletes : float
        Share of the earlier resources that may vanish at once; moves do not count.
    leave : collection of str
        Types whose resources are created where `target` has none, and left as they are where it has one.
    verified : bool
        Look at each resource of earlier loads first (see `verify`): what is gone from `target`, or was changed there,
        and is in `groups`, is stored again. Without it only a few are looked at.
    diff : Path, optional
        Gets a CSV file with each resource that is created, updated, refused, deleted, and in a dry run also each
        that is unchanged.
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
    ``PUT Type/id``, so sending one twice is harmless. All resources of a patient go in one transaction.
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = manifest
        if dry_run:
            path = Path(scratch) / "manifest.sqlite"
            if manifest.exists():
                copyfile(manifest, path)
        with Manifest(path, source=source, target=target.address) as known:
            plan = Plan(known, source=source, scope=scope)
            work = _Load(plan, known, target, source, scope, run, progress)
            try:
                work.believe(verified=verified)
                report = work.run(groups, deletes, most_deletes, dry_run, leave)
                if diff is not None:
                    work.tell(diff, unchanged=dry_run)
            finally:
                plan.close()
            return report


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
        self._killed = known.interrupted_run
        self._stored = 0
        self._total = 0
        self._removed: list[Entry] = []
        self._rebuilt = False
        self._verified: Verified | None = None

    def run(
        self, groups: Iterable[Group], deletes: Deletes, most_deletes: float, dry_run: bool, leave: Collection[str]
    ) -> LoadReport:
        """Compare, then write unless it is a dry run."""
        report, plan = self._report, self._plan
        plan.add(groups, self._progress)
        self._tell_verified()
        for kind in leave:
            plan.leave_existing(kind, self._target)
        report.refused.extend(plan.refused)
        report.warnings.extend(plan.warnings)
        report.unchanged = plan.counts("unchanged")
        moved, gone = self._gone(deletes, most_deletes)
        self._removed = [*gone, *(entry for move in moved for entry in move.entries)]
        if dry_run:
            report.created, report.updated = plan.counts("created"), plan.counts("updated")
            report.deleted.update(entry.resource_type for entry in self._removed)
            return report
        self._total = plan.counts("created").total() + plan.counts("updated").total()
        if self._total or self._removed or self._rebuilt:
            self._known.mark("loading", self._run)
            self._known.begin(self._run)
            if self._killed:
                self._known.take_over(self._killed)
            self._write(moved, gone, deletes)
            self._known.mark("complete")
        return report

    def tell(self, diff: Path, *, unchanged: bool) -> None:
        """Write what happens to each resource."""
        removed = (Change("deleted", *entry.key, entry.row, "", entry.origin) for entry in self._removed)
        with diff.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            lines.writerow(("change", "type", "id", "row", "sheet", "record"))
            lines.writerows(self._plan.changes(unchanged=unchanged))
            lines.writerows(removed)

    def believe(self, *, verified: bool = False) -> None:
        """Rebuild the manifest from the target where it cannot be believed, or look at all that it says."""
        if not self._known.complete:
            rebuild(self._known, self._target, self._source, self._progress)
            self._rebuilt = True
            return
        samples = self._known.samples()
        if samples and verified:
            self._verified = verify(self._known, self._target, self._source, self._progress)
            self._rebuilt = bool(self._verified.gone or self._verified.changed)
        elif samples and self._target.lacks(samples):
            self._known.clear()
            rebuild(self._known, self._target, self._source, self._progress)
            self._report.warnings.append(
                f"{self._target.name} lacks resources of earlier loads (was it emptied or set back?); "
                "what it has was looked up anew, and what it lacks is stored again"
            )
            self._rebuilt = True

    def _tell_verified(self) -> None:
        if self._verified is None:
            return
        looked_at, gone, changed = self._verified
        told = f"all {looked_at} resources of earlier loads were looked at"
        if not (gone or changed):
            self._report.warnings.append(f"{told}: {self._target.name} has them as they were stored")
            return
        left = self._plan.gone_for_good()
        lost = f"; {left} of them are not in the input and stay gone" if left else ""
        self._report.warnings.append(
            f"{told}: {gone} were gone from {self._target.name}, {changed} were changed there; "
            f"what the input has of them is stored again{lost}"
        )

    def _gone(self, deletes: Deletes, most_deletes: float) -> tuple[list[Move], list[Entry]]:
        """Return what moved to another patient, and what is to be removed besides; count what is kept."""
        report, plan = self._report, self._plan
        absent = list(plan.absent())
        exact = moves(plan, self._known, absent)
        changed, doubts = changed_moves(plan, self._known, absent, exact)
        moved = [*exact, *changed]
        for move in moved:
            also = ", though some of them changed" if move in changed else ""
            report.warnings.append(
                f"Patient/{move.old} became Patient/{move.new}: its {len(move.entries)} resources were moved{also}"
            )
        taken = {entry.key for move in moved for entry in move.entries}
        unknown = [entry for entry in absent if plan.is_unknown(entry)]
        gone = [entry for entry in absent if entry.key not in taken and not plan.is_unknown(entry)]
        report.absent.update(entry.resource_type for entry in unknown)
        if deletes == "keep" or plan.is_empty:
            report.absent.update(entry.resource_type for entry in gone)
            left = [entry for entry in absent if entry.key not in taken]
            report.doubts += told_of(doubts, self._known, self._scope, left)
            return moved, []
        if len(gone) > most_deletes * plan.known():
            raise TooManyDeletesError(len(gone), plan.known())
        return moved, gone

    def _write(self, moved: Sequence[Move], gone: Sequence[Entry], deletes: Deletes) -> None:
        emptied = {move.old for move in moved} | self._plan.left_patients()
        merge = merger(self._source)
        if self._target.order == "name":
            streams = [self._plan.by_name()]
        else:
            streams = [self._plan.common(), self._plan.by_patient()]
        for stream in streams:
            for outcome in self._target.write(stream, merge):
                self._note(outcome)
        remover = Remover(self._target, self._known, source=self._source, report=self._report, progress=self._progress)
        remover.remove(gone, mark=deletes != "delete")
        remover.remove((entry for move in moved for entry in move.entries), mark=deletes != "delete")
        remover.remove_emptied(self._plan.not_named(emptied))

    def _note(self, outcome: Outcome) -> None:
        """Record what is stored, before anything else is sent."""
        report = self._report
        if outcome.kind:
            self._note_all(outcome)
            return
        self._known.record(entry_of(write, self._scope) for write in _noted(outcome))
        for write, created in outcome.stored:
            (report.created if created else report.updated)[write.resource_type] += 1
        report.unchanged.update(write.resource_type for write in outcome.same)
        report.warnings.extend(outcome.warnings)
        report.refuse(outcome, IssueCode.REFUSED_BY_SERVER)
        self._stored += len(outcome.stored) + len(outcome.same) + len(outcome.refused)
        self._progress("resources stored", self._stored, self._total)

    def _note_all(self, outcome: Outcome) -> None:
        report, kind, same = self._report, outcome.kind, len(outcome.same)
        self._plan.record(kind)
        made, changed = (self._plan.counts(change)[kind] for change in ("created", "updated"))
        # What was the same is of those that we had not written before.
        report.created += Counter({kind: max(0, made - same)})
        report.updated += Counter({kind: max(0, changed - max(0, same - made))})
        report.unchanged += Counter({kind: same})
        report.warnings.extend(outcome.warnings)
        self._stored += made + changed
        self._progress("resources stored", self._stored, self._total)


def _noted(outcome: Outcome) -> Iterator[Write]:
    yield from (write for write, _ in outcome.stored)
    yield from outcome.same
