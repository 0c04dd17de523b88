"""Series of a real external store, by reference and as copies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from multimodal.bucket import FolderBucket
from multimodal.dicomweb import DicomWeb
from multimodal.index.documents import Arrival, first_instance, series_document
from multimodal.index.origin import ADDRESS, LICENCE, TITLE, is_complete, store_of
from multimodal.index.series_index import Change, SeriesIndex
from multimodal.model.errors import ConfigurationError, RemoteError
from multimodal.model.references import SeriesRef
from multimodal.model.results import Status
from multimodal.transport.stores import Store
from multimodal.workflows.datasets import PlatformDatasets, add_to_dataset, read_dataset
from multimodal.workflows.external_series import Selection
from multimodal.workflows.import_dicomweb import Reference, fetch_for_copy, import_by_reference
from multimodal.workflows.thumbnails import thumbnail_key
from tests.fakes.dicom_files import make_instance
from tests.fakes.http_server import HttpServer, answer
from tests.imaging.made import ct_images, rtstruct, seg
from tests.index.kaapana_cases import sr
from tests.workflows.line import own_index

SYSTEM = "urn:test:external"
ARRIVAL = Arrival(datetime(2024, 7, 16, tzinfo=UTC), "demo", "lung")
ALL = Selection(everything=True)


@pytest.fixture
def send(dicom: DicomWeb, tmp_path: Path) -> Callable[..., None]:
    def send(*datasets: Dataset) -> None:
        files = []
        for dataset in datasets:
            files.append(tmp_path / f"{dataset.SOPInstanceUID}.dcm")
            dataset.save_as(files[-1], enforce_file_format=True)
        assert dicom.push(files).failed == ()

    return send


@pytest.fixture
def index(opensearch: Store) -> Iterator[SeriesIndex]:
    with own_index(opensearch) as found:
        yield found


def documents(index: SeriesIndex) -> dict[str, dict]:
    return dict(index.scan())


def test_a_reference_says_what_a_search_tells_and_where_it_lies(
    dicom: DicomWeb, send: Callable[..., None], index: SeriesIndex, bucket: FolderBucket
) -> None:
    send(make_instance("ref", 1), make_instance("ref", 2))
    uid = str(make_instance("ref", 1).SeriesInstanceUID)
    reference = Reference(ARRIVAL, licence="CC BY 4.0")
    result = import_by_reference(dicom, ALL, index=index, bucket=bucket, reference=reference)
    assert (result.status, result.counts["documents created"]) == (Status.DONE, 1)
    document = documents(index)[uid]
    assert document[ADDRESS] == document[TITLE] == store_of(document) == dicom.store.name
    assert document[LICENCE] == "CC BY 4.0"
    assert document["00120010 ClinicalTrialSponsorName_keyword"] == "lung"
    assert document["00120020 ClinicalTrialProtocolID_keyword"] == "demo"
    assert document["00201209 NumberofSeriesRelatedInstances_integer"] == 2
    assert document["00000000 TimestampArrived_datetime"] == "2024-07-16 00:00:00.000000"
    assert not is_complete(document)
    address = dicom.store.url.split("//")[1]
    assert address not in str(document)
    assert read_dataset(bucket, "lung") == [uid]


def test_a_completed_reference_is_the_document_of_its_instances(
    dicom: DicomWeb, send: Callable[..., None], index: SeriesIndex, bucket: FolderBucket
) -> None:
    send(*(make_instance("whole", number, size=64) for number in (1, 2, 3)))
    image = make_instance("whole", 1)
    uid = str(image.SeriesInstanceUID)
    import_by_reference(dicom, ALL, index=index, bucket=bucket, reference=Reference(ARRIVAL))
    later = Arrival(datetime(2025, 1, 1, tzinfo=UTC), "demo", "lung")
    whole = Reference(later, complete=True)
    result = import_by_reference(dicom, ALL, index=index, bucket=bucket, reference=whole)
    assert (result.counts["documents created"], result.counts["documents completed"]) == (0, 1)
    instances = dicom.metadata(SeriesRef(str(image.StudyInstanceUID), uid))
    expected = series_document(first_instance(instances), ARRIVAL)
    assert expected.items() <= documents(index)[uid].items()
    with Image.open(BytesIO(bucket.read(thumbnail_key(uid)))) as picture:
        assert picture.size == (300, 300)
        assert np.asarray(picture.convert("L")).std() > 20
    again = import_by_reference(dicom, ALL, index=index, bucket=bucket, reference=whole)
    assert (again.counts["documents completed"], again.counts.get("thumbnails", 0)) == (0, 0)


def test_regions_are_pictured_on_their_images_and_reports_by_their_words(
    dicom: DicomWeb, send: Callable[..., None], index: SeriesIndex, bucket: FolderBucket
) -> None:
    images = ct_images(np.zeros((4, 16, 16), dtype=np.int16), spacing=(3.0, 1.0, 1.0), origin=(0, 0, 0))
    masks = np.zeros((4, 16, 16), dtype=np.uint8)
    masks[1:3, 4:12, 4:12] = 1
    square = np.array([(3.5, 3.5, 3.0), (11.5, 3.5, 3.0), (11.5, 11.5, 3.0), (3.5, 11.5, 3.0)])
    structures, segmentation, report = rtstruct({"GTV": [square]}), seg(images, masks), sr()
    frame, study, series = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = images[0].SeriesInstanceUID
    study.RTReferencedSeriesSequence, frame.RTReferencedStudySequence = [series], [study]
    structures.ReferencedFrameOfReferenceSequence = [frame]
    send(*images, structures, segmentation, report)
    reference = Reference(ARRIVAL, complete=True)
    result = import_by_reference(dicom, ALL, index=index, bucket=bucket, reference=reference)
    assert (result.status, result.counts["thumbnails"]) == (Status.DONE, 3)
    assert result.counts["thumbnails of words alone"] == 1
    reds = {}
    for dataset in (structures, segmentation, report, images[0]):
        with Image.open(BytesIO(bucket.read(thumbnail_key(str(dataset.SeriesInstanceUID))))) as picture:
            pixels = np.asarray(picture.convert("RGB")).astype(int)
        reds[dataset.Modality] = int(((pixels[..., 0] - pixels[..., 1]) > 50).sum())
    assert reds["RTSTRUCT"] > 5000
    assert reds["SEG"] > 5000
    assert reds["SR"] == reds["CT"] == 0


def test_a_series_of_the_platforms_own_keeps_its_document(
    dicom: DicomWeb, send: Callable[..., None], index: SeriesIndex, bucket: FolderBucket
) -> None:
    image = make_instance("internal", 1)
    send(image)
    index.ensure()
    uid = str(image.SeriesInstanceUID)
    own = series_document(image.to_json_dict())
    index.create([(uid, own)])
    reference = Reference(ARRIVAL, complete=True)
    result = import_by_reference(dicom, ALL, index=index, bucket=bucket, reference=reference)
    assert result.counts["series there already"] == 1
    assert documents(index) == {uid: own}
    assert read_dataset(bucket, "lung") == []


def test_a_document_that_another_writer_enriched_keeps_that(
    dicom: DicomWeb, send: Callable[..., None], index: SeriesIndex, bucket: FolderBucket
) -> None:
    image = make_instance("enriched", 1)
    send(image)
    uid = str(image.SeriesInstanceUID)
    import_by_reference(dicom, ALL, index=index, bucket=bucket, reference=Reference(ARRIVAL))
    index.update([Change(uid, {"00000000 ClinicalStage_keyword": "II"})])
    import_by_reference(dicom, ALL, index=index, bucket=bucket, reference=Reference(ARRIVAL, complete=True))
    document = documents(index)[uid]
    assert is_complete(document)
    assert document["00000000 ClinicalStage_keyword"] == "II"


def test_a_selection_is_what_is_asked_for(dicom: DicomWeb, send: Callable[..., None], tmp_path: Path) -> None:
    send(*(make_instance("chosen", 1, series=series) for series in ("1", "2", "3")), make_instance("other", 1))
    wanted = [str(make_instance("chosen", 1, series=series).SeriesInstanceUID) for series in ("2", "1", "2")]
    found = [one["0020000E"]["Value"][0] for one in Selection(series_uids=wanted).find(dicom)]
    assert found == wanted[:2]
    study = {"StudyInstanceUID": str(make_instance("other", 1).StudyInstanceUID)}
    assert len(list(Selection(study).find(dicom))) == 1
    with pytest.raises(ConfigurationError, match="say which series"):
        list(Selection().find(dicom))
    copied = fetch_for_copy(dicom, Selection(series_uids=wanted), lambda uid: tmp_path / "out" / uid)
    assert copied.counts["series"] == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(set(wanted))


def test_nothing_found_is_nothing(dicom: DicomWeb, index: SeriesIndex, bucket: FolderBucket) -> None:
    result = import_by_reference(dicom, ALL, index=index, bucket=bucket, reference=Reference(ARRIVAL))
    assert result.status is Status.NOTHING


def test_a_dataset_grows_and_is_no_other_file(bucket: FolderBucket) -> None:
    assert add_to_dataset(bucket, "a", ["1.3", "1.2"]) == 2
    assert add_to_dataset(bucket, "a", ["1.3"]) == 0
    assert read_dataset(bucket, "a") == ["1.2", "1.3"]
    bucket.write("datasets/b.json", b"[]")
    with pytest.raises(ConfigurationError, match="is no dataset"):
        read_dataset(bucket, "b")


def test_the_platform_is_told_of_a_dataset(
    dicom: DicomWeb, send: Callable[..., None], index: SeriesIndex, bucket: FolderBucket
) -> None:
    image = make_instance("told", 1)
    send(image)
    project = {"id": "7", "name": "demo", "description": "Köln ✓"}
    with HttpServer(answer(200, b"{}")) as backend:
        platform = PlatformDatasets(f"{backend.url}/", project)
        import_by_reference(dicom, ALL, index=index, bucket=bucket, reference=Reference(ARRIVAL), platform=platform)
    (request,) = backend.requests
    assert request["line"].split()[:2] == ["PUT", "/client/dataset"]
    assert json.loads(request["headers"]["Project"]) == project
    expected = {"action": "ADD", "name": "lung", "identifiers": [str(image.SeriesInstanceUID)]}
    assert json.loads(request["body"]) == expected


def test_a_large_dataset_is_told_in_parts_and_a_refusal_is_an_error() -> None:
    with HttpServer(answer(200, b"{}")) as backend:
        PlatformDatasets(backend.url, {"id": "7"}).add("lung", (f"1.2.{number}" for number in range(2500)))
    assert [len(json.loads(request["body"])["identifiers"]) for request in backend.requests] == [1000, 1000, 500]
    with HttpServer(answer(403)) as backend, pytest.raises(RemoteError, match="kaapana-backend"):
        PlatformDatasets(backend.url, {"id": "7"}).add("lung", ["1.2"])
