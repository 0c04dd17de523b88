"""The same against two real Orthancs, Debian's of today and a newer one; their answers cut at fifty places."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from local.guard import guard
from local.install import MissingProgramError
from local.newer_orthanc import NewerOrthanc
from local.stack import Stack
from multimodal.dicomweb import SeriesNotFoundError, open_dicomweb
from multimodal.dicomweb.verify import read_header
from multimodal.model.dicom_json import text
from multimodal.model.ids import hash_uid
from multimodal.model.references import SeriesRef
from multimodal.transport.stores import Store, Stores
from tests.fakes.cutting_proxy import CuttingProxy
from tests.fakes.dicom_files import write_series

NAME, COUNT, PATIENT = "dicomweb on orthanc", 12, "DW ÄX"
REF = SeriesRef(hash_uid("test", NAME), hash_uid("test", NAME, "1"))
CUTS = 50
pytestmark = pytest.mark.timeout(900)  # the newer one may have to be fetched first


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return sorted(write_series(tmp_path_factory.mktemp("files"), NAME, COUNT, size=64, patient=PATIENT))


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    stack = Stack(tmp_path_factory.mktemp("newer") / "stack")
    server = NewerOrthanc(stack.orthanc.folder, password=stack.password)
    watch = guard(stack.folder)
    try:
        server.start()
        server.wait()
        yield Stores(stack.stores()).get("pacs", "dicomweb")
    except MissingProgramError as error:
        pytest.skip(str(error))
    finally:
        watch.communicate()


@pytest.fixture(scope="module", params=["orthanc", "newer"])
def server(request: pytest.FixtureRequest, orthanc: Store) -> Store:
    """Each of the two; asking for the one that all tests share has it started in time."""
    return orthanc if request.param == "orthanc" else request.getfixturevalue("newer")


@pytest.fixture(scope="module")
def pacs(server: Store, files: list[Path]) -> Store:
    with open_dicomweb(server) as dicom:
        report = dicom.push(files)
    assert not report.failed
    assert len(report.stored) + len(report.already) == COUNT
    return server


def test_they_are_of_two_versions(orthanc: Store, newer: Store) -> None:
    assert version(orthanc) < version(newer)


def version(store: Store) -> tuple[int, ...]:
    assert store.auth is not None
    login = (store.auth.user, store.auth.secret(store.name))
    answer = requests.get(f"{store.url.removesuffix('/dicom-web')}/system", auth=login, timeout=30)
    return tuple(int(number) for number in answer.json()["Version"].split("."))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.dcm")}


def test_what_was_pushed_comes_back_byte_for_byte(pacs: Store, files: list[Path], tmp_path: Path) -> None:
    with open_dicomweb(pacs) as dicom:
        assert dicom.find_series(REF.series_uid) == SeriesRef(REF.study_uid, REF.series_uid, pacs.name)
        report = dicom.pull(REF, tmp_path)
        assert len(dicom.metadata(REF)) == COUNT
        again = dicom.push(files)
    assert contents(tmp_path) == {path.name: path.read_bytes() for path in files}
    assert {i.sop_uid for i in report.instances} == {path.stem for path in files}
    assert (again.stored, len(again.already)) == ((), COUNT)


@pytest.mark.parametrize("patient", ["", "ÄÖ 1", " padded ", "a|b"])
def test_its_own_api_lists_the_instances_whatever_the_patient_is_called(
    patient: str, server: Store, tmp_path: Path
) -> None:
    """It names them by a hash of the PatientID too."""
    name = f"own-api {patient}"
    files = write_series(tmp_path / "made", name, 2, size=8, patient=patient)
    ref = SeriesRef(hash_uid("test", name), hash_uid("test", name, "1"))
    with open_dicomweb(server) as dicom:
        assert not dicom.push(files).failed
        assert dicom._database is not None
        known = dicom._database.ask(ref)
        assert known is not None
        assert known.consists_of([file.stem for file in files])
        assert not known.consists_of([files[0].stem])
        assert len(dicom.pull(ref, tmp_path / "out").instances) == 2


@pytest.mark.parametrize("profile", ["orthanc", "generic"])
def test_searches_find_what_is_there(profile: str, pacs: Store) -> None:
    with open_dicomweb(dataclasses.replace(pacs, profile=profile)) as dicom:
        for filters in (
            {"PatientID": PATIENT},
            {"PatientID": "DW *"},
            {"PatientID": PATIENT, "PatientName": "DOE^JÄNE"},
            {"PatientID": PATIENT, "StudyDate": "20240101-20241231"},
            {"StudyInstanceUID": f"1.2.3,{REF.study_uid}"},
        ):
            assert [text(match, "StudyInstanceUID") for match in dicom.studies(filters)] == [REF.study_uid], filters
        assert not list(dicom.studies({"PatientID": "DW ÖX"}))
        assert not list(dicom.studies({"PatientID": "nobody"}))
        assert len(list(dicom.instances(REF.study_uid, REF.series_uid))) == COUNT
        assert len(list(dicom.series(REF.study_uid, {"Modality": "CT"}))) == 1


def test_pages_are_joined(pacs: Store) -> None:
    with open_dicomweb(pacs) as dicom:
        dicom._qido._profile = dataclasses.replace(dicom.profile, limit=5, short_page_ends=False)
        uids = [text(match, "SOPInstanceUID") for match in dicom.instances(REF.study_uid, REF.series_uid)]
    assert len(uids) == len(set(uids)) == COUNT


@pytest.mark.parametrize("profile", ["orthanc", "generic"])
def test_a_series_that_does_not_exist(profile: str, pacs: Store, tmp_path: Path) -> None:
    with open_dicomweb(dataclasses.replace(pacs, profile=profile)) as dicom:
        for ref in (SeriesRef(REF.study_uid, "1.2.3"), SeriesRef("1.2.3", REF.series_uid)):
            with pytest.raises(SeriesNotFoundError):
                dicom.pull(ref, tmp_path / "out")
        with pytest.raises(SeriesNotFoundError):
            dicom.find_series("1.2.3")


def through(pacs: Store, proxy: CuttingProxy) -> Store:
    address = urlsplit(pacs.url)
    return dataclasses.replace(pacs, url=f"http://127.0.0.1:{proxy.port}{address.path}")


def test_cut_at_fifty_places_it_comes_whole_and_never_twice(
    pacs: Store, files: list[Path], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Every cut of a real answer is noticed, ends in the whole series, and only what it took is fetched again."""
    port = urlsplit(pacs.url).port
    assert port is not None
    expected = {path.name: path.read_bytes() for path in files}
    size = sum(map(len, expected.values()))
    in_vain: list[int] = []
    silent = resumed = 0
    for number in range(CUTS):
        folder = tmp_path / str(number)
        cut_at = 1 + size * number // (CUTS - 1)
        with CuttingProxy(port, cut_at) as proxy, open_dicomweb(through(pacs, proxy)) as dicom:
            report = dicom.pull(REF, folder)
        assert proxy.has_cut, cut_at
        whole = contents(folder) == expected
        silent += not whole
        resumed += whole
        assert not list(folder.glob("*.part"))
        # Twice came at most the instance that was cut and the one whose boundary was not seen.
        assert report.fetched_bytes == size + report.refetched_bytes, cut_at
        assert report.refetched_bytes <= 2 * files[0].stat().st_size, cut_at
        in_vain.append(report.refetched_bytes)
    assert (silent, resumed) == (0, CUTS)
    assert any(in_vain)  # what was fetched twice is told
    record_property("cuts, silent, resumed", (CUTS, silent, resumed))
    record_property("bytes fetched again, mean and most, of", (sum(in_vain) // CUTS, max(in_vain), size))


def test_public_files_come_back_byte_for_byte(server: Store, public_data: Path, tmp_path: Path) -> None:
    """Implicit VR, no study date, a structure set: as hospitals have them."""
    folder = public_data / "ibsi" / "ibsi_1_ct_radiomics_phantom" / "dicom"
    files = sorted(folder.rglob("*.dcm"))
    assert files
    with open_dicomweb(server) as dicom:
        report = dicom.push(files)
        assert not report.failed
        headers = [read_header(file.read_bytes()) for file in files]
        for series in {header.series_uid for header in headers}:
            dicom.pull(dicom.find_series(series), tmp_path / series)
    pulled = {path.stem: path.read_bytes() for path in tmp_path.rglob("*.dcm")}
    assert pulled == {header.sop_uid: file.read_bytes() for header, file in zip(headers, files, strict=True)}
