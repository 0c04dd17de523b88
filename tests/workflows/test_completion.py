"""Documents that a search told, completed by what their own stores say."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from multimodal.bucket import FolderBucket
from multimodal.dicomweb import DicomWeb
from multimodal.index.documents import Arrival, first_instance, series_document
from multimodal.index.origin import is_complete
from multimodal.index.series_index import SERIES_KEY, SeriesIndex
from multimodal.model.ids import hash_uid
from multimodal.model.references import SeriesRef
from multimodal.model.results import Status
from multimodal.transport.errors import UnknownStoreError
from multimodal.transport.stores import Store, Stores
from multimodal.workflows.completion import STUDY_KEY, arrival_of, complete_documents
from multimodal.workflows.external_series import Selection
from multimodal.workflows.import_dicomweb import Reference, import_by_reference
from multimodal.workflows.thumbnails import thumbnail_key
from tests.fakes.dicom_files import write_series
from tests.workflows.line import own_index
from tests.workflows.test_stage_series import entry

SYSTEM = "urn:test:completion"
ARRIVAL = Arrival(datetime(2024, 7, 16, 1, 2, 3, tzinfo=UTC), "demo", "lung")


@pytest.fixture
def index(opensearch: Store) -> Iterator[SeriesIndex]:
    with own_index(opensearch) as found:
        found.ensure()
        yield found


def test_references_are_completed_on_request(
    dicom: DicomWeb, index: SeriesIndex, bucket: FolderBucket, tmp_path: Path
) -> None:
    token = uuid.uuid4().hex
    for series in ("1", "2"):
        assert not dicom.push(write_series(tmp_path / series, token, 2, series=series)).failed
    uids = [hash_uid("test", token, series) for series in ("1", "2")]
    stores = Stores({dicom.store.name: entry(dicom.store)})
    everything = Selection(everything=True)
    import_by_reference(dicom, everything, index=index, bucket=bucket, reference=Reference(ARRIVAL))
    assert arrival_of(index.get(uids[0]) or {}) == ARRIVAL

    result = complete_documents(stores, index, bucket, series_uids=uids[:1])
    assert (result.status, result.counts["documents completed"]) == (Status.DONE, 1)
    document = index.get(uids[0]) or {}
    ref = SeriesRef(hash_uid("test", token), uids[0])
    assert series_document(first_instance(dicom.metadata(ref)), ARRIVAL).items() <= document.items()
    assert bucket.exists(thumbnail_key(uids[0]))
    assert not is_complete(index.get(uids[1]) or {})

    assert complete_documents(stores, index, bucket).counts["documents completed"] == 1
    assert complete_documents(stores, index, bucket).status is Status.NOTHING


def test_a_series_that_its_store_no_longer_has_is_told(
    dicom: DicomWeb, index: SeriesIndex, bucket: FolderBucket, tmp_path: Path
) -> None:
    token = uuid.uuid4().hex
    assert not dicom.push(write_series(tmp_path, token, 1)).failed
    reference = Reference(ARRIVAL)
    import_by_reference(dicom, Selection(everything=True), index=index, bucket=bucket, reference=reference)
    gone = {**(index.get(hash_uid("test", token, "1")) or {}), SERIES_KEY: "2.25.404", STUDY_KEY: "2.25.405"}
    index.create([("2.25.404", gone)])
    result = complete_documents(Stores({dicom.store.name: entry(dicom.store)}), index, bucket)
    assert (result.status, result.counts["documents completed"]) == (Status.PARTIAL, 1)
    assert [(issue.code, issue.record) for issue in result.issues] == [("E901", "2.25.404")]
    assert result.issues[0].message == f"{dicom.store.name} has no instances of it any more"
    with pytest.raises(UnknownStoreError):
        complete_documents(Stores({}), index, bucket)
