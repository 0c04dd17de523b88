"""Series of IDC from public buckets: whole and verified, or an error with what is missing."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from multimodal.dicomweb import DicomWeb, IncompleteSeriesError, SeriesNotFoundError, open_dicomweb
from multimodal.dicomweb.bucket_objects import PublicBucket
from multimodal.dicomweb.errors import UnexpectedAnswerError
from multimodal.dicomweb.idc_buckets import OBJECTS
from multimodal.model.dicom_json import text, values
from multimodal.model.errors import ConfigurationError, RemoteError
from multimodal.model.references import SeriesRef
from multimodal.transport.budget import DailyLimit
from multimodal.transport.errors import BudgetSpentError, LoginRefusedError, NotFoundError, RequestRefusedError
from multimodal.transport.session import BrokenAnswerError, HttpSession
from multimodal.transport.stores import Store
from tests.fakes.bucket_server import FAULTS, BucketServer
from tests.fakes.dicom_files import make_instance
from tests.fakes.idc_index_file import bucket_objects, row_of, write_index

COUNT = 5
INSTANCES = [make_instance("idc", number) for number in range(1, COUNT + 1)]
ROW = row_of(INSTANCES)
UIDS = sorted(str(instance.SOPInstanceUID) for instance in INSTANCES)
UID = ROW["SeriesInstanceUID"]
# Each of these is got over: the series is whole at the end.
HARMLESS = {
    "list-cut-once", "list-500-once", "list-markers", "cut-once", "cut-all-once", "slow-down-once", "hangs-up-once",
}  # fmt: skip
LIST_ERRORS: dict[str, type[RemoteError]] = {
    "list-cut": BrokenAnswerError,
    "list-no-token": UnexpectedAnswerError,
    "list-same-token": UnexpectedAnswerError,
    "list-foreign-key": UnexpectedAnswerError,
    "list-path-key": UnexpectedAnswerError,
    "list-html": UnexpectedAnswerError,
    "list-entities": UnexpectedAnswerError,
    "list-endless": UnexpectedAnswerError,
    "list-huge-page": UnexpectedAnswerError,
    "list-one-more": UnexpectedAnswerError,
    "no-bucket": NotFoundError,
    "moved-bucket": RequestRefusedError,
}
MISSING_ONE = set(FAULTS) - HARMLESS - set(LIST_ERRORS)

Served = Callable[..., BucketServer]


@pytest.fixture(scope="module")
def index_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(tmp_path_factory.mktemp("index") / "idc_index.parquet", [ROW])


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return bucket_objects(tmp_path_factory.mktemp("objects"), ROW, INSTANCES)


@pytest.fixture
def opened(index_file: Path) -> Callable[..., DicomWeb]:
    def opened(server: BucketServer, **settings: object) -> DicomWeb:
        return open_dicomweb(server.store(index_file=str(index_file), **settings))

    return opened


def files(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in folder.glob("*.dcm")}


def test_a_series_comes_whole_under_the_names_of_its_instances(
    opened: Callable[..., DicomWeb], objects: dict[str, bytes], tmp_path: Path
) -> None:
    with BucketServer(objects) as server, opened(server) as idc:
        assert idc.has_studies()
        ref = idc.find_series(UID)
        assert (ref.study_uid, ref.store) == (ROW["StudyInstanceUID"], "idc")
        report = idc.pull(ref, tmp_path / "out")
        assert [one.sop_uid for one in report.instances] == UIDS
        assert sorted(files(tmp_path / "out").values()) == sorted(objects.values())
        assert (report.fetched_bytes, report.refetched_bytes) == (sum(map(len, objects.values())), 0)
        server.requests.clear()
        again = idc.pull(ref, tmp_path / "out")
        assert (again.resumed, again.fetched_bytes, server.fetched()) == (COUNT, 0, [])


@pytest.mark.parametrize("fault", sorted(HARMLESS))
def test_what_passes_is_got_over(
    fault: str, opened: Callable[..., DicomWeb], objects: dict[str, bytes], tmp_path: Path
) -> None:
    with BucketServer(objects, fault) as server, opened(server) as idc:
        assert len(idc.pull(idc.find_series(UID), tmp_path / "out").instances) == COUNT


@pytest.mark.parametrize(("fault", "kind"), LIST_ERRORS.items())
def test_a_list_that_is_none_is_an_error_with_the_series(
    fault: str, kind: type[RemoteError], opened: Callable[..., DicomWeb], objects: dict[str, bytes], tmp_path: Path
) -> None:
    with BucketServer(objects, fault) as server, opened(server, retry_seconds=0.5) as idc:
        with pytest.raises(kind) as caught:
            idc.pull(idc.find_series(UID), tmp_path / "out")
        assert (caught.value.store, caught.value.series_uid) == ("idc", UID)
        assert server.fetched() == []
        assert files(tmp_path / "out") == {}
        assert len(server.requests) < 10


@pytest.mark.parametrize("fault", sorted(MISSING_ONE))
def test_an_object_that_is_spoilt_is_missing_and_named(
    fault: str, opened: Callable[..., DicomWeb], objects: dict[str, bytes], tmp_path: Path
) -> None:
    with (
        BucketServer(objects, fault) as server,
        opened(server, retry_seconds=0.5) as idc,
        pytest.raises(IncompleteSeriesError) as caught,
    ):
        idc.pull(idc.find_series(UID), tmp_path / "out")
    error = caught.value
    assert (error.store, error.series_uid) == ("idc", UID)
    assert all(error.reasons[name] for name in error.missing)
    assert (tmp_path / "out" / ".missing.jsonl").is_file()
    whole = files(tmp_path / "out")
    assert set(whole.values()) < set(objects.values())
    assert len(whole) + len(error.missing) == COUNT
    with BucketServer(objects) as mended, opened(mended) as idc:
        report = idc.pull(idc.find_series(UID), tmp_path / "out")
    assert (report.resumed, len(mended.fetched())) == (len(whole), COUNT - len(whole))
    assert set(files(tmp_path / "out").values()) == set(objects.values())
    assert not (tmp_path / "out" / ".missing.jsonl").exists()


def test_a_note_that_cannot_be_written_is_told(
    opened: Callable[..., DicomWeb], objects: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / OBJECTS).mkdir()
    with (
        BucketServer(objects) as server,
        opened(server) as idc,
        pytest.raises(ConfigurationError, match="cannot write to"),
    ):
        idc.pull(idc.find_series(UID), tmp_path)


@pytest.mark.parametrize("pair", sorted(itertools.combinations(sorted(HARMLESS - {"list-500-once"}), 2)))
def test_two_at_once_are_got_over(
    pair: tuple[str, str], opened: Callable[..., DicomWeb], objects: dict[str, bytes], tmp_path: Path
) -> None:
    with BucketServer(objects, *pair) as server, opened(server) as idc:
        assert len(idc.pull(idc.find_series(UID), tmp_path / "out").instances) == COUNT


@pytest.mark.parametrize("pair", sorted(itertools.combinations(sorted(FAULTS), 2))[::16])
def test_two_faults_give_the_whole_series_or_an_error_that_names_it(
    pair: tuple[str, str], opened: Callable[..., DicomWeb], objects: dict[str, bytes], tmp_path: Path
) -> None:
    with BucketServer(objects, *pair) as server, opened(server, retry_seconds=0.5) as idc:
        error = None
        try:
            idc.pull(idc.find_series(UID), tmp_path / "out")
        except RemoteError as raised:
            error = raised
    if error is None:
        assert len(files(tmp_path / "out")) == COUNT
    else:
        assert (error.store, error.series_uid) == ("idc", UID)
    assert set(files(tmp_path / "out").values()) <= set(objects.values())
    with BucketServer(objects) as mended, opened(mended) as idc:
        assert len(idc.pull(idc.find_series(UID), tmp_path / "out").instances) == COUNT


def test_the_login_that_is_refused_is_the_cause(
    opened: Callable[..., DicomWeb], objects: dict[str, bytes], tmp_path: Path
) -> None:
    with (
        BucketServer(objects, "denied") as server,
        opened(server) as idc,
        pytest.raises(IncompleteSeriesError) as caught,
    ):
        idc.pull(idc.find_series(UID), tmp_path / "out")
    assert isinstance(caught.value.__cause__, LoginRefusedError)


def test_a_budget_ends_a_pull_and_the_next_day_goes_on(
    opened: Callable[..., DicomWeb], objects: dict[str, bytes], tmp_path: Path
) -> None:
    state = tmp_path / "budget.json"
    limit = DailyLimit(bytes=3 * len(next(iter(objects.values()))), state_file=str(state))
    with BucketServer(objects) as server:
        with opened(server, budget=limit, connections=1) as idc, pytest.raises(IncompleteSeriesError) as caught:
            idc.pull(idc.find_series(UID), tmp_path / "out")
        assert isinstance(caught.value.__cause__, BudgetSpentError)
        came = len(files(tmp_path / "out"))
        assert 0 < came < COUNT
        asked = len(server.requests)
        with opened(server, budget=limit) as idc, pytest.raises(BudgetSpentError):  # another run of the same day
            idc.pull(idc.find_series(UID), tmp_path / "out")
        assert len(server.requests) == asked
        state.unlink()
        with opened(server) as idc:
            assert idc.pull(idc.find_series(UID), tmp_path / "out").resumed == came


def test_a_revised_series_replaces_what_was_pulled(objects: dict[str, bytes], tmp_path: Path) -> None:
    revised = INSTANCES[:2]
    row = row_of(revised, crdc_series_uuid="00000000-0000-4000-8000-000000000000")
    everything = {**objects, **bucket_objects(tmp_path, row, revised)}
    for cells, count in ((ROW, COUNT), (row, 2)):
        index = write_index(tmp_path / f"{count}.parquet", [cells])
        with BucketServer(everything) as server, open_dicomweb(server.store(index_file=str(index))) as idc:
            idc.pull(idc.find_series(UID), tmp_path / "out")
        assert len(files(tmp_path / "out")) == count


def test_metadata_are_those_of_the_files_which_come_once(
    opened: Callable[..., DicomWeb], objects: dict[str, bytes], tmp_path: Path
) -> None:
    with BucketServer(objects) as server, opened(server) as idc:
        ref = idc.find_series(UID)
        assert sorted(text(one, "SOPInstanceUID") for one in idc.metadata(ref)) == UIDS
        idc.pull(ref, tmp_path / "out")
        assert len(list(idc.instances(ref.study_uid, ref.series_uid))) == COUNT
        assert len(server.fetched()) == COUNT
        assert len(files(tmp_path / "out")) == COUNT
        with pytest.raises(ConfigurationError, match="takes no instances"):
            idc.push([])
        with pytest.raises(UnexpectedAnswerError):
            list(idc.bulk_data("studies/1/bulkdata/2"))


def test_a_series_that_the_index_does_not_have_is_not_found(
    opened: Callable[..., DicomWeb], objects: dict[str, bytes], tmp_path: Path
) -> None:
    with BucketServer(objects) as server, opened(server) as idc:
        with pytest.raises(SeriesNotFoundError, match=r"1\.2\.3"):
            idc.find_series("1.2.3")
        with pytest.raises(SeriesNotFoundError):
            idc.pull(SeriesRef("1.2", "1.2.3"), tmp_path / "out")
        assert server.requests == []


def test_what_was_prepared_needs_the_index_no_more(
    opened: Callable[..., DicomWeb], objects: dict[str, bytes], tmp_path: Path
) -> None:
    with BucketServer(objects) as server, opened(server) as idc:
        idc.prepare(series_uids=[UID, "1.2.3"], study_uids=[ROW["StudyInstanceUID"], "1.2"])
        idc.by_index().index.path = tmp_path / "gone"
        assert idc.find_series(UID).study_uid == ROW["StudyInstanceUID"]
        with pytest.raises(SeriesNotFoundError):
            idc.find_series("1.2.3")
        (study,) = idc.studies({"StudyInstanceUID": f"1.2,{ROW['StudyInstanceUID']}"})
        assert values(study, "ModalitiesInStudy") == ["CT"]
        assert [text(one, "SeriesInstanceUID") for one in idc.series(ROW["StudyInstanceUID"], {"Modality": "C?"})] == [
            UID
        ]
        assert list(idc.series(ROW["StudyInstanceUID"], {"Modality": "MR"})) == []


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://elsewhere/x/*",
        "s3://bucket",
        "s3://b/../x/*",
        "s3://UPPER/x/*",
        "s3://bucket/x/../y/*",
        "s3://@b/x/*",
    ],
)
def test_an_address_that_is_none_never_becomes_a_path(address: str) -> None:
    with (
        HttpSession(Store("idc", "dicomweb", "http://127.0.0.1:9")) as session,
        pytest.raises(UnexpectedAnswerError, match="names no folder of a bucket"),
    ):
        PublicBucket(session, address)
