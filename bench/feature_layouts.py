"""One Observation per feature against one per class with components, on a FHIR server: load, search, size.

`python -m bench.feature_layouts [--url http://127.0.0.1:8080/fhir] [--database FILE.mv.db] [--series 3] [--rois 20]`:
the same 107 generated values for each ROI in both layouts, each layout under patients of its own, in turns. Searched is
what people ask for: one feature above a threshold in all series, and all values of one ROI. The size is by how much the
database's file grew; without --url and --database the server is one of its own, so that nothing else writes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from local.stack import Stack
from multimodal.fhirstore import FhirServer, Group, load
from multimodal.model.features import Feature
from multimodal.model.ids import hash_uid
from multimodal.model.references import PatientRef
from multimodal.resources.body_structure import body_structure
from multimodal.resources.device import device, device_id
from multimodal.resources.imaging_patient import imaging_patient
from multimodal.resources.imaging_study import bare_imaging_study
from multimodal.resources.measured_roi import MeasuredRoi
from multimodal.resources.measurements import Layout, feature_observations
from multimodal.terminology.radiomics_codes import FEATURE_SYSTEM, feature_codes
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store, Stores

LAYOUTS: tuple[Layout, ...] = ("members", "components")
SEARCHED = "original_glcm_JointEntropy"
REPEATS = 5


@dataclass
class Figures:
    """What was measured for one layout."""

    resources: int
    json_bytes: int
    load: float
    one_feature: float
    found: int
    one_roi: float
    database: int


def features(number: int) -> list[Feature]:
    """Return the 107 features of pyradiomics with values that differ by ROI."""
    return [
        Feature(name, (number + 1) * 0.37 + place, code.unit_ct, code.ibsi_code, code.display, code.aggregation)
        for place, (name, code) in enumerate(feature_codes().items())
        if name != "original_firstorder_Kurtosis"
    ]


def groups(run: str, layout: Layout, series: int, rois: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the resources of each ROI."""
    sha = hash_uid(run, layout).replace(".", "")[:64].ljust(64, "0")
    for number in range(series):
        patient = PatientRef(f"urn:bench:{run}", f"{layout}-{number}")
        study, image = hash_uid(run, layout, "study", str(number)), hash_uid(run, layout, "series", str(number))
        shared = [
            imaging_patient(patient),
            bare_imaging_study(study, patient),
            device("bench", "1", sha, {"width": 25}),
        ]
        for region in range(rois):
            roi = MeasuredRoi(
                patient, study, image, hash_uid(image, "mask"), hash_uid(image, "instance"), region + 1,
                f"region {region}", sha, device_id("bench", "1", sha), f"t{region}", hash_uid(image, str(region)),
            )  # fmt: skip
            observations = feature_observations(roi, features(number * rois + region), layout=layout)
            yield [*shared, body_structure(roi), *observations]


def measure(server: FhirServer, run: str, layout: Layout, series: int, rois: int, database: Path) -> Figures:
    """Load one layout, and search in it."""
    made = list(groups(run, layout, series, rois))
    size = sum(len(orjson.dumps(one)) for group in made for one in group[4:])
    before = database.stat().st_size
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        report = load(map(Group, made), server, Path(folder) / "manifest.sqlite", source=f"bench-{run}-{layout}")
        loaded = time.perf_counter() - begun
    assert not report.refused, report.refused[:3]
    grown = database.stat().st_size - before
    part = "" if layout == "members" else "component-"
    ask = {f"{part}code-value-quantity": f"{FEATURE_SYSTEM}|{SEARCHED}$gt1"}
    subjects = [PatientRef(f"urn:bench:{run}", f"{layout}-{n}").reference for n in range(series)]
    found, one_feature = timed(lambda: list(server.search("Observation", {**ask, "subject": ",".join(subjects)})))
    group = made[0][4]
    ids = ",".join(member["reference"].split("/")[1] for member in group["hasMember"])
    _, one_roi = timed(lambda: list(server.search("Observation", {"_id": ids, "_count": "200"})))
    return Figures(sum(len(g) - 4 for g in made), size, loaded, one_feature, len(found), one_roi, grown)


def timed(ask: Callable[[], list[Any]]) -> tuple[list[Any], float]:
    """Return the answer and the shortest of several times."""
    best, answer = float("inf"), []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        answer = ask()
        best = min(best, time.perf_counter() - begun)
    return answer, best


def show(found: dict[Layout, Figures]) -> None:
    """Print both layouts and their ratios."""
    members, components = found["members"], found["components"]
    print(f"{'':28}{'members':>12}{'components':>12}{'ratio':>8}")
    for name, unit, scale in (
        ("resources", "", 1), ("json_bytes", "MB", 1e6), ("load", "s", 1), ("one_feature", "ms", 1e-3),
        ("found", "", 1), ("one_roi", "ms", 1e-3), ("database", "MB", 1e6),
    ):  # fmt: skip
        left, right = getattr(members, name) / scale, getattr(components, name) / scale
        ratio = f"{left / right:8.1f}" if right else ""
        print(f"{f'{name} {unit}':28}{left:12.1f}{right:12.1f}{ratio}")


def main() -> None:
    """Measure both layouts and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url")
    parser.add_argument("--database", type=Path)
    parser.add_argument("--series", type=int, default=3)
    parser.add_argument("--rois", type=int, default=20)
    chosen = parser.parse_args()
    if bool(chosen.url) != bool(chosen.database):
        parser.error("give both --url and --database, or neither")
    if chosen.url:
        compare(chosen.url, chosen.database, chosen.series, chosen.rois)
        return
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder) / "stack")
        try:
            stack.start({"clinical"})["clinical"].result()
            stack.servers["clinical"].wait()
            url = Stores(stack.stores()).get("clinical").url
            compare(url, Path(folder) / "stack/fhir/database.mv.db", chosen.series, chosen.rois)
        finally:
            stack.stop()


def compare(url: str, database: Path, series: int, rois: int) -> None:
    """Measure both layouts on one server."""
    run = uuid.uuid4().hex[:8]
    with HttpSession(Store("clinical", "fhir", url=url)) as session:
        server = FhirServer(session)
        show({layout: measure(server, run, layout, series, rois, database) for layout in LAYOUTS})


if __name__ == "__main__":
    main()
