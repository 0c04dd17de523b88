"""Rows about patients that the target does not have: refused where the mapping says that patients must exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from multimodal.fhirstore import Target
from multimodal.mapping import Mapping, RowResult
from multimodal.mapping.row_state import issue_at
from multimodal.model.issue_codes import IssueCode

_AT_ONCE = 1000


def of_known_patients(results: Iterable[RowResult], mapping: Mapping, target: Target) -> Iterator[RowResult]:
    """Yield `results`; a row whose Patient the target does not have becomes an issue (E701) without resources.

    Parameters
    ----------
    results : iterable of RowResult
        From `run_mapping`; read in portions, so it may be larger than memory.
    mapping : Mapping
        With ``subject.create: never``, or ``subject.dicom.must_exist``. Under ``never`` its Patients are left out.
    target : Target
        Where the Patients have to be already, e.g. by the workflow sync-imaging.

    Notes
    -----
    A Patient is found by its id, which is made of identifier system and value (`model.ids.patient_id`).
    """
    known: dict[str, bool] = {}
    rest = iter(results)
    while portion := list(islice(rest, _AT_ONCE)):
        asked = sorted({result.patient for result in portion if result.patient} - known.keys())
        found = target.read_many([("Patient", key) for key in asked])
        known.update((key, ("Patient", key) in found) for key in asked)
        for result in portion:
            yield _let_through(result, mapping) if known.get(result.patient, True) else _refused(result, mapping)


def _let_through(result: RowResult, mapping: Mapping) -> RowResult:
    if mapping.subject.create != "never":
        return result
    return result._replace(resources=[made for made in result.resources if made.type != "Patient"])


def _refused(result: RowResult, mapping: Mapping) -> RowResult:
    column = mapping.subject.column
    message = "the server has no such patient; nothing of the row was used"
    issue = issue_at(result.row, IssueCode.UNKNOWN_PATIENT, message, column, result.row.values.get(column, ""))
    return result._replace(resources=[], issues=[*result.issues, issue])
