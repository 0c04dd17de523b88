"""One call from FHIR back to a wide table; the Parquet file beside the CSV in the bucket."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from multimodal.bucket import FolderBucket
from multimodal.fhirstore import NdjsonFolder
from multimodal.radiomics import Profile, load_profile
from multimodal.resources.measurements import Layout
from multimodal.workflows.extract_radiomics import SeriesFolders, extract_radiomics
from multimodal.workflows.feature_table import ROI_COLUMNS, feature_table
from multimodal.workflows.scanned_patients import ScannedPatients

PROFILE = """\
radiomics: 1
name: width-{width}
discretisation: {{method: fixed-bin-width, width: {width}}}
images: [original]
classes: [shape, firstorder, ngtdm]
kurtosis: excess
"""


def profile_of(folder: Path, width: int) -> Profile:
    file = folder / f"width-{width}.yaml"
    file.write_text(PROFILE.format(width=width))
    return load_profile(file)


@pytest.fixture
def pair(cohort: Path) -> SeriesFolders:
    patient = next(path for path in sorted((cohort / "dicom").iterdir()) if (path / "RTSTRUCT").is_dir())
    return SeriesFolders(patient / "CT", patient / "RTSTRUCT")


def measure(
    pair: SeriesFolders, profile: Profile, target: NdjsonFolder, bucket: FolderBucket, out: Path, layout: Layout
) -> list[dict[str, str]]:
    """Extract, and return the lines of features.csv."""
    extract_radiomics(
        [pair], profile=profile, out_dir=out, fhir=target, bucket=bucket, layout=layout,
        patients=ScannedPatients("urn:test:table"),
    )  # fmt: skip
    (file,) = out.rglob("features.csv")
    with file.open() as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize("layout", ["members", "components"])
def test_what_fhir_holds_is_what_was_measured(
    pair: SeriesFolders, target: NdjsonFolder, bucket: FolderBucket, tmp_path: Path, layout: Layout
) -> None:
    lines = measure(pair, profile_of(tmp_path, 25), target, bucket, tmp_path / "a", layout)
    lines += measure(pair, profile_of(tmp_path, 50), target, bucket, tmp_path / "b", layout)
    table = feature_table(target)
    assert table.columns[: len(ROI_COLUMNS)] == ROI_COLUMNS
    back = {
        (row["series"], row["mask_sop_uid"], row["segment"], row["roi"], row["settings"], name): row[name]
        for row in table.rows
        for name in table.columns[len(ROI_COLUMNS) :]
        if row[name] is not None
    }
    said = {
        (x["series"], x["mask_sop_uid"], int(x["segment"]), x["roi"], x["settings"], x["feature"]): float(x["value"])
        for x in lines
    }
    assert back == said
    assert len({row["settings"] for row in table.rows}) == 2
    one = lines[0]["settings"]
    assert {row["settings"] for row in feature_table(target, settings=one).rows} == {one}
    table.write_csv(tmp_path / "wide.csv")
    with (tmp_path / "wide.csv").open() as file:
        assert [float(row["original_shape_MeshVolume"]) for row in csv.DictReader(file)] == [
            row["original_shape_MeshVolume"] for row in table.rows
        ]


def test_the_other_layout_replaces(
    pair: SeriesFolders, target: NdjsonFolder, bucket: FolderBucket, tmp_path: Path
) -> None:
    profile = profile_of(tmp_path, 25)
    measure(pair, profile, target, bucket, tmp_path / "a", "members")
    many = sum(1 for _ in target.resources("Observation"))
    before = feature_table(target)
    measure(pair, profile, target, bucket, tmp_path / "b", "components")
    assert sum(1 for _ in target.resources("Observation")) < many / 8
    assert feature_table(target) == before


def test_the_bucket_holds_a_wide_parquet(
    pair: SeriesFolders, target: NdjsonFolder, bucket: FolderBucket, tmp_path: Path
) -> None:
    profile = profile_of(tmp_path, 25)
    lines = measure(pair, profile, target, bucket, tmp_path / "a", "members")
    [key] = [key for key in bucket.list("features/") if key.endswith(".parquet")]
    assert key == f"features/{(tmp_path / 'a').rglob('features.csv').__next__().parent.name}/{profile.sha256}.parquet"
    content = bucket.read(key)
    table = pq.read_table(io.BytesIO(content))
    for row in table.to_pylist():
        for line in lines:
            if line["roi"] == row["roi"]:
                assert row[line["feature"]] == float(line["value"])
                assert (row["series"], row["segment"]) == (line["series"], int(line["segment"]))
    assert table.num_rows == len({line["roi"] for line in lines})
    field = table.schema.field("original_shape_MeshVolume")
    assert field.metadata[b"unit"] == b"mm3"
    assert field.metadata[b"ibsi_code"] == b"RNU0"
    measure(pair, profile, target, bucket, tmp_path / "again", "members")
    assert bucket.read(key) == content
