"""A folder answers as a store of the same files does."""

from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.dicomweb import DicomWeb, IncompleteSeriesError, QueryRefusedError, SeriesNotFoundError, open_dicomweb
from multimodal.model.dicom_json import text, whole_number
from multimodal.model.errors import ConfigurationError
from multimodal.model.ids import hash_uid
from multimodal.model.references import SeriesRef
from multimodal.transport.stores import Store
from tests.fakes.dicom_files import write_series

COUNT = 3
REF = SeriesRef(hash_uid("test", "disk"), hash_uid("test", "disk", "1"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for series in "12":
        write_series(tmp_path / "dcm" / REF.study_uid / series, "disk", COUNT, series=series)
    write_series(tmp_path / "dcm" / "other", "disk two", 1, patient="P2")
    (tmp_path / "dcm" / "cut.dcm").write_bytes(next((tmp_path / "dcm" / "other").glob("*.dcm")).read_bytes()[:-9])
    (tmp_path / "dcm" / "empty.dcm").touch()
    return tmp_path / "dcm"


def opened(path: Path) -> DicomWeb:
    return open_dicomweb(Store("disk", "dicomweb", path=str(path), profile="google-folder", patient_system="urn:x"))


def test_searches(folder: Path) -> None:
    with opened(folder) as disk:
        assert disk.has_studies()
        studies = {text(match, "PatientID"): match for match in disk.studies()}
        assert studies.keys() == {"P1", "P2"}
        assert whole_number(studies["P1"], "NumberOfStudyRelatedInstances") == 2 * COUNT
        assert [text(match, "PatientID") for match in disk.studies({"PatientID": "?2", "ModalitiesInStudy": "CT"})] == [
            "P2"
        ]
        assert len(list(disk.series())) == 3
        (match,) = disk.series(REF.study_uid, {"SeriesNumber": "2"})
        assert whole_number(match, "NumberOfSeriesRelatedInstances") == COUNT
        assert len(list(disk.instances(REF.study_uid, REF.series_uid))) == COUNT
        assert disk.find_series(REF.series_uid).store == "disk"
        assert {text(match, "Modality") for match in disk.metadata(REF)} == {"CT"}
        with pytest.raises(QueryRefusedError):
            list(disk.series(filters={"Bogus": "1"}))
        with pytest.raises(SeriesNotFoundError):
            disk.find_series("1.2.3")


def test_a_series_is_copied_and_resumed(folder: Path, tmp_path: Path) -> None:
    with opened(folder) as disk:
        report = disk.pull(REF, tmp_path / "out")
        assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.dcm")} == {
            path.name: path.read_bytes() for path in (folder / REF.study_uid / "1").glob("*.dcm")
        }
        report.instances[0].path.unlink()
        again = disk.pull(REF, tmp_path / "out")
        assert (len(again.instances), again.resumed) == (COUNT, COUNT - 1)
        with pytest.raises(ConfigurationError, match="takes no instances"):
            disk.push([])


def test_a_file_that_is_spoilt_meanwhile_is_missing(folder: Path, tmp_path: Path) -> None:
    with opened(folder) as disk:
        disk.has_studies()
        spoilt = min((folder / REF.study_uid / "1").glob("*.dcm"))
        spoilt.write_bytes(spoilt.read_bytes()[:-9])
        with pytest.raises(IncompleteSeriesError) as caught:
            disk.pull(REF, tmp_path / "out")
    assert caught.value.missing == (spoilt.stem,)
    assert len(list((tmp_path / "out").glob("*.dcm"))) == COUNT - 1


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"store disk: .*nowhere is no folder"):
        opened(tmp_path / "nowhere")
