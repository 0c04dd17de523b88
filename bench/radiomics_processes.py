"""Two processes beside one: over the ROIs of one series, and over series.

The regions are those of `radiomics_rois`: 20 on a generated series of 512 x 512 x 300. Over ROIs the series is read
once, by one process, and the features are timed without and with that; over series each process reads its own, and
the DICOM report is made too. Wall time is what counts here, so the machine should have nothing else to do.

``python -m bench.radiomics_processes [--size 512 512 300] [--series 4] [--profile pyradiomics-compat]``
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import tempfile
from pathlib import Path

from bench.radiomics_rois import Spent, Watch, generate
from multimodal.imaging import Reading, read_rois, read_volume
from multimodal.radiomics import Profile, extract, load_profile
from multimodal.workflows.measure_series import Refused, SeriesFolders, measure_series


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", nargs=3, type=int, default=(512, 512, 300), metavar=("X", "Y", "Z"))
    parser.add_argument("--series", type=int, default=4, help="how often the series is measured")
    parser.add_argument("--profile", default="pyradiomics-compat")
    chosen = parser.parse_args()
    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    profile = load_profile(chosen.profile)
    with tempfile.TemporaryDirectory(prefix="multimodal-bench-") as name:
        folder = Path(name)
        # in a process of its own: its memory is not ours
        generating = multiprocessing.get_context("spawn").Process(target=generate, args=(folder, chosen.size[::-1]))
        generating.start()
        generating.join()
        over_rois(folder, profile, 1)  # what is loaded and measured once only is not counted to one process
        print(f"profile {profile.name}, load {os.getloadavg()[0]:.1f}")
        show("20 ROIs, features", [over_rois(folder, profile, processes)[0] for processes in (1, 2)])
        show("20 ROIs, with reading", [over_rois(folder, profile, processes)[1] for processes in (1, 2)])
        pairs = [SeriesFolders(folder / "ct", folder / "seg.dcm")] * chosen.series
        show(f"{chosen.series} series", [over_series(pairs, profile, processes) for processes in (1, 2)])


def over_rois(folder: Path, profile: Profile, processes: int) -> tuple[Spent, Spent]:
    """Return the time of the features alone, and of all."""
    whole = Watch()
    volume = read_volume(folder / "ct")
    rois = read_rois(folder / "seg.dcm", volume)
    features = Watch()
    results = extract(volume, rois, profile, processes=processes)
    spent = features.spent(), whole.spent()
    failed = [result.failure for result in results if result.failure]
    if failed:
        raise SystemExit(f"failed: {failed}")
    return spent


def over_series(pairs: list[SeriesFolders], profile: Profile, processes: int) -> Spent:
    """Return the time of all series."""
    watch = Watch()
    found = list(measure_series(pairs, profile=profile, reading=Reading(), processes=processes))
    spent = watch.spent()
    if refused := [one.problem for one in found if isinstance(one, Refused)]:
        raise SystemExit(f"failed: {refused}")
    return spent


def show(what: str, times: list[Spent]) -> None:
    """Print one process beside two."""
    one, two = times
    print(f"{what + ':':<24} 1 process {one}, 2 processes {two}: {one.wall / two.wall:.2f} times as fast")


if __name__ == "__main__":
    main()
