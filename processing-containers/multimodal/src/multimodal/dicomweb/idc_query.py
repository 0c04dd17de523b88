"""Which series of IDC's index are meant."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from multimodal.dicomweb.errors import QueryRefusedError
from multimodal.dicomweb.idc_errors import UnknownValueError
from multimodal.dicomweb.idc_series import COLUMN_OF, NUMBERS, dicom_value
from multimodal.dicomweb.matching import matches
from multimodal.model.dicom_json import json_tag

# In place of an analysis result: the original images, which belong to none.
NO_ANALYSIS = "none"


class Condition:
    """What one column must say.

    Parameters
    ----------
    column : str
        Of the index.
    wanted : callable
        Says of a value, or of None for an empty cell, whether it is wanted.
    names : mapping of str to str
        Values that at least one series has to have, as they were asked for and as `wanted` compares them.
    """

    def __init__(
        self, column: str, wanted: Callable[[str | None], bool], names: Mapping[str, str] | None = None
    ) -> None:
        self.column = column
        self._wanted = wanted
        self._names = names or {}
        self._known: dict[str | None, bool] = {}

    def met_by(self, value: str | None) -> bool:
        """Say whether a value is wanted."""
        if not self._names:
            return self._wanted(value)
        if value not in self._known:
            self._known[value] = self._wanted(value)
        return self._known[value]

    @property
    def has_unmet(self) -> bool:
        """Whether a name was asked for that no value looked at so far is."""
        return not {_plain(value) for value in self._known if value is not None} >= set(self._names.values())

    def check_names(self, values: Iterable[str], origin: str) -> None:
        """Raise `UnknownValueError` for a name that none of `values`, all of the column, is: a slip is not "none"."""
        there = {_plain(value): value for value in values}
        for asked, name in self._names.items():
            if name not in there:
                near = [there[one] for one in difflib.get_close_matches(name, there, n=3)]
                raise UnknownValueError(origin, self.column, asked, near)


@dataclass(frozen=True, slots=True)
class IndexQuery:
    """Series of the index.

    Parameters
    ----------
    collections, modalities, licences, analysis_results : sequence of str
        Any of these values each, upper and lower case, ``-`` and ``_`` being the same; all where empty. The analysis
        result `NO_ANALYSIS` is that of the original images.
    filters : mapping of str to str
        By DICOM keyword, as in a search of a store (PS3.4 C.2.2.2).
    study_uids, series_uids : collection of str, optional
        These alone.
    """

    collections: Sequence[str] = ()
    modalities: Sequence[str] = ()
    licences: Sequence[str] = ()
    analysis_results: Sequence[str] = ()
    filters: Mapping[str, str] = field(default_factory=dict)
    study_uids: Collection[str] | None = None
    series_uids: Collection[str] | None = None

    def conditions(self, columns: frozenset[str], origin: str) -> list[Condition]:
        """Return what each column must say.

        Raises
        ------
        QueryRefusedError
            If the index has no column for it.
        """
        names = {
            "collection_id": self.collections,
            "Modality": self.modalities,
            "license_short_name": self.licences,
            "analysis_result_id": self.analysis_results,
        }
        found = [_named(column, asked) for column, asked in names.items() if asked]
        for keyword, value in self.filters.items():
            found.append(_filtered(keyword, value, origin))
        for column, uids in (("StudyInstanceUID", self.study_uids), ("SeriesInstanceUID", self.series_uids)):
            if uids is not None:
                found.append(Condition(column, frozenset(uids).__contains__))
        for condition in found:
            if condition.column not in columns:
                raise QueryRefusedError(origin, f"the index has no column {condition.column}")
        return found


def _named(column: str, asked: Sequence[str]) -> Condition:
    names = {_plain(name) for name in asked}
    nothing = column == "analysis_result_id" and NO_ANALYSIS in names

    def wanted(value: str | None) -> bool:
        return nothing if value is None else _plain(value) in names

    must = {name: _plain(name) for name in asked if column != "analysis_result_id" or _plain(name) != NO_ANALYSIS}
    return Condition(column, wanted, must)


def _filtered(keyword: str, value: str, origin: str) -> Condition:
    column = COLUMN_OF.get(keyword)
    if column is None or column in NUMBERS:
        raise QueryRefusedError(origin, f"the index does not hold {keyword}: leave it out of the search")
    tag = json_tag(keyword)

    def wanted(cell: str | None) -> bool:
        values = [] if cell is None else [dicom_value(keyword, cell)]
        return matches({tag: {"Value": values}}, keyword, value)

    return Condition(column, wanted)


def _plain(name: str) -> str:
    return name.strip().casefold().replace("-", "_")
