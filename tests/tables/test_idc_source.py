"""Clinical tables of the Imaging Data Commons, and their dictionary clinical_index."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from multimodal.tables import parquet
from multimodal.tables.dictionary import Field
from multimodal.tables.errors import EmptyTableError, HeaderError, TableError, WrongFormatError
from multimodal.tables.read import read_table
from multimodal.tables.rows import SourceSpec

TABLE = "dicom_patient_id,source_batch,gender,histology \nR01-001 ,0, Male,Adenocarcinoma \nR01-002,0,Female,\n"
OPTIONS = [
    {"option_code": "1", "option_description": "male"},
    {"option_code": "2", "option_description": "it's female"},
]
MET = [{"option_code": "Adenocarcinoma ", "option_description": None}]
LINES = [
    ("nsclc_radiogenomics", "nsclc_radiogenomics_clinical", "dicom_patient_id", "idc_provenance", [], "STRING"),
    ("nsclc_radiogenomics", "nsclc_radiogenomics_clinical", "source_batch", "batch", [], "INTEGER"),
    ("nsclc_radiogenomics", "nsclc_radiogenomics_clinical", "gender", "Gender", OPTIONS, "STRING"),
    ("nsclc_radiogenomics", "nsclc_radiogenomics_clinical", "histology ", "Histology ", MET, "STRING"),
    ("nlst", "nlst_canc", "gender", "another", [], "STRING"),
]
HEADER = ("collection_id", "table_name", "short_table_name", "column", "column_label", "values", "data_type")


def records() -> list[dict[str, object]]:
    return [
        dict(zip(HEADER, (collection, f"p.d.{table}", table, column, label, values, type_), strict=True))
        for collection, table, column, label, values, type_ in LINES
    ]


def index_file(folder: Path, kind: str) -> Path:
    path = folder / f"clinical_index.{kind.partition(' ')[0]}"
    if kind == "json":
        path.write_text(json.dumps(records()), encoding="utf-8")
    elif kind == "ndjson":
        path.write_text("\n".join(map(json.dumps, records())), encoding="utf-8")
    elif kind == "parquet":
        arrow, writer = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        writer.write_table(arrow.Table.from_pylist(records()), path)
    else:
        # As pandas writes a column of NumPy arrays: Python's notation, without commas.
        lines = [",".join(HEADER)]
        for record in records():
            values = record["values"]
            assert isinstance(values, list)
            text = json.dumps(values) if "json" in kind else "[" + "\n ".join(map(repr, values)) + "]"
            cells = [*list(record.values())[:5], text, record["data_type"]]
            lines.append(",".join('"' + str(cell).replace('"', '""') + '"' for cell in cells))
        path.write_text("\n".join(lines), encoding="utf-8")
    return path


def spec(dictionary: Path | None = None, **options: str) -> SourceSpec:
    return SourceSpec("idc", dictionary=dictionary, options=options)


def data(folder: Path, text: str = TABLE) -> Path:
    path = folder / "nsclc_radiogenomics_clinical.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_blanks_around_headers_and_cells_are_removed(tmp_path: Path) -> None:
    table = read_table(data(tmp_path), spec())
    rows = list(table.rows)
    assert table.headers == ("dicom_patient_id", "source_batch", "gender", "histology")
    assert rows[0].values == {
        "dicom_patient_id": "R01-001", "source_batch": "0", "gender": "Male", "histology": "Adenocarcinoma",
    }  # fmt: skip
    assert [row.number for row in rows] == [2, 3]


@pytest.mark.parametrize("kind", ["csv as pandas writes it", "csv with json", "json", "ndjson", "parquet"])
@pytest.mark.parametrize("options", [{"collection": "NSCLC-Radiogenomics"}, {"table": "nsclc_radiogenomics_clinical"}])
def test_the_index_describes_the_columns(tmp_path: Path, kind: str, options: dict[str, str]) -> None:
    table = read_table(data(tmp_path), spec(index_file(tmp_path, kind), **options))
    form = "nsclc_radiogenomics_clinical"
    fields = table.dictionary.fields
    assert fields["gender"] == Field("gender", "Gender", "code", form, {"1": "male", "2": "it's female"})
    assert fields["histology"] == Field("histology", "Histology", "text", form, {"Adenocarcinoma": ""})
    assert fields["dicom_patient_id"].identifier
    assert fields["source_batch"].type == "integer"
    assert table.notes == []


def test_a_table_that_the_index_does_not_have_is_told(tmp_path: Path) -> None:
    table = read_table(data(tmp_path), spec(index_file(tmp_path, "json"), collection="nlst", table="nlst_prsn"))
    assert table.dictionary.fields == {}
    assert "no table 'nlst_prsn' of collection 'nlst'; it has: nlst_canc" in table.notes[0]


def test_columns_that_the_index_does_not_have_are_told(tmp_path: Path) -> None:
    table = read_table(data(tmp_path, TABLE.replace("gender", "sex")), spec(index_file(tmp_path, "json")))
    assert table.notes == ["nsclc_radiogenomics_clinical.csv: not in clinical_index.json: sex"]


def test_parquet_as_idc_index_has_it(tmp_path: Path) -> None:
    arrow, writer = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "nlst_canc.parquet"
    columns = {"dicom_patient_id": ["1 ", None], "age": [61, None], "size": [2.5, float("nan")], "lost ": [True, False]}
    writer.write_table(arrow.table(columns), path)
    table = read_table(path, spec())
    rows = list(table.rows)
    assert table.headers == ("dicom_patient_id", "age", "size", "lost")
    assert [tuple(row.values.values()) for row in rows] == [("1", "61", "2.5", "true"), ("", "", "", "false")]
    assert [row.number for row in rows] == [2, 3]


@pytest.mark.parametrize(
    ("name", "content", "error", "pattern"),
    [
        ("a.csv", b"", EmptyTableError, "empty"),
        ("a.csv", b"a,a \n1,2\n", HeaderError, "columns 1 and 2"),
        ("a.parquet", b"a,b\n1,2\n", WrongFormatError, "named like a Parquet"),
        ("a.parquet", b"PAR1 and no more", WrongFormatError, "cannot be read as Parquet"),
    ],
)
def test_what_cannot_be_read_says_why(
    tmp_path: Path, name: str, content: bytes, error: type[TableError], pattern: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(error, match=pattern):
        read_table(path, spec())


def test_an_index_that_was_not_given_is_told(tmp_path: Path) -> None:
    table = read_table(data(tmp_path), spec(tmp_path / "clinical_index.csv"))
    assert "clinical_index.csv was not given" in table.notes[0]


@pytest.mark.parametrize("content", [b"[{", b"[\xff]"])
def test_a_broken_index_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clinical_index.json"
    path.write_bytes(content)
    with pytest.raises(WrongFormatError, match="clinical_index"):
        read_table(data(tmp_path), spec(path))


def test_without_pyarrow_parquet_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert parquet.is_parquet(path)
    with pytest.raises(TableError, match=r"install multimodal\[analysis\], or save the table as CSV"):
        read_table(path, spec())
