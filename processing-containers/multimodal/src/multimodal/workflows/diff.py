"""What an import changed, or would change, resource by resource: ``diff.csv`` beside its other reports."""

from __future__ import annotations

import csv
from itertools import islice
from pathlib import Path

from multimodal.workflows.csv_files import harmless

# The most surprising ones first.
ORDER = ("deleted", "updated", "created")


def write_diff(diff: Path, path: Path) -> None:
    """Write the list that `fhirstore.load` made, for spreadsheets: with a byte order mark, and no cell a formula."""
    with (
        diff.open(encoding="utf-8", newline="") as made,
        path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file,
    ):
        # Only the record, which stands last, is a text of the table.
        csv.writer(file).writerows([*line[:-1], harmless(line[-1])] for line in csv.reader(made) if line)


def first_changes(diff: Path, most: int) -> tuple[list[dict[str, str]], int]:
    """Return the first changes, those that take something away before those that add something, and their number.

    Parameters
    ----------
    diff : Path
        The list.
    most : int
        How many to return.
    """
    found: dict[str, list[dict[str, str]]] = {what: [] for what in ORDER}
    changes = 0
    with diff.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            kept = found.get(line["change"])
            if kept is not None:
                changes += 1
                if len(kept) < most:
                    kept.append(line)
    return list(islice((line for what in ORDER for line in found[what]), most)), changes
