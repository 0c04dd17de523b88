"""Asks a store what it can do, one small call for each question, and compares it with the store's profile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from pydicom.datadict import dictionary_VR

from multimodal.dicomweb.orthanc_api import OrthancDatabase
from multimodal.dicomweb.profiles import Profile, load_profile
from multimodal.dicomweb.qido import Dataset
from multimodal.model.dicom_json import text
from multimodal.model.ids import check_uid
from multimodal.model.references import SeriesRef
from multimodal.transport.session import HttpSession

_JSON = {"Accept": "application/dicom+json"}
_ABSENT_UID = "2.25.3402823669209384634633746074317682114"  # well formed, and nobody's
_ABSENT = {"DA": "19000101", "TM": "000001", "IS": "99999999", "UI": _ABSENT_UID, "CS": "NOSUCH"}
_ANY = frozenset(range(200, 600)) - {401, 403, 429, 503}
_FEW = 50  # series to choose from, instances of it that are listed for a comparison
_IMAGES = frozenset({"CT", "MR", "PT", "CR", "DX", "MG", "US", "XA", "NM"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One ability of a store.

    Parameters
    ----------
    section, key : str
        Where it stands in a profile.
    found : object
        What the store does; None where it could not be found out.
    profile : object
        What the profile says.
    note : str
        Why it could not be found out, or what else was seen.
    """

    section: str
    key: str
    found: Any
    profile: Any
    note: str = ""

    @property
    def differs(self) -> bool:
        """Whether the profile says otherwise."""
        return self.found is not None and self.found != self.profile


def probe(session: HttpSession, profile: Profile) -> list[Finding]:
    """Return what was found at the store; the calls read and never write.

    Raises
    ------
    RemoteError
        If the store does not answer at all, or refuses the login.
    """
    return list(_Probe(session, profile).findings())


