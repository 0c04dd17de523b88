"""IDC's index of a million series: filtering it, and registering 10,000 of them by reference.

    python -m bench.idc_index [--index FILE] [--url http://127.0.0.1:9200] [--rounds 3]

Filtering, each in a process of its own, CPU seconds and peak memory from start to end, imports included: ours (counted;
all rows) beside what one would write first, `pandas.read_parquet` and a filter. The index is that of the
package idc-index-data (extra idc) unless a file is named. Registering: 2,500, 5,000 and 10,000 series in an OpenSearch
(of its own unless one is named), which is linear if each series takes as long; CPU seconds are those of this process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from multimodal.dicomweb import IndexQuery, open_dicomweb
from multimodal.dicomweb.idc_errors import IndexNotInstalledError
from multimodal.dicomweb.idc_index import open_index
from multimodal.transport.stores import Store, Stores

COLLECTION, MODALITY = "nsclc_radiomics", "CT"
SIZES = (2_500, 5_000, 10_000)
WAYS = ("ours, counted", "ours, all rows", "pandas")


def idc(index: str) -> Store:
    return Store("idc", "dicomweb", "http://127.0.0.1:9", profile="idc-s3", patient_system="urn:idc", index_file=index)


def counted(index: str) -> tuple[int, float]:
    totals = open_index(idc(index)).totals(IndexQuery([COLLECTION], [MODALITY]))
    return totals.series, (totals.bytes or 0) / 1e6


def rows(index: str) -> tuple[int, float]:
    found = list(open_index(idc(index)).series(IndexQuery([COLLECTION], [MODALITY])))
    return len(found), sum(one.bytes for one in found) / 1e6


def plainly(index: str) -> tuple[int, float]:
    import pandas

    table = pandas.read_parquet(index)
    found = table[(table.collection_id == COLLECTION) & (table.Modality == MODALITY)]
    return len(found), float(found.series_size_MB.sum())


def once(way: str, index: str) -> None:
    """Run one way and print what it found, its CPU seconds and its peak memory."""
    found = {"ours, counted": counted, "ours, all rows": rows, "pandas": plainly}[way](index)
    (peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    print(f"{found[0]} {found[1]:.0f} {time.process_time():.3f} {int(peak.split()[1]) // 1024}")


def filtering(index: str, rounds: int) -> None:
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    memory: dict[str, int] = {}
    answers = set()
    for _ in range(rounds):
        for way in WAYS:
            command = [sys.executable, "-m", "bench.idc_index", "--once", way, "--index", index]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            answers.add(tuple(said[:2]))
            seconds[way].append(float(said[2]))
            memory[way] = int(said[3])
    assert len(answers) == 1, answers
    ((series, megabytes),) = answers
    print(f"{COLLECTION}, {MODALITY}: {series} series, {float(megabytes) / 1000:.1f} GB")
    least = statistics.median(seconds["pandas"])
    for way in WAYS:
        median = statistics.median(seconds[way])
        print(
            f"{way:16} {median:5.2f} CPU s, {memory[way]:5d} MB; {least / median:.1f} times less time and "
            f"{memory['pandas'] / memory[way]:.1f} times less memory than pandas"
        )


@contextmanager
def search_server(url: str | None) -> Iterator[Store]:
    """Give an OpenSearch, one of its own where no address is given."""
    from local.stack import Stack  # imported where it is used: what filters does not need it

    if url is None:
        with tempfile.TemporaryDirectory(prefix="multimodal-bench-") as folder:
            stack = Stack(Path(folder))
            os.environ["ORTHANC_PASSWORD"] = stack.password
            try:
                stack.start({"search"})["search"].result()
                stack.servers["search"].wait()
                yield Stores(stack.stores()).get("search")
            finally:
                stack.stop()
        return
    yield Store("search", "opensearch", url, index="bench")


def registering(server: Store, folder: Path) -> None:
    import requests

    from multimodal.index.documents import Arrival
    from multimodal.index.series_index import SeriesIndex
    from multimodal.workflows.external_series import Selection
    from multimodal.workflows.import_dicomweb import Reference, import_by_reference
    from tests.fakes.idc_index_file import index_row, write_index

    each = []
    for size in SIZES:
        patients = [index_row("made_up", f"P{number // 10}", number) for number in range(size)]
        store = idc(str(write_index(folder / f"{size}.parquet", patients)))
        name = f"bench_{uuid.uuid4().hex[:12]}"
        search = Store("search", "opensearch", server.url, index=name, ca_file=server.ca_file, auth=server.auth)
        reference = Reference(Arrival(datetime.now(UTC), "bench", "bench"))
        with open_dicomweb(store) as dicom, SeriesIndex(search) as index:
            index.ensure()
            started, cpu = time.perf_counter(), time.process_time()
            selection = Selection(collections=["made_up"])
            result = import_by_reference(dicom, selection, index=index, bucket=None, reference=reference)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - started
            assert result.counts["documents created"] == size
            again = time.process_time()
            assert (
                import_by_reference(dicom, selection, index=index, bucket=None, reference=reference).counts[
                    "documents created"
                ]
                == 0
            )
            again = time.process_time() - again
        requests.delete(f"{server.url}/{name}", timeout=30)
        requests.delete(f"{server.url}/_index_template/multimodal-{name}", timeout=30)
        each.append(cpu / size)
        print(
            f"register {size:6d} series: {cpu:5.2f} CPU s ({cpu / size * 1000:.3f} ms each), {wall:5.2f} s in all; "
            f"a second time, unchanged: {again:.2f} CPU s"
        )
    print(f"one of {SIZES[-1]} costs {each[-1] / each[0]:.2f} times one of {SIZES[0]} (linear: 1)")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--index", default="")
    parser.add_argument("--url")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--once", choices=WAYS)
    options = parser.parse_args()
    if options.once:
        once(options.once, options.index)
        return
    try:
        index = str(open_index(idc(options.index)).path)
    except IndexNotInstalledError as error:
        print(f"filtering is not measured: {error}")
    else:
        filtering(index, options.rounds)
    with search_server(options.url) as server, tempfile.TemporaryDirectory() as folder:
        registering(server, Path(folder))


if __name__ == "__main__":
    main()
