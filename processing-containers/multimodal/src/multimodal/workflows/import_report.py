"""What is told of one import, before it becomes files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from multimodal.model.results import WorkflowResult


@dataclass(slots=True)
class ImportReport:
    """All that is told of one import.

    Parameters
    ----------
    title : str
        Of the mapping.
    result : WorkflowResult
        Counts, warnings, issues, versions, hashes.
    changes : mapping
        Resource type to its counts (created, updated, unchanged, deleted, absent).
    columns : mapping of str to mapping
        ``mapped``, ``ignored``, ``unmapped``, ...: column to what is said of it.
    values : mapping
        Column to kind (``inexact``, ...) to source value, counted.
    found : mapping
        File to what its reader found out.
    refusal : str
        Why nothing was stored; empty where something was.
    dry_run : bool
        Nothing was to be stored.
    quarantine : list of mapping
        Original cells of the rows with an error.
    """

    title: str
    result: WorkflowResult
    changes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    found: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    refusal: str = ""
    dry_run: bool = False
    quarantine: list[Mapping[str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the content of ``report.json``."""
        return {
            **self.result.as_json(),
            "title": self.title,
            "dry_run": self.dry_run,
            "refusal": self.refusal,
            "changes": {kind: dict(counts) for kind, counts in self.changes.items()},
            "columns": {what: dict(columns) for what, columns in self.columns.items()},
            "values": {
                column: {kind: dict(values) for kind, values in kinds.items()} for column, kinds in self.values.items()
            },
            "found": {file: dict(found) for file, found in self.found.items()},
        }
