"""Time to fetch a series of 300 slices (512x512, 158 MB) from a real Orthanc on loopback, to disk.

Side by side, in turns, each into an empty folder:

* ours: verified instances, one file each, with a sha256 list (`DicomWeb.pull`);
* plain requests: the one answer streamed to one file, neither taken apart nor checked: the least there is to do;
* the same with a sha256 of its bytes, which a list of what came needs: what of the rest is ours;
* dicomweb-client: `retrieve_series`, each instance then written to a file.

The CPU seconds are those of the client; the server needs the same for all three. The peak memory of ours is that of a
process that does nothing else.

What was fetched is cut to nothing and left until the end: ext4 gives out no inode that was deleted within the last
minutes, and looks at each of them for every new file, so that rounds that delete files slow down the next ones, by
0.3 ms a file. For the same reason a second run should wait for five minutes.

    python -m bench.pull_series [rounds]
"""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

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
_NUMBERS = itertools.count()
ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'


def ours(url: str, folder: Path) -> None:
    """Pull by this package."""
    store = Store(
        "bench", "dicomweb", url, profile="orthanc", patient_system="urn:bench",
        auth=Auth("basic", PASSWORD, "env", Orthanc.user),
    )  # fmt: skip
    with open_dicomweb(store) as dicom:
        assert len(dicom.pull(REF, folder).instances) == SLICES


def plain_requests(url: str, folder: Path, *, hashed: bool = False) -> None:
    """Stream the answer to one file."""
    digest = hashlib.sha256()
    address = f"{url}/studies/{REF.study_uid}/series/{REF.series_uid}"
    login = (Orthanc.user, os.environ[PASSWORD])
    with requests.get(address, headers={"Accept": ACCEPT}, auth=login, stream=True, timeout=60) as answer:
        answer.raise_for_status()
        with (folder / "series.multipart").open("wb") as file:
            for block in answer.iter_content(1 << 17):
                file.write(block)
                if hashed:
                    digest.update(block)


def dicomweb_client(url: str, folder: Path) -> None:
    """Retrieve by dicomweb-client and write each instance."""
    session = requests.Session()
    session.auth = (Orthanc.user, os.environ[PASSWORD])
    client = DICOMwebClient(url, session=session)
    instances = client.retrieve_series(REF.study_uid, REF.series_uid, media_types=(("application/dicom", "*"),))
    assert len(instances) == SLICES
    for instance in instances:
        instance.save_as(folder / f"{instance.SOPInstanceUID}.dcm")


PLAIN = "plain requests"
WAYS: dict[str, Callable[[str, Path], None]] = {
    "ours, verified": ours,
    PLAIN: plain_requests,
    "and its sha256": partial(plain_requests, hashed=True),
    "dicomweb-client": dicomweb_client,
}


class Taken(NamedTuple):
    """What one pull took, in seconds."""

    wall: float
    cpu: float


def timed(pull: Callable[[Path], object], parent: Path) -> Taken:
    """Measure one pull into an empty folder below `parent`."""
    folder = parent / f"out{next(_NUMBERS)}"
    folder.mkdir()
    started, cpu = time.perf_counter(), time.process_time()
    pull(folder)
    taken = Taken(time.perf_counter() - started, time.process_time() - cpu)
    for file in folder.rglob("*"):
        if file.is_file():
            os.truncate(file, 0)
    return taken


def in_turns(ways: Mapping[str, Callable[[Path], object]], parent: Path, rounds: int) -> dict[str, list[Taken]]:
    """Measure each way `rounds` times, one after the other; a first round warms the page cache and the imports."""
    taken: dict[str, list[Taken]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            one = timed(way, parent)
            if number:
                taken[name].append(one)
    return taken


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
            ways = {name: partial(way, server.url) for name, way in WAYS.items()}
            show("pull", in_turns(ways, Path(folder), rounds), megabytes)
            print(f"peak memory of a process that only pulls: {peak_memory(server.url, Path(folder))} MB")
        finally:
            server.stop()


def show(what: str, taken: Mapping[str, list[Taken]], megabytes: float) -> None:
    """Print medians, ranges and ratios to plain requests."""
    least = taken[PLAIN]
    for name, pulls in taken.items():
        wall, cpu = (statistics.median(column) for column in zip(*pulls, strict=True))
        best, most = min(pulls).wall, max(pulls).wall
        ratio = wall / statistics.median(one.wall for one in least)
        print(
            f"{what}, {name:16} median {wall * 1000:5.0f} ms ({best * 1000:.0f} to {most * 1000:.0f}), "
            f"{megabytes / wall:5.0f} MB/s, {ratio:.2f} x plain requests (best of each "
            f"{best / min(least).wall:.2f} x), CPU {cpu * 1000:.0f} ms "
            f"({cpu / statistics.median(one.cpu for one in least):.2f} x)"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ours"]:
        ours(sys.argv[2], Path(sys.argv[3]))
        print(own_peak_memory())
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else ROUNDS)
