"""What Orthanc's own REST API says of series: of many in two short calls, where its QIDO-RS takes 0.5 ms an instance.

Orthanc knows a resource by a hash of its UIDs (Orthanc Book, "Orthanc identifiers"): of a series it lists the hashes of
its instances, which can be made here of what came.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson

from multimodal.model.errors import InvalidUidError
from multimodal.model.ids import check_uid
from multimodal.model.references import SeriesRef
from multimodal.transport.session import HttpSession

_PLUGIN = "/dicom-web"
_AT_ONCE = 50
_KEPT = 4 * _AT_ONCE  # answers, each of which may list thousands of instances
_HOLDS = 30.0  # seconds; later a series may have changed, and where so few were fetched, asking is no burden
# No such API here, or not for this login: any refusal or redirection, but no server that is busy.
_NOT_FOR_US = frozenset(range(300, 500)) - {408, 425, 429} | {500, 501}


@dataclass(frozen=True, slots=True)
class KnownSeries:
    """One series and its instances, as Orthanc lists them.

    Parameters
    ----------
    instance_ids : frozenset of str
        Orthanc identifiers.
    """

    ref: SeriesRef
    patient_id: str
    instance_ids: frozenset[str]

    def consists_of(self, sop_uids: Iterable[str]) -> bool:
        """Tell whether these are its instances, all of them and no other."""
        above = (self.patient_id, self.ref.study_uid, self.ref.series_uid)
        return {orthanc_id(*above, uid) for uid in sop_uids} == self.instance_ids


@dataclass(frozen=True, slots=True)
class _Batch:
    """Series that are asked for together, by the thread that made it."""

    uids: Sequence[str]
    time: float = field(default_factory=time.monotonic)
    answer: Future[dict[str, KnownSeries]] = field(default_factory=Future)


class OrthancDatabase:
    """Asks for series where a store's profile says that it is an Orthanc.

    Notes
    -----
    The REST API lies above the DICOMweb plugin; where it is not there, or not for this login, nothing is known and
    QIDO-RS must be asked. It may be called by several threads.
    """

    def __init__(self, session: HttpSession) -> None:
        base, found, below = session.store.url.rstrip("/").rpartition(_PLUGIN)
        self._session = session.beside(base) if found and not below else None
        self._store = session.store.name
        self._to_ask: dict[str, None] = {}
        self._batches: dict[str, _Batch] = {}  # by the series that nobody has searched for since they were asked for
        self._found: dict[str, tuple[KnownSeries, float]] = {}  # what was searched for, and when it was asked for
        self._lock = threading.Lock()  # never held while the store is asked

    def prepare(self, series_uids: Iterable[str]) -> None:
        """Tell which series will be asked for, so that they can be asked for together; a UID that is none is not."""
        with self._lock:
            self._to_ask.update(dict.fromkeys(filter(_is_uid, series_uids)))

    def find(self, series_uid: str) -> KnownSeries | None:
        """Return a series; None where it must be searched for."""
        with self._lock:
            batch, mine = self._batch_of(series_uid)
        if mine:
            try:
                found = self._ask(batch.uids)
                times = Counter(series.ref.series_uid for series in found)
                batch.answer.set_result({s.ref.series_uid: s for s in found if times[s.ref.series_uid] == 1})
            except BaseException as error:
                batch.answer.set_exception(error)
                raise
        elif batch.answer.exception() is not None:
            return self.find(series_uid)  # that was the error of another call
        series = batch.answer.result().get(series_uid)
        if series is not None:
            with self._lock:
                self._found[series_uid] = series, batch.time
                _shorten(self._found)
        return series

    def _batch_of(self, series_uid: str) -> tuple[_Batch, bool]:
        """Return the batch that asks for a series, and whether it is new, so that the caller has to ask."""
        batch = self._batches.pop(series_uid, None)  # the next search is answered anew
        if batch is not None and _holds(batch.time):
            return batch, False
        self._to_ask.pop(series_uid, None)
        others = list(islice(self._to_ask, _AT_ONCE - 1))
        batch = _Batch([series_uid, *others])
        for uid in others:
            del self._to_ask[uid]
            self._batches[uid] = batch
        _shorten(self._batches)
        return batch, True

    def take(self, ref: SeriesRef) -> KnownSeries | None:
        """Return what `find` found just now, once: by the next time it may have changed."""
        with self._lock:
            series, time_asked = self._found.pop(ref.series_uid, (None, 0.0))
        same = series is not None and series.ref.study_uid == ref.study_uid
        return series if same and _holds(time_asked) else None

    def ask(self, ref: SeriesRef) -> KnownSeries | None:
        """Return a series of which all UIDs are known; None where its instances must be searched for."""
        found = self._ask([ref.series_uid])
        return next((series for series in found if series.ref.study_uid == ref.study_uid), None)

    def instance_uids(self, known: KnownSeries) -> frozenset[str]:
        """Return the SOP Instance UIDs of a series, from the database alone; none where they are not as `known` says.

        QIDO-RS reads each instance's file: where one of them is lost, it fails for all of them.
        """
        wanted = {"StudyInstanceUID": known.ref.study_uid, "SeriesInstanceUID": known.ref.series_uid}
        found = self._post("tools/find", {"Level": "Instance", "Expand": True, "Query": wanted})
        try:
            uids = frozenset(check_uid(instance["MainDicomTags"]["SOPInstanceUID"]) for instance in found)
        except (AttributeError, KeyError, TypeError, InvalidUidError):
            return frozenset()
        return uids if known.consists_of(uids) else frozenset()

    def _ask(self, series_uids: Sequence[str]) -> list[KnownSeries]:
        """Return the series of these UIDs; a UID may stand in two studies."""
        wanted = {"SeriesInstanceUID": "\\".join(check_uid(uid) for uid in series_uids)}
        found = self._post("tools/find", {"Level": "Series", "Expand": True, "Query": wanted})
        if not found:
            return []
        try:
            parents = sorted({series["ParentStudy"] for series in found})
            studies = {study["ID"]: study for study in self._post("tools/bulk-content", {"Resources": parents})}
            known = [self._series(series, studies[series["ParentStudy"]]) for series in found]
        except (AttributeError, KeyError, TypeError, InvalidUidError):  # an answer of something else: QIDO-RS will tell
            return []
        return [series for series in known if series is not None]

    def _series(self, series: dict[str, Any], study: dict[str, Any]) -> KnownSeries | None:
        uids = study["MainDicomTags"]["StudyInstanceUID"], series["MainDicomTags"]["SeriesInstanceUID"]
        patient_id = study["PatientMainDicomTags"].get("PatientID", "")
        if orthanc_id(patient_id, *uids) != series["ID"]:  # not hashed as expected: its instances are not, either
            return None
        if not series["Instances"]:  # of none there is nothing to compare with
            return None
        return KnownSeries(SeriesRef(*uids, self._store), patient_id, frozenset(series["Instances"]))

    def _post(self, path: str, query: dict[str, Any]) -> list[dict[str, Any]]:
        session = self._session  # another thread may find that there is no such API
        if session is None:
            return []
        answer = session.request("POST", path, data=orjson.dumps(query), expect=_NOT_FOR_US)
        content = None
        if answer.status_code == 200:
            with contextlib.suppress(orjson.JSONDecodeError):  # a page for people
                content = orjson.loads(answer.content)
        if not isinstance(content, list):
            self._session = None
            return []
        return content


def _holds(asked: float) -> bool:
    return time.monotonic() - asked < _HOLDS


def _shorten(answers: dict[str, Any]) -> None:
    """Forget the oldest: whoever still wants them asks again."""
    while len(answers) > _KEPT:
        del answers[next(iter(answers))]


def _is_uid(text: str) -> bool:
    try:
        return check_uid(text) == text
    except InvalidUidError:
        return False


def orthanc_id(*parts: str) -> str:
    """Return the identifier of a resource: of its Patient ID and of its UIDs, the study's first."""
    name = hashlib.sha1("|".join(parts).encode(), usedforsecurity=False).hexdigest()
    return "-".join(name[at : at + 8] for at in range(0, 40, 8))
