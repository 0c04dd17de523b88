"""A pull ends in a whole, verified series or in a typed error, whatever the server does."""

from __future__ import annotations

import resource
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
import requests

from multimodal.dicomweb import IncompleteSeriesError, PullReport, SeriesNotFoundError, open_dicomweb
from multimodal.dicomweb.folder import MANIFEST, SeriesFolder
from multimodal.dicomweb.retrieve import _date_of, _ends_with_connection
from multimodal.model.errors import ConfigurationError
from multimodal.model.ids import hash_uid
from multimodal.model.references import SeriesRef
from multimodal.transport.session import LoginRefusedError, RequestRefusedError, StoreFailedError, UnreachableError
from multimodal.transport.stores import Store
from tests.fakes.dicom_files import write_series
from tests.fakes.dicomweb_server import DicomWebServer

NAME, COUNT = "retrieve", 8
REF = SeriesRef(hash_uid("test", NAME), hash_uid("test", NAME, "1"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    write_series(folder / "one", NAME, COUNT)
    write_series(folder / "other", NAME, 2, series="2")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.dcm")}


def assert_whole(folder: Path, served: Path) -> None:
    assert contents(folder) == contents(served / "one")
    assert not list(folder.glob("*.part"))


def pull(store: Store, folder: Path, ref: SeriesRef = REF) -> PullReport:
    with open_dicomweb(store) as dicom:
        return dicom.pull(ref, folder)


# fault -> single instances that must be asked for after it
SURVIVED = {
    "": 0,
    "cut-in-part": 4,
    "cut-between-parts": 5,  # the last that came has no boundary after it: not proven
    "cut-in-headers": 4,
    "cut-with-length": 4,
    "cut-chunked": 4,
    "omitted-instance": 1,
    "duplicate-instance": 0,
    "no-length": 0,
    "chunk-split-boundary": 0,
    "406-with-star": 0,
    "406-without-star": 0,
    "gzip-lie": 8,
    "series-400": 8,
    "series-500": 8,
    "trickle": 8,
    "503-retry-after": 0,
    "503-retry-after-date": 0,
    "500-once": 0,
    "429-once": 0,
    "hangs-up-once": 0,
    "empty-204": 0,
    "limit-ignored": 0,
    "default-limit": 0,
    "wrong-links": 0,
    "cut-singles": 0,
}


@pytest.mark.parametrize("fault", SURVIVED)
def test_the_series_comes_whole_in_spite_of(fault: str, served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served, *filter(None, [fault])) as server:
        report = pull(server.store(answer_seconds=0.3), tmp_path)
        assert_whole(tmp_path, served)
        singles = [path for path in server.retrievals() if "/instances/" in path]
    if fault in {"cut-with-length", "cut-chunked"}:  # how much of it arrived depends on the buffers
        assert len(singles) >= SURVIVED[fault]
    else:
        assert len(singles) == SURVIVED[fault]
    assert len(report.instances) == COUNT
    assert report.resumed == 0


@pytest.mark.parametrize("fault", ["cut-in-part", "cut-between-parts"])
@pytest.mark.parametrize("second", ["cut-singles-once", "single-part", "chunk-split-boundary", "no-length"])
def test_the_series_comes_whole_in_spite_of_two(fault: str, second: str, served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served, fault, second) as server:
        pull(server.store(), tmp_path)
        assert_whole(tmp_path, served)


MISSING_ONE = ["missing-instance", "wrong-uid", "foreign-instance", "instance-500"]
MISSING_SOME = ["short-pixels", "not-dicom", "wrong-length", "huge-length", "bad-length"]


@pytest.mark.parametrize("fault", MISSING_ONE + MISSING_SOME)
def test_what_cannot_be_had_is_named(fault: str, served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served, fault) as server:
        with pytest.raises(IncompleteSeriesError) as caught:
            pull(server.store(), tmp_path)
        first = min(path.stem for path in (served / "one").glob("*.dcm"))
    error = caught.value
    assert (error.store, error.series_uid) == ("fake", REF.series_uid)
    assert first in error.missing
    if fault in MISSING_ONE:
        assert error.missing == (first,)
    have = contents(tmp_path)
    assert have.items() <= contents(served / "one").items()  # what is there is whole
    assert {path.stem for path in (served / "one").glob("*.dcm")} - {Path(n).stem for n in have} == set(error.missing)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("faults", [("cut-in-part", "cut-singles"), ("cut-in-part", "single-part-cut")])
def test_a_series_that_stays_cut_is_an_error(faults: tuple[str, ...], served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served, *faults) as server, pytest.raises(IncompleteSeriesError) as caught:
        pull(server.store(), tmp_path)
    assert len(caught.value.missing) == 4
    assert len(contents(tmp_path)) == 4


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("401", LoginRefusedError),
        ("503-for-ever", StoreFailedError),
        ("redirect", RequestRefusedError),
        ("html", IncompleteSeriesError),
    ],
)
def test_a_store_that_does_not_serve_is_an_error(
    fault: str, error: type[Exception], served: Path, tmp_path: Path
) -> None:
    with DicomWebServer(served, fault) as server, pytest.raises(error):
        pull(server.store(attempts=2), tmp_path / "out")


