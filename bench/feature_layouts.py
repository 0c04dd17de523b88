"""One Observation per feature against one per class with components, on a FHIR server: load, search, size.

`python -m bench.feature_layouts [--series 3] [--rois 20]`: the same 107 generated values for each ROI in both layouts,
each on a HAPI and an H2 file of its own, one after the other. Searched is what people ask for: the regions in which
one feature is high, all values of that feature, all values of one ROI, and everything as a wide table. Seconds of CPU
are the server's and ours; they hold on a busy machine too. The size is by how much the database's file grew, once the
server was stopped.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import orjson

from local.servers import HapiFhir
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
from multimodal.transport.stores import Store
from multimodal.workflows.feature_table import feature_table

LAYOUTS: tuple[Layout, ...] = ("members", "components")
SEARCHED = "original_glcm_JointEntropy"
SOURCE = "extract-radiomics"  # the table is made of what this workflow wrote
HIGH = 0.95  # the threshold leaves the highest twentieth
REPEATS = 5
STEP = 0.37  # between a feature's values in two regions


@dataclass
class Figures:
    """What was measured for one layout: counts, MB, seconds."""

    observations: float
    json_mb: float
    load_s: float
    load_server_cpu_s: float
    load_our_cpu_s: float
    regions_where_high: float
    of_them_wrong: float
    where_high_s: float
    one_feature_s: float
    one_roi_s: float
    table_s: float
    table_server_cpu_s: float
    table_our_cpu_s: float
    database_mb: float


@dataclass
class Sent:
    """What the load was given, counted while it passed."""

    observations: int = 0
    json_bytes: int = 0
    group: dict[str, Any] | None = None


def features(number: int) -> list[Feature]:
    """Return the 107 features of pyradiomics with values that differ by ROI."""
    return [
        Feature(name, (number + 1) * STEP + place, code.unit_ct, code.ibsi_code, code.display, code.aggregation)
        for place, (name, code) in enumerate(feature_codes().items())
        if name != "original_firstorder_Kurtosis"
    ]


def groups(layout: Layout, series: int, rois: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the resources of each ROI."""
    sha = hash_uid(layout).replace(".", "")[:64].ljust(64, "0")
    for number in range(series):
        patient = PatientRef("urn:bench", f"{layout}-{number}")
        study, image = hash_uid(layout, "study", str(number)), hash_uid(layout, "series", str(number))
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


def counted(made: Iterator[list[dict[str, Any]]], sent: Sent) -> Iterator[Group]:
    """Yield the groups for the load, one in memory at a time."""
    for resources in made:
        observations = [one for one in resources if one["resourceType"] == "Observation"]
        sent.observations += len(observations)
        sent.json_bytes += sum(len(orjson.dumps(one)) for one in observations)
        sent.group = sent.group or observations[0]
        yield Group(resources)


def measure(layout: Layout, series: int, rois: int, folder: Path) -> Figures:
    """Load one layout into a server of its own, search in it, stop the server and look at its file."""
    hapi = HapiFhir(folder / layout)
    database = hapi.folder / "database.mv.db"
    hapi.start()
    try:
        hapi.wait()
        before = database.stat().st_size
        with HttpSession(Store("clinical", "fhir", url=hapi.url)) as session:
            figures = on_server(FhirServer(session), hapi, layout, series, rois)
    finally:
        hapi.stop()
    figures.database_mb = (database.stat().st_size - before) / 1e6
    return figures


def on_server(server: FhirServer, hapi: HapiFhir, layout: Layout, series: int, rois: int) -> Figures:
    """Measure all but the database's size."""
    sent = Sent()
    manifest = hapi.folder / "manifest.sqlite"
    report, loading = timed(
        hapi, lambda: load(counted(groups(layout, series, rois), sent), server, manifest, source=SOURCE)
    )
    assert not report.refused, report.refused[:3]
    assert sent.group is not None
    part = "" if layout == "members" else "component-"
    values = [one.value for n in range(series * rois) for one in features(n) if one.name == SEARCHED]
    threshold = values[int(len(values) * HIGH)] - STEP / 2
    high = {f"{part}code-value-quantity": f"{FEATURE_SYSTEM}|{SEARCHED}$gt{threshold}"}
    ids = ",".join(member["reference"].split("/")[1] for member in sent.group["hasMember"])
    found, where_high = shortest(lambda: list(server.search("Observation", high)))
    every, one_feature = shortest(
        lambda: list(server.search("Observation", {f"{part}code": f"{FEATURE_SYSTEM}|{SEARCHED}"}))
    )
    assert len(every) == series * rois
    wrong = sum(searched_value(one) < threshold for one in found)
    assert len(found) - wrong == sum(value > threshold for value in values)
    _, one_roi = shortest(lambda: list(server.search("Observation", {"_id": ids})))
    table, reading = timed(hapi, lambda: feature_table(server))
    assert len(table.rows) == series * rois
    assert all(value is not None for row in table.rows for value in row.values())
    return Figures(
        sent.observations,
        sent.json_bytes / 1e6,
        *loading,
        len(found),
        wrong,
        where_high,
        one_feature,
        one_roi,
        *reading,
        0.0,
    )


def searched_value(observation: dict[str, Any]) -> float:
    """Return the value of the feature that was searched for."""
    for part in (observation, *observation.get("component", ())):
        if SEARCHED in {coding["code"] for coding in part["code"]["coding"]} and "valueQuantity" in part:
            return float(part["valueQuantity"]["value"])
    raise AssertionError("an Observation without the feature was found")


def timed(hapi: HapiFhir, work: Callable[[], Any]) -> tuple[Any, tuple[float, float, float]]:
    """Return the answer, and seconds by the clock, of the server's CPU and of ours."""
    wall, server, ours = time.perf_counter(), cpu_of(hapi), time.process_time()
    answer = work()
    return answer, (time.perf_counter() - wall, cpu_of(hapi) - server, time.process_time() - ours)


def cpu_of(hapi: HapiFhir) -> float:
    """Return the seconds of CPU that the server took so far (proc(5), utime and stime); 0 without /proc."""
    record = hapi.running()
    stat = Path(f"/proc/{record.pid}/stat") if record else Path()
    if not stat.is_file():
        return 0.0
    values = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def shortest(ask: Callable[[], list[Any]]) -> tuple[list[Any], float]:
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
    for field in fields(Figures):
        left, right = getattr(members, field.name), getattr(components, field.name)
        ratio = f"{left / right:8.1f}" if right else ""
        print(f"{field.name.replace('_', ' '):28}{left:12.3f}{right:12.3f}{ratio}")


def main() -> None:
    """Measure both layouts and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=3, help="50 as in docs/radiomics.md takes half an hour")
    parser.add_argument("--rois", type=int, default=20)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for layout in LAYOUTS:
            found[layout] = measure(layout, chosen.series, chosen.rois, Path(folder))
            print(layout, found[layout], flush=True)
    print(f"{chosen.series} series of {chosen.rois} ROIs; load of the machine {os.getloadavg()[0]:.1f}")
    show(found)


if __name__ == "__main__":
    main()
