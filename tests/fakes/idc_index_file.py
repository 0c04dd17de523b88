"""A small index as IDC's package has it, made up here, and the buckets that it names."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from pydicom.dataset import Dataset

BUCKET = "idc-open-data"
_NUMBERS = {"instanceCount": pyarrow.int64(), "series_size_MB": pyarrow.float64()}
_COLUMNS = (
    "collection_id", "analysis_result_id", "PatientID", "SeriesInstanceUID", "StudyInstanceUID", "source_DOI",
    "PatientAge", "PatientSex", "StudyDate", "StudyDescription", "BodyPartExamined", "Modality", "SOPClassUID",
    "TransferSyntaxUID", "PhotometricInterpretation", "PixelRepresentation", "Manufacturer", "ManufacturerModelName",
    "SeriesDate", "SeriesDescription", "SeriesNumber", "instanceCount", "license_short_name", "aws_bucket",
    "crdc_series_uuid", "series_aws_url", "series_size_MB",
)  # fmt: skip


def index_row(collection: str, patient: str, number: int, **cells: Any) -> dict[str, Any]:
    """Return the row of series `number` of a patient, each in a study of its own; `cells` replace what is usual."""
    revision = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{collection}/{patient}/{number}"))
    return {
        "collection_id": collection,
        "analysis_result_id": None,
        "PatientID": patient,
        "SeriesInstanceUID": f"2.25.{uuid.UUID(revision).int}.1",
        "StudyInstanceUID": f"2.25.{uuid.UUID(revision).int}",
        "source_DOI": "10.7937/example",
        "PatientAge": "063Y",
        "PatientSex": "M",
        "StudyDate": "2008-09-18",
        "StudyDescription": None,
        "BodyPartExamined": "LUNG",
        "Modality": "CT",
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        "TransferSyntaxUID": "1.2.840.10008.1.2.1",
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelRepresentation": "1",
        "Manufacturer": "ACME",
        "ManufacturerModelName": "One",
        "SeriesDate": "2008-09-18",
        "SeriesDescription": f"series {number}",
        "SeriesNumber": str(number),
        "instanceCount": 3,
        "license_short_name": "CC BY-NC 3.0",
        "aws_bucket": BUCKET,
        "crdc_series_uuid": revision,
        "series_aws_url": f"s3://{BUCKET}/{cells.get('crdc_series_uuid', revision)}/*",
        "series_size_MB": 0.5,
        **cells,
    }


def row_of(instances: list[Dataset], collection: str = "lung", **cells: Any) -> dict[str, Any]:
    """Return the row of a series with these instances."""
    first = instances[0]
    return index_row(
        collection, str(first.PatientID), int(first.SeriesNumber), SeriesInstanceUID=str(first.SeriesInstanceUID),
        StudyInstanceUID=str(first.StudyInstanceUID), instanceCount=len(instances), **cells,
    )  # fmt: skip


def write_index(path: Path, rows: Iterable[Mapping[str, Any]], version: str = "25.0.5") -> Path:
    """Write an index with these rows."""
    rows = list(rows)
    schema = pyarrow.schema([(name, _NUMBERS.get(name, pyarrow.large_string())) for name in _COLUMNS])
    columns = [pyarrow.array([row.get(name) for row in rows], schema.field(name).type) for name in _COLUMNS]
    table = pyarrow.Table.from_arrays(columns, schema=schema.with_metadata({"idc_index_data_version": version}))
    pyarrow.parquet.write_table(table, path)
    return path


def bucket_objects(folder: Path, row: Mapping[str, Any], instances: list[Dataset]) -> dict[str, bytes]:
    """Return the objects of a series, ``<bucket>/<revision>/<uuid>.dcm``."""
    objects = {}
    for number, dataset in enumerate(instances):
        file = folder / "object.dcm"
        dataset.save_as(file, enforce_file_format=True)
        name = uuid.uuid5(uuid.NAMESPACE_OID, f"{row['crdc_series_uuid']}/{number}")
        objects[f"{BUCKET}/{row['crdc_series_uuid']}/{name}.dcm"] = file.read_bytes()
    return objects
