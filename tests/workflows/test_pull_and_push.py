"""Series and files through a store: what is counted, what is reported, what is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.dicomweb import IncompleteSeriesError, SeriesNotFoundError, open_dicomweb
from multimodal.model.errors import DataRefusedError
from multimodal.model.ids import hash_uid
from multimodal.model.results import Status
from multimodal.workflows.pull_series import pull_series
from multimodal.workflows.push_files import push_files
from tests.fakes.dicom_files import write_series
from tests.fakes.dicomweb_server import DicomWebServer

ONE, TWO = (hash_uid("test", "workflow", series) for series in "12")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    write_series(folder / "one", "workflow", 3, series="1")
    write_series(folder / "two", "workflow", 2, series="2")
    return folder


def test_each_series_comes_into_its_folder(served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served) as server, open_dicomweb(server.store()) as dicom:
        result = pull_series(dicom, [ONE, TWO], lambda uid: tmp_path / uid / "get-input")
        assert result.status is Status.DONE
        assert (result.counts["series"], result.counts["instances"]) == (2, 5)
        assert len(list((tmp_path / ONE / "get-input").glob("*.dcm"))) == 3
        again = pull_series(dicom, [ONE, TWO], lambda uid: tmp_path / uid / "get-input")
    assert (again.counts["instances there before"], again.counts["bytes fetched"]) == (5, 0)


def test_a_series_that_does_not_exist_is_reported(served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served) as server, open_dicomweb(server.store()) as dicom:
        result = pull_series(dicom, ["1.2.3", ONE], tmp_path.joinpath)
        assert result.status is Status.PARTIAL
        assert [issue.record for issue in result.issues] == ["1.2.3"]
        with pytest.raises(SeriesNotFoundError):
            pull_series(dicom, ["1.2.3", "1.2.4"], tmp_path.joinpath)


def test_a_series_that_is_not_whole_is_an_error_after_the_others(served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served, "missing-instance") as server, open_dicomweb(server.store()) as dicom:
        first = min(server.stored)
        broken = server.stored[first].dataset.SeriesInstanceUID
        with pytest.raises(IncompleteSeriesError) as caught:
            pull_series(dicom, [broken, *({ONE, TWO} - {broken})], tmp_path.joinpath)
        whole = ({ONE, TWO} - {broken}).pop()
    assert caught.value.missing == (first,)
    assert list((tmp_path / whole).glob("*.dcm"))


def test_no_series_is_nothing_to_do(served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served) as server, open_dicomweb(server.store()) as dicom:
        assert pull_series(dicom, [], tmp_path.joinpath).status is Status.NOTHING


def test_a_folder_is_pushed(served: Path, tmp_path: Path) -> None:
    pulled = tmp_path / "pulled"
    with DicomWebServer(served) as server, open_dicomweb(server.store()) as dicom:
        pull_series(dicom, [ONE], lambda uid: pulled)
    (pulled / "bad.dcm").write_text("hello")
    with DicomWebServer(None) as server, open_dicomweb(server.store()) as dicom:
        result = push_files(dicom, pulled)
        assert result.status is Status.PARTIAL
        assert [issue.sheet for issue in result.issues] == ["bad.dcm"]  # our own list is no file to send
        (pulled / "bad.dcm").unlink()
        again = push_files(dicom, pulled)
    assert result.counts["instances stored"] == 3
    assert (again.status, again.counts["instances there before"], again.counts["bytes sent"]) == (Status.DONE, 3, 0)


def test_files_that_are_no_dicom_are_left_and_counted(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, second = write_series(out, "beside", 2)
    second.rename(out / "no-suffix")
    for name in ("features.csv", "result.json", "errors.csv"):
        (out / name).write_text("x" * 500)
    with DicomWebServer(None) as server, open_dicomweb(server.store()) as dicom:
        result = push_files(dicom, out)
        assert (result.status, result.issues) == (Status.DONE, [])
        assert result.warnings == ["3 files are no DICOM and were left"]
        assert (result.counts["files"], result.counts["instances stored"]) == (2, 2)
        whole = first.read_bytes()
        (out / "cut").write_bytes(whole[:300])
        (out / "CUT.DCM").write_bytes(b"")
        (out / "bare").write_bytes(whole[132:])  # a data set without the prefix of a file
        damaged = push_files(dicom, out)
        assert damaged.status is Status.PARTIAL
        assert sorted(issue.sheet for issue in damaged.issues) == ["CUT.DCM", "bare", "cut"]
        assert {issue.code for issue in damaged.issues} == {"E902"}


def test_a_folder_without_dicom_is_nothing_to_do(tmp_path: Path) -> None:
    (tmp_path / "features.csv").write_text("a,b\n")
    with DicomWebServer(None) as server, open_dicomweb(server.store()) as dicom:
        result = push_files(dicom, tmp_path)
    assert (result.status, result.warnings) == (Status.NOTHING, ["1 file is no DICOM and was left"])


def test_a_folder_of_which_nothing_is_taken_is_an_error(served: Path, tmp_path: Path) -> None:
    with DicomWebServer(None, "store-refuses") as server, open_dicomweb(server.store()) as dicom:
        with pytest.raises(DataRefusedError, match="took none of 3 files"):
            push_files(dicom, served / "one")
        with pytest.raises(DataRefusedError, match="no such folder"):
            push_files(dicom, tmp_path / "not-there")
        (tmp_path / "empty").mkdir()
        assert push_files(dicom, tmp_path / "empty").status is Status.NOTHING
