"""A PatientID that was corrected in the table: what stood under the wrong one is recognised and taken away."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from multimodal.fhirstore.manifest import Entry, Manifest
from multimodal.fhirstore.plan import Plan

_TELLING = 3  # so many different contents, which no other patient has together, are no chance


class Move(NamedTuple):
    """Resources of one patient that stand under another now.

    Parameters
    ----------
    old, new : str
        Ids of the two Patients.
    entries : sequence of Entry
        What earlier loads wrote under the old one.
    """

    old: str
    new: str
    entries: Sequence[Entry]


def moves(plan: Plan, known: Manifest, absent: Sequence[Entry]) -> list[Move]:
    """Return the patients whose data moved to another one, since the row's identity holds the PatientID.

    Where the identity of a row does not hold it, ids stay and the resources are simply updated; this is about the
    others. A patient's absent resources have moved when

    1. each of them is created by this load for one other patient with the same content (`content_hash`: all of the
       body but ids and the targets of references),
    2. there is exactly one such patient, and no second absent patient fits it too,
    3. and it is no chance: either the rows are the same ones of the table, or there are at least three different
       contents which no other patient of earlier loads has together.

    Anything less stays what it is, absent resources, with which the load does as it is told.
    """
    lost: dict[str, list[Entry]] = defaultdict(list)
    for entry in absent:
        lost[entry.patient].append(entry)
    lost.pop("", None)
    if not lost:
        return []
    contents = {entry.content for entries in lost.values() for entry in entries}
    born = plan.created_with(contents)
    having: dict[bytes, set[str]] = defaultdict(set)
    for new, made in born.items():
        for content, _ in made:
            having[content].add(new)
    found = dict[str, str]()
    for old, entries in lost.items():
        if any(plan.is_unknown(entry) for entry in entries):
            continue
        candidates = set.intersection(*sorted((having[entry.content] for entry in entries), key=len))
        fitting = [new for new in candidates - {old} if _fits(entries, born[new])]
        if len(fitting) == 1:
            found[old] = fitting[0]
    claims = Counter(found.values())
    sure = {old: new for old, new in found.items() if claims[new] == 1}
    patients = known.patients_with({entry.content for old in sure for entry in lost[old]})
    return [
        Move(old, new, lost[old])
        for old, new in sure.items()
        if _same_rows(lost[old], born[new]) or is_rare(known, old, lost[old], patients)
    ]


def _fits(entries: Sequence[Entry], made: Sequence[tuple[bytes, int | None]]) -> bool:
    return Counter(entry.content for entry in entries) <= Counter(content for content, _ in made)


def _same_rows(entries: Sequence[Entry], made: Sequence[tuple[bytes, int | None]]) -> bool:
    rows: Mapping[bytes, set[int | None]] = defaultdict(set)
    for content, row in made:
        rows[content].add(row)
    return all(entry.row is not None and entry.row in rows[entry.content] for entry in entries)


def is_rare(known: Manifest, old: str, entries: Sequence[Entry], patients: Mapping[bytes, int] | None = None) -> bool:
    """Say whether `entries` of the patient `old` are at least three contents that no other patient has together.

    Parameters
    ----------
    patients : mapping of bytes to int, optional
        From `Manifest.patients_with`, where that was asked for many patients at once.
    """
    contents = {entry.content for entry in entries}
    if len(contents) < _TELLING:
        return False
    if patients is None:
        patients = known.patients_with(contents)
    if any(patients.get(content) == 1 for content in contents):
        return True
    others: dict[str, set[bytes]] = defaultdict(set)
    for entry in known.with_contents(contents):
        if entry.patient != old:
            others[entry.patient].add(entry.content)
    return all(len(theirs) < len(contents) for theirs in others.values())
