"""What a pull costs beyond one ordinary series, each beside plain `requests` in the same run, on a real Orthanc.

* one instance of 400 MB (a whole-slide image, a long multi-frame): time, and the peak memory of a process;
* 10 series of 5 MB over 8 connections: throughput against what the server gives to plain streaming;
* a search for 100,000 series, and for 10,000, from a synthetic server: time each, peak memory, beside
  dicomweb-client's paging.

    python -m bench.pull_cases [rounds]
"""

from __future__ import annotations

import hashlib
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import orjson
import requests
from dicomweb_client.api import DICOMwebClient

from bench.pull_series import ACCEPT, PASSWORD, PLAIN, in_turns, own_peak_memory, show
from local.servers import Orthanc
from multimodal.dicomweb import open_dicomweb
from multimodal.model.ids import hash_uid
from multimodal.model.references import SeriesRef
from multimodal.transport.stores import Auth, Store
from multimodal.workflows.pull_series import pull_series
from tests.fakes.dicom_files import make_instance, write_series

ROUNDS = 5
BIG_MB, SERIES, SLICES, CONNECTIONS = 400, 10, 10, 8
BIG = SeriesRef(hash_uid("test", "big"), hash_uid("test", "big", "1"))
SMALL = [SeriesRef(hash_uid("test", f"small{n}"), hash_uid("test", f"small{n}", "1")) for n in range(SERIES)]


def store(url: str) -> Store:
    """Return the Orthanc at `url`."""
    login = Auth("basic", PASSWORD, "env", Orthanc.user)
    return Store("bench", "dicomweb", url, profile="orthanc", patient_system="urn:bench", auth=login)


def ours(url: str, refs: list[SeriesRef], folder: Path) -> None:
    """Pull series as the workflow does, as many at once as there are connections."""
    with open_dicomweb(store(url)) as dicom:
        result = pull_series(dicom, [ref.series_uid for ref in refs], folder.joinpath)
    assert result.counts["series"] == len(refs)


def plain(url: str, refs: list[SeriesRef], folder: Path, *, hashed: bool = False) -> None:
    """Stream each answer to a file."""
    login = (Orthanc.user, os.environ[PASSWORD])

    def fetch(ref: SeriesRef) -> None:
        digest = hashlib.sha256()
        address = f"{url}/studies/{ref.study_uid}/series/{ref.series_uid}"
        with requests.get(address, headers={"Accept": ACCEPT}, auth=login, stream=True, timeout=60) as answer:
            answer.raise_for_status()
            with (folder / ref.series_uid).open("wb") as file:
                for block in answer.iter_content(1 << 17):
                    file.write(block)
                    if hashed:
                        digest.update(block)

    with ThreadPoolExecutor(min(len(refs), CONNECTIONS)) as pool:
        list(pool.map(fetch, refs))


def compare(name: str, url: str, refs: list[SeriesRef], megabytes: float, parent: Path, rounds: int) -> None:
    """Print medians and their ratio, in turns."""
    ways = {
        "ours, verified": partial(ours, url, refs),
        PLAIN: partial(plain, url, refs),
        "and its sha256": partial(plain, url, refs, hashed=True),
    }
    taken = in_turns(ways, parent, rounds)
    show(name, taken, megabytes)
    mine, least, _ = (statistics.median(one.wall for one in taken[way]) for way in ways)
    print(f"{name}: throughput {least / mine:.2f} of plain requests")


class _Searches(BaseHTTPRequestHandler):
    """Answers a search for series out of `total` synthetic ones."""

    total = 100_000
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        limit, offset = (int(query.get(key, [default])[0]) for key, default in (("limit", "1000"), ("offset", "0")))
        page = [
            {
                "0020000D": {"vr": "UI", "Value": [f"1.2.3.{number // 4}"]},
                "0020000E": {"vr": "UI", "Value": [f"1.2.3.{number // 4}.{number}"]},
                "00080060": {"vr": "CS", "Value": ["CT"]},
                "00100020": {"vr": "LO", "Value": [f"P{number // 8}"]},
                "00201209": {"vr": "IS", "Value": [300]},
            }
            for number in range(offset, min(offset + limit, self.total))
        ]
        body = orjson.dumps(page)
        self.send_response(200)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def search(url: str) -> int:
    """Return how many series our search finds."""
    with open_dicomweb(Store("bench", "dicomweb", url, profile="orthanc", patient_system="urn:bench")) as dicom:
        return sum(1 for _ in dicom.series())


def searches() -> None:
    """Print the times of searches of two sizes, and the peak memory of the larger."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Searches)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{http.server_port}"
    per_series = []
    for total in (10_000, 100_000):
        _Searches.total = total
        started = time.perf_counter()
        assert search(url) == total
        seconds = time.perf_counter() - started
        per_series.append(seconds / total)
        started = time.perf_counter()
        assert len(DICOMwebClient(url).search_for_series(limit=1000, get_remaining=True)) == total
        peer = time.perf_counter() - started
        memory = alone("--search", url)
        print(
            f"search of {total} series: ours {seconds:.2f} s, dicomweb-client {peer:.2f} s, {seconds / peer:.2f} x; "
            f"peak memory {memory} MB"
        )
    print(f"ten times as many take {per_series[1] / per_series[0]:.2f} times as long each")
    http.shutdown()


def alone(*arguments: str) -> int:
    """Return the peak MB of a process that does one thing."""
    command = [sys.executable, "-m", "bench.pull_cases", *arguments]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(rounds: int) -> None:
    """Fill an Orthanc of its own, measure, and print."""
    os.environ[PASSWORD] = secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="multimodal-bench-") as temporary:
        folder = Path(temporary)
        files = [file for n in range(SERIES) for file in write_series(folder / str(n), f"small{n}", SLICES, size=512)]
        dataset = make_instance("big", 1)
        dataset.Rows = dataset.Columns = int((BIG_MB * 1e6 / 2) ** 0.5)
        dataset.PixelData = bytes(dataset.Rows * dataset.Columns * 2)
        dataset.save_as(folder / "big.dcm", enforce_file_format=True)
        del dataset
        server = Orthanc(folder / "orthanc", password=os.environ[PASSWORD])
        server.start()
        try:
            server.wait()
            with open_dicomweb(store(server.url)) as dicom:
                assert not dicom.push([*files, folder / "big.dcm"]).failed
            compare(f"one part of {BIG_MB} MB", server.url, [BIG], BIG_MB, folder, rounds)
            print(f"peak memory of a process that pulls it: {alone('--big', server.url, str(folder / 'alone'))} MB")
            name = f"{SERIES} series of 5 MB over {CONNECTIONS} connections"
            compare(name, server.url, SMALL, SERIES * 5.25, folder, rounds)
        finally:
            server.stop()
    searches()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--big"]:
        ours(sys.argv[2], [BIG], Path(sys.argv[3]))
        print(own_peak_memory())
    elif sys.argv[1:2] == ["--search"]:
        search(sys.argv[2])
        print(own_peak_memory())
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else ROUNDS)
