"""Searches answered by IDC's index instead of its store: the proxy counts each one, and the buckets know none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from multimodal.dicomweb.client import DicomWeb
from multimodal.dicomweb.errors import SeriesNotFoundError
from multimodal.dicomweb.idc_index import IdcIndex, Totals
from multimodal.dicomweb.idc_query import IndexQuery
from multimodal.dicomweb.idc_series import IndexedSeries
from multimodal.dicomweb.matching import matches
from multimodal.dicomweb.profiles import Profile
from multimodal.dicomweb.qido import Dataset, check_search
from multimodal.model.dicom_json import json_tag
from multimodal.model.ids import check_uid
from multimodal.model.references import SeriesRef
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store


class IndexedDicomWeb(DicomWeb):
    """A store of IDC, searched by the index; what is fetched comes from the store.

    Notes
    -----
    Each search reads the file once, which takes about a second: tell with `prepare` what the next ones will be about.
    """

    lists_instances = False

    def __init__(self, store: Store, profile: Profile, session: HttpSession, index: IdcIndex) -> None:
        super().__init__(store, profile, session)
        self.index = index
        self._of_study: dict[str, list[IndexedSeries]] = {}
        self._of_series: dict[str, IndexedSeries | None] = {}
        self._current: IndexedSeries | None = None  # most questions are about the series that was found last

    def find(self, query: IndexQuery) -> Iterator[IndexedSeries]:
        """Yield the series that a query means; raises as `IdcIndex.series` does."""
        for series in self.index.series(query):
            self._current = series
            yield series

    def totals(self, query: IndexQuery) -> Totals:
        """Count the series that a query means, their instances and bytes."""
        return self.index.totals(query)

    def by_index(self) -> IndexedDicomWeb:
        """Return this store: it is searched by the index already."""
        return self

    def prepare(self, *, series_uids: Collection[str] = (), study_uids: Collection[str] = ()) -> None:
        """Read what the index tells of these series, and of all series of these studies."""
        if study_uids:
            found: dict[str, list[IndexedSeries]] = {uid: [] for uid in study_uids}
            for series in self.find(IndexQuery(study_uids=study_uids)):
                found[series.study_uid].append(series)
            self._of_study = found
        if series_uids:
            self._of_series = dict.fromkeys(series_uids)
            self._of_series |= {one.series_uid: one for one in self.find(IndexQuery(series_uids=series_uids))}

    def has_studies(self) -> bool:
        """Tell whether the index has a series; nothing is asked of the store."""
        return next(self.find(IndexQuery()), None) is not None

    def studies(self, filters: Mapping[str, str] | None = None, fields: Sequence[str] = ()) -> Iterator[Dataset]:
        """Yield the studies of the series that match `filters`, as the first series of each tells of them."""
        check_search(self.store.name, filters or {}, fields)
        of_study: dict[str, Dataset] = {}
        counts: dict[str, list[IndexedSeries]] = defaultdict(list)
        for series in self._matching(filters or {}):
            of_study.setdefault(series.study_uid, series.dataset())
            counts[series.study_uid].append(series)
        for uid, study in of_study.items():
            modalities = {str(_first(series.dataset(), "Modality")) for series in counts[uid]} - {""}
            study[json_tag("ModalitiesInStudy")] = {"vr": "CS", "Value": sorted(modalities)}
            yield study

    def series(
        self, study_uid: str | None = None, filters: Mapping[str, str] | None = None, fields: Sequence[str] = ()
    ) -> Iterator[Dataset]:
        """Yield the series of one study, or of the whole index, that match `filters`."""
        check_search(self.store.name, filters or {}, fields)
        wanted = {} if study_uid is None else {"StudyInstanceUID": check_uid(study_uid)}
        for series in self._matching({**(filters or {}), **wanted}):
            yield series.dataset()

    def find_series(self, series_uid: str) -> SeriesRef:
        """Return the reference of a series of which only its own UID is known."""
        found = self.indexed(check_uid(series_uid))
        return SeriesRef(found.study_uid, found.series_uid, self.store.name)

    def indexed(self, series_uid: str) -> IndexedSeries:
        """Return what the index tells of one series.

        Raises
        ------
        SeriesNotFoundError
            If it has none such.
        """
        current = self._current  # another thread may find the next
        if current is not None and current.series_uid == series_uid:
            return current
        if series_uid in self._of_series:
            found = self._of_series[series_uid]
        else:
            found = next(self.find(IndexQuery(series_uids=[series_uid])), None)
        if found is None:
            raise SeriesNotFoundError(self.store.name, series_uid)
        return found

    def _matching(self, filters: Mapping[str, str]) -> Iterable[IndexedSeries]:
        rest = dict(filters)
        uids = rest.pop("SeriesInstanceUID", None)
        studies = rest.pop("StudyInstanceUID", None)
        query = IndexQuery(
            filters=rest,
            study_uids=None if studies is None else frozenset(studies.split(",")),
            series_uids=None if uids is None else frozenset(uids.split(",")),
        )
        if query.study_uids and query.series_uids is None and self._of_study.keys() >= set(query.study_uids):
            known = [series for uid in sorted(query.study_uids) for series in self._of_study[uid]]
            return [one for one in known if _matches(one.dataset(), rest)]
        return self.find(query)


def _matches(dataset: Dataset, filters: Mapping[str, str]) -> bool:
    return all(matches(dataset, keyword, value) for keyword, value in filters.items())


def _first(dataset: Dataset, keyword: str) -> object:
    return next(iter(dataset.get(json_tag(keyword), {}).get("Value", [])), "")
