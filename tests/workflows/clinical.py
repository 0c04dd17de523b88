"""A small study for tests of the import: a table, its mapping, and nothing else of its name on any server."""

from __future__ import annotations

import uuid
from pathlib import Path

MAPPING = """\
fhirmap: 1
id: {id}
title: A small study
source: {{type: csv, key: [pid]}}
subject: {{id: pid, system: "urn:{id}", pattern: "^P[0-9]+$"}}
columns:
  pid: {{patient: id}}
  sex: {{patient: gender, table: {{f: female, m: male}}}}
  hb: {{observation: 'LNC#718-7 "Hemoglobin [Mass/volume] in Blood"', type: number, unit: g/dL, range: [2, 25]}}
unmapped: error
deletes: {deletes}
"""


class SmallStudy:
    """Files of a study with an id of its own."""

    def __init__(self, folder: Path, deletes: str = "keep") -> None:
        self.id = f"small-{uuid.uuid4().hex[:12]}"
        self.system = f"urn:{self.id}"
        self.mapping = folder / "mapping.yaml"
        self.mapping.write_text(MAPPING.format(id=self.id, deletes=deletes), encoding="utf-8")
        self.table = folder / "table.csv"
        self.write([(f"P{number}", "fm"[number % 2], str(10 + number / 10)) for number in range(8)])

    def write(self, rows: list[tuple[str, str, str]]) -> None:
        """Write the table."""
        self.table.write_text("pid,sex,hb\n" + "".join(",".join(row) + "\n" for row in rows), encoding="utf-8")
