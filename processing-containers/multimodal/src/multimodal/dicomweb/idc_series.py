"""One row of IDC's index: what it tells of a series, in the DICOM JSON model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydicom.datadict import dictionary_VR

from multimodal.model.dicom_json import json_tag

# keyword -> column, where the two differ
_OTHERWISE = {"NumberOfSeriesRelatedInstances": "instanceCount"}
_ATTRIBUTES = (
    "PatientID", "PatientAge", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyDescription", "SeriesInstanceUID",
    "SeriesDate", "SeriesDescription", "SeriesNumber", "Modality", "BodyPartExamined", "SOPClassUID",
    "TransferSyntaxUID", "PhotometricInterpretation", "PixelRepresentation", "Manufacturer", "ManufacturerModelName",
    "NumberOfSeriesRelatedInstances",
)  # fmt: skip
# Several values by comma, where the instances of a series differ.
_LISTS = frozenset({"TransferSyntaxUID", "PhotometricInterpretation", "PixelRepresentation"})
_SERIES_ALONE = (
    "collection_id", "analysis_result_id", "source_DOI", "license_short_name", "crdc_series_uuid", "series_aws_url",
    "series_size_MB",
)  # fmt: skip

COLUMN_OF = {keyword: _OTHERWISE.get(keyword, keyword) for keyword in _ATTRIBUTES}
COLUMNS = (*COLUMN_OF.values(), *_SERIES_ALONE)
NUMBERS = frozenset({"instanceCount", "series_size_MB"})
REQUIRED = (
    "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "instanceCount", "collection_id",
    "license_short_name", "crdc_series_uuid", "series_aws_url", "series_size_MB",
)  # fmt: skip
_VRS = {keyword: dictionary_VR(keyword) for keyword in _ATTRIBUTES}
_TAGS = {keyword: json_tag(keyword) for keyword in _ATTRIBUTES}
_ISSUER = json_tag("IssuerOfPatientID")


@dataclass(frozen=True, slots=True)
class IndexedSeries:
    """What the index tells of one series.

    Parameters
    ----------
    attributes : sequence
        Values of `COLUMN_OF`, None for an empty cell.
    collection : str
        The collection that its PatientID belongs to: another one may use the same for somebody else.
    revision : str
        ``crdc_series_uuid``: changes whenever the series does, and never else.
    address : str
        Where its instances lie: ``s3://<bucket>/<revision>/*``.
    """

    attributes: Sequence[Any]
    collection: str
    analysis_result: str
    source_doi: str
    licence: str
    revision: str
    address: str
    bytes: int

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Self:
        """Return the series of a row with the values of `COLUMNS`."""
        count = len(COLUMN_OF)
        *texts, megabytes = row[count:]
        collection, analysis_result, doi, licence, revision, address = (text or "" for text in texts)
        size = round((megabytes or 0.0) * 1_000_000)
        return cls(tuple(row[:count]), collection, analysis_result, doi, licence, revision, address, size)

    @property
    def study_uid(self) -> str:
        """Study Instance UID."""
        return str(self.attributes[_STUDY] or "")

    @property
    def series_uid(self) -> str:
        """Series Instance UID."""
        return str(self.attributes[_SERIES] or "")

    @property
    def instances(self) -> int:
        """How many instances it has."""
        return int(self.attributes[_COUNT] or 0)

    def dataset(self) -> dict[str, Any]:
        """Return its attributes, the collection as the issuer of the Patient ID (PS3.3 C.7.1.1)."""
        found: dict[str, Any] = {_ISSUER: {"vr": "LO", "Value": [self.collection]}}
        for keyword, value in zip(COLUMN_OF, self.attributes, strict=True):
            if value is not None and value != "":
                values = str(value).split(",") if keyword in _LISTS else [dicom_value(keyword, value)]
                found[_TAGS[keyword]] = {"vr": _VRS[keyword], "Value": values}
        return dict(sorted(found.items()))


_STUDY = _ATTRIBUTES.index("StudyInstanceUID")
_SERIES = _ATTRIBUTES.index("SeriesInstanceUID")
_COUNT = _ATTRIBUTES.index("NumberOfSeriesRelatedInstances")


def dicom_value(keyword: str, cell: Any) -> Any:
    """Return a cell as its attribute has it: the index writes dates with hyphens; all else stays as it is."""
    return cell.replace("-", "") if _VRS[keyword] == "DA" else cell
