"""Pictures of series of a store that renders nothing, or renders rubbish."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image

from multimodal.bucket import FolderBucket
from multimodal.dicomweb import open_dicomweb
from multimodal.model.references import SeriesRef
from multimodal.workflows.thumbnails import rendering, store_thumbnail, thumbnail_key
from tests.fakes.dicom_files import write_series
from tests.fakes.dicomweb_server import DicomWebServer


def test_a_store_that_renders_nothing_gets_its_slices_drawn_here(tmp_path: Path, bucket: FolderBucket) -> None:
    files = write_series(tmp_path / "dicom", "drawn", 3, size=64)
    instances = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    ref = SeriesRef(str(instances[0].StudyInstanceUID), str(instances[0].SeriesInstanceUID))
    with (
        DicomWebServer(tmp_path / "dicom") as server,
        open_dicomweb(server.store()) as dicom,
        rendering(dicom) as session,
    ):
        assert store_thumbnail(dicom, bucket, ref, [instance.to_json_dict() for instance in instances], session)
    with Image.open(BytesIO(bucket.read(thumbnail_key(ref.series_uid)))) as picture:
        assert picture.size == (300, 300)
        assert np.asarray(picture.convert("L")).std() > 20


def test_what_cannot_be_fetched_gets_words(tmp_path: Path, bucket: FolderBucket) -> None:
    (file,) = write_series(tmp_path / "dicom", "gone", 1)
    instance = pydicom.dcmread(file, stop_before_pixels=True)
    ref = SeriesRef(str(instance.StudyInstanceUID), str(instance.SeriesInstanceUID))
    with DicomWebServer(None) as server, open_dicomweb(server.store()) as dicom, rendering(dicom) as session:
        assert not store_thumbnail(dicom, bucket, ref, [instance.to_json_dict()], session)
    with Image.open(BytesIO(bucket.read(thumbnail_key(ref.series_uid)))) as picture:
        assert (np.asarray(picture.convert("L")) > 200).sum() > 100  # the modality, in white
