"""Links in answers lead to the store itself or nowhere."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimodal.dicomweb import UnexpectedAnswerError, open_dicomweb
from multimodal.dicomweb.links import path_of
from multimodal.model.ids import hash_uid
from multimodal.model.references import SeriesRef
from multimodal.transport.stores import Store
from tests.fakes.dicom_files import write_series

REF = SeriesRef(hash_uid("test", "links"), hash_uid("test", "links", "1"))


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("http://192.0.2.1/away/studies/1.2/series/3.4", ("studies/1.2/series/3.4", "")),
        ("https://127.0.0.1/dicom-web/studies/1.2/series/3.4/instances/5.6/bulkdata/00420011",
         ("studies/1.2/series/3.4/instances/5.6/bulkdata/00420011", "")),
        ("/rs/studies/1.2", ("studies/1.2", "")),
        ("studies/1.2/bulkdata/x?offset=1&length=2", ("studies/1.2/bulkdata/x", "offset=1&length=2")),
    ],
)  # fmt: skip
def test_the_resource_is_taken_from_a_link(link: str, expected: tuple[str, str]) -> None:
    assert path_of("s", link) == expected


@pytest.mark.parametrize(
    "link",
    [
        *("", "http://192.0.2.1/", "file:///etc/passwd", "http://[", "gopher://x/studies/1.2"),
        *("studies", "studies/", "studies/x", "studies/1.2/../../x", "studies/1.2/..", "studies/1.2/x;y"),
        *("studies/1.2/series/3.4/../secret", "studies/1.2/a%2f..", "studies/1.2\r\nX: y", "studies/1.2?x=%0d%0a"),
    ],
)  # fmt: skip
def test_any_other_link_is_refused(link: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match="s: an answer links to"):
        path_of("s", link)


@given(st.text(max_size=60))
def test_no_text_leads_out_of_the_store(text: str) -> None:
    try:
        path, query = path_of("s", f"http://x/studies/{text}")
    except UnexpectedAnswerError:
        return
    assert path.startswith("studies/")
    assert not any(segment in {"", ".", ".."} for segment in path.split("/"))
    assert (path + query).isascii()
    assert (path + query).isprintable()


def test_bulk_data_come_from_the_store_wherever_the_link_points(orthanc: Store, tmp_path: Path) -> None:
    (file,) = write_series(tmp_path, "links", 1)
    with open_dicomweb(orthanc) as dicom:
        dicom.push([file])
        (instance,) = dicom.metadata(REF)
        link = instance["7FE00010"]["BulkDataURI"]
        away = f"http://192.0.2.1:1/x/studies/{link.split('/studies/')[1]}"
        assert b"".join(dicom.bulk_data(away)) == pydicom.dcmread(file).PixelData
        with pytest.raises(UnexpectedAnswerError):
            list(dicom.bulk_data("http://192.0.2.1/secret"))
