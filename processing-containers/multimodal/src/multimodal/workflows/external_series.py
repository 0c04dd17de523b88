"""Which series of a store are meant: by attributes, as QIDO-RS searches, or one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from multimodal.dicomweb import DicomWeb, IndexedDicomWeb, IndexedSeries, IndexQuery, Totals
from multimodal.model.dicom_json import DicomJson, text, whole_number
from multimodal.model.errors import ConfigurationError
from multimodal.model.ids import check_uid

# What a series' document can hold before its instances were looked at.
FIELDS = (
    "PatientID", "PatientName", "PatientSex", "PatientBirthDate", "PatientAge", "IssuerOfPatientID", "StudyDate",
    "StudyTime", "StudyDescription", "StudyID", "AccessionNumber", "ModalitiesInStudy", "Modality", "SeriesNumber",
    "SeriesDescription", "SeriesDate", "SeriesTime", "BodyPartExamined", "ProtocolName", "Manufacturer",
    "ManufacturerModelName", "NumberOfSeriesRelatedInstances",
)  # fmt: skip
_NOT_SEARCHED = (
    "say which series: a patient, study, modality or date, series UIDs, a collection of IDC; or say that all are meant"
)


@dataclass(frozen=True, slots=True)
class FoundSeries:
    """A series of a store.

    Parameters
    ----------
    dataset : mapping
        What was told of it, in the DICOM JSON model.
    listed : IndexedSeries, optional
        What IDC's index says beyond that.
    """

    dataset: DicomJson
    listed: IndexedSeries | None = None


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
    collections, licences, analysis_results : sequence of str
        Of IDC, by its index: any of these each; all where empty. The analysis result ``none`` is that of the original
        images. With them, the filter by modality may name several by comma.
    """

    filters: Mapping[str, str] = field(default_factory=dict)
    series_uids: Sequence[str] = ()
    everything: bool = False
    collections: Sequence[str] = ()
    licences: Sequence[str] = ()
    analysis_results: Sequence[str] = ()

    def searched(self, dicom: DicomWeb) -> DicomWeb:
        """Return `dicom` as it answers this selection: by IDC's index, if a collection or the like is named.

        Raises
        ------
        ConfigurationError
            If nothing was selected, or there is no index.
        QueryRefusedError
            If a collection is named of a store that has none.
        """
        listed = self.collections or self.licences or self.analysis_results
        if not (self.filters or self.series_uids or self.everything or listed):
            raise ConfigurationError(_NOT_SEARCHED)
        return dicom.by_index() if listed else dicom

    def found(self, dicom: DicomWeb) -> Iterator[FoundSeries]:
        """Yield what the store, or the index, says of each series, each series once; raises as `searched` does."""
        dicom = self.searched(dicom)
        if isinstance(dicom, IndexedDicomWeb):
            yield from (FoundSeries(one.dataset(), one) for one in dicom.find(self._query()))
        else:
            yield from (FoundSeries(one) for one in self._asked(dicom))

    def find(self, dicom: DicomWeb) -> Iterator[DicomJson]:
        """Yield the attributes of each series alone."""
        return (one.dataset for one in self.found(dicom))

    def totals(self, dicom: DicomWeb) -> Totals:
        """Count the series, their instances and, where an index knows them, bytes; nothing else is done."""
        dicom = self.searched(dicom)
        if isinstance(dicom, IndexedDicomWeb):
            return dicom.totals(self._query())
        modalities: Counter[str] = Counter()
        instances = 0
        for series in self._asked(dicom):
            modalities[text(series, "Modality") or "?"] += 1
            instances += whole_number(series, "NumberOfSeriesRelatedInstances") or 0
        return Totals(modalities.total(), instances, None, modalities)

    def _query(self) -> IndexQuery:
        filters = dict(self.filters)
        modalities = [name.strip() for name in filters.pop("Modality", "").split(",") if name.strip()]
        return IndexQuery(
            self.collections,
            modalities,
            self.licences,
            self.analysis_results,
            filters,
            study_uids=[check_uid(uid) for uid in filters.pop("StudyInstanceUID", "").split(",") if uid] or None,
            series_uids=[check_uid(uid) for uid in self.series_uids] or None,
        )

    def _asked(self, dicom: DicomWeb) -> Iterator[DicomJson]:
        seen: set[str] = set()
        named = [{"SeriesInstanceUID": check_uid(uid)} for uid in dict.fromkeys(self.series_uids)]
        for one in named or [{}]:
            for series in dicom.series(filters={**self.filters, **one}, fields=FIELDS):
                uid = text(series, "SeriesInstanceUID")
                if uid not in seen:
                    seen.add(uid)
                    yield series