def test_a_store_that_is_down_is_unreachable(tmp_path: Path) -> None:
    with DicomWebServer(None) as server:
        store = server.store(attempts=1)
    with pytest.raises(UnreachableError, match="refused"):
        pull(store, tmp_path)


@pytest.mark.parametrize(
    ("profile", "faults"), [("generic", []), ("generic", ["empty-404"]), ("generic", ["empty-204"]), ("orthanc", [])]
)
def test_a_series_that_does_not_exist(profile: str, faults: list[str], served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served, *faults) as server:
        store = server.store(profile=profile)
        with pytest.raises(SeriesNotFoundError) as caught:
            pull(store, tmp_path / "out", SeriesRef(REF.study_uid, "1.2.3"))
        with open_dicomweb(store) as dicom, pytest.raises(SeriesNotFoundError):
            dicom.find_series("1.2.3")
    assert (caught.value.store, caught.value.series_uid) == ("fake", "1.2.3")
    assert not (tmp_path / "out").exists()


def test_a_rerun_fetches_only_what_is_missing(served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served, "cut-in-part", "cut-singles") as server, pytest.raises(IncompleteSeriesError) as caught:
        pull(server.store(), tmp_path)
    with DicomWebServer(served) as server:
        report = pull(server.store(), tmp_path)
        asked = {path.rsplit("/", 1)[-1] for path in server.retrievals() if "/instances/" in path}
        assert asked == set(caught.value.missing)
        assert report.resumed == 4
        assert_whole(tmp_path, served)
        again = pull(server.store(), tmp_path)
        assert (again.resumed, again.fetched_bytes) == (COUNT, 0)
        assert again.instances == report.instances


def test_a_file_that_changed_since_is_fetched_again(served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served) as server:
        pull(server.store(), tmp_path)
        spoilt, gone, *_ = sorted(tmp_path.glob("*.dcm"))
        spoilt.write_bytes(spoilt.read_bytes()[:-1] + b"x")
        gone.unlink()
        (tmp_path / "000001.part").write_bytes(b"of a run that was killed")
        (tmp_path / MANIFEST).open("ab").write(b'{"series": "1.2')
        report = pull(server.store(), tmp_path)
        assert report.resumed == COUNT - 2
        assert_whole(tmp_path, served)
        assert pull(server.store(), tmp_path).resumed == COUNT  # the unfinished line spoilt no other


def test_an_instance_that_the_store_deleted_is_dropped(served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served) as server:
        pull(server.store(), tmp_path)
        gone = min(uid for uid, stored in server.stored.items() if stored.dataset.SeriesInstanceUID == REF.series_uid)
        del server.stored[gone]
        report = pull(server.store(), tmp_path)
    assert len(report.instances) == COUNT - 1
    assert (report.resumed, report.removed) == (COUNT - 1, 1)
    assert not (tmp_path / f"{gone}.dcm").exists()


