"""Any two faults at once: the whole series, byte for byte, or a typed error with store, series and what is missing."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from multimodal.dicomweb import DicomWeb, IncompleteSeriesError, SeriesNotFoundError
from multimodal.dicomweb.folder import MISSING
from multimodal.dicomweb.profiles import load_profile
from multimodal.model.errors import DataRefusedError, RemoteError
from multimodal.model.ids import hash_uid
from multimodal.model.references import SeriesRef
from multimodal.transport import session as session_module
from multimodal.transport.session import HttpSession
from tests.fakes.dicom_files import write_series
from tests.fakes.dicomweb_faults import FAULTS
from tests.fakes.dicomweb_server import DicomWebServer

NAME, COUNT = "pairs", 4
REF = SeriesRef(hash_uid("test", NAME), hash_uid("test", NAME, "1"))
# Storage has its own tests; a trickle costs its budget of time, and what ends every call leaves nothing to the other.
PAIRED = [fault for fault in FAULTS if not fault.startswith("store-")]
ALONE = {"trickle", "503-for-ever", "401", "redirect"}
PAIRS = [pair for pair in itertools.combinations(PAIRED, 2) if not set(pair) & ALONE]
# What only a profile with Orthanc's own API asks for.
OF_ORTHANC = {fault for fault in PAIRED if fault.startswith("orthanc-api")}
GROUPS = 8


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    write_series(folder, NAME, COUNT, size=8)
    return folder


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module.time, "sleep", lambda _: None)


def pull(server: DicomWebServer, profile: str, folder: Path) -> Exception | None:
    store = server.store(attempts=2, answer_seconds=0.2, timeout=2.0)
    with DicomWeb(store, load_profile(profile), HttpSession(store)) as dicom:
        try:
            dicom.pull(REF, folder)
        except (RemoteError, DataRefusedError) as error:
            return error
    return None


def check(error: Exception | None, folder: Path, expected: dict[str, bytes], faults: tuple[str, ...]) -> None:
    have = {path.name: path.read_bytes() for path in folder.glob("*.dcm")}
    assert have.items() <= expected.items(), faults  # whatever happened: what has its name is whole
    assert not list(folder.glob("*.part")), faults
    if error is None:
        assert have == expected, faults
        assert not (folder / MISSING).exists(), faults
        return
    if isinstance(error, (RemoteError, SeriesNotFoundError)):
        assert (error.store, error.series_uid) == ("fake", REF.series_uid), faults
    if isinstance(error, IncompleteSeriesError):
        lines = [orjson.loads(line) for line in (folder / MISSING).read_bytes().splitlines()]
        assert {line["uid"]: line["reason"] for line in lines} == error.reasons, faults
        assert all(error.reasons.values()), faults
        named = {f"{uid}.dcm" for uid in error.missing}
        assert named, faults
        assert not named & have.keys(), faults
        assert named | have.keys() == expected.keys(), faults


@pytest.mark.parametrize("group", range(GROUPS))
def test_every_pair(group: int, served: Path, tmp_path: Path) -> None:
    expected = {path.name: path.read_bytes() for path in served.glob("*.dcm")}

    def one(number: int, pair: tuple[str, str]) -> None:
        profile = "generic" if number % 2 and not set(pair) & OF_ORTHANC else "orthanc"
        with DicomWebServer(served, *pair) as server:
            folder = tmp_path / str(number)
            check(pull(server, profile, folder), folder, expected, (profile, *pair))

    with ThreadPoolExecutor(4) as pool:  # each mostly waits for its server
        list(pool.map(one, itertools.count(), PAIRS[group::GROUPS]))


@pytest.mark.parametrize("profile", ["generic", "orthanc", "google", "azure"])
def test_every_fault_alone(profile: str, served: Path, tmp_path: Path) -> None:
    expected = {path.name: path.read_bytes() for path in served.glob("*.dcm")}
    for fault in PAIRED:
        with DicomWebServer(served, fault) as server:
            check(pull(server, profile, tmp_path / fault), tmp_path / fault, expected, (profile, fault))
