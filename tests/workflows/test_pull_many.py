"""Many series at once: what one of them does is nothing to the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from multimodal.dicomweb import DicomWeb, IncompleteSeriesError, open_dicomweb
from multimodal.model.ids import hash_uid
from multimodal.model.results import Status
from multimodal.transport.errors import UnreachableError
from multimodal.transport.stores import Store
from multimodal.workflows.pull_series import pull_each, pull_series
from tests.fakes.dicom_files import write_series
from tests.fakes.dicomweb_server import DicomWebServer

COUNT, SLICES = 6, 3
SERIES = [hash_uid("test", "many", str(number)) for number in range(COUNT)]
STORES = """stores:
  pacs: {{kind: dicomweb, profile: generic, url: "{url}", patient_system: "urn:x", connections: 2}}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    for number in range(COUNT):
        write_series(folder / str(number), "many", SLICES, series=str(number), size=32)
    return folder


@pytest.fixture
def server(served: Path) -> Iterator[DicomWebServer]:
    with DicomWebServer(served) as server:
        yield server


def pulled(folder: Path) -> dict[str, int]:
    return {one.name: len(list(one.glob("*.dcm"))) for one in folder.iterdir()}


def test_series_of_a_folder_are_pulled_as_from_any_store(served: Path, tmp_path: Path) -> None:
    with open_dicomweb(Store("disk", "dicomweb", profile="google-folder", path=str(served))) as dicom:
        result = pull_series(dicom, [*SERIES, "1.2.3"], tmp_path.joinpath)
    assert (result.status, result.counts["instances"]) == (Status.PARTIAL, COUNT * SLICES)
    assert pulled(tmp_path) == dict.fromkeys(SERIES, SLICES)