class _Probe:
    def __init__(self, session: HttpSession, profile: Profile) -> None:
        self._session = session
        self._profile = profile

    def findings(self) -> Iterator[Finding]:
        profile = self._profile
        yield from self._empty()
        page = self._search("series", "limit=2&offset=0")[1]
        if not page:
            yield Finding("query", "encoding", None, profile.encoding, "no series to try it on")
            return
        chosen = self._with_images() or page[0]
        study, series = (check_uid(text(chosen, f"{level}InstanceUID")) for level in ("Study", "Series"))
        yield self._paging(page)
        yield self._encoding(series)
        yield self._searchable()
        path = f"studies/{study}/series/{series}"
        status, instances = self._search(f"{path}/instances", f"limit={_FEW}")
        if profile.orthanc:
            yield self._index(SeriesRef(study, series), instances)
        if not instances:
            yield Finding(
                "retrieve", "accept", None, list(profile.accept), f"its instances cannot be listed ({status})"
            )
            return
        path = f"{path}/instances/{check_uid(text(instances[0], 'SOPInstanceUID'))}"
        yield self._accept(path)
        for name, known in (("rendered", profile.rendered), ("thumbnail", profile.thumbnail)):
            status = self._status(f"{path}/{name}", "image/png") if name == "rendered" else 0
            status = status if status == 200 else self._status(f"{path}/{name}", "image/jpeg")
            yield Finding("retrieve", name, status == 200, known, f"status {status}")

    def _with_images(self) -> Dataset | None:
        """Return a series that can be rendered, if the first ones have such: a structure set cannot."""
        for match in self._search("series", f"limit={_FEW}&offset=0")[1]:
            if text(match, "Modality") in _IMAGES and text(match, "StudyInstanceUID"):
                return match
        return None

    def _empty(self) -> Iterator[Finding]:
        status, matches = self._search("studies", f"StudyInstanceUID={_ABSENT_UID}&limit=1")
        known = self._profile.empty_status
        if matches:
            yield Finding("query", "searchable", None, None, "it gives matches of another UID than the one asked for")
        elif status in known:
            yield Finding("query", "empty_status", sorted(known), sorted(known), f"answers {status}")
        else:
            yield Finding("query", "empty_status", sorted({*known, status}), sorted(known), f"answers {status}")

    def _paging(self, page: list[Dataset]) -> Finding:
        known = self._profile.limit
        if len(page) > 2:
            return Finding("query", "limit", known, known, "it ignores limit: every search is one page")
        status, many = self._search("series", f"limit={known}&offset=0")
        if status >= 400:
            return Finding("query", "limit", 100, known, f"a limit of {known} is refused ({status})")
        if len(page) == 2:
            second = self._search("series", "limit=1&offset=1")[1]
            if second and text(second[0], "SeriesInstanceUID") == text(page[0], "SeriesInstanceUID"):
                return Finding(
                    "query", "limit", known, known, "it ignores offset: only what fits one page can be found"
                )
        if len(many) < known:
            more = self._search("series", f"limit=1&offset={len(many)}")[1]
            if more:
                return Finding("query", "limit", len(many), known, f"gives {len(many)} at most")
        return Finding("query", "limit", known, known, f"gave {len(many)} of {known}")

    def _encoding(self, series: str) -> Finding:
        encoded = self._search("series", f"SeriesInstanceUID={series.replace('.', '%2E')}&limit=1")[1]
        found = "percent" if encoded and text(encoded[0], "SeriesInstanceUID") == series else "none"
        known = self._profile.encoding
        return Finding("query", "encoding", known if known == "unknown" else found, known, f"behaves as {found}")

    def _searchable(self) -> Finding:
        """Try each of the usual attributes with a value that nothing has: matches mean that it was ignored."""
        profile = self._profile
        usual = sorted(load_profile("generic").searchable or ())
        good: list[str] = []
        bad: list[str] = []
        for keyword in usual:
            wanted = _ABSENT.get(dictionary_VR(keyword), "no such value".replace(" ", "-"))
            level = "instances" if keyword in {"SOPClassUID", "SOPInstanceUID", "InstanceNumber"} else "series"
            if keyword.startswith(("Study", "Patient", "Accession", "Referring", "ModalitiesIn")):
                level = "studies"
            status, matches = self._search(level, f"{keyword}={wanted}&limit=1")
            (bad if (status >= 400 and status not in profile.empty_status) or matches else good).append(keyword)
        known = "any" if profile.searchable is None else sorted(profile.searchable)
        wrong = [keyword for keyword in bad if known == "any" or keyword in known]
        found: Any = known if not wrong else sorted(set(good) | (set() if known == "any" else set(known) - set(wrong)))
        return Finding("query", "searchable", found, known, f"not by {', '.join(bad)}" if bad else "by all usual ones")

    def _index(self, ref: SeriesRef, instances: list[Dataset]) -> Finding:
        known = OrthancDatabase(self._session).ask(ref)
        if known is None:
            return Finding("query", "index", None, "orthanc", "its REST API does not answer: QIDO-RS is asked instead")
        if not 0 < len(instances) < _FEW:
            return Finding("query", "index", None, "orthanc", f"lists {len(known.instance_ids)}; too many to compare")
        same = known.consists_of(text(instance, "SOPInstanceUID") for instance in instances)
        note = "lists the same instances as QIDO-RS" if same else "lists other instances than QIDO-RS"
        return Finding("query", "index", "orthanc" if same else "none", "orthanc", note)

    def _accept(self, path: str) -> Finding:
        known = list(self._profile.accept)
        every = list(dict.fromkeys([*known, *load_profile("generic").accept]))
        taken = [accept for accept in every if self._status(path, accept) == 200]
        if known[0] in taken:
            return Finding("retrieve", "accept", known, known, f"takes {len(taken)} of {len(every)} kinds")
        return Finding("retrieve", "accept", taken or None, known, "" if taken else "takes none of them")

    def _search(self, path: str, query: str) -> tuple[int, list[Dataset]]:
        answer = self._session.request("GET", path, query=query, headers=_JSON, expect=_ANY)
        try:
            content = orjson.loads(answer.content) if answer.status_code == 200 and answer.content.strip() else []
        except orjson.JSONDecodeError:
            content = []
        matches = content if isinstance(content, list) else []
        return answer.status_code, [match for match in matches if isinstance(match, dict)]

    def _status(self, path: str, accept: str) -> int:
        headers = {"Accept": accept, "Accept-Encoding": "identity"}
        answer = self._session.request("GET", path, headers=headers, stream=True, expect=_ANY)
        answer.close()
        return answer.status_code
