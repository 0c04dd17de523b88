"""Which series of a store are meant: by attributes, as QIDO-RS searches, or one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from multimodal.dicomweb import DicomWeb
from multimodal.model.dicom_json import DicomJson, text
from multimodal.model.errors import ConfigurationError
from multimodal.model.ids import check_uid

# What a series' document can hold before its instances were looked at.
FIELDS = (
    "PatientID", "PatientName", "PatientSex", "PatientBirthDate", "PatientAge", "IssuerOfPatientID", "StudyDate",
    "StudyTime", "StudyDescription", "StudyID", "AccessionNumber", "ModalitiesInStudy", "Modality", "SeriesNumber",
    "SeriesDescription", "SeriesDate", "SeriesTime", "BodyPartExamined", "ProtocolName", "Manufacturer",
    "ManufacturerModelName", "NumberOfSeriesRelatedInstances",
)  # fmt: skip
_NOT_SEARCHED = "say which series: a patient, study, modality or date, or series UIDs; or say that all are meant"


@dataclass(frozen=True, slots=True)
class Selection:
    """Series of one store.

    Parameters
    ----------
    filters : mapping of str to str
        By DICOM keyword, as in QIDO-RS (PS3.18 10.6): ``*`` and ``?`` in texts, ``20240101-20241231`` in dates.
    series_uids : sequence of str
        These alone; the filters hold for them too.
    everything : bool
        Without filters and UIDs, all of the store; must be said, since a store may have millions.
    """

    filters: Mapping[str, str] = field(default_factory=dict)
    series_uids: Sequence[str] = ()
    everything: bool = False

    def find(self, dicom: DicomWeb) -> Iterator[DicomJson]:
        """Yield what the store says of each series, each series once.

        Raises
        ------
        ConfigurationError
            If nothing was selected.
        """
        if not (self.filters or self.series_uids or self.everything):
            raise ConfigurationError(_NOT_SEARCHED)
        seen: set[str] = set()
        named = [{"SeriesInstanceUID": check_uid(uid)} for uid in dict.fromkeys(self.series_uids)]
        for one in named or [{}]:
            for series in dicom.series(filters={**self.filters, **one}, fields=FIELDS):
                uid = text(series, "SeriesInstanceUID")
                if uid not in seen:
                    seen.add(uid)
                    yield series
