"""What a workflow did: the content of ``result.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from multimodal.model.exit_codes import ExitCode
from multimodal.model.issues import Issue


class Status(StrEnum):
    """How a workflow ended: all of it, a part of it (see the issues), or nothing was there to do."""

    DONE = "done"
    PARTIAL = "partial"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class WorkflowResult:
    """Outcome of one workflow.

    Parameters
    ----------
    status : Status
        ``partial`` whenever something of the input did not come through.
    counts : mapping of str to int
        What came in and went out, e.g. ``{"rows": 12, "Patient created": 12}``.
    warnings : sequence of str
        One line each, for a person.
    issues : sequence of Issue
        What did not come through; written as ``errors.csv``.
    versions, hashes : mapping of str to str
        Of engines, mappings and settings: enough to tell two runs apart.
    """

    status: Status
    counts: Mapping[str, int] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    issues: Sequence[Issue] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> ExitCode:
        """Exit code of a task that ends with this result."""
        return ExitCode.NOTHING if self.status is Status.NOTHING else ExitCode.DONE

    def as_json(self) -> dict[str, Any]:
        """Return the content of ``result.json``; the issues stand in ``errors.csv``, here only their number."""
        return {
            "status": self.status.value,
            "counts": dict(self.counts),
            "warnings": list(self.warnings),
            "issues": len(self.issues),
            "versions": dict(self.versions),
            "hashes": dict(self.hashes),
        }
