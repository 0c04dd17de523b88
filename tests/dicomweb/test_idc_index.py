"""What the index of IDC tells of series, and how it is asked."""

from __future__ import annotations

import builtins
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimodal.dicomweb import IndexQuery, QueryRefusedError
from multimodal.dicomweb.idc_errors import IndexNotInstalledError, UnknownValueError, WrongIndexError
from multimodal.dicomweb.idc_index import IdcIndex, open_index
from multimodal.model.dicom_json import text, values
from multimodal.transport.stores import Store
from tests.fakes.idc_index_file import index_row, write_index

ROWS = [
    index_row("lung_one", "P1", 1),
    index_row("lung_one", "P1", 2, Modality="SEG", license_short_name="CC BY 4.0", analysis_result_id="segmented"),
    index_row("lung_one", "P2", 3, StudyDate="2010-01-02", PatientAge=None, PatientSex=None),
    index_row("lung_one", "P2", 4, Modality="RTSTRUCT", series_size_MB=0.001266),
    index_row("brain", "P1", 5, license_short_name="CC BY 4.0", PatientAge="N-A", PatientSex="0000"),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> IdcIndex:
    return IdcIndex(write_index(tmp_path_factory.mktemp("index") / "idc_index.parquet", ROWS))


def numbers(index: IdcIndex, query: IndexQuery) -> list[int]:
    return [int(text(one.dataset(), "SeriesNumber")) for one in index.series(query)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (IndexQuery(), [1, 2, 3, 4, 5]),
        (IndexQuery(["Lung-One"]), [1, 2, 3, 4]),
        (IndexQuery(["lung_one", "brain"], ["ct"]), [1, 3, 5]),
        (IndexQuery(["lung_one"], ["CT", "RTSTRUCT"]), [1, 3, 4]),
        (IndexQuery(licences=["cc by 4.0"]), [2, 5]),
        (IndexQuery(["lung_one"], licences=["CC BY-NC 3.0"]), [1, 3, 4]),
        (IndexQuery(analysis_results=["segmented"]), [2]),
        (IndexQuery(["lung_one"], analysis_results=["none"]), [1, 3, 4]),
        (IndexQuery(analysis_results=["none", "segmented"]), [1, 2, 3, 4, 5]),
        (IndexQuery(filters={"PatientID": "P1"}), [1, 2, 5]),
        (IndexQuery(filters={"StudyDate": "20090101-20101231"}), [3]),
        (IndexQuery(filters={"SeriesDescription": "*4"}), [4]),
        (IndexQuery(study_uids=[ROWS[1]["StudyInstanceUID"]]), [2]),
        (IndexQuery(["brain"], ["SEG"]), []),  # there are some elsewhere: none, and no slip
        (IndexQuery(["brain"], series_uids=[ROWS[0]["SeriesInstanceUID"]]), []),
        (IndexQuery(series_uids=[ROWS[0]["SeriesInstanceUID"], ROWS[4]["SeriesInstanceUID"]]), [1, 5]),
    ],
)
def test_a_query_means_these_series_and_counts_them(index: IdcIndex, query: IndexQuery, expected: list[int]) -> None:
    assert numbers(index, query) == expected
    totals = index.totals(query)
    assert (totals.series, totals.instances) == (len(expected), 3 * len(expected))


def test_totals_tell_bytes_modalities_and_licences(index: IdcIndex) -> None:
    counts = index.totals(IndexQuery(["lung_one"])).counts()
    assert counts == {
        "series found": 4, "instances": 12, "bytes": 1_501_266, "CT series": 2, "RTSTRUCT series": 1, "SEG series": 1,
        "series under CC BY 4.0": 1, "series under CC BY-NC 3.0": 3,
    }  # fmt: skip
    assert index.version == "25.0.5"


def test_a_row_tells_attributes_and_what_they_do_not_say(index: IdcIndex) -> None:
    first, *_, last = index.series(IndexQuery())
    dataset = first.dataset()
    assert text(dataset, "StudyDate") == "20080918"
    assert text(dataset, "IssuerOfPatientID") == first.collection == "lung_one"
    assert values(dataset, "NumberOfSeriesRelatedInstances") == [3]
    assert "00081030" not in dataset  # no StudyDescription
    assert (first.licence, first.bytes, first.source_doi) == ("CC BY-NC 3.0", 500_000, "10.7937/example")
    assert first.address == f"s3://idc-open-data/{first.revision}/*"
    # As it stands there, whatever an Age String or Code String should look like.
    assert (text(last.dataset(), "PatientAge"), text(last.dataset(), "PatientSex")) == ("N-A", "0000")


@pytest.mark.parametrize(
    ("query", "column", "near"),
    [
        (IndexQuery(["lung_on"]), "collection_id", ("lung_one",)),
        (IndexQuery(["lung_one", "liver"]), "collection_id", ()),
        (IndexQuery(["brain"], ["MR"]), "Modality", ()),
        (IndexQuery(["lung_one"], licences=["CC-BY 4.0"]), "license_short_name", ("CC BY 4.0",)),
        (IndexQuery(analysis_results=["segmentd"]), "analysis_result_id", ("segmented",)),
    ],
)
def test_a_slip_is_no_empty_selection(index: IdcIndex, query: IndexQuery, column: str, near: Sequence[str]) -> None:
    with pytest.raises(UnknownValueError) as caught:
        index.totals(query)
    assert caught.value.column == column
    assert set(near) <= set(caught.value.near)


