"""ImagingStudies of what was sent to the archive."""

from __future__ import annotations

import uuid
from pathlib import Path

from multimodal.bucket import FolderBucket
from multimodal.dicomweb import DicomWeb
from multimodal.fhirstore import NdjsonFolder
from multimodal.model.ids import hash_uid
from multimodal.model.references import imaging_study_id
from multimodal.model.results import Status
from multimodal.workflows.copied_studies import sync_copied
from tests.fakes.dicom_files import write_series

SYSTEM = "urn:test:copied"


def test_studies_are_told_once_the_archive_has_them(
    dicom: DicomWeb, target: NdjsonFolder, bucket: FolderBucket, tmp_path: Path
) -> None:
    token = uuid.uuid4().hex
    folders = {}
    for series, sent in (("1", True), ("2", False)):
        files = write_series(tmp_path / series, token, 2, series=series)
        assert not sent or not dicom.push(files).failed
        folders[hash_uid("test", token, series)] = tmp_path / series
    arrived, missing = folders
    result = sync_copied(dicom, folders, fhir=target, bucket=bucket, seconds=0)
    assert (result.status, result.counts["studies"]) == (Status.PARTIAL, 1)
    assert [(issue.code, issue.record) for issue in result.issues] == [("E912", missing)]
    done = sync_copied(dicom, {arrived: folders[arrived]}, fhir=target, bucket=bucket, seconds=5)
    assert (done.status, done.counts["series"]) == (Status.DONE, 1)
    resource = target.read("ImagingStudy", imaging_study_id(hash_uid("test", token))) or {}
    assert [one["uid"] for one in resource["series"]] == [arrived]


def test_where_nothing_was_sent_there_is_nothing_to_tell(
    dicom: DicomWeb, target: NdjsonFolder, bucket: FolderBucket, tmp_path: Path
) -> None:
    result = sync_copied(dicom, {"1.2.3": tmp_path}, fhir=target, bucket=bucket, seconds=0)
    assert result.status is Status.NOTHING
