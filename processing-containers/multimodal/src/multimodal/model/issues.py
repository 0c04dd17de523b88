"""What did not come through, with the place where a person finds it in their own file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields

from multimodal.model.issue_codes import IssueCode


@dataclass(frozen=True, slots=True)
class Issue:
    """One problem of one cell, row, file or resource: a line of ``errors.csv``.

    Parameters
    ----------
    code : str
        Stable code, e.g. ``E101``; the documentation has a section for each.
    message : str
        What is wrong, in one line.
    row : int or None
        Row number as a spreadsheet shows it: the header is row 1.
    sheet : str
        Sheet, form or file.
    record, event, instance : str
        Identity of the record in its source.
    column : str
        Column header.
    value : str
        The text as it stands in the source.
    suggestion : str
        What to do about it.
    """

    code: str
    message: str
    row: int | None = None
    sheet: str = ""
    record: str = ""
    event: str = ""
    instance: str = ""
    column: str = ""
    value: str = ""
    suggestion: str = ""


ERRORS_CSV_COLUMNS = (
    "row", "sheet", "record", "event", "instance", "column", "value", "code", "message", "suggestion",
)  # fmt: skip
assert set(ERRORS_CSV_COLUMNS) == {f.name for f in fields(Issue)}  # noqa: S101 - one list, held to the class
_TITLES = {code.code: code.title for code in IssueCode}


def codes_of(issues: Iterable[Issue]) -> list[str]:
    """Return how often each code occurs, the most frequent first, e.g. ``3 x E101 not-a-number``."""
    counts = Counter(issue.code for issue in issues)
    ordered = sorted(counts.items(), key=lambda counted: (-counted[1], counted[0]))
    return [f"{times:,} x {code} {_TITLES.get(code, '')}".rstrip() for code, times in ordered]
