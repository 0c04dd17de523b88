"""Time to fetch a series of 300 slices (512x512, 158 MB) from a real Orthanc on loopback, to disk.

Side by side, in turns, each into an empty folder:

* ours: verified instances, one file each, with a sha256 list (`DicomWeb.pull`);
* plain requests: the one answer streamed to one file, neither taken apart nor checked: the least there is to do;
* dicomweb-client: `retrieve_series`, each instance then written to a file.

The peak memory of ours is that of a process that does nothing else.

    python -m bench.pull_series [rounds]
"""

from __future__ import annotations

import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import requests
from dicomweb_client.api import DICOMwebClient

from local.servers import Orthanc
from multimodal.dicomweb import open_dicomweb
from multimodal.model.ids import hash_uid
from multimodal.model.references import SeriesRef
from multimodal.transport.stores import Auth, Store
from tests.fakes.dicom_files import write_series

ROUNDS = 9
SLICES, SIZE, NAME = 300, 512, "bench"
REF = SeriesRef(hash_uid("test", NAME), hash_uid("test", NAME, "1"))
PASSWORD = "ORTHANC_PASSWORD"  # noqa: S105 - the name of the variable
ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'


def ours(url: str, folder: Path) -> None:
    """Pull by this package."""
    store = Store(
        "bench", "dicomweb", url, profile="orthanc", patient_system="urn:bench",
        auth=Auth("basic", PASSWORD, "env", Orthanc.user),
    )  # fmt: skip
    with open_dicomweb(store) as dicom:
        assert len(dicom.pull(REF, folder).instances) == SLICES


def plain_requests(url: str, folder: Path) -> None:
    """Stream the answer to one file."""
    address = f"{url}/studies/{REF.study_uid}/series/{REF.series_uid}"
    login = (Orthanc.user, os.environ[PASSWORD])
    with requests.get(address, headers={"Accept": ACCEPT}, auth=login, stream=True, timeout=60) as answer:
        answer.raise_for_status()
        with (folder / "series.multipart").open("wb") as file:
            for block in answer.iter_content(1 << 17):
                file.write(block)


def dicomweb_client(url: str, folder: Path) -> None:
    """Retrieve by dicomweb-client and write each instance."""
    session = requests.Session()
    session.auth = (Orthanc.user, os.environ[PASSWORD])
    client = DICOMwebClient(url, session=session)
    instances = client.retrieve_series(REF.study_uid, REF.series_uid, media_types=(("application/dicom", "*"),))
    assert len(instances) == SLICES
    for instance in instances:
        instance.save_as(folder / f"{instance.SOPInstanceUID}.dcm")


WAYS: dict[str, Callable[[str, Path], None]] = {
    "ours, verified": ours,
    "plain requests": plain_requests,
    "dicomweb-client": dicomweb_client,
}


def timed(way: Callable[[str, Path], None], url: str, parent: Path) -> float:
    """Return the seconds that one pull into an empty folder takes."""
    folder = parent / "out"
    folder.mkdir()
    started = time.perf_counter()
    way(url, folder)
    seconds = time.perf_counter() - started
    shutil.rmtree(folder)
    return seconds


def own_peak_memory() -> int:
    """Return the most MB that this process had; ru_maxrss would count its parent's as well."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


def peak_memory(url: str, parent: Path) -> int:
    """Return the MB that a process needs that pulls the series and ends."""
    command = [sys.executable, "-m", "bench.pull_series", "--ours", url, str(parent / "alone")]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(rounds: int) -> None:
    """Push the series to an Orthanc of its own, measure, and print a table."""
    os.environ[PASSWORD] = secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="multimodal-bench-") as folder:
        files = write_series(Path(folder) / "generated", NAME, SLICES, size=SIZE)
        megabytes = sum(file.stat().st_size for file in files) / 1e6
        server = Orthanc(Path(folder) / "orthanc", password=os.environ[PASSWORD])
        server.start()
        try:
            server.wait()
            store = Store(
                "bench", "dicomweb", server.url, profile="orthanc", patient_system="urn:bench",
                auth=Auth("basic", PASSWORD, "env", Orthanc.user),
            )  # fmt: skip
            started = time.perf_counter()
            with open_dicomweb(store) as dicom:
                assert len(dicom.push(files).stored) == SLICES
            print(f"push {SLICES} instances, {megabytes:.0f} MB: {time.perf_counter() - started:.2f} s")
            for way in WAYS.values():  # warms the page cache and the imports
                timed(way, server.url, Path(folder))
            times: dict[str, list[float]] = {name: [] for name in WAYS}
            for _ in range(rounds):
                for name, way in WAYS.items():
                    times[name].append(timed(way, server.url, Path(folder)))
            show(times, megabytes)
            print(f"peak memory of a process that only pulls: {peak_memory(server.url, Path(folder))} MB")
        finally:
            server.stop()


def show(times: dict[str, list[float]], megabytes: float) -> None:
    """Print medians, ranges and ratios to plain requests."""
    least = statistics.median(times["plain requests"])
    for name, seconds in times.items():
        median = statistics.median(seconds)
        print(
            f"pull, {name:16} median {median * 1000:5.0f} ms ({min(seconds) * 1000:.0f} to {max(seconds) * 1000:.0f}), "
            f"{megabytes / median:5.0f} MB/s, {median / least:.2f} x plain requests (best of each "
            f"{min(seconds) / min(times['plain requests']):.2f} x)"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ours"]:
        ours(sys.argv[2], Path(sys.argv[3]))
        print(own_peak_memory())
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else ROUNDS)
