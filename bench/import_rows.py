"""Rows per CPU-second of the import: a generated table, mapped, checked and serialised into an NDJSON folder.

100,000 rows of 12 columns: a Patient and up to 9 Observations for each row, 2 % of the cells empty. One process.
Measured is `run_mapping` (typed cells, checks of every kind of resource, deterministic ids) with the writing of one
file for each resource type, as a bulk-data folder holds them; the manifest and a server's work are not in it. Start-up
(imports, loading the mapping, the first resource of each kind by the fhir.resources model) is shown apart, and taken
off the rate: it does not grow with the rows.

Beside it the peer: what a careful person would write by hand for this one table, with dictionaries and orjson, the same
ids, and no check of any value beyond ``float()`` and ``int()``.

    python -m bench.import_rows [rows] [--processes N] [--marginal]
"""

from __future__ import annotations

import argparse
import csv
import random
import resource
import tempfile
import time
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

_STARTED = time.process_time()

import orjson  # noqa: E402

from multimodal.mapping import Mapping, load_mapping, run_mapping  # noqa: E402 - start-up is measured

_IMPORTED = time.process_time()
ROWS = 100_000
_BUFFER = 1 << 16
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


def import_rows(mapping: Mapping, table: Path, folder: Path, processes: int = 1) -> dict[str, int]:
    """Map a table into a folder; return what was made."""
    resources = issues = size = 0
    with ExitStack() as files:
        write = {
            type_: files.enter_context((folder / f"{type_}.ndjson").open("wb", buffering=_BUFFER)).write
            for type_ in ("Patient", "Observation")
        }
        for _, made, wrong, _ in run_mapping(mapping, [table], processes=processes):
            issues += len(wrong)
            resources += len(made)
            for one in made:
                size += write[one.type](one.line() + b"\n")
    return {"resources": resources, "issues": issues, "bytes": size}


_UNIT = {"weight": "kg", "height": "cm", "hb": "g/dL", "crp": "mg/L"}
_WHOLE = {"systolic": "mm[Hg]", "diastolic": "mm[Hg]", "pulse": "/min", "ecog": "{score}"}
_CODES = {
    "weight": ("29463-7", "Body weight"), "height": ("8302-2", "Body height"),
    "systolic": ("8480-6", "Systolic blood pressure"), "diastolic": ("8462-4", "Diastolic blood pressure"),
    "pulse": ("8867-4", "Heart rate"), "hb": ("718-7", "Hemoglobin [Mass/volume] in Blood"),
    "crp": ("1988-5", "C reactive protein"), "smoking": ("72166-2", "Tobacco smoking status"),
    "ecog": ("89247-1", "ECOG performance status score"),
}  # fmt: skip
_SMOKING = {
    "never": ("266919005", "Never smoked"), "former": ("8517006", "Ex-smoker"), "current": ("77176002", "Smoker"),
}  # fmt: skip


def by_hand(table: Path, folder: Path) -> int:
    """Make the same resources as a script for this one table would; return their number."""
    meta = {"source": "urn:multimodal:bench-rows"}
    constants = {
        name: {
            "resourceType": "Observation", "meta": meta, "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": text}], "text": text},
        }
        for name, (code, text) in _CODES.items()
    }  # fmt: skip
    made = 0
    with (
        table.open(encoding="utf-8", newline="") as file,
        (folder / "Patient.ndjson").open("wb", buffering=_BUFFER) as patients,
        (folder / "Observation.ndjson").open("wb", buffering=_BUFFER) as others,
    ):
        for row in csv.DictReader(file):
            pid = row["pid"]
            patient = "p" + sha256(f"urn:bench:pid\x1f{pid}".encode()).hexdigest()[:40]
            resource_: dict[str, Any] = {
                "resourceType": "Patient", "id": patient, "meta": meta,
                "identifier": [{"system": "urn:bench:pid", "value": pid}],
            }  # fmt: skip
            if row["sex"]:
                resource_["gender"] = "male" if row["sex"] == "m" else "female"
            patients.write(orjson.dumps(resource_, option=orjson.OPT_APPEND_NEWLINE))
            subject = {"reference": f"Patient/{patient}"}
            made += 1
            for name, constant in constants.items():
                text = row[name]
                if not text:
                    continue
                id_ = "o" + sha256(f"Observation\x1fbench-rows\x1f{pid}\x1f{name}".encode()).hexdigest()[:40]
                one = {**constant, "id": id_, "subject": subject}
                if row["visit"]:
                    one["effectiveDateTime"] = row["visit"]
                if name == "smoking":
                    code, display = _SMOKING[text]
                    coding = {"system": "http://snomed.info/sct", "code": code, "display": display}
                    one["valueCodeableConcept"] = {"coding": [coding], "text": display}
                else:
                    unit = _UNIT.get(name) or _WHOLE[name]
                    value = float(text) if name in _UNIT else int(text)
                    system = "http://unitsofmeasure.org"
                    one["valueQuantity"] = {"value": value, "unit": unit, "system": system, "code": unit}
                others.write(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE))
                made += 1
    return made


def measure(rows: int, processes: int = 1) -> dict[str, float]:
    """Run the import of `rows` generated rows, and the peer; return their figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table, mapping_file, warm = (folder / name for name in ("table.csv", "mapping.yaml", "warm.csv"))
        write_table(table, rows)
        write_table(warm, 200)
        mapping_file.write_text(MAPPING, encoding="utf-8")
        begun = time.process_time()
        mapping = load_mapping(mapping_file)
        import_rows(mapping, warm, folder)
        ready, wall = time.process_time(), time.perf_counter()
        counts = import_rows(mapping, table, folder, processes)
        done, wall = time.process_time(), time.perf_counter() - wall
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = done - ready + children.ru_utime + children.ru_stime
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        begun_by_hand = time.process_time()
        by_hand(table, folder)
        hand = time.process_time() - begun_by_hand
    return {
        "rows": rows,
        "resources": counts["resources"],
        "issues": counts["issues"],
        "megabytes": counts["bytes"] / 1e6,
        "start-up CPU-s": _IMPORTED - _STARTED + ready - begun,
        "CPU-s": spent,
        "wall s": wall,
        "rows per CPU-s": rows / spent,
        "rows per s": rows / wall,
        "peak RSS MB": memory,
        "by hand, rows per CPU-s": rows / hand,
        "ratio": hand / spent,
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="?", type=int, default=ROWS)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--marginal", action="store_true", help="10,000, 100,000 and 1,000,000 rows, and what lies between"
    )
    args = parser.parse_args()
    if not args.marginal:
        for name, value in measure(args.rows, args.processes).items():
            print(f"{name:24} {value:>14,.1f}" if isinstance(value, float) else f"{name:24} {value:>12,}")
        return
    before: dict[str, float] = {"rows": 0, "CPU-s": 0.0}
    for rows in (10_000, 100_000, 1_000_000):
        found = measure(rows, args.processes)
        marginal = (rows - before["rows"]) / (found["CPU-s"] - before["CPU-s"])
        print(
            f"{rows:>9,} rows: {marginal:>8,.0f} rows per CPU-s beyond the last, {found['peak RSS MB']:.0f} MB at most"
        )
        before = found


if __name__ == "__main__":
    main()
