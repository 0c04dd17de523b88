"""Findings over time: what is new this month, what was there before, what is accepted, and what is gone."""

from __future__ import annotations

import csv
import datetime as dt
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any

import orjson

from multimodal.bucket import Bucket
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import ERRORS_CSV_COLUMNS, Issue
from multimodal.workflows.csv_files import issue_line, write_csv
from multimodal.workflows.findings_history import keep_before
from multimodal.workflows.ledger import IDENTITY, LEDGER_COLUMNS, Ledger, finding_key, identity_of, ledger_key
from multimodal.workflows.spool import Spooled

FINDINGS_COLUMNS = ("state", "since", *ERRORS_CSV_COLUMNS, "who", "why")
_STATE_COLUMNS = ("since", *IDENTITY, "message")
_CELL_LIMIT = 1 << 24
_LINES_NAMED = 20
# Only a server finds these; a dry run asks none and cannot say that they are fixed.
_OF_SERVERS = frozenset({IssueCode.REFUSED_BY_SERVER.code, IssueCode.STILL_REFERENCED.code})


class State(StrEnum):
    """What a finding is, held to the import before."""

    NEW = "new"
    PERSISTING = "persisting"
    ACCEPTED = "accepted"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Finding:
    """An issue and its history.

    Parameters
    ----------
    issue : Issue
        What is wrong; of a fixed one, what was.
    state : State
        See there.
    since : str
        Date (ISO 8601) of the first import that met it.
    who, why : str
        Of the ledger, where it is accepted.
    """

    issue: Issue
    state: State
    since: str
    who: str = ""
    why: str = ""

    @property
    def line(self) -> tuple[Any, ...]:
        """The finding as a line of ``findings.csv``."""
        return (self.state.value, self.since, *issue_line(self.issue), self.who, self.why)


@dataclass(slots=True)
class Findings:
    """All findings of one import.

    Parameters
    ----------
    all : Spooled of Finding
        New, persisting and accepted ones in the order of their issues, then the fixed ones.
    counts : Counter
        How many there are of each state.
    before : str
        Date of the import that they are held to; empty where this is the first.
    notes : list of str
        What a person should know of the ledger.
    ledger : str
        Where the bucket has it, or would have it.
    """

    all: Spooled[Finding]
    counts: Counter[State]
    before: str = ""
    notes: Sequence[str] = ()
    ledger: str = ""

    def of(self, *states: State) -> Iterator[Finding]:
        """Yield the findings of each of `states` in turn."""
        for state in states:
            if self.counts[state]:
                yield from (finding for finding in self.all if finding.state is state)

    @property
    def open(self) -> int:
        """Number of findings that nobody has accepted."""
        return self.counts[State.NEW] + self.counts[State.PERSISTING]


def compare(
    issues: Iterable[Issue],
    bucket: Bucket,
    mapping_id: str,
    ledger: Ledger,
    *,
    dry_run: bool = False,
    today: dt.date | None = None,
) -> Findings:
    """Hold the issues of an import to the findings of the import before and to the ledger.

    Parameters
    ----------
    issues : iterable of Issue
        Of this import.
    bucket : Bucket
        Has the findings of the import before as ``state/findings/<mapping id>.csv``.
    mapping_id : str
        Id of the mapping.
    ledger : Ledger
        From `read_ledger`; its decisions are used up.
    dry_run : bool
        No server was asked: what only a server finds is not told as fixed.
    today : date, optional
        Date of this import.

    Notes
    -----
    Findings with one identity are counted: where there was one row without a key and now there are three, two are new.
    """
    day = (today or dt.date.today()).isoformat()
    all_: Spooled[Finding] = Spooled(_to_json, _from_json)
    counts: Counter[State] = Counter()
    with tempfile.TemporaryDirectory() as folder, closing(_Before(Path(folder) / "before.sqlite")) as before:
        key = state_key(mapping_id)
        if bucket.exists(key):
            copy = Path(folder) / "before.csv"
            bucket.read_file(key, copy)
            before.fill(copy)
        for finding in _judged(issues, before, ledger, day):
            if not (dry_run and finding.state is State.FIXED and finding.issue.code in _OF_SERVERS):
                all_.append(finding)
                counts[finding.state] += 1
        return Findings(all_, counts, before.day, _ledger_notes(ledger, mapping_id), ledger_key(mapping_id))


def _judged(issues: Iterable[Issue], before: _Before, ledger: Ledger, day: str) -> Iterator[Finding]:
    for issue in issues:
        key = finding_key(identity_of(issue))
        since, decision = before.take(key), ledger.take(key)
        if decision is not None:
            yield Finding(issue, State.ACCEPTED, since or day, decision.who, decision.why)
        else:
            yield Finding(issue, State.PERSISTING if since else State.NEW, since or day)
    yield from before.left()


