"""Our load into a FHIR server against posting the same prebuilt bundles with plain requests.

`python -m bench.load_fhir [--url http://127.0.0.1:8080/fhir] [--rows 400] [--sizes]`: in turns on one server (without
--url one of its own) our load compares, sends and remembers new resources, and plain requests post the bundles that a
load of as many other ones sends, byte for byte, on as many connections; the ratio is that of the rates, of all rounds
together. Then the unchanged second load; a whole import, from the file to the finished report, first and unchanged;
and with --sizes the rate of plain bundles from 50 to 500 entries, from which fhirstore/limits.toml is taken.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import requests

from bench.import_rows import MAPPING, write_table
from local.stack import Stack
from multimodal.bucket import FolderBucket
from multimodal.fhirstore import FhirServer, Group, load
from multimodal.fhirstore.sending import limits
from multimodal.model.ids import patient_id, resource_id
from multimodal.resources.serialised import serialised
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store, Stores
from multimodal.workflows.import_clinical import import_clinical

BUNDLE = limits().entries
CONNECTIONS = limits().connections
SIZES = (50, 100, 200, 350, 500)
OBSERVATIONS = 8
UCUM = "http://unitsofmeasure.org"


def groups(source: str, rows: int) -> Iterator[Group]:
    """Yield a Patient, a Condition and Observations for each row."""
    for row in range(rows):
        person = patient_id(f"urn:{source}", str(row))
        subject = {"reference": f"Patient/{person}"}
        identifier = [{"system": f"urn:{source}", "value": str(row)}]
        made: list[dict[str, Any]] = [{"resourceType": "Patient", "id": person, "identifier": identifier}]
        condition = resource_id("Condition", source, str(row))
        made.append({"resourceType": "Condition", "id": condition, "code": {"text": "cancer"}, "subject": subject})
        for part in range(OBSERVATIONS):
            made.append(
                {
                    "resourceType": "Observation",
                    "id": resource_id("Observation", source, str(row), str(part)),
                    "status": "final",
                    "code": {"text": f"measurement {part}"},
                    "subject": subject,
                    "valueQuantity": {"value": row + 0.5, "unit": "mm", "system": UCUM, "code": "mm"},
                }
            )
        yield Group([serialised(each) for each in made], origin=str(row), row=row + 2, patient=person)


def post_plainly(url: str, source: str, rows: int, size: int = BUNDLE, connections: int = CONNECTIONS) -> float:
    """Return the seconds that posting prebuilt bundles takes, building them apart."""
    entries = [
        {"resource": resource, "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}}
        for group in groups(source, rows)
        for resource in (each.resource() for each in group.resources if not isinstance(each, dict))
    ]
    return post(
        url,
        [
            orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries[start : start + size]})
            for start in range(0, len(entries), size)
        ],
        connections,
    )


class Recorder(FhirServer):
    """Takes the bundles of a load instead of a server."""

    def __init__(self, session: HttpSession) -> None:
        super().__init__(session)
        self.bundles: list[bytes] = []

    def of_source(self, source: str) -> Iterator[dict[str, Any]]:
        """Know of no earlier load."""
        return iter(())

    def post_entries(
        self, entries: Sequence[bytes], *, versioned: bool = False, exact: bool = False
    ) -> list[dict[str, Any]]:
        """Keep a bundle, and answer that all of it was created."""
        self.bundles.append(b'{"resourceType":"Bundle","type":"transaction","entry":[' + b",".join(entries) + b"]}")
        return [{"response": {"status": "201 Created"}} for _ in entries]


def prebuilt(url: str, source: str, rows: int, manifest: Path) -> list[bytes]:
    """Return the bundles that our load of `rows` sends."""
    with HttpSession(Store("clinical", "fhir", url=url)) as session:
        recorder = Recorder(session)
        load(groups(source, rows), recorder, manifest, source=source)
    return recorder.bundles


def post(url: str, bundles: list[bytes], connections: int = CONNECTIONS) -> float:
    """Return the seconds that posting `bundles` takes."""
    with requests.Session() as session, ThreadPoolExecutor(connections) as pool:
        session.headers["Content-Type"] = "application/fhir+json"
        started = time.perf_counter()
        for answer in pool.map(lambda bundle: session.post(url, data=bundle, timeout=120), bundles):
            answer.raise_for_status()
        return time.perf_counter() - started


def load_ours(url: str, source: str, rows: int, manifest: Path) -> float:
    """Return the seconds of a load of resources that are there: asking, comparing, sending, remembering."""
    made = list(groups(source, rows))
    with HttpSession(Store("clinical", "fhir", url=url)) as session:
        started = time.perf_counter()
        report = load(made, FhirServer(session), manifest, source=source)
        taken = time.perf_counter() - started
    assert not report.refused
    return taken


def import_ours(url: str, rows: int, folder: Path) -> tuple[int, float, float]:
    """Return resources and seconds of a whole import, first and unchanged: file, mapping, load, report."""
    source = f"bench-{uuid.uuid4().hex[:12]}"
    table, mapping = folder / "table.csv", folder / "mapping.yaml"
    write_table(table, rows)
    mapping.write_text(MAPPING.replace("bench-rows", source).replace("urn:bench:pid", f"urn:{source}"), "utf-8")
    taken = []
    with HttpSession(Store("clinical", "fhir", url=url)) as session:
        for run in ("first", "second"):
            started = time.perf_counter()
            result = import_clinical(
                [table], mapping, target=FhirServer(session), bucket=FolderBucket(folder / source), report_dir=None,
                run_id=run,
            )  # fmt: skip
            taken.append(time.perf_counter() - started)
    unchanged = sum(number for what, number in result.counts.items() if what.endswith("unchanged"))
    return unchanged, taken[0], taken[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a FHIR server; else one is started and stopped")
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", action="store_true", help="measure sizes of bundles too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.url:
            measure(given.url, given.rows, given.rounds, Path(folder), sizes=given.sizes)
            return
        stack = Stack(Path(folder) / "stack")
        try:
            stack.start({"clinical"})["clinical"].result()
            server = stack.servers["clinical"]
            server.wait()
            url = Stores(stack.stores()).get("clinical").url
            measure(url, given.rows, given.rounds, Path(folder), sizes=given.sizes)
        finally:
            stack.stop()


def measure(url: str, rows: int, rounds: int, folder: Path, *, sizes: bool) -> None:
    resources = rows * (2 + OBSERVATIONS)
    post_plainly(url, f"warm-{uuid.uuid4().hex}", min(rows, 200))  # the server's compiler warms up
    if sizes:
        for size in SIZES:
            for connections in (1, 2, 4):
                best_of = min(
                    post_plainly(url, f"size-{uuid.uuid4().hex}", rows, size, connections) for _ in range(rounds)
                )
                print(f"{size:4} entries, {connections} connections {resources / best_of:9.0f} resources/s", flush=True)
    plain, ours, again = [], [], []
    for number in range(rounds):
        source, manifest = f"bench-{uuid.uuid4().hex}", folder / f"{number}.sqlite"
        bundles = prebuilt(url, f"plain-{uuid.uuid4().hex}", rows, folder / f"plain-{number}.sqlite")
        for whose in ("plain", "ours") if number % 2 else ("ours", "plain"):
            if whose == "plain":
                plain.append(post(url, bundles))
            else:
                ours.append(load_ours(url, source, rows, manifest))
        again.append(load_ours(url, source, rows, manifest))
    for what, seconds in {"plain requests": plain, "our load": ours, "unchanged second load": again}.items():
        print(f"{what:24} {sum(seconds):7.2f} s {resources * rounds / sum(seconds):9.0f} resources/s")
    print(f"our load / plain requests: {sum(plain) / sum(ours):.2f} of the rate")
    stored, first, second = import_ours(url, rows, folder)
    print(f"{'import, file to report':24} {first:7.2f} s {stored / first:9.0f} resources/s")
    print(f"{'unchanged second import':24} {second:7.2f} s, {first / second:.0f} times faster")


if __name__ == "__main__":
    main()
