"""Issues as a FHIR OperationOutcome, for readers that speak FHIR rather than CSV."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from multimodal.model.issues import Issue


def operation_outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """Return the `OperationOutcome <https://hl7.org/fhir/R4/operationoutcome.html>`_ of `issues`.

    Each is an error of the type ``processing``; its code stands in ``details``, its place in ``diagnostics``.
    """
    entries = [
        {
            "severity": "error",
            "code": "processing",
            "details": {"text": f"{issue.code} {issue.message}"},
            "diagnostics": ", ".join(part for part in (issue.record, issue.instance, issue.value) if part)
            or issue.code,
        }
        for issue in issues
    ]
    if not entries:
        entries = [{"severity": "information", "code": "informational", "details": {"text": "All OK"}}]
    return {"resourceType": "OperationOutcome", "issue": entries}
