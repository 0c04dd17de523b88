"""Our load into a FHIR server against posting the same prebuilt bundles with plain requests.

`python -m bench.load_fhir [--url http://127.0.0.1:8080/fhir] [--rows 400]`: both write new resources of the same
shapes, in turns on one server (without --url one of its own); the ratio is that of the rates. Then the unchanged
second load.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import requests

from local.stack import Stack
from multimodal.fhirstore import FhirServer, Group, load
from multimodal.model.ids import patient_id, resource_id
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store, Stores

BUNDLE = 200
CONNECTIONS = 2
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
        yield Group(made, origin=str(row), row=row + 2)


def post_plainly(url: str, source: str, rows: int) -> float:
    """Return the seconds that posting prebuilt bundles takes, building them apart."""
    entries = [
        {"resource": resource, "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}}
        for group in groups(source, rows)
        for resource in group.resources
    ]
    bundles = [
        orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries[start : start + BUNDLE]})
        for start in range(0, len(entries), BUNDLE)
    ]
    with requests.Session() as session, ThreadPoolExecutor(CONNECTIONS) as pool:
        session.headers["Content-Type"] = "application/fhir+json"
        started = time.perf_counter()
        for answer in pool.map(lambda bundle: session.post(url, data=bundle, timeout=120), bundles):
            answer.raise_for_status()
        return time.perf_counter() - started


def load_ours(url: str, source: str, rows: int, manifest: Path) -> float:
    """Return the seconds of a whole load: building, checking, comparing, sending, remembering."""
    with HttpSession(Store("clinical", "fhir", url=url)) as session:
        started = time.perf_counter()
        report = load(groups(source, rows), FhirServer(session), manifest, source=source)
        taken = time.perf_counter() - started
    assert not report.refused
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a FHIR server; else one is started and stopped")
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.url:
            measure(given.url, given.rows, given.rounds, Path(folder))
            return
        stack = Stack(Path(folder) / "stack")
        try:
            stack.start({"clinical"})["clinical"].result()
            server = stack.servers["clinical"]
            server.wait()
            measure(Stores(stack.stores()).get("clinical").url, given.rows, given.rounds, Path(folder))
        finally:
            stack.stop()


def measure(url: str, rows: int, rounds: int, folder: Path) -> None:
    resources = rows * (2 + OBSERVATIONS)
    post_plainly(url, f"warm-{uuid.uuid4().hex}", min(rows, 200))  # the server's compiler warms up
    plain, ours, again = [], [], []
    for number in range(rounds):
        source, manifest = f"bench-{uuid.uuid4().hex}", folder / f"{number}.sqlite"
        plain.append(post_plainly(url, f"plain-{uuid.uuid4().hex}", rows))
        ours.append(load_ours(url, source, rows, manifest))
        again.append(load_ours(url, source, rows, manifest))
    best = {"plain requests": min(plain), "our load": min(ours), "unchanged second load": min(again)}
    for what, seconds in best.items():
        print(f"{what:24} {seconds:7.2f} s {resources / seconds:9.0f} resources/s")
    print(f"our load / plain requests: {min(plain) / min(ours):.2f} of the rate")


if __name__ == "__main__":
    main()
