"""A push says of each file what became of it, and can be repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.dicomweb import PushReport, open_dicomweb
from multimodal.dicomweb.profiles import load_profile
from multimodal.dicomweb.store import Upload
from multimodal.transport.session import HttpSession, LoginRefusedError, StoreFailedError
from multimodal.transport.stores import Store
from tests.fakes.dicom_files import write_series
from tests.fakes.dicomweb_server import DicomWebServer

COUNT = 5


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return sorted(write_series(tmp_path_factory.mktemp("push"), "push", COUNT))


def push(store: Store, files: list[Path]) -> PushReport:
    with open_dicomweb(store) as dicom:
        return dicom.push(files)


@pytest.mark.parametrize(
    "fault", ["", "500-once", "503-retry-after", "hangs-up-once", "store-202", "store-400", "store-413", "empty-404"]
)
def test_all_come_to_be_there(fault: str, files: list[Path]) -> None:
    with DicomWebServer(None, *filter(None, [fault])) as server:
        report = push(server.store(), files)
        assert sorted(report.stored) == [path.stem for path in files] == sorted(server.stored)
        assert [server.stored[path.stem].content for path in files] == [path.read_bytes() for path in files]
        assert not report.failed


def test_a_second_push_sends_nothing(files: list[Path]) -> None:
    with DicomWebServer(None) as server:
        push(server.store(), files[:2])
        report = push(server.store(), files)
        assert (len(report.stored), len(report.already)) == (COUNT - 2, 2)
        posts = [request for request in server.requests if request.startswith("POST")]
        again = push(server.store(), files)
        assert [request for request in server.requests if request.startswith("POST")] == posts
    assert (again.stored, len(again.already), again.sent_bytes) == ((), COUNT, 0)


def test_a_duplicate_that_the_store_refuses_was_there(files: list[Path]) -> None:
    with DicomWebServer(None, "store-409") as server:
        server.put(files[0].read_bytes())
        with HttpSession(server.store()) as session:
            upload = Upload(session, load_profile("generic"))
            upload._there = dict.fromkeys([_series_key(server)], frozenset())  # as if it had come in meanwhile
            report = upload.run(files)
    assert report.already == (files[0].stem,)
    assert len(report.stored) == COUNT - 1


def _series_key(server: DicomWebServer) -> tuple[str, str]:
    (stored,) = server.stored.values()
    return str(stored.dataset.StudyInstanceUID), str(stored.dataset.SeriesInstanceUID)


def test_what_the_store_refuses_is_named(files: list[Path]) -> None:
    with DicomWebServer(None, "store-refuses") as server:
        report = push(server.store(), files)
    assert not report.stored
    assert [failed.path for failed in report.failed] == files
    assert "does not match its SOP class" in report.failed[0].reason


def test_what_is_not_confirmed_is_not_stored(files: list[Path]) -> None:
    with DicomWebServer(None, "store-silent") as server:
        report = push(server.store(), files)
    assert not report.stored
    assert "did not confirm" in report.failed[0].reason


def test_files_that_are_none_are_named(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").touch()
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(files[0].read_bytes()[:-50])
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    bare = tmp_path / "bare.dcm"
    bare.write_bytes(files[0].read_bytes()[132:])
    with DicomWebServer(None) as server:
        report = push(server.store(), [*sorted(tmp_path.iterdir()), files[0], files[0]])
    assert {failed.path.name for failed in report.failed} == {"notes.txt", "empty", "cut.dcm", "bare.dcm", "nowhere"}
    assert (report.stored, report.already) == ((files[0].stem,), (files[0].stem,))


def test_batches_are_bounded(files: list[Path]) -> None:
    import dataclasses

    size = files[0].stat().st_size
    profile = dataclasses.replace(load_profile("generic"), batch_bytes=2 * size)
    with DicomWebServer(None) as server, HttpSession(server.store()) as session:
        report = Upload(session, profile).run(files)
        assert len([request for request in server.requests if request.startswith("POST")]) == 3
    assert len(report.stored) == COUNT
    assert report.sent_bytes == COUNT * size


@pytest.mark.parametrize(("fault", "error"), [("401", LoginRefusedError), ("503-for-ever", StoreFailedError)])
def test_a_store_that_does_not_serve_is_an_error(fault: str, error: type[Exception], files: list[Path]) -> None:
    with DicomWebServer(None, fault) as server, pytest.raises(error):
        push(server.store(attempts=2), files)
