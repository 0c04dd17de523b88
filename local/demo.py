"""``make demo``: a made-up cohort through the four workflows, on real servers and a real Airflow."""

from __future__ import annotations

import csv
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from local.airflow import ROOT, AirflowHome, DagResult, run_dag
from local.census import census, changes
from local.cohort import generate
from local.install import RUN
from local.picture import PICTURED, draw_result
from local.stack import Stack, up
from multimodal.dicomweb import open_dicomweb
from multimodal.model.errors import MultimodalError
from multimodal.transport.stores import Stores, load_stores
from multimodal.workflows.push_files import push_files

COHORT = RUN / "cohort"
MAPPING = "demo-cohort"
CONFS: dict[str, dict[str, Any]] = {
    "import-clinical": {
        "workflow_form": {"mapping": MAPPING},
        "backend_form": {"selectedFilesAndFolders": ["tables/clinical.csv"]},
    },
    "sync-imaging": {},
    "extract-radiomics": {"workflow_form": {"send_results": True}},
    "join-metadata": {},
}
# Where nobody says how wide, wide enough for a message.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 118)


@dataclass(frozen=True, slots=True)
class DemoFailedError(Exception):
    """A workflow of the demo did not end well."""

    dag_id: str
    result: DagResult

    def __str__(self) -> str:
        failed = [task for task, state in self.result.tasks.items() if state == "failed"]
        return f"{self.dag_id} failed in {', '.join(failed) or 'no task'}; read {self.result.log}"


def main() -> int:
    """Run the demo; return its exit code."""
    begun = time.monotonic()
    try:
        stack = up()
        stores = load_stores(stack.stores_file)
        before = census(stores)
        _fill(stack, stores)
        results = _run_workflows(stack)
        written = changes(before, census(stores))
        picture = draw_result(stores, COHORT, RUN / "result.png")
    except (MultimodalError, DemoFailedError) as error:
        console.print(f"[red]{error}[/red]")
        return int(getattr(error, "exit_code", 1))
    _show(results)
    _show_refused(results)
    _show_addresses(stack, results, picture)
    total = sum(written.values())
    words = ", ".join(f"{name} {number}" for name, number in written.items())
    console.print(f"\nWrites seen by the servers: {words}." if total else "\nNothing changed on any server.")
    console.print(f"Done in {time.monotonic() - begun:.0f} s. The servers stay up; `make down` stops them.")
    return 0


def _fill(stack: Stack, stores: Stores) -> None:
    """Put the scans into the PACS and the table into the bucket, as a hospital would have them."""
    generate(COHORT)
    tables = stack.bucket / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    for name in ("clinical.csv", "clinical.xlsx"):
        shutil.copyfile(COHORT / name, tables / name)
    with open_dicomweb(stores.get("pacs", "dicomweb")) as dicom:
        sent = push_files(dicom, COHORT / "dicom")
    console.print(f"{'cohort':<11} {_counts(sent.counts)}")


def _run_workflows(stack: Stack) -> dict[str, DagResult]:
    home = AirflowHome(RUN / "airflow", stack.stores_file, variables={"MULTIMODAL_MAPPINGS": str(ROOT / "mappings")})
    results = {}
    for dag_id, conf in CONFS.items():
        begun = time.monotonic()
        result = run_dag(dag_id, conf, home)
        if result.state != "success":
            raise DemoFailedError(dag_id, result)
        console.print(f"{dag_id:<17} {result.state} in {time.monotonic() - begun:.0f} s")
        results[dag_id] = result
    return results


def _show(results: dict[str, DagResult]) -> None:
    table = Table(
        "workflow", Column("number", justify="right"), "of what", title="\nWhat came out", title_justify="left"
    )
    for dag_id, result in results.items():
        counts = result.result_of(dag_id).get("counts", {})
        if dag_id == "join-metadata":
            counts = _of_all_joins(counts, results)
        for name, number in counts.items():
            if number:
                table.add_row(dag_id, f"{number:,}", name)
                dag_id = ""
        table.add_section()
    console.print(table)


def _of_all_joins(last: dict[str, int], results: dict[str, DagResult]) -> dict[str, int]:
    """Return the counts of the last join, with what the joins at the end of the other workflows wrote before it."""
    joins = [result.result_of("join-metadata").get("counts", {}) for result in results.values()]
    written = ("documents created", "documents updated")
    summed = {f"{name}, all joins": sum(counts.get(name, 0) for counts in joins) for name in written}
    return {**summed, **{name: number for name, number in last.items() if name not in written}}


def _show_refused(results: dict[str, DagResult]) -> None:
    columns = ("row", "record", "column", "value", "code", "message")
    table = Table(*columns, title="\nWhat did not come through, and why", title_justify="left")
    for dag_id, result in results.items():
        for issue in _issues(result.folder / dag_id / "errors.csv"):
            shown = {**issue, "record": shortened(issue["record"])}
            table.add_row(*(shown[column] for column in columns))
    console.print(table)


def shortened(record: str) -> str:
    """Return a UID by its first and last digits; they tell one from another."""
    return record if len(record) < 24 else f"{record[:8]}…{record[-8:]}"


def _issues(file: Path) -> Sequence[dict[str, str]]:
    if not file.exists():
        return []
    with file.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def _show_addresses(stack: Stack, results: dict[str, DagResult], picture: Path) -> None:
    series = json.loads((COHORT / "planted.json").read_text(encoding="utf-8"))["series"][PICTURED]["CT"]
    console.print("\nTo look at:")
    user = f"user {stack.orthanc.user}, password in {stack.password_file.relative_to(ROOT)}"
    report = results["import-clinical"].folder / "import-clinical" / "report.html"
    places = {
        "picture": picture.relative_to(ROOT),
        "import report": report.relative_to(ROOT),
        "scans": f"{stack.orthanc.url.rsplit('/', 1)[0]}/app/explorer.html  ({user})",
        "FHIR": f"{stack.hapi.url}/Observation?_count=20&_pretty=true",
        "index": f"{stack.opensearch.url}/project_default/_doc/{series}?pretty",
        "stores file": stack.stores_file.relative_to(ROOT),
    }
    for name, place in places.items():
        console.print(f"  {name:<14} {place}", markup=False, soft_wrap=True)
    console.print("\nTo go on with, for example:")
    stores_option = f"--stores {stack.stores_file.relative_to(ROOT)}"
    for command in (
        f"stores {stores_option}",
        f"pull --store pacs --series {series} --out series {stores_option}",
    ):
        console.print(f"  .venv/bin/multimodal {command}", markup=False, soft_wrap=True)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items())


if __name__ == "__main__":
    sys.exit(main())
