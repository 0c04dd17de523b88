"""Budgets, connections and the report of what is missing."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from multimodal.dicomweb import IncompleteSeriesError, open_dicomweb
from multimodal.dicomweb.folder import MANIFEST, MISSING
from multimodal.model.ids import hash_uid
from multimodal.model.references import SeriesRef
from multimodal.transport.budget import DailyLimit
from multimodal.transport.session import LoginRefusedError
from tests.fakes.dicom_files import write_series
from tests.fakes.dicomweb_server import DicomWebServer

NAME, COUNT = "limits", 6
REF = SeriesRef(hash_uid("test", NAME), hash_uid("test", NAME, "1"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("limits")
    write_series(folder, NAME, COUNT, size=300)
    return folder


def test_a_spent_budget_keeps_what_came_and_names_the_rest(served: Path, tmp_path: Path) -> None:
    size = sum(path.stat().st_size for path in served.glob("*.dcm"))
    state = tmp_path / "state.json"
    with DicomWebServer(served) as server:
        store = server.store(profile="idc-proxy", budget=DailyLimit(bytes=size // 2))
        with (
            open_dicomweb(store, budget_state=state) as dicom,
            pytest.raises(IncompleteSeriesError, match=r"budget of .* is spent; run again after .* UTC") as caught,
        ):
            dicom.pull(REF, tmp_path / "out")
        have = {path.stem for path in (tmp_path / "out").glob("*.dcm")}
        assert 0 < len(have) < COUNT
        assert set(caught.value.missing) == {path.stem for path in served.glob("*.dcm")} - have
        state.unlink()  # the next day
        with open_dicomweb(
            server.store(profile="idc-proxy", budget=DailyLimit(bytes=size)), budget_state=state
        ) as dicom:
            report = dicom.pull(REF, tmp_path / "out")
        assert (report.resumed, report.refetched_bytes) == (len(have), 0)
        assert orjson.loads(state.read_bytes())["fake"]["bytes"] < size


def test_the_report_says_why_and_goes_when_the_series_is_whole(served: Path, tmp_path: Path) -> None:
    with (
        DicomWebServer(served, "missing-instance") as server,
        open_dicomweb(server.store()) as dicom,
        pytest.raises(IncompleteSeriesError) as caught,
    ):
        dicom.pull(REF, tmp_path)
    (line,) = [orjson.loads(line) for line in (tmp_path / MISSING).read_bytes().splitlines()]
    (uid,) = caught.value.missing
    assert caught.value.reasons == {uid: line["reason"]}
    assert (line["uid"], line["series"], line["store"]) == (uid, REF.series_uid, "fake")
    assert "not there" in line["reason"]
    with DicomWebServer(served) as server, open_dicomweb(server.store()) as dicom:
        dicom.pull(REF, tmp_path)
    assert not (tmp_path / MISSING).exists()
    times = {orjson.loads(line)["time"] for line in (tmp_path / MANIFEST).read_bytes().splitlines()}
    assert all(time.endswith("+00:00") for time in times)


def test_an_error_of_the_store_names_the_series(served: Path, tmp_path: Path) -> None:
    with (
        DicomWebServer(served, "401") as server,
        open_dicomweb(server.store()) as dicom,
        pytest.raises(LoginRefusedError) as caught,
    ):
        dicom.pull(REF, tmp_path / "out")
    assert caught.value.series_uid == REF.series_uid


@pytest.mark.parametrize("fault", ["", "series-400", "cut-in-part"])
def test_one_connection_is_enough(fault: str, served: Path, tmp_path: Path) -> None:
    """The list and the bytes, or two instances, would be waiting for each other if one call held what another needs."""
    with (
        DicomWebServer(served, *filter(None, [fault])) as server,
        open_dicomweb(server.store(connections=1)) as dicom,
    ):
        assert len(dicom.pull(REF, tmp_path).instances) == COUNT


@pytest.mark.parametrize("connections", [1, 3])
def test_no_more_calls_at_once_than_the_store_allows(connections: int, served: Path, tmp_path: Path) -> None:
    with DicomWebServer(served, "series-400") as server:
        with open_dicomweb(server.store(connections=connections)) as dicom:
            dicom.pull(REF, tmp_path)
        assert server.most_at_once <= connections
