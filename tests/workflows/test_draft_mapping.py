"""The workflow draft-mapping: files of the bucket in; a draft, a preview and a report out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from multimodal.bucket import FolderBucket
from multimodal.model.errors import ConfigurationError, DataRefusedError
from multimodal.workflows.draft_mapping import draft_mapping

TABLE = "pid;sex;weight_kg;arm;comment\nA1;m;80,5;1;secret words\nA2;f;61;2;\n"


@pytest.fixture
def bucket(tmp_path: Path) -> FolderBucket:
    return FolderBucket(tmp_path / "bucket", name="bucket")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "Cohort A.csv"
    file.write_text(TABLE)
    return file


def test_a_draft_a_preview_and_a_report(table: Path, bucket: FolderBucket, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    result = draft_mapping([table], bucket=bucket, report_dir=out, run_id="run-1", system="urn:test:pid")
    assert dict(result.counts) == {
        "columns": 5, "columns proposed": 4, "columns to decide": 1, "rows looked at": 2
    }  # fmt: skip
    draft = bucket.read("fhir-mappings/drafts/cohort-a.yaml").decode()
    assert "weight_kg: {observation: 'LNC#29463-7 \"Body weight\"', type: number, unit: kg}" in draft
    assert sorted(bucket.list("reports/run-1/")) == [
        f"reports/run-1/{name}" for name in ("draft.yaml", "preview.html", "report.html", "report.json")
    ]
    assert (out / "draft.yaml").read_text() == draft
    preview = bucket.read("reports/run-1/preview.html").decode()
    assert "Observation: Body weight = 80.5 kg" in preview
    report = bucket.read("reports/run-1/report.html").decode()
    assert "to decide" in report
    assert "secret words" not in report + draft
    assert "<script" not in preview + report
    columns = json.loads(bucket.read("reports/run-1/report.json"))["columns"]
    assert [column["verb"] for column in columns] == ["patient:id", "patient:gender", "observation", "todo", "ignore"]
    assert "fhir-mappings/drafts/cohort-a.yaml" in result.warnings[0]


def test_a_draft_that_somebody_works_on_is_kept(table: Path, bucket: FolderBucket) -> None:
    key = "fhir-mappings/drafts/study-x.yaml"
    bucket.write(key, b"# mine\n")
    for _ in range(2):
        draft_mapping([table], bucket=bucket, report_dir=None, run_id="run-1", name="study-x")
    assert bucket.read(key) == b"# mine\n"
    assert sorted(bucket.list("fhir-mappings/drafts/")) == ["fhir-mappings/drafts/study-x-2.yaml", key]


def test_without_a_patient_column_there_is_a_draft_and_no_preview(tmp_path: Path, bucket: FolderBucket) -> None:
    file = tmp_path / "t.csv"
    file.write_text("weight\n80\n61\n")
    result = draft_mapping([file], bucket=bucket, report_dir=None, run_id="run-1")
    assert result.warnings[-1] == "no preview: no column was recognised as the patient's id"
    assert not bucket.exists("reports/run-1/preview.html")


@pytest.mark.parametrize("name", ["../x", "A", "a b", "x" * 50])
def test_a_name_that_is_none_is_refused(name: str, table: Path, bucket: FolderBucket) -> None:
    with pytest.raises(ConfigurationError, match="name"):
        draft_mapping([table], bucket=bucket, report_dir=None, run_id="run-1", name=name)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path, bucket: FolderBucket) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(b"PK\x03\x04....")
    with pytest.raises(DataRefusedError):
        draft_mapping([file], bucket=bucket, report_dir=None, run_id="run-1")
    assert list(bucket.list()) == []
