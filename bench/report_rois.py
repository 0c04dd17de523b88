"""What twenty measured regions leave behind: SR, SEG, FHIR resources and tables, each timed.

The regions are those of `radiomics_rois`, 107 features each on a generated series of 512 x 512 x 300; extraction itself
is not counted. The SEG is what an RTSTRUCT of these regions would leave; with a SEG as input there is none.

``python -m bench.report_rois [--size 512 512 300] [--profile pyradiomics-compat]``
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from pydicom.dataset import Dataset

from bench.radiomics_rois import Spent, Watch, generate
from multimodal.imaging import Volume, read_rois, read_volume
from multimodal.model.references import PatientRef
from multimodal.radiomics import (
    Profile,
    RoiResult,
    extract,
    load_profile,
    measurement_report,
    segmentation,
    write_features_csv,
)
from multimodal.radiomics.wide import parquet, wide_rows
from multimodal.resources.serialised import Serialised, serialised
from multimodal.workflows.measured_resources import measured_groups

REPEATS = 3


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", nargs=3, type=int, default=(512, 512, 300), metavar=("X", "Y", "Z"))
    parser.add_argument("--profile", default="pyradiomics-compat")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="multimodal-bench-") as name:
        folder = Path(name)
        generating = multiprocessing.get_context("spawn").Process(target=generate, args=(folder, chosen.size[::-1]))
        generating.start()
        generating.join()
        volume = read_volume(folder / "ct")
        profile = load_profile(chosen.profile)
        results = extract(volume, read_rois(folder / "seg.dcm", volume), profile, processes=2)
        features = sum(len(result.features) for result in results)
        print(f"{len(volume.headers)} images, {len(results)} ROIs, {features} features; load {os.getloadavg()[0]:.1f}")
        show(volume, results, profile, folder)


def show(volume: Volume, results: list[RoiResult], profile: Profile, folder: Path) -> None:
    """Time each output and print the shortest of some runs, and the sum of what goes to PACS and FHIR."""
    rois = [result.roi for result in results]
    seg = segmentation(volume, rois)
    sums = [0.0, 0.0]
    for name, make in (
        ("SR of a measured SEG", lambda: to_bytes(measurement_report(volume, results, profile))),
        ("FHIR resources", lambda: to_json(volume, results, profile)),
    ):
        spent, size = fastest(make)
        sums = [sums[0] + spent.wall, sums[1] + spent.cpu]
        print(f"{name:32}{spent}, {size / 1e3:,.0f} kB")
    print(f"{'together (asked: 3 s)':32}{Spent(*sums)}")
    for name, make in (
        ("SEG of contours", lambda: to_bytes(segmentation(volume, rois))),
        ("SR that points at our SEG", lambda: to_bytes(measurement_report(volume, results, profile, seg))),
        ("features.csv", lambda: to_csv(volume, results, profile, folder / "features.csv")),
        ("Parquet", lambda: len(parquet(list(wide_rows(volume, results, profile))))),
    ):
        spent, size = fastest(make)
        print(f"{name:32}{spent}, {size / 1e3:,.0f} kB")


def fastest(make: Callable[[], int]) -> tuple[Spent, int]:
    """Return the least time of some runs, and what was made in bytes."""
    runs = []
    for _ in range(REPEATS):
        watch = Watch()
        size = make()
        runs.append(watch.spent())
    return Spent(min(run.wall for run in runs), min(run.cpu for run in runs)), size


def to_bytes(dataset: Dataset) -> int:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.tell()


def to_json(volume: Volume, results: list[RoiResult], profile: Profile) -> int:
    patient = PatientRef("urn:bench", volume.patient_id)
    groups = measured_groups(volume, results, profile, patient)
    lines = (one if isinstance(one, Serialised) else serialised(one) for group in groups for one in group.resources)
    return sum(len(line.body) for line in lines)


def to_csv(volume: Volume, results: list[RoiResult], profile: Profile, file: Path) -> int:
    write_features_csv(file, volume, results, profile)
    return file.stat().st_size


if __name__ == "__main__":
    main()