def test_links_in_answers_are_not_followed(served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served, "wrong-links") as server:
        pull(server.store(), tmp_path)
        assert all(request.split()[1].startswith("/dicom-web/") for request in server.requests)


def test_a_trickle_ends_by_its_budget(served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served, "trickle") as server:
        started = time.monotonic()
        pull(server.store(answer_seconds=0.5), tmp_path)
    assert time.monotonic() - started < 4


def test_the_manifest_says_what_came_from_where(served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served) as server:
        report = pull(server.store(), tmp_path)
    lines = [orjson.loads(line) for line in (tmp_path / MANIFEST).read_bytes().splitlines()]
    assert {line["store"] for line in lines} == {"fake"}
    assert {(i.sop_uid, i.bytes, i.sha256) for i in report.instances} == {
        (line["uid"], line["bytes"], line["sha256"]) for line in lines
    }


def with_headers(**headers: str) -> requests.Response:
    answer = requests.Response()
    answer.headers.update({name.replace("_", "-"): text for name, text in headers.items()})
    return answer


@pytest.mark.parametrize(
    "date", ["", "soon", "Fri, 21 Nov 2026 00:00:00 +99999999999999999999", "Sun, 22 Nov 9999999999"]
)
def test_a_date_that_is_none_is_that_of_today(date: str) -> None:
    time = datetime.fromisoformat(_date_of(with_headers(Date=date)))
    assert abs(datetime.now(UTC) - time) < timedelta(minutes=1)


@pytest.mark.parametrize(("length", "unproven"), [("5", False), ("-5", True), ("five", True), ("²", True), ("", True)])
def test_a_length_that_is_none_proves_no_end(length: str, unproven: bool) -> None:
    answer = with_headers(Content_Length=length, Content_Type="application/dicom")
    assert _ends_with_connection(answer) == unproven


def test_a_folder_that_cannot_be_written_is_named(served: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with DicomWebServer(served) as server, pytest.raises(ConfigurationError, match=r"cannot write to .*file"):
        pull(server.store(), tmp_path / "file")


def test_a_folder_that_another_pull_writes_to_is_left_alone(served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served) as server:
        with closing(SeriesFolder(tmp_path, REF)) as other, other.part() as part:
            part.write(b"of the other")
            with pytest.raises(ConfigurationError, match=r"another pull is writing to .*wait for it"):
                pull(server.store(), tmp_path)
            assert Path(part.path).is_file()
        assert len(pull(server.store(), tmp_path).instances) == COUNT


def test_a_list_of_somebody_else_is_not_believed(served: Path, tmp_path: Path) -> None:
    lines = b'[]\n{"series": 1}\n{"series": "1.2", "uid": "../x", "bytes": 1, "sha256": ""}\n'
    (tmp_path / MANIFEST).write_bytes(lines)
    with DicomWebServer(served) as server:
        assert pull(server.store(), tmp_path).resumed == 0
    assert_whole(tmp_path, served)


def test_a_line_of_the_manifest_that_does_not_fit_on_the_disk_is_told(tmp_path: Path) -> None:
    """The system then writes a part of it, and says so by a number alone."""
    write_series(tmp_path / "served", NAME, 1)
    (out := tmp_path / "out").mkdir()
    before = b"x" * 100_000 + b"\n"
    (out / MANIFEST).write_bytes(before)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with DicomWebServer(tmp_path / "served") as server:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 50, limits[1]))
        try:
            with pytest.raises(ConfigurationError, match="cannot write to"):
                pull(server.store(), out)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert pull(server.store(), out).instances
        assert pull(server.store(), out).resumed == 1


def test_progress_is_told(served: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    with DicomWebServer(served) as server, open_dicomweb(server.store()) as dicom:
        dicom.pull(REF, tmp_path, progress=lambda what, done, total=None: told.append((what, done, total)))
    assert told[-1] == ("instances", COUNT, COUNT)
