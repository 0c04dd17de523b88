"""Any two faults of storage at once: what is told to be stored is stored, and all else is named with its reason."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from multimodal.dicomweb import PushReport, open_dicomweb
from multimodal.model.errors import RemoteError
from multimodal.transport import session as session_module
from tests.fakes.dicom_files import write_series
from tests.fakes.dicomweb_faults import FAULTS
from tests.fakes.dicomweb_server import DicomWebServer

COUNT = 4
ANY_CALL = ("500-once", "503-retry-after", "503-for-ever", "429-once", "hangs-up-once", "401", "redirect")
SEARCHES = ("empty-204", "empty-404", "limit-ignored", "offset-ignored", "default-limit", "object-body", "wrong-count")
STORAGE = [fault for fault in FAULTS if fault.startswith("store-")]
PAIRS = [(fault,) for fault in STORAGE] + [
    pair for pair in itertools.combinations([*STORAGE, *ANY_CALL, *SEARCHES], 2) if set(pair) & set(STORAGE)
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return sorted(write_series(tmp_path_factory.mktemp("push"), "push pairs", COUNT, size=8))


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_a_push_tells_the_truth(pair: tuple[str, ...], files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module.time, "sleep", lambda _: None)
    with DicomWebServer(None, *pair) as server:
        server.put(files[0].read_bytes())
        try:
            with open_dicomweb(server.store(attempts=2)) as dicom:
                report = dicom.push(files)
        except RemoteError as error:
            assert error.store == "fake"  # noqa: PT017 - some of the pairs do not fail
            return
        check(report, server, files)


def check(report: PushReport, server: DicomWebServer, files: list[Path]) -> None:
    confirmed = {*report.stored, *report.already}
    failed = {failure.sop_uid: failure.reason for failure in report.failed}
    assert confirmed | failed.keys() == {path.stem for path in files}
    assert not confirmed & failed.keys()
    assert all(failed.values())
    for path in files:
        if path.stem in confirmed:
            assert server.stored[path.stem].content == path.read_bytes()