class Told:
    """What a progress was told, by threads that may not do so at once."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, int, int | None]] = []
        self._busy = threading.Lock()

    def __call__(self, what: str, done: int, total: int | None = None) -> None:
        assert self._busy.acquire(blocking=False)
        self.lines.append((what, done, total))
        self._busy.release()


def test_as_many_come_at_once_as_there_are_connections(server: DicomWebServer, tmp_path: Path) -> None:
    three = threading.Barrier(3)
    server.held = dict.fromkeys(SERIES, three)
    told = Told()
    with open_dicomweb(server.store(connections=3)) as dicom:
        result = pull_series(dicom, SERIES, tmp_path.joinpath, progress=told)
    assert not three.broken
    assert server.most_at_once == 3
    assert (result.status, result.counts["series"], result.counts["instances"]) == (Status.DONE, COUNT, COUNT * SLICES)
    assert [line for line in told.lines if line[0] == "series"] == [("series", n, COUNT) for n in range(1, COUNT + 1)]
    instances = [done for what, done, _ in told.lines if what == "instances"]
    assert instances == sorted(instances)
    assert instances[-1] == COUNT * SLICES


def test_issues_stand_in_the_order_of_the_series(server: DicomWebServer, tmp_path: Path) -> None:
    asked = ["1.2.9", SERIES[0], "1.2.3", SERIES[1], "1.2.5", SERIES[0]]
    with open_dicomweb(server.store()) as dicom:
        result = pull_series(dicom, asked, tmp_path.joinpath)
    assert [issue.record for issue in result.issues] == ["1.2.9", "1.2.3", "1.2.5"]
    assert (result.status, result.counts["series"]) == (Status.PARTIAL, 2)  # one was asked for twice


def test_a_series_that_fails_ends_no_other(served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served, "missing-instance") as server, open_dicomweb(server.store()) as dicom:
        broken = server.stored[min(server.stored)].dataset.SeriesInstanceUID
        outcome = pull_each(dicom, SERIES, tmp_path.joinpath)
        assert [error.series_uid for error in outcome.failed] == [broken]
        assert outcome.fetched == [uid for uid in SERIES if uid != broken]
        with pytest.raises(IncompleteSeriesError, match="not whole: 1 instance is missing") as caught:
            pull_series(dicom, SERIES, tmp_path.joinpath)
    assert caught.value.series_uid == broken
    assert pulled(tmp_path) == {uid: SLICES - (uid == broken) for uid in SERIES}


def test_a_store_that_is_away_is_not_asked_for_every_series(tmp_path: Path) -> None:
    store = Store("away", "dicomweb", "http://127.0.0.1:9/dicom-web", attempts=1, connections=2)
    with open_dicomweb(store) as dicom:
        outcome = pull_each(dicom, SERIES, tmp_path.joinpath)
        assert 1 <= len(outcome.failed) <= 2
        assert len(outcome.failed) + len(outcome.not_asked) == COUNT
        with pytest.raises(UnreachableError, match="5 more series did not come"):
            pull_series(dicom, SERIES, tmp_path.joinpath)


def test_series_of_one_folder_do_not_take_each_others_files(server: DicomWebServer, tmp_path: Path) -> None:
    with open_dicomweb(server.store()) as dicom:
        pull_series(dicom, SERIES, lambda _: tmp_path / "all")
    assert pulled(tmp_path) == {"all": COUNT * SLICES}


def test_an_interrupted_run_ends_and_the_next_takes_up_what_came(server: DicomWebServer, tmp_path: Path) -> None:
    """The third series and the fourth are under way when it is interrupted: they end, and no other is begun."""
    ended = threading.Event()
    server.held = dict.fromkeys(SERIES[2:], ended)

    def interrupted(what: str, done: int, total: int | None = None) -> None:
        if (what, done) == ("series", 2):
            raise KeyboardInterrupt

    with open_dicomweb(server.store(connections=2)) as dicom:
        threading.Thread(target=_set_when_closed, args=(dicom, ended), daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            pull_series(dicom, SERIES, tmp_path.joinpath, progress=interrupted)
    assert sum(pulled(tmp_path).values()) == 2 * SLICES
    with open_dicomweb(server.store()) as dicom:
        result = pull_series(dicom, SERIES, tmp_path.joinpath)
    assert (result.counts["instances"], result.counts["instances there before"]) == (COUNT * SLICES, 2 * SLICES)


def _set_when_closed(dicom: DicomWeb, ended: threading.Event) -> None:
    dicom._session._ended.wait()
    ended.set()


def test_a_killed_run_loses_nothing_that_was_verified(server: DicomWebServer, tmp_path: Path) -> None:
    """One series is held by the store, the others come; then the process is killed."""
    server.held = {SERIES[0]: threading.Event()}
    stores, out = tmp_path / "stores.yaml", tmp_path / "out"
    stores.write_text(STORES.format(url=server.url))
    out.mkdir()
    arguments = ["pull", "--store", "pacs", "--stores", str(stores), "--out", str(out)]
    arguments += [word for uid in SERIES for word in ("--series", uid)]
    code = "from multimodal.cli import main; main()"
    child = subprocess.Popen([sys.executable, "-c", code, *arguments], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60.0
        while sum(pulled(out).values()) < (COUNT - 1) * SLICES:
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    server.held = {}
    with open_dicomweb(server.store()) as dicom:
        result = pull_series(dicom, SERIES, out.joinpath)
    assert pulled(out) == dict.fromkeys(SERIES, SLICES)
    # Of one instance the process may have been killed between its name and its line in the list.
    assert result.counts["instances there before"] >= (COUNT - 1) * SLICES - 1


def test_many_series_of_a_real_server(orthanc: Store, served: Path, tmp_path: Path) -> None:
    with open_dicomweb(orthanc) as dicom:
        assert not dicom.push(sorted(served.rglob("*.dcm"))).failed
        result = pull_series(dicom, [*SERIES, "1.2.3"], tmp_path.joinpath)
    assert (result.counts["series"], [issue.record for issue in result.issues]) == (COUNT, ["1.2.3"])
    files = {path.name: path.read_bytes() for path in served.rglob("*.dcm")}
    assert {path.name: path.read_bytes() for path in tmp_path.rglob("*.dcm")} == files
