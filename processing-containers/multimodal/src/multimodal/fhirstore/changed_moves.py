"""A PatientID that was corrected together with other cells of its row: moved where that is sure, else asked about."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from multimodal.fhirstore.manifest import Entry, Manifest, contribution_of
from multimodal.fhirstore.moves import Move, is_rare
from multimodal.fhirstore.plan import Plan
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue

_TOLD_OF_A_PERSON = ("birthDate", "gender", "deceasedBoolean", "deceasedDateTime")
_Made = Sequence[tuple[bytes, int | None]]


class Doubt(NamedTuple):
    """A patient who may stand under another number now, and whose resources are kept.

    Parameters
    ----------
    old, new : str
        Ids of the two Patients.
    """

    old: str
    new: str


def changed_moves(
    plan: Plan, known: Manifest, absent: Sequence[Entry], exact: Sequence[Move]
) -> tuple[list[Move], list[Doubt]]:
    """Return the patients who moved although not all of their contents are as before, and those of whom one may ask.

    Parameters
    ----------
    plan, known, absent
        As for `moves`.
    exact : sequence of Move
        What `moves` found; its patients are settled.

    Notes
    -----
    A patient of whom resources are absent has moved when

    1. the input says nothing of the old patient, and earlier loads nothing of the new one,
    2. the rows in which the old one's resources stood now make resources of the new one, and of no second new one,
    3. more than half of the resources have the same content in the same row, among them at least three different
       contents which no other patient of earlier loads has together,
    4. nothing that both Patients say of the person (birth date, sex, death) differs,
    5. and no second absent patient fits the new one.

    It is a doubt when the rows are the same ones and less of this holds, or when more than half of the contents, rare
    ones, stand under another patient in other rows. Rows alone say nothing where most of the earlier resources are
    absent: that is another table, not a corrected one.
    """
    settled = {move.old for move in exact} | {move.new for move in exact}
    if not plan.counts("created"):
        return [], []
    lost: dict[str, list[Entry]] = defaultdict(list)
    for entry in absent:
        if entry.patient and entry.patient not in settled:
            lost[entry.patient].append(entry)
    cases = _Cases(plan, known, 2 * len(absent) <= plan.known())
    sure = dict[str, str]()
    for old, found in cases.of(lost, settled).items():
        if len(found) == 1 and cases.is_sure(found[0]):
            sure[old] = found[0].new
    claims = Counter(sure.values())
    moved = {old: new for old, new in sure.items() if claims[new] == 1}
    doubts = [
        Doubt(case.old, case.new)
        for old, found in sorted(cases.found.items())
        for case in found
        if old not in moved and case.new not in moved.values()
    ]
    return [Move(old, new, lost[old]) for old, new in moved.items()], doubts


def told_of(doubts: Iterable[Doubt], known: Manifest, scope: str, absent: Sequence[Entry]) -> list[Issue]:
    """Return an issue for each doubt, those that earlier loads of `scope` left standing included.

    A doubt ends when nothing of the old patient is absent any more, or when the new one is gone.
    """
    kept: dict[str, list[Entry]] = defaultdict(list)
    for entry in absent:
        kept[entry.patient].append(entry)
    database = known.database
    found = database.execute("SELECT old, new FROM doubt WHERE scope = ?", (scope,))
    now, before = set(doubts), set(map(Doubt._make, found))
    standing = {doubt for doubt in before if doubt.old in kept and any(known.of_patient(doubt.new))} | now
    if standing != before:
        with database:
            database.execute("DELETE FROM doubt WHERE scope = ?", (scope,))
            database.executemany("INSERT INTO doubt VALUES (?, ?, ?)", [(scope, *doubt) for doubt in sorted(standing)])
    return [_issue(doubt, kept[doubt.old]) for doubt in sorted(standing)]


def _issue(doubt: Doubt, entries: Sequence[Entry]) -> Issue:
    code = IssueCode.PERHAPS_MOVED
    origins = sorted({entry.origin for entry in entries})
    message = (
        f"{len(entries)} resources of Patient/{doubt.old} are not in the tables any more, "
        f"and what stands in their place is of Patient/{doubt.new}; they were kept"
    )
    return Issue(code.code, message, record=origins[0], suggestion=code.suggestion)


@dataclass(slots=True)
class _Case:
    """A patient with absent resources, and one whom this load makes something of."""

    old: str
    new: str
    entries: Sequence[Entry]
    made: _Made
    in_place: bool = field(init=False)
    alike: list[Entry] = field(init=False)
    there: list[Entry] = field(init=False)

    def __post_init__(self) -> None:
        """See which contents, and which of them in the same rows, are made anew."""
        rows = {row for _, row in self.made}
        self.in_place = all(entry.row is not None and entry.row in rows for entry in self.entries)
        contents, places = Counter(content for content, _ in self.made), Counter(self.made)
        self.alike, self.there = [], []
        for entry in self.entries:
            if contents[entry.content] > 0:
                contents[entry.content] -= 1
                self.alike.append(entry)
            if places[entry.content, entry.row] > 0:
                places[entry.content, entry.row] -= 1
                self.there.append(entry)

    def most(self, entries: Sequence[Entry]) -> bool:
        return 2 * len(entries) > len(self.entries)


class _Cases:
    """All that may be one patient under two numbers."""

    def __init__(self, plan: Plan, known: Manifest, same_table: bool) -> None:
        self._plan = plan
        self._known = known
        self._same_table = same_table
        self.found: dict[str, list[_Case]] = {}

    def of(self, lost: Mapping[str, Sequence[Entry]], settled: Collection[str]) -> Mapping[str, list[_Case]]:
        """Return for each old patient the new ones that could be the same person."""
        lost = {old: all_ for old, all_ in lost.items() if not any(self._plan.is_unknown(entry) for entry in all_)}
        entries = [entry for all_ in lost.values() for entry in all_]
        made = self._plan.created_with_or_in(
            {entry.content for entry in entries}, {entry.row for entry in entries if entry.row is not None}
        )
        by_content: dict[bytes, set[str]] = defaultdict(set)
        by_row: dict[int | None, set[str]] = defaultdict(set)
        for new in made.keys() - settled:
            for content, row in made[new]:
                by_content[content].add(new)
                by_row[row].add(new)
        gone = self._plan.not_named(lost)
        for old, all_ in lost.items():
            near = set[str]().union(*(by_content[entry.content] | by_row[entry.row] for entry in all_))
            cases = [_Case(old, new, all_, made[new]) for new in sorted(near - {old})]
            if likely := [case for case in cases if self._is_likely(case, old in gone)]:
                self.found[old] = likely
        return self.found

    def _is_likely(self, case: _Case, gone: bool) -> bool:
        if case.in_place and self._same_table and (gone or case.most(case.there)):
            return True
        return case.most(case.alike) and self._is_rare(case, case.alike)

    def is_sure(self, case: _Case) -> bool:
        """Say whether the two are one person; see the Notes of `changed_moves`."""
        return (
            case.in_place
            and case.most(case.there)
            and bool(self._plan.not_named({case.old}))
            and not any(self._known.of_patient(case.new))
            and not self._differ(case)
            and self._is_rare(case, case.there)
        )

    def _is_rare(self, case: _Case, entries: Sequence[Entry]) -> bool:
        return is_rare(self._known, case.old, entries)

    def _differ(self, case: _Case) -> bool:
        before = contribution_of(self._known.get("Patient", case.old)) or {}
        body = self._plan.body_of("Patient", case.new)
        now = orjson.loads(body) if body else {}
        return any(name in before and name in now and before[name] != now[name] for name in _TOLD_OF_A_PERSON)
