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
_AT_ONCE = 500
_COMMON = 20  # what is made of more new patients than so many tells none of them
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
    ones, stand under another patient in other rows. Where most of the earlier resources are absent and have not moved,
    nothing is said: that is another table, not a corrected one.
    """
    settled = {move.old for move in exact} | {move.new for move in exact}
    if not plan.counts("created"):
        return [], []
    lost: dict[str, list[Entry]] = defaultdict(list)
    for entry in absent:
        if entry.patient and entry.patient not in settled:
            lost[entry.patient].append(entry)
    if not lost or 2 * sum(map(len, lost.values())) > plan.known():
        return [], []
    cases = _Cases(plan, known, lost, settled)
    alone = [found[0] for found in cases.found.values() if len(found) == 1]
    strangers = {case.new for case in alone} - _known_of(known, {case.new for case in alone})
    sure = {case.old: case.new for case in alone if case.new in strangers and cases.is_sure(case)}
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
    there = _known_of(known, {doubt.new for doubt in before})
    standing = {doubt for doubt in before if doubt.old in kept and doubt.new in there} | now
    if standing != before:
        with database:
            database.execute("DELETE FROM doubt WHERE scope = ?", (scope,))
            database.executemany("INSERT INTO doubt VALUES (?, ?, ?)", [(scope, *doubt) for doubt in sorted(standing)])
    return [_issue(doubt, kept[doubt.old]) for doubt in sorted(standing)]


def _known_of(known: Manifest, patients: Collection[str]) -> set[str]:
    """Return those of `patients` of whom earlier loads wrote anything."""
    found, names = set[str](), sorted(patients)
    for start in range(0, len(names), _AT_ONCE):
        chunk = names[start : start + _AT_ONCE]
        places = ", ".join("?" * len(chunk))
        rows = known.database.execute(f"SELECT DISTINCT patient FROM resource WHERE patient IN ({places})", chunk)  # noqa: S608
        found.update(patient for (patient,) in rows)
    return found


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
    """All that may be one patient under two numbers.

    Attributes
    ----------
    found : dict of str to list of _Case
        For each old patient the new ones that could be the same person.
    """

    def __init__(
        self, plan: Plan, known: Manifest, lost: Mapping[str, Sequence[Entry]], settled: Collection[str]
    ) -> None:
        self._plan = plan
        self._known = known
        lost = {old: all_ for old, all_ in lost.items() if not any(plan.is_unknown(entry) for entry in all_)}
        contents = {entry.content for all_ in lost.values() for entry in all_}
        self._patients = known.patients_with(contents)
        self._gone = plan.not_named(lost)
        self.found: dict[str, list[_Case]] = {}
        made = plan.created_with_or_in(
            contents, {entry.row for all_ in lost.values() for entry in all_ if entry.row is not None}
        )
        near_by = _index({new: places for new, places in made.items() if new not in settled})
        for old, all_ in lost.items():
            near = set[str]().union(*(near_by[part] for entry in all_ for part in (entry.content, entry.row)))
            cases = [_Case(old, new, all_, made[new]) for new in sorted(near - {old})]
            if likely := [case for case in cases if self._is_likely(case)]:
                self.found[old] = likely

    def _is_likely(self, case: _Case) -> bool:
        if case.in_place and (case.old in self._gone or case.most(case.there)):
            return True
        return case.most(case.alike) and self._is_rare(case, case.alike)

    def is_sure(self, case: _Case) -> bool:
        """Say whether the two are one person, if the new one was not known; see the Notes of `changed_moves`."""
        return (
            case.in_place
            and case.most(case.there)
            and case.old in self._gone
            and not self._differ(case)
            and self._is_rare(case, case.there)
        )

    def _is_rare(self, case: _Case, entries: Sequence[Entry]) -> bool:
        return is_rare(self._known, case.old, entries, self._patients)

    def _differ(self, case: _Case) -> bool:
        before = contribution_of(self._known.get("Patient", case.old)) or {}
        body = self._plan.body_of("Patient", case.new)
        now = orjson.loads(body) if body else {}
        return any(name in before and name in now and before[name] != now[name] for name in _TOLD_OF_A_PERSON)


def _index(made: Mapping[str, _Made]) -> Mapping[bytes | int | None, set[str]]:
    """Return the new patients by content and by row, common contents apart."""
    found: dict[bytes | int | None, set[str]] = defaultdict(set)
    for new, places in made.items():
        for content, row in places:
            found[content].add(new)
            found[row].add(new)
    for part in [part for part, patients in found.items() if isinstance(part, bytes) and len(patients) > _COMMON]:
        del found[part]
    return found
