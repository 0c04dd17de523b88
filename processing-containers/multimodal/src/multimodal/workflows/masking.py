"""What identifies a person is left out of logs, warnings, the terminal and the pages that are passed on.

The lists for the data manager (errors.csv, quarantine.csv, findings.csv, ledger-lines.csv, diff.csv, the checked
workbooks) keep it: without it nobody could correct the cells. ``docs/errors.md`` says who may see which file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from multimodal.mapping.plan import Mapping as ClinicalMapping
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.tables.dictionary import Dictionary

MASK = "•••"
_IDENTIFYING = frozenset({"id", "identifier", "name", "birthDate"})
_SHORTEST = 3  # a shorter value stands in many words of a message: only its quoted form is replaced
_QUOTED = re.compile(r"'[^']*'")
# The value of these is the text of a whole row.
_OF_ROWS = frozenset({IssueCode.RAGGED_ROW.code})
# The record of these is a Patient ID, and the value of this column is one.
_OF_PATIENTS = frozenset({IssueCode.PATIENT_WITHOUT_SERIES.code, IssueCode.SERIES_WITHOUT_CLINICAL.code})
_PATIENT_ID = "PatientID"


@dataclass(frozen=True, slots=True)
class Masking:
    """Knows the columns whose values identify a person.

    Parameters
    ----------
    columns : frozenset of str
        Their headers, as the files and as the mapping name them.
    """

    columns: frozenset[str] = frozenset()

    def value(self, column: str, value: str) -> str:
        """Return the value of a column, or the mask."""
        return MASK if value and self._hides(column) else value

    def values(self, values: Mapping[str, Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, dict[str, int]]]:
        """Return counted values by column and kind; those of an identifying column as one."""
        return {
            column: {
                kind: {MASK: sum(counted.values())} if self._hides(column) else dict(counted)
                for kind, counted in kinds.items()
            }
            for column, kinds in values.items()
        }

    def issue(self, issue: Issue) -> Issue:
        """Return an issue without the record's name and without identifying values, also in its sentences."""
        hidden = [issue.record]
        value = issue.value
        if value and (self._hides(issue.column) or issue.code in _OF_ROWS):
            hidden.append(value)
            value = MASK
        # An expression over several columns quotes a cell without saying whose it is.
        unsaid = self._hides(issue.column) and (not value or ", " in issue.column)
        return replace(
            issue,
            record=MASK if issue.record else "",
            value=value,
            message=_QUOTED.sub(f"'{MASK}'", issue.message) if unsaid else _without(issue.message, hidden),
            suggestion=_without(issue.suggestion, hidden),
        )

    def _hides(self, column: str) -> bool:
        return column in self.columns or any(part in self.columns for part in column.split(", "))


def without_patient_ids(issue: Issue) -> Issue:
    """Return an issue about images or their join as a log may show it."""
    if issue.code in _OF_PATIENTS:
        return replace(issue, record=MASK, message=_without(issue.message, [issue.record]))
    if issue.column == _PATIENT_ID and issue.value:
        return replace(issue, value=MASK, message=_without(issue.message, [issue.value]))
    return issue


def masking_of(mapping: ClinicalMapping, dictionaries: Iterable[Dictionary] = ()) -> Masking:
    """Return the masking of an import.

    Parameters
    ----------
    mapping : Mapping
        Its subject column, and what it maps to identifier, name and birth date of the Patient, are masked.
    dictionaries : iterable of Dictionary
        Fields that they mark as identifying are masked too, under their labels as well.
    """
    names: set[str] = set()
    for form in mapping.forms:
        subject = form.aliases.get(mapping.subject.column, mapping.subject.column)
        for column in form.columns.values():
            if column.header == subject or (column.verb == "patient" and column.element in _IDENTIFYING):
                names |= {column.header, *column.aliases}
    for dictionary in dictionaries:
        for name, described in dictionary.fields.items():
            if described.identifier or name in names:
                names |= {name, described.label}
    return Masking(frozenset(names - {""}))


def _without(text: str, hidden: Iterable[str]) -> str:
    for value in sorted({value for value in hidden if value and value in text}, key=len, reverse=True):
        text = text.replace(repr(value), f"'{MASK}'")
        if len(value) >= _SHORTEST:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", MASK, text)
    return text