def first_findings(issues: Iterable[Issue]) -> Findings:
    """Return the findings of an import of which no earlier one and no ledger is known: all are new."""
    day = dt.date.today().isoformat()
    all_: Spooled[Finding] = Spooled(_to_json, _from_json)
    all_.extend(Finding(issue, State.NEW, day) for issue in issues)
    return Findings(all_, Counter({State.NEW: len(all_)} if all_ else {}))


def state_key(mapping_id: str) -> str:
    """Return where the bucket keeps the findings of the last import."""
    return f"state/findings/{mapping_id}.csv"


def remember(
    findings: Findings, bucket: Bucket, mapping_id: str, *, run: str = "", today: dt.date | None = None
) -> None:
    """Keep the findings for the next import; to be done once this import has stored what it could.

    Where `run` is given, what was kept before it is kept beside, for its undoing (`findings_history`).
    """
    if run:
        keep_before(bucket, state_key(mapping_id), run)
    day = (today or dt.date.today()).isoformat()
    kept = findings.of(State.NEW, State.PERSISTING, State.ACCEPTED)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "findings.csv"
        lines = ((finding.since, *identity_of(finding.issue), finding.issue.message) for finding in kept)
        # The first line says when: an import without any finding is one to be held to as well.
        write_csv(path, _STATE_COLUMNS, chain([(day,)], lines))
        bucket.write_file(state_key(mapping_id), path)


def write_findings(findings: Findings, path: Path) -> None:
    """Write ``findings.csv``: new ones first, accepted and fixed ones last."""
    ordered = findings.of(State.NEW, State.PERSISTING, State.ACCEPTED, State.FIXED)
    write_csv(path, FINDINGS_COLUMNS, (finding.line for finding in ordered))


def write_ledger_lines(findings: Findings, path: Path) -> None:
    """Write ``ledger-lines.csv``: a line for each finding that is not accepted, for a person to copy and complete."""
    waiting = findings.of(State.NEW, State.PERSISTING)
    lines = ((*identity_of(found.issue), found.issue.message, "accepted", "", "", "") for found in waiting)
    write_csv(path, LEDGER_COLUMNS, lines)


class _Before:
    """The findings of the import before, on disk: there may be more than fit into memory."""

    def __init__(self, path: Path) -> None:
        self.day = ""
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE found (key BLOB, line TEXT, since TEXT)")
        self._database.execute("BEGIN")

    def close(self) -> None:
        self._database.close()

    def fill(self, path: Path) -> None:
        """Read the file that `remember` wrote."""
        csv.field_size_limit(_CELL_LIMIT)
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            next(reader, None)
            self.day = next(reader, [""])[0]
            rows = ((finding_key(line[1:-1]), orjson.dumps(line[1:]).decode(), line[0]) for line in reader)
            self._database.executemany("INSERT INTO found VALUES (?, ?, ?)", rows)
        self._database.execute("CREATE INDEX by_key ON found (key)")

    def take(self, key: bytes) -> str:
        """Return since when there has been a finding with this key, and use it up; empty where there is none."""
        if not self.day:
            return ""
        found = self._database.execute("SELECT rowid, since FROM found WHERE key = ? LIMIT 1", (key,)).fetchone()
        if found is None:
            return ""
        self._database.execute("DELETE FROM found WHERE rowid = ?", (found[0],))
        return str(found[1])

    def left(self) -> Iterator[Finding]:
        """Yield those that were not met again."""
        for line, since in self._database.execute("SELECT line, since FROM found ORDER BY rowid"):
            code, sheet, record, event, instance, column, value, message = orjson.loads(line)
            gone = Issue(code, message, None, sheet, record, event, instance, column, value)
            yield Finding(gone, State.FIXED, since)


def _ledger_notes(ledger: Ledger, mapping_id: str) -> list[str]:
    told = {
        "accepts nothing that was found": ledger.unused,
        "is no longer accepted: the date under until is over": ledger.expired,
    }
    notes = []
    for what, decisions in told.items():
        if decisions:
            lines = ", ".join(str(decision.line) for decision in decisions[:_LINES_NAMED])
            more = f" and {len(decisions) - _LINES_NAMED} more" if decisions[_LINES_NAMED:] else ""
            notes.append(f"{mapping_id}.ledger.csv: line {lines}{more} {what}; correct or remove it")
    return notes


_fields = attrgetter(*(field.name for field in fields(Issue)))
_STATES = {state.value: state for state in State}


def _to_json(finding: Finding) -> tuple[Any, ...]:
    return (*_fields(finding.issue), finding.state.value, finding.since, finding.who, finding.why)


def _from_json(values: Sequence[Any]) -> Finding:
    *issue, state, since, who, why = values
    return Finding(Issue(*issue), _STATES[state], since, who, why)
