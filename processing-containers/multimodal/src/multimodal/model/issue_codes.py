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
    MIXED_DECIMAL = ("E105", "mixed-decimal", "use one decimal sign in the column, or declare `source.decimal`")
    NOT_IN_TABLE = ("E201", "not-in-table", "correct the cell, or add the value to the table")
    BAD_DATE = ("E301", "bad-date", "write the date as YYYY-MM-DD, or declare its `format`")
    AMBIGUOUS_DATE = ("E302", "ambiguous-date", "declare the column's `format`, e.g. %d/%m/%Y")
    UNKNOWN_UNIT = ("E401", "unknown-unit", "write the unit in UCUM, e.g. g/dL")
    DIMENSION = ("E402", "dimension", "the units measure different things; correct the unit")
    DUPLICATE_KEY = ("E501", "duplicate-key", "remove one of the rows, or add a column to `source.key`")
    ID_PATTERN = ("E502", "id-pattern", "correct the identifier, or `subject.pattern`")
    RAGGED_ROW = ("E503", "ragged-row", "quote cells that contain the delimiter, and complete the row")
    MISSING_KEY = ("E504", "missing-key", "fill in the key columns of the row")
    MISSING_COLUMN = ("E505", "missing-column", "restore the column, or name its earlier header under `was`")
    CONFLICTING_PATIENT = ("E506", "conflicting-patient", "make the rows of this patient agree")
    DUPLICATE_VALUE = ("E507", "duplicate-value", "remove one of the two values in the source system, and export again")
    UNKNOWN_FORM = ("E508", "unknown-form", "export the data dictionary again, together with the records")
    INVALID_RESOURCE = ("E601", "invalid-resource", "correct the mapping of this resource")
    REFUSED_BY_SERVER = (
        "E602",
        "refused-by-server",
        "correct the value or the mapping that the server complains about",
    )
    DUPLICATE_RESOURCE = ("E603", "duplicate-resource", "remove one of the rows, or add a column to `source.key`")
    STILL_REFERENCED = ("E604", "still-referenced", "delete what refers to it first")
    NOT_UNDONE = ("E606", "not-undone", "look at the resource, and set it right by hand")
    EXPRESSION = ("E605", "expression-failed", "correct the expression in the mapping, or the cells that it reads")
    UNKNOWN_PATIENT = ("E701", "unknown-patient", "correct the identifier, or import the patient first")
    PERHAPS_MOVED = (
        "E702",
        "perhaps-moved",
        "if both are one person, import once with `deletes: entered-in-error` or `delete`; "
        "if not, accept this finding in the ledger",
    )
    SERIES_NOT_FOUND = ("E901", "series-not-found", "check the UID")
    INSTANCE_NOT_STORED = ("E902", "instance-not-stored", "see the reason of the store, then push the file again")
    COPY_STAYS = ("E911", "copy-stays", "look at the series in the archive, and delete it there if it is not needed")
    SERIES_NOT_ARRIVED = ("E912", "series-not-arrived", "wait until the archive has it, then run sync-imaging")

    SERIES_UNUSABLE = ("R101", "series-unusable", "look at the images; a complete, regular series can be measured")
    MASK_UNUSABLE = ("R102", "mask-unusable", "check that the mask was drawn on this series")
    SERIES_WITHOUT_PATIENT = ("R103", "series-without-patient", "give the images a Patient ID, then extract again")
    ROI_FAILED = ("R111", "roi-not-measured", "correct or remove this region in the mask, then extract again")
    RESULT_NOT_STORED = ("R121", "result-not-stored", "see the reason of the store, then extract again")
    MEASUREMENTS_UNUSABLE = ("R131", "measurements-unusable", "correct the report or table, or leave it out")
    STUDY_WITHOUT_PATIENT = ("S101", "study-without-patient", "give the study a Patient ID in the image store")
    STUDY_OF_TWO_PATIENTS = ("S102", "study-of-two-patients", "correct the Patient ID of one of the two in the store")
    STUDY_UNUSABLE = ("S103", "study-unusable", "correct the study's UIDs in the image store")
    PATIENT_WITHOUT_SERIES = ("J101", "patient-without-series", "send the images, or correct the patient identifier")
    SERIES_WITHOUT_CLINICAL = ("J102", "series-without-clinical-row", "import the row, or correct the identifier")
    DOCUMENT_WITHOUT_PATIENT = ("J103", "document-without-patient", "give the series a Patient ID")
    DOCUMENT_REFUSED = ("J201", "document-refused", "correct the value the index complains about")
    DOCUMENT_MISSING = ("J202", "document-missing", "wait until the platform has indexed the series, then join again")
    KEY_REFUSED = ("J203", "key-refused", "give the column another `name:` in the mapping")

    def __init__(self, code: str, title: str, suggestion: str) -> None:
        self.code = code
        self.title = title
        self.suggestion = suggestion
