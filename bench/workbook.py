"""A workbook of 400 rows, from the file to the loaded server and the finished report, as a person starts it.

`python -m bench.workbook [--url http://127.0.0.1:8080/fhir] [--rows 400]`: the command `multimodal import`, its
start-up included, into a HAPI FHIR (without --url one of its own); then the same again, unchanged. What start-up and
the manifest cost stands below: the command's --help, and a load into a folder against writing the same lines.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from openpyxl import Workbook

from bench.import_rows import MAPPING, write_table
from bench.load_fhir import post_plainly
from local.stack import Stack
from multimodal.fhirstore import Group, NdjsonFolder, load
from multimodal.mapping import load_mapping, run_mapping
from multimodal.transport.stores import Stores

COMMAND = (sys.executable, "-c", "from multimodal.cli import main; main()", "import")
FOLDER_ROWS = 10_000


def write_workbook(folder: Path, rows: int) -> tuple[Path, Path]:
    """Write a workbook with the rows of `bench.import_rows`, and a mapping for it under an id of its own."""
    table, book, mapping = folder / "table.csv", folder / "table.xlsx", folder / "mapping.yaml"
    write_table(table, rows)
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet("patients")
    with table.open(encoding="utf-8", newline="") as lines:
        for number, line in enumerate(csv.reader(lines)):
            sheet.append([_typed(cell) for cell in line] if number else line)
    workbook.save(book)
    source = f"bench-{uuid.uuid4().hex[:12]}"
    text = MAPPING.replace("bench-rows", source).replace("urn:bench:pid", f"urn:{source}")
    mapping.write_text(text.replace("{type: csv,", "{type: xlsx,"), encoding="utf-8")
    return book, mapping


def _typed(cell: str) -> str | float | None:
    try:
        return float(cell)
    except ValueError:
        return cell or None


def timed(*command: str) -> float:
    """Return the seconds of a command that must end well."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def import_workbook(url: str, rows: int, folder: Path) -> None:
    book, mapping = write_workbook(folder, rows)
    stores = folder / "stores.yaml"
    stores.write_text(
        f"stores: {{clinical: {{kind: fhir, url: '{url}'}}, bucket: {{kind: folder, path: '{folder / 'bucket'}'}}}}\n"
    )
    arguments = (*COMMAND, str(book), "--mapping", str(mapping), "--store", "clinical", "--stores", str(stores))
    for what in ("import", "unchanged second import"):
        print(f"{what + f', {rows} rows':32} {timed(*arguments):6.2f} s")
    print(f"{'start-up (--help)':32} {timed(*COMMAND, '--help'):6.2f} s")


def load_into_folder(folder: Path, count: int) -> None:
    """Print the CPU time of a load with manifest into a folder beside that of writing the same lines."""
    table, mapping_file, warm = folder / "rows.csv", folder / "rows.yaml", folder / "warm.csv"
    write_table(table, count)
    write_table(warm, 200)
    mapping_file.write_text(MAPPING, encoding="utf-8")
    mapping = load_mapping(mapping_file)
    list(run_mapping(mapping, [warm]))
    started = time.process_time()
    with (folder / "lines.ndjson").open("wb") as out:
        for result in run_mapping(mapping, [table]):
            out.writelines(made.line() + b"\n" for made in result.resources)
    lines = time.process_time() - started
    print(f"{f'{count} rows mapped, lines written':32} {lines:6.2f} CPU-s")
    for what in ("loaded with manifest", "unchanged, with manifest"):
        started = time.process_time()
        groups = (
            Group(r.resources, r.row.record, r.row.number, patient=r.patient) for r in run_mapping(mapping, [table])
        )
        load(groups, NdjsonFolder(folder / "out"), folder / "m.sqlite", source=mapping.id, run=what)
        taken = time.process_time() - started
        print(f"{what:32} {taken:6.2f} CPU-s, {taken / lines:.1f} times as much")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a FHIR server; else one is started and stopped")
    parser.add_argument("--rows", type=int, default=400)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        load_into_folder(folder, FOLDER_ROWS)
        if given.url:
            import_workbook(given.url, given.rows, folder)
            return
        stack = Stack(folder / "stack")
        try:
            stack.start({"clinical"})["clinical"].result()
            stack.servers["clinical"].wait()
            url = Stores(stack.stores()).get("clinical").url
            post_plainly(url, f"warm-{uuid.uuid4().hex}", 200)  # a server in use has compiled what it runs often
            import_workbook(url, given.rows, folder)
        finally:
            stack.stop()


if __name__ == "__main__":
    main()
