"""Searches a store (QIDO-RS, PS3.18 10.6): page by page, and never silently less than there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson
import requests
from pydicom.datadict import dictionary_VR, keyword_dict

from multimodal.dicomweb.errors import QueryRefusedError, SeriesNotFoundError, UnexpectedAnswerError
from multimodal.dicomweb.matching import matches
from multimodal.dicomweb.profiles import Profile
from multimodal.model.dicom_json import json_tag, text
from multimodal.model.ids import check_uid
from multimodal.model.references import SeriesRef
from multimodal.transport.session import HttpSession, NotFoundError, RequestRefusedError

Dataset = dict[str, Any]

# Left as they are by every HTTP library and read as they are by servers that do not decode.
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~*?/:@!$'(),;=")
_SEARCH_HEADERS = {"Accept": "application/dicom+json"}
_UID_OF_LEVEL = {"studies": "StudyInstanceUID", "series": "SeriesInstanceUID", "instances": "SOPInstanceUID"}
_NO_WILDCARDS = frozenset({"UI", "DA", "TM", "DT"})  # PS3.4 C.2.2.2.4


@dataclass(frozen=True, slots=True)
class _Plan:
    """One way to ask: filters for the store, filters for here, and fields that matches should hold."""

    asked: Mapping[str, str]
    local: Mapping[str, str]
    fields: Sequence[str]


class Qido:
    """Searches of one store."""

    def __init__(self, session: HttpSession, profile: Profile) -> None:
        self._session = session
        self._profile = profile
        self._unsearchable: set[str] = set()  # learnt from refusals
        self._takes_fields = True

    def search(
        self, path: str, filters: Mapping[str, str] | None = None, fields: Sequence[str] = ()
    ) -> Iterator[Dataset]:
        """Yield the matches at `path` (``studies``, ``studies/<uid>/series``, ...) in the DICOM JSON model.

        Parameters
        ----------
        filters : mapping of str to str
            Attribute keyword to value, with the wildcards, ranges and UID lists (by comma) of PS3.4 C.2.2.2. What
            the store cannot search by, or cannot be sent, is asked for more widely and filtered here.
        fields : sequence of str
            Keywords of attributes that the matches should hold as well.

        Raises
        ------
        QueryRefusedError
            If a keyword is none, or the store cannot give all matches.
        """
        filters = dict(filters or {})
        check_search(self._session.store.name, filters, fields)
        refused: RequestRefusedError | None = None
        for plan in self._plans(filters, fields):
            matches = self._run(path, plan)
            try:
                first = next(matches, None)
            except RequestRefusedError as error:
                if error.status != 400:
                    raise
                refused = refused or error
                continue
            if first is not None:
                yield first
                yield from matches
            if refused is not None:  # the next search need not find out again
                self._unsearchable |= filters.keys() - plan.asked.keys()
                self._takes_fields &= bool(plan.fields) or not fields
            return
        if refused is not None:
            raise refused

    def _plans(self, filters: Mapping[str, str], fields: Sequence[str]) -> Iterator[_Plan]:
        """Yield ways to ask, from all to the store to all but UIDs filtered here: some answer 400 for one word."""
        local = {key for key in filters if not self._searchable(key)}
        droppable = [key for key in filters if key not in local and dictionary_VR(key) != "UI"]
        drops = [set(), *({key} for key in droppable)]
        if len(droppable) > 1:
            drops.append(set(droppable))
        for dropped in drops:
            here = {key: value for key, value in filters.items() if key in local | dropped}
            asked = {key: value for key, value in filters.items() if key not in here}
            wanted = tuple(dict.fromkeys([*fields, *here]))
            if self._takes_fields:
                yield _Plan(asked, here, wanted)
            if wanted:
                yield _Plan(asked, here, ())

    def _run(self, path: str, plan: _Plan) -> Iterator[Dataset]:
        uid_keyword = _UID_OF_LEVEL[path.rsplit("/", 1)[-1]]
        encoding, local = self._profile.encoding, dict(plan.local)
        found = False
        if encoding != "none":
            sent = [f"{key}={quote(value, safe='*?,')}" for key, value in plan.asked.items()]
            for match in self._filtered(self._pages(path, _query(sent, plan.fields), uid_keyword), local, plan.fields):
                found = True
                yield match
        # A server that does not decode finds nothing, as does one that has nothing: only asking differently tells.
        special = {key: value for key, value in plan.asked.items() if not set(value) <= _PLAIN}
        if encoding == "none" or (encoding == "unknown" and special and not found):
            local |= special
            sent = [f"{key}={self._widened(key, value)}" for key, value in plan.asked.items()]
            fields = [*plan.fields, *special] if self._takes_fields else plan.fields
            yield from self._filtered(self._pages(path, _query(sent, fields), uid_keyword), local, fields)

    def _filtered(
        self, matches: Iterator[Dataset], local: Mapping[str, str], fields: Sequence[str]
    ) -> Iterator[Dataset]:
        """Yield the matches that match `local` too; an error where no match holds what to compare with."""
        unknown = {key for key, value in local.items() if value.strip("*")}
        seen = 0
        for match in matches:
            seen += 1
            if unknown:
                unknown = {key for key in unknown if json_tag(key) not in match}
            if _matches_all(match, local):
                yield match
        searchable = self._profile.searchable
        asked_for = bool(fields) and (searchable is None or unknown <= searchable)
        if seen and unknown and not asked_for:
            raise QueryRefusedError(
                self._session.store.name,
                f"the store neither searches by {', '.join(sorted(unknown))} nor returns it, so that it cannot be "
                "filtered here: leave it out of the search",
            )

    def has_any(self, path: str) -> bool:
        """Tell whether there is anything at `path`, by asking for one match."""
        return bool(self._page(path, "limit=1"))

    def find_series(self, series_uid: str) -> SeriesRef:
        """Return the reference of a series of which only its own UID is known.

        Raises
        ------
        SeriesNotFoundError
            If the store has none.
        """
        store = self._session.store.name
        for match in self.search("series", {"SeriesInstanceUID": check_uid(series_uid)}, ("StudyInstanceUID",)):
            if text(match, "SeriesInstanceUID") == series_uid and text(match, "StudyInstanceUID"):
                return SeriesRef(text(match, "StudyInstanceUID"), series_uid, store)
        raise SeriesNotFoundError(store, series_uid)

    def has_series(self, ref: SeriesRef) -> bool:
        """Tell whether the store has a series: a short question where the list of its instances is a long answer."""
        matches = self.search(f"studies/{ref.study_uid}/series", {"SeriesInstanceUID": ref.series_uid})
        return any(text(match, "SeriesInstanceUID") == ref.series_uid for match in matches)

    def instance_uids(self, ref: SeriesRef) -> frozenset[str]:
        """Return the SOP Instance UIDs of a series; none if the store has no such series."""
        path = f"studies/{ref.study_uid}/series/{ref.series_uid}/instances"
        return frozenset(check_uid(text(match, "SOPInstanceUID")) for match in self.search(path))

    def instance_uids_if_any(self, ref: SeriesRef) -> frozenset[str]:
        """Return the SOP Instance UIDs of a series, asking for the list only if the store has the series at all."""
        return self.instance_uids(ref) if self.has_series(ref) else frozenset()

    def _searchable(self, keyword: str) -> bool:
        known = self._profile.searchable is None or keyword in self._profile.searchable
        return known and keyword not in self._unsearchable

    def _widened(self, keyword: str, value: str) -> str:
        """Replace what cannot be sent by a wildcard: ``?`` is one character, but of UTF-8 servers may see bytes."""
        if set(value) <= _PLAIN:
            return value
        if dictionary_VR(keyword) in _NO_WILDCARDS:
            raise QueryRefusedError(self._session.store.name, f"{keyword}={value!r} cannot be sent to this store")
        return "".join(char if char in _PLAIN else "?" if char.isascii() else "*" for char in value)

    def _pages(self, path: str, query: str, uid_keyword: str) -> Iterator[Dataset]:
        limit, offset = self._profile.limit, 0
        before: list[str] = []
        while True:
            if self._profile.max_offset is not None and offset > self._profile.max_offset:
                raise QueryRefusedError(
                    self._session.store.name,
                    f"more than {offset} matches, and the store gives no more: narrow the search",
                )
            page = self._page(path, f"{query}&limit={limit}&offset={offset}".lstrip("&"))
            uids = [text(match, uid_keyword) for match in page]
            if page and uids == before:
                self._check_repeated(path, query, len(page))
                return
            yield from page
            if not page or len(page) > limit or (len(page) < limit and self._profile.short_page_ends):
                return  # more than asked for: the store does not page, and gave everything
            offset += len(page)
            before = uids

    def _check_repeated(self, path: str, query: str, length: int) -> None:
        """A page came twice, so the store ignores the offset: harmless only if it ignores the limit as well.

        Then it does not page at all, and the page held everything. One that minds the limit may have a lower one
        of its own, and more matches behind it.
        """
        if length > 1 and len(self._page(path, f"{query}&limit=1".lstrip("&"))) == 1:
            raise QueryRefusedError(
                self._session.store.name,
                f"the store gives the same {length} matches again and again (it ignores offset): narrow the search, "
                "or give it a profile in which a short page is the last",
            )

    def _page(self, path: str, query: str) -> list[Dataset]:
        # 404 means "no match" only below a study: at the top it means that the address is wrong.
        empty = self._profile.empty_status - ({404} if "/" not in path else frozenset())
        expect = frozenset(status for status in empty if status >= 300)
        try:
            answer = self._session.request("GET", path, query=query, headers=_SEARCH_HEADERS, expect=expect)
        except NotFoundError as error:
            if "/" in path:
                raise
            store = self._session.store
            problem = f"nothing at {store.url}/{path}: its url must be the root of the store's DICOMweb service"
            raise NotFoundError(store.name, problem, status=error.status) from error
        if answer.status_code != 200 and answer.status_code in empty:
            return []
        return self._matches(answer, path) if answer.content.strip() else []

    def _matches(self, answer: requests.Response, path: str) -> list[Dataset]:
        try:
            content = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            content = None
        if not isinstance(content, list) or not all(isinstance(match, dict) for match in content):
            raise UnexpectedAnswerError(self._session.store.name, f"the answer to {path} is no list of DICOM JSON")
        return content


def check_search(store: str, filters: Mapping[str, str], fields: Sequence[str]) -> None:
    """Refuse a search that a store would answer with everything, or with nothing.

    Raises
    ------
    QueryRefusedError
        If a keyword is none, or there is nothing to search for.
    """
    for keyword in [*filters, *fields]:
        if keyword not in keyword_dict:  # most servers ignore what they do not know, and answer with everything
            raise QueryRefusedError(store, f"no DICOM attribute is named {keyword!r}")
    for keyword, value in filters.items():
        if not value or not value.isprintable():
            raise QueryRefusedError(store, f"{keyword}={value!r} is nothing to search for")


def _query(sent: Sequence[str], fields: Sequence[str]) -> str:
    return "&".join([*sent, *(f"includefield={field}" for field in dict.fromkeys(fields))])


def _matches_all(match: Dataset, wanted: Mapping[str, str]) -> bool:
    return all(matches(match, keyword, value) for keyword, value in wanted.items())
