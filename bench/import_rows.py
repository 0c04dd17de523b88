"""Rows per CPU-second of the import: a generated table, mapped, checked and serialised to an NDJSON file.

100,000 rows of 12 columns: a Patient and up to 9 Observations for each row, 2 % of the cells empty. One process.
Measured is `run_mapping` (typed cells, checks of every kind of resource, deterministic ids) and orjson; the manifest
and a server's work are not in it. Start-up (imports, loading the mapping, the first resource of each shape by the
fhir.resources model) is shown apart.

    python -m bench.import_rows [rows]
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
from pathlib import Path

_STARTED = time.process_time()

from multimodal.mapping import load_mapping, run_mapping  # noqa: E402 - start-up is measured

_IMPORTED = time.process_time()
ROWS = 100_000
MAPPING = """\
fhirmap: 1
id: bench-rows
source: {type: csv, missing: {"n/a": unknown}}
subject: {id: pid, system: urn:bench:pid}
defaults: {effective: visit}
columns:
  pid: {patient: id}
  sex: {patient: gender, table: {m: male, f: female}}
  visit: {helper: date of the measurements, type: date}
  weight: {observation: 'LNC#29463-7 "Body weight"', type: number, unit: kg, range: [20, 300]}
  height: {observation: 'LNC#8302-2 "Body height"', type: number, unit: cm, range: [50, 250]}
  systolic: {observation: 'LNC#8480-6 "Systolic blood pressure"', type: integer, unit: "mm[Hg]"}
  diastolic: {observation: 'LNC#8462-4 "Diastolic blood pressure"', type: integer, unit: "mm[Hg]"}
  pulse: {observation: 'LNC#8867-4 "Heart rate"', type: integer, unit: /min}
  hb: {observation: 'LNC#718-7 "Hemoglobin [Mass/volume] in Blood"', type: number, unit: g/dL}
  crp: {observation: 'LNC#1988-5 "C reactive protein"', type: number, unit: mg/L}
  smoking:
    observation: 'LNC#72166-2 "Tobacco smoking status"'
    type: code
    table: {never: 'SCT#266919005 "Never smoked"', former: 'SCT#8517006 "Ex-smoker"', current: 'SCT#77176002 "Smoker"'}
  ecog: {observation: 'LNC#89247-1 "ECOG performance status score"', type: integer, unit: "{score}", range: [0, 5]}
"""


def write_table(file: Path, rows: int) -> None:
    """Write the generated table; the same for the same number of rows."""
    chance = random.Random(1)
    columns = (
        lambda: chance.choice("mf"),
        lambda: f"20{chance.randint(10, 24)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}",
        lambda: f"{chance.gauss(76, 14):.1f}",
        lambda: f"{chance.gauss(171, 9):.1f}",
        lambda: str(chance.randint(95, 190)),
        lambda: str(chance.randint(50, 110)),
        lambda: str(chance.randint(45, 130)),
        lambda: f"{chance.gauss(13, 2):.2f}",
        lambda: f"{chance.expovariate(0.05):.2f}",
        lambda: chance.choice(("never", "former", "current")),
        lambda: str(chance.randint(0, 4)),
    )
    with file.open("w", encoding="utf-8") as out:
        out.write("pid,sex,visit,weight,height,systolic,diastolic,pulse,hb,crp,smoking,ecog\n")
        for number in range(rows):
            cells = ("" if chance.random() < 0.02 else cell() for cell in columns)
            out.write(f"P{number:07},{','.join(cells)}\n")


def measure(rows: int) -> dict[str, float]:
    """Run the import of `rows` generated rows; return its figures."""
    with tempfile.TemporaryDirectory() as folder:
        table, mapping_file, warm = (Path(folder) / name for name in ("table.csv", "mapping.yaml", "warm.csv"))
        write_table(table, rows)
        write_table(warm, 200)
        mapping_file.write_text(MAPPING, encoding="utf-8")
        begun = time.process_time()
        mapping = load_mapping(mapping_file)
        list(run_mapping(mapping, [warm]))
        ready = time.process_time()
        resources = issues = size = 0
        with (Path(folder) / "out.ndjson").open("wb") as out:
            for result in run_mapping(mapping, [table]):
                issues += len(result.issues)
                resources += len(result.resources)
                for made in result.resources:
                    size += out.write(made.line() + b"\n")
        done = time.process_time()
    return {
        "rows": rows,
        "resources": resources,
        "issues": issues,
        "megabytes": size / 1e6,
        "start-up CPU-s": _IMPORTED - _STARTED + ready - begun,
        "CPU-s": done - ready,
        "rows per CPU-s": rows / (done - ready),
        "peak RSS MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Print the figures."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    for name, value in measure(rows).items():
        print(f"{name:16} {value:>14,.1f}" if isinstance(value, float) else f"{name:16} {value:>12,}")


if __name__ == "__main__":
    main()
