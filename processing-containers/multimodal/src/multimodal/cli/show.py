"""How a verb shows what its workflow did."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console
from rich.table import Table

from multimodal.model.issues import codes_of
from multimodal.model.results import Status, WorkflowResult

_WARNINGS_SHOWN = 20
_DONE_TO_RESOURCES = re.compile(r"(?<= )(?=(?:created|updated|deleted)$)")


def show(result: WorkflowResult, *, errors_csv: Path | str | None = None, dry_run: bool = False) -> int:
    """Print `result` for a person and return the exit code of the verb.

    Parameters
    ----------
    result : WorkflowResult
        What the workflow did.
    errors_csv : Path or str, optional
        Where the issues were written, if they were.
    dry_run : bool
        Nothing was stored: a count "Patient created" is shown as "Patient would be created".

    Returns
    -------
    int
        0, or 126 when there was nothing to do.
    """
    console = Console(highlight=False, soft_wrap=True)
    if result.counts:
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column()
        table.add_column(justify="right")
        for what, number in result.counts.items():
            table.add_row(_DONE_TO_RESOURCES.sub("would be ", what) if dry_run else what, f"{number:,}")
        console.print(table)
    for warning in result.warnings[:_WARNINGS_SHOWN]:
        console.print(f"warning: {warning}", markup=False)
    if len(result.warnings) > _WARNINGS_SHOWN:
        console.print(f"... and {len(result.warnings) - _WARNINGS_SHOWN} more warnings in the report")
    if result.status is Status.NOTHING:
        console.print("nothing to do")
    if result.issues:
        place = f"; see {errors_csv}" if errors_csv else ""
        console.print(f"{len(result.issues)} issue{'s' if len(result.issues) > 1 else ''}{place}", markup=False)
        for line in codes_of(result.issues):
            console.print(f"  {line}", markup=False)
    return int(result.exit_code)
