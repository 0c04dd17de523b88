"""Which series of a store are meant: by attributes, as QIDO-RS searches, or one by one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product

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
        By DICOM keyword, as in QIDO-RS (PS3.18 10.6): ``*`` and ``?`` in texts, ``20240101-20241231`` in dates. That
        by modality may name several by comma.
    series_uids : sequence of str
        These alone; the filters hold for them too.
    everything : bool
        Without filters and UIDs, all of the store; must be said, since a store may have millions.
    collections, licences, analysis_results : sequence of str
        Of IDC, by its index: any of these each; all where empty. The analysis result ``none`` is that of the original
        images.
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
            If nothing was selected, there is no index, or a date is not written as DICOM writes it: a store may find
            nothing by it, and say no more.
        InvalidUidError
            If a UID is none.
        QueryRefusedError
            If a collection is named of a store that has none.
        """
        listed = self.collections or self.licences or self.analysis_results
        if not (self.filters or self.series_uids or self.everything or listed):
            raise ConfigurationError(_NOT_SEARCHED)
        if date := self.filters.get("StudyDate"):
            _check_span(date)
        for uid in (*self.filters.get("StudyInstanceUID", "").split(","), *self.series_uids):
            if uid:
                check_uid(uid)
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
        modalities = _names(filters.pop("Modality", ""))
        return IndexQuery(
            self.collections,
            modalities,
            self.licences,
            self.analysis_results,
            filters,
            study_uids=[uid for uid in filters.pop("StudyInstanceUID", "").split(",") if uid] or None,
            series_uids=list(self.series_uids) or None,
        )

    def _asked(self, dicom: DicomWeb) -> Iterator[DicomJson]:
        seen: set[str] = set()
        named = [{"SeriesInstanceUID": uid} for uid in dict.fromkeys(self.series_uids)]
        # Servers know no list of modalities (only of UIDs, PS3.18 8.3.4.1).
        modalities = [{"Modality": name} for name in dict.fromkeys(_names(self.filters.get("Modality", "")))]
        for one, modality in product(named or [{}], modalities or [{}]):
            for series in dicom.series(filters={**self.filters, **one, **modality}, fields=FIELDS):
                uid = text(series, "SeriesInstanceUID")
                if uid not in seen:
                    seen.add(uid)
                    yield series


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _check_span(text: str) -> None:
    """Raise `ConfigurationError` unless `text` is a day or a span of days (PS3.4 C.2.2.2.5)."""
    first, dash, last = text.partition("-")
    if not (first or last) or not all(_is_day(one) for one in (first, last) if one):
        raise ConfigurationError(
            f"{text!r} is no day or span of days; write 20240131, 20240101-20241231, 20240101- or -20241231"
        )
    if dash and last and first > last:
        raise ConfigurationError(f"the span {text} ends before it begins; exchange the two days")


def _is_day(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y%m%d")
    except ValueError:
        return False
    return re.fullmatch("[0-9]{8}", text) is not None
