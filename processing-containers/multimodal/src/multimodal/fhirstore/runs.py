"""What the runs of one source wrote, as its manifest knows it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path


def written_by(manifest: Path, run: str) -> Iterator[str]:
    """Yield ``Type/id`` of what `run` was the last to write, statements of origin apart, in order."""
    with closing(sqlite3.connect(manifest)) as database:
        found = database.execute(
            "SELECT type || '/' || id FROM resource WHERE type <> 'Provenance'"
            " AND run = (SELECT number FROM run WHERE run = ?) ORDER BY type, id",
            (run,),
        )
        for (reference,) in found:
            yield reference