@pytest.mark.parametrize("keyword", ["AccessionNumber", "NumberOfSeriesRelatedInstances"])
def test_what_the_index_does_not_hold_is_refused(index: IdcIndex, keyword: str) -> None:
    with pytest.raises(QueryRefusedError, match=keyword):
        index.totals(IndexQuery(filters={keyword: "1"}))


def test_values_that_span_parts_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multimodal.dicomweb.idc_index._ROWS", 3)
    rows = [
        index_row(f"c{number // 4}", f"P{number}", number, PatientAge=None if number % 3 else "063Y")
        for number in range(20)
    ]
    index = IdcIndex(write_index(tmp_path / "idc_index.parquet", rows))
    assert numbers(index, IndexQuery(["c2", "c4"])) == [8, 9, 10, 11, 16, 17, 18, 19]
    assert numbers(index, IndexQuery(filters={"PatientAge": "063Y"})) == list(range(0, 20, 3))
    assert index.totals(IndexQuery(["c3"])).instances == 12


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["CT", "SEG"]), st.none() | st.text()), max_size=12))
def test_any_table_is_filtered_as_row_by_row(rows: list[tuple[str, str, str | None]]) -> None:
    made = [
        index_row(collection, "P", number, Modality=modality, PatientAge=age)
        for number, (collection, modality, age) in enumerate(rows)
        if age is None or age.isprintable()
    ]
    with TemporaryDirectory() as folder:
        index = IdcIndex(write_index(Path(folder, "idc_index.parquet"), made))
        for modality in {row["Modality"] for row in made}:
            expected = [row for row in made if row["Modality"] == modality]
            found = list(index.series(IndexQuery(modalities=[modality])))
            assert [one.series_uid for one in found] == [row["SeriesInstanceUID"] for row in expected]
            ages = [values(one.dataset(), "PatientAge") for one in found]
            assert ages == [[row["PatientAge"]] if row["PatientAge"] else [] for row in expected]


def test_another_file_is_named_and_what_is_wrong_with_it(tmp_path: Path) -> None:
    store = Store("idc", "dicomweb", index_file=str(tmp_path / "i.parquet"))
    with pytest.raises(WrongIndexError, match=r"store idc: its index_file .*i\.parquet cannot be read"):
        open_index(store)
    (tmp_path / "i.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(WrongIndexError, match="cannot be read"):
        open_index(store)
    pyarrow.parquet.write_table(pyarrow.table({"PatientID": ["1"]}), tmp_path / "i.parquet")
    with pytest.raises(WrongIndexError, match="has no column StudyInstanceUID"):
        open_index(store)
    table = pyarrow.parquet.read_table(write_index(tmp_path / "i.parquet", ROWS))
    place = table.schema.get_field_index("PatientID")
    wrong = table.set_column(place, "PatientID", pyarrow.array(range(len(ROWS))))
    pyarrow.parquet.write_table(wrong, tmp_path / "i.parquet")
    with pytest.raises(WrongIndexError, match="has a column PatientID of int64"):
        open_index(store)


def test_a_file_cut_short_is_an_error(tmp_path: Path) -> None:
    file = write_index(tmp_path / "i.parquet", ROWS)
    content = file.read_bytes()
    middle = len(content) // 3
    file.write_bytes(content[:200] + b"\0" * (middle - 200) + content[middle:])
    with pytest.raises(WrongIndexError, match="cannot be read"):
        list(IdcIndex(file).series(IndexQuery()))


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(IndexNotInstalledError, match=r"pip install 'kaapana-multimodal\[idc\]'.*index_file") as caught:
        open_index(Store("idc", "dicomweb"))
    assert caught.value.package == "idc-index-data"


def test_without_pyarrow_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_index(tmp_path / "i.parquet", ROWS)
    original = builtins.__import__

    def refuse(name: str, *rest: object) -> ModuleType:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return original(name, *rest)  # type: ignore[arg-type]

    for name in [name for name in sys.modules if name.startswith("pyarrow")]:
        monkeypatch.setitem(sys.modules, name, None)  # type: ignore[arg-type]
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(IndexNotInstalledError, match=r"pyarrow.*kaapana-multimodal\[idc\]"):
        IdcIndex(file)


@pytest.fixture(scope="module")
def real() -> IdcIndex:
    if importlib.util.find_spec("idc_index_data") is None:
        pytest.skip("the package idc-index-data is not installed (extra idc)")
    return open_index(Store("idc", "dicomweb"))


def test_the_real_index_counts_a_collection(real: IdcIndex) -> None:
    totals = real.totals(IndexQuery(["nsclc_radiomics"], ["CT", "RTSTRUCT"], analysis_results=["none"]))
    assert totals.modalities == {"CT": 422, "RTSTRUCT": 422}
    assert real.totals(IndexQuery()).series > 1_000_000
