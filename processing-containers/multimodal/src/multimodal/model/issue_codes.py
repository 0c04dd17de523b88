"""The stable codes of all issues, each with its name and what a person can do about it."""

from __future__ import annotations

from enum import Enum


class IssueCode(Enum):
    """A kind of problem in the input; ``docs`` has a section for each.

    Attributes
    ----------
    code : str
        As written in ``errors.csv``, e.g. ``E101``. Never reused for something else.
    title : str
        Short name, e.g. ``not-a-number``.
    suggestion : str
        What to do, where the place of the error knows nothing better.
    """

    NOT_A_NUMBER = ("E101", "not-a-number", "correct the cell, or declare the text under `missing`")
    OUT_OF_RANGE = ("E102", "out-of-range", "check the value and its unit, or widen `range`")
    NOT_A_BOOLEAN = ("E103", "not-a-boolean", "write yes or no, or give the column a `table`")
    NOT_TEXT = ("E104", "control-character", "remove the invisible characters from the cell")
    MIXED_DECIMAL = ("E105", "mixed-decimal", "use one decimal sign in the column, or declare `decimal`")
    NOT_IN_TABLE = ("E201", "not-in-table", "correct the cell, or add the value to the table")
    BAD_DATE = ("E301", "bad-date", "write the date as YYYY-MM-DD, or declare its `format`")
    AMBIGUOUS_DATE = ("E302", "ambiguous-date", "declare the column's `format`, e.g. %d/%m/%Y")
    UNKNOWN_UNIT = ("E401", "unknown-unit", "write the unit in UCUM, e.g. g/dL")
    DIMENSION = ("E402", "dimension", "the units measure different things; correct the unit")
    DUPLICATE_KEY = ("E501", "duplicate-key", "remove one of the rows, or add a column to `key`")
    ID_PATTERN = ("E502", "id-pattern", "correct the identifier, or `subject.pattern`")
    RAGGED_ROW = ("E503", "ragged-row", "quote cells that contain the delimiter, and complete the row")
    MISSING_KEY = ("E504", "missing-key", "fill in the key columns of the row")
    MISSING_COLUMN = ("E505", "missing-column", "restore the column, or name its earlier header under `was`")
    CONFLICTING_PATIENT = ("E506", "conflicting-patient", "make the rows of this patient agree")
    INVALID_RESOURCE = ("E601", "invalid-resource", "correct the mapping of this resource")
    REFUSED_BY_SERVER = (
        "E602",
        "refused-by-server",
        "correct the value or the mapping that the server complains about",
    )
    DUPLICATE_RESOURCE = ("E603", "duplicate-resource", "remove one of the rows, or add a column to `key`")
    STILL_REFERENCED = ("E604", "still-referenced", "delete what refers to it first")
    EXPRESSION = ("E605", "expression-failed", "correct the expression in the mapping, or the cells that it reads")
    UNKNOWN_PATIENT = ("E701", "unknown-patient", "correct the identifier, or import the patient first")

    def __init__(self, code: str, title: str, suggestion: str) -> None:
        self.code = code
        self.title = title
        self.suggestion = suggestion
