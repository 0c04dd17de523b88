"""The ledger of a mapping: which findings a person has accepted, who, and why."""

from __future__ import annotations

import datetime as dt
import difflib
import hashlib
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from multimodal.bucket import Bucket
from multimodal.model.errors import ConfigurationError
from multimodal.tables.errors import TableError
from multimodal.tables.read import read_table
from multimodal.tables.rows import Row, SourceSpec
from multimodal.workflows.csv_files import harmless

IDENTITY = ("code", "sheet", "record", "event", "instance", "column", "value")
LEDGER_COLUMNS = (*IDENTITY, "message", "decision", "who", "why", "until")
_OPTIONAL = frozenset({"sheet", "event", "instance", "message", "until"})
_ACCEPTED = "accepted"
_GERMAN = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")


def finding_key(identity: Iterable[str]) -> bytes:
    """Return what identifies a finding from month to month: where it is and what is wrong, never the row's number.

    Parameters
    ----------
    identity : iterable of str
        The values of `IDENTITY`.
    """
    # As a spreadsheet gives it back: with the ' before a formula, without blanks around it.
    joined = "\x1f".join([harmless(text.strip()) for text in identity]).replace("\r\n", "\n")
    return hashlib.blake2b(joined.encode("utf-8", "backslashreplace"), digest_size=16).digest()


identity_of = attrgetter(*IDENTITY)
"""The values of `IDENTITY` of an issue."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One line of a ledger: one finding is accepted, until a date if it has one.

    Parameters
    ----------
    line : int
        Its row in the ledger, as a spreadsheet shows it.
    identity : tuple of str
        Of the finding, as `IDENTITY` names its parts.
    who, why : str
        As the person wrote them.
    until : date, optional
        Last day on which it counts.
    """

    line: int
    identity: tuple[str, ...]
    who: str
    why: str
    until: dt.date | None = None


@dataclass(slots=True)
class Ledger:
    """All decisions that count today.

    A line accepts one finding. Where several have one identity (two rows without a key), each needs a line of its own:
    what was accepted once does not hide what is added later.

    Parameters
    ----------
    decisions : mapping of bytes to list of Decision
        By `finding_key`, not yet used.
    expired : list of Decision
        Lines whose `until` is over.
    """

    decisions: dict[bytes, list[Decision]] = field(default_factory=dict)
    expired: list[Decision] = field(default_factory=list)

    def take(self, key: bytes) -> Decision | None:
        """Return the decision on a finding and use it up; None where there is none."""
        waiting = self.decisions.get(key)
        return waiting.pop(0) if waiting else None

    @property
    def unused(self) -> list[Decision]:
        """Decisions that accepted nothing, in the order of the file."""
        return sorted((left for waiting in self.decisions.values() for left in waiting), key=lambda left: left.line)


def ledger_key(mapping_id: str) -> str:
    """Return where the bucket keeps the ledger of a mapping."""
    return f"fhir-mappings/{mapping_id}.ledger.csv"


def read_ledger(bucket: Bucket, mapping_id: str, *, today: dt.date | None = None) -> Ledger:
    """Return the ledger of a mapping; empty where the bucket has none.

    Parameters
    ----------
    bucket : Bucket
        Has it as ``fhir-mappings/<mapping id>.ledger.csv``, in any encoding and with any delimiter that a spreadsheet
        writes.
    mapping_id : str
        Id of the mapping.
    today : date, optional
        Against which ``until`` is held.

    Raises
    ------
    ConfigurationError
        If it cannot be read, its header is wrong, or a line has an unknown decision or lacks who or why.
    """
    key = ledger_key(mapping_id)
    if not bucket.exists(key):
        return Ledger()
    ledger, day = Ledger(), today or dt.date.today()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "ledger.csv"
        bucket.read_file(key, copy)
        try:
            table = read_table(copy, SourceSpec())
            _check_header(table.headers, key)
            rows: Iterable[Row] = table.rows
            for decision in (_decision(row, key) for row in rows if any(row.values.values()) or not row.usable):
                if decision.until is not None and decision.until < day:
                    ledger.expired.append(decision)
                else:
                    ledger.decisions.setdefault(finding_key(decision.identity), []).append(decision)
        except TableError as error:
            raise ConfigurationError(error.problem, file=key) from error
    return ledger


def _check_header(headers: Iterable[str], key: str) -> None:
    have = list(headers)
    for name in have:
        if name not in LEDGER_COLUMNS:
            close = difflib.get_close_matches(name.lower(), LEDGER_COLUMNS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it may have: {', '.join(LEDGER_COLUMNS)}"
            raise ConfigurationError(f"unknown column {name!r} in the ledger; {hint}", file=key, line=1)
    lacking = [name for name in LEDGER_COLUMNS if name not in have and name not in _OPTIONAL]
    if lacking:
        raise ConfigurationError(f"the ledger has no column {', '.join(lacking)}", file=key, line=1)


def _decision(row: Row, key: str) -> Decision:
    if not row.usable:
        raise ConfigurationError(row.problems[0].message, file=key, line=row.number)
    fields = {name: text.strip() for name, text in row.values.items()}
    if fields["decision"].lower() != _ACCEPTED:
        problem = f"unknown decision {fields['decision']!r}; write {_ACCEPTED}, or remove the line"
        raise ConfigurationError(problem, file=key, line=row.number)
    lacking = [name for name in ("code", "who", "why") if not fields[name]]
    if lacking:
        raise ConfigurationError(f"{' and '.join(lacking)} must be filled in", file=key, line=row.number)
    until = _day(fields.get("until", ""), key, row.number)
    identity = tuple(fields.get(name, "") for name in IDENTITY)
    return Decision(row.number, identity, fields["who"], fields["why"], until)


def _day(text: str, key: str, line: int) -> dt.date | None:
    if not text:
        return None
    try:
        if match := _GERMAN.fullmatch(text):
            return dt.date(int(match[3]), int(match[2]), int(match[1]))
        return dt.date.fromisoformat(text)
    except ValueError:
        problem = f"{text!r} under until is not a date; write it as YYYY-MM-DD"
        raise ConfigurationError(problem, file=key, line=line) from None
