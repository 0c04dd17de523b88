"""What goes into a load and what comes out of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from multimodal.fhirstore.writes import Outcome
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.resources.serialised import Serialised


@dataclass(frozen=True, slots=True)
class Group:
    """Resources that belong together and are stored in one transaction.

    Parameters
    ----------
    resources : sequence of dict or Serialised
        R4 resources with ids.
    origin : str
        What they were made from, e.g. a record or a series.
    row : int or None
        Row of the source, as a spreadsheet counts.
    sheet : str
        Sheet of that row.
    incomplete : bool
        Whether something of the origin could not be read this time: what earlier loads stored of it is then not
        absent, only unknown.
    patient : str
        Id of the Patient that the resources belong to, where there is one.
    """

    resources: Sequence[dict[str, Any] | Serialised]
    origin: str = ""
    row: int | None = None
    sheet: str = ""
    incomplete: bool = False
    patient: str = ""


@dataclass(slots=True)
class LoadReport:
    """Outcome of a load, or of a dry run (what it would do).

    Parameters
    ----------
    created, updated, unchanged, deleted : Counter
        Resources by type. `deleted` counts those marked as entered in error too.
    absent : Counter
        Resources of earlier loads that the input no longer has and that were kept.
    refused : list of Issue
        Resources that were not stored.
    doubts : list of Issue
        Earlier resources that were kept, and may stand under the wrong patient.
    warnings : list of str
        What a person should know.
    recovered : bool
        An earlier load did not end; this one completed it.
    """

    created: Counter[str] = field(default_factory=Counter)
    updated: Counter[str] = field(default_factory=Counter)
    unchanged: Counter[str] = field(default_factory=Counter)
    deleted: Counter[str] = field(default_factory=Counter)
    absent: Counter[str] = field(default_factory=Counter)
    refused: list[Issue] = field(default_factory=list)
    doubts: list[Issue] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    recovered: bool = False

    @property
    def total(self) -> int:
        """Number of resources that were written or deleted."""
        return self.created.total() + self.updated.total() + self.deleted.total()

    def refuse(self, outcome: Outcome, code: IssueCode) -> None:
        """Note what the target refused."""
        for refusal in outcome.refused:
            write = refusal.write
            self.refused.append(
                Issue(
                    code.code,
                    f"{write.reference}: {refusal.reason}",
                    row=write.row,
                    sheet=write.sheet,
                    record=write.origin,
                    suggestion=code.suggestion,
                )
            )

    def counts(self) -> dict[str, int]:
        """Return the counters under names for people, e.g. ``{"Patient created": 12}``."""
        named = {
            "created": self.created, "updated": self.updated, "unchanged": self.unchanged,
            "deleted": self.deleted, "absent, kept": self.absent,
        }  # fmt: skip
        counts = {
            f"{kind} {what}": counter[kind]
            for what, counter in named.items()
            for kind in sorted(counter)
            if counter[kind]
        }
        return {**counts, "resources refused": len(self.refused)} if self.refused else counts
