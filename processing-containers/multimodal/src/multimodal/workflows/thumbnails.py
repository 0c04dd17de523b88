"""The picture of a series in the bucket, ``thumbnails/<SeriesInstanceUID>.png``: the store's rendering, else ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pydicom
from PIL.Image import Image

from multimodal.bucket import Bucket
from multimodal.dicomweb import DicomWeb, IncompleteSeriesError, SeriesNotFoundError
from multimodal.imaging.errors import MaskError, VolumeError
from multimodal.imaging.masks import read_rois
from multimodal.imaging.reader import read_volume
from multimodal.imaging.references import referenced_series
from multimodal.imaging.thumbnails import (
    Place,
    middle_of,
    overlay_picture,
    slice_picture,
    stores_picture,
    thumbnail,
    words_picture,
)
from multimodal.model.dicom_json import DicomJson, text
from multimodal.model.ids import check_uid
from multimodal.model.references import SeriesRef
from multimodal.transport.session import HttpSession

_MASKS = frozenset({"SEG", "RTSTRUCT"})
# What stores answer that cannot render this series, or nothing at all.
_CANNOT = frozenset({400, 404, 405, 406, 415, 500, 501})


def thumbnail_key(series_uid: str) -> str:
    """Return the bucket's key of a series' picture, where the platform's gallery looks for it."""
    return f"thumbnails/{series_uid}.png"


@contextmanager
def rendering(dicom: DicomWeb) -> Iterator[HttpSession | None]:
    """Give the session over which a store is asked for renderings; None for one that renders nothing."""
    if not dicom.store.url or not dicom.profile.rendered:
        yield None
        return
    with HttpSession(dicom.store) as session:
        yield session


def store_thumbnail(
    dicom: DicomWeb, bucket: Bucket, ref: SeriesRef, instances: Sequence[DicomJson], session: HttpSession | None
) -> bool:
    """Write the picture of a series of `dicom` into the bucket, and say whether it shows more than words.

    Parameters
    ----------
    instances : sequence of mapping
        Metadata of its instances.
    session : HttpSession, optional
        Of `rendering`.

    Notes
    -----
    Images: ``/rendered`` (PS3.18 10.4.1.1.4) of the middle slice by position; where the store renders none, the series
    is fetched and drawn here. SEG and RTSTRUCT: drawn here on the images that they refer to, which lie in the same
    store. What has no picture, e.g. a report, gets its words.
    """
    modality = text(instances[0], "Modality")
    picture = None
    if modality in _MASKS:
        picture = _overlay(dicom, ref)
    elif (middle := middle_of(instances)) is not None:
        picture = _rendered(session, ref, middle) or _drawn(dicom, ref, middle)
    bucket.write(thumbnail_key(ref.series_uid), thumbnail(picture or _words(instances[0]), dicom.store.name))
    return picture is not None


def _rendered(session: HttpSession | None, ref: SeriesRef, place: Place) -> Image | None:
    if session is None:
        return None
    path = f"studies/{ref.study_uid}/series/{ref.series_uid}/instances/{check_uid(place.sop_uid)}"
    frame = f"/frames/{place.frame}" if place.frames > 1 else ""
    answer = session.request("GET", f"{path}{frame}/rendered", headers={"Accept": "image/png"}, expect=_CANNOT)
    return stores_picture(answer.content) if answer.status_code == 200 else None


def _drawn(dicom: DicomWeb, ref: SeriesRef, place: Place) -> Image | None:
    with TemporaryDirectory() as scratch:
        if not _fetched(dicom, ref, Path(scratch)):
            return None
        try:
            return slice_picture(pydicom.dcmread(Path(scratch, f"{place.sop_uid}.dcm")), place.frame)
        except (ValueError, AttributeError, NotImplementedError, RuntimeError, OSError):
            return None  # pixels that no decoder here knows


def _overlay(dicom: DicomWeb, ref: SeriesRef) -> Image | None:
    with TemporaryDirectory() as scratch:
        masks, images = Path(scratch, "masks"), Path(scratch, "images")
        if not _fetched(dicom, ref, masks):
            return None
        found = referenced_series(masks)
        if not found or not _fetched(dicom, SeriesRef(ref.study_uid, found[0]), images):
            return None
        try:
            volume = read_volume(images)
            rois = [roi for file in sorted(masks.glob("*.dcm")) for roi in read_rois(file, volume)]
        except (VolumeError, MaskError):
            return None
        return overlay_picture(volume, rois)


def _fetched(dicom: DicomWeb, ref: SeriesRef, folder: Path) -> bool:
    try:
        dicom.pull(ref, folder)
    except (SeriesNotFoundError, IncompleteSeriesError):
        return False
    return True


def _words(instance: DicomJson) -> Image:
    lines = (
        text(instance, keyword) for keyword in ("SeriesDescription", "StudyDescription", "SeriesDate", "StudyDate")
    )
    return words_picture([text(instance, "Modality") or "?", *dict.fromkeys(line for line in lines if line)])
