"""Fetches the instances of one series, verifies each, and fetches again what did not come (PS3.18 10.4)."""

from __future__ import annotations

import contextlib
import email.utils
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import requests

from multimodal.dicomweb.errors import IncompleteSeriesError, SeriesNotFoundError, UnexpectedAnswerError
from multimodal.dicomweb.folder import MANIFEST, PartialFile, PulledInstance, SeriesFolder, UnlistedError
from multimodal.dicomweb.multipart import MultipartError, Part, boundary_of, read_parts
from multimodal.dicomweb.orthanc_api import KnownSeries, OrthancDatabase
from multimodal.dicomweb.profiles import Profile
from multimodal.dicomweb.qido import Qido
from multimodal.dicomweb.verify import Header, NotWholeError
from multimodal.model.errors import RemoteError
from multimodal.model.progress import Progress, silent
from multimodal.model.references import SeriesRef
from multimodal.transport.errors import BudgetSpentError
from multimodal.transport.session import (
    BrokenAnswerError,
    HttpSession,
    NotFoundError,
    RequestRefusedError,
    StoreFailedError,
)

__all__ = ["PullReport", "PulledInstance", "Retrieval"]

_BLOCK = 1 << 22  # each wait for the server costs a change of threads: take all that has come
# Once glibc has seen a larger block freed it keeps freed ones (mallopt(3), M_MMAP_THRESHOLD); else each block of an
# answer is new memory from the system, whose page faults take as long as its bytes.
bytes(4 * _BLOCK)
_REFUSES_ACCEPT = frozenset({400, 406})
# Some stores do not serve whole series, or fail on one for the sake of a single instance in it.
_SINGLY_INSTEAD = (BrokenAnswerError, UnexpectedAnswerError, RequestRefusedError, StoreFailedError)


@dataclass(frozen=True, slots=True)
class PullReport:
    """A whole series on disk.

    Parameters
    ----------
    instances : tuple of PulledInstance
        All of them, in the order of their UIDs.
    fetched_bytes : int
        Bytes of DICOM received, instances that were refused or came twice included.
    refetched_bytes : int
        Those of them that were received in vain: cut, refused, or there already.
    resumed : int
        Instances that an earlier run had fetched, and this one did not.
    removed : int
        Instances that an earlier run had fetched and the series no longer has: their files were removed.
    """

    series: SeriesRef
    instances: tuple[PulledInstance, ...]
    fetched_bytes: int
    refetched_bytes: int
    resumed: int
    removed: int = 0


_Listing = frozenset[str] | KnownSeries  # the SOP Instance UIDs of the series, or what a database knows of it


class Retrieval:
    """One pull of one series into one folder.

    Notes
    -----
    First the whole series in one answer; then each instance that is missing by itself, in as many rounds as the
    store's ``attempts``. What is verified is never asked for again, in this run or a later one.

    Parameters
    ----------
    database : OrthancDatabase, optional
        Says which instances a series has, where the store's profile knows of one.
    """

    def __init__(
        self,
        session: HttpSession,
        profile: Profile,
        ref: SeriesRef,
        folder: Path,
        progress: Progress = silent,
        *,
        database: OrthancDatabase | None = None,
    ) -> None:
        self._session = session
        self._profile = profile
        self._qido = Qido(session, profile)
        self._ref = ref
        self._folder = folder
        self._progress = progress
        self._database = database
        self._fetched = 0
        self._reason = ""
        self._why: dict[str, str] = {}
        self._listed: frozenset[str] | None = None
        self._unlisted = False  # has an instance come that is not listed?
        self._listing: Future[_Listing] | None = None
        # What came before the list of the series did: verified, and not yet known to belong to it.
        self._waiting: list[tuple[PartialFile, Header, str]] = []
        self._lock = threading.Lock()

    def run(self) -> PullReport:
        """Fetch what is missing and return the whole series.

        Each error names the store, and the series as `series_uid`.

        Raises
        ------
        SeriesNotFoundError
            If the store has no such series.
        IncompleteSeriesError
            If instances are missing after all attempts.
        """
        try:
            return self._run()
        except RemoteError as error:
            error.series_uid = self._ref.series_uid
            raise

    def _run(self) -> PullReport:
        known = self._database.take(self._ref) if self._database is not None else None
        with contextlib.ExitStack() as stack:
            # A budget that ends while both come in would leave bytes of which nobody knows where they belong.
            first = known is not None or self._session.store.budget is not None
            if first or self._folder.joinpath(MANIFEST).is_file():
                listing = known or self._expected()
                self._listed = listing if isinstance(listing, frozenset) else None
                folder = stack.enter_context(closing(SeriesFolder(self._folder, self._ref)))
                if not folder.instances:
                    self._whole_series(lambda: folder)
            else:
                # What the series should hold is asked while it comes in; without an answer no folder is made.
                beside = stack.enter_context(ThreadPoolExecutor(1))
                self._listing = asked = beside.submit(self._expected)
                opened: list[SeriesFolder] = []

                def open_folder() -> SeriesFolder:
                    opened.append(stack.enter_context(closing(SeriesFolder(self._folder, self._ref))))
                    return opened[0]

                self._whole_series(open_folder)
                listing = asked.result()
                folder = opened[0] if opened else open_folder()
                self._name_waiting(folder, listing)
            if self._unlisted and isinstance(listing, frozenset):  # the list may have been cut
                listing = self._uids(to_an_empty_page=True)
            if not _is_whole(folder, listing):
                self._the_rest(folder, self._listed_in(listing))
            folder.tell_missing({})
            return self._report(folder)

    def _report(self, folder: SeriesFolder) -> PullReport:
        instances = folder.in_order()
        self._progress("instances", len(instances), len(instances))
        in_vain = self._fetched - sum(i.bytes for i in instances if i.sop_uid not in folder.listed)
        resumed = len(folder.listed) - folder.removed
        return PullReport(self._ref, instances, self._fetched, in_vain, resumed, folder.removed)

    def _expected(self) -> _Listing:
        """Ask which instances the series has."""
        if self._database is None:
            return self._uids()
        return self._database.ask(self._ref) or self._uids(to_an_empty_page=True)

    def _listed_in(self, listing: _Listing) -> frozenset[str]:
        if isinstance(listing, frozenset):
            return listing
        uids = self._database.instance_uids(listing) if self._database is not None else frozenset()
        return uids or self._uids(to_an_empty_page=True)

    def _uids(self, *, to_an_empty_page: bool = False) -> frozenset[str]:
        qido = self._qido
        if to_an_empty_page:  # something is not as the profile says: a short page may not be the last either
            qido = Qido(self._session, replace(self._profile, short_page_ends=False))
        uids = qido.instance_uids(self._ref)
        if not uids:
            raise SeriesNotFoundError(self._ref.store, self._ref.series_uid)
        return uids

    def _whole_series(self, folder: Callable[[], SeriesFolder]) -> None:
        try:
            answer = self._ask(_series_path(self._ref))
            with closing(answer):
                self._read(answer, folder(), None)
        except (NotFoundError, BudgetSpentError, *_SINGLY_INSTEAD) as error:
            self._reason = error.problem  # what came before is kept, the rest is fetched singly

    def _the_rest(self, folder: SeriesFolder, uids: frozenset[str]) -> None:
        for gone in set(folder.instances) - uids:
            folder.drop(gone)
        missing = sorted(uids - set(folder.instances))
        cause: RemoteError | None = None
        lost: set[str] = set()  # the store itself says that it does not have them, or cannot read them
        for _ in range(self._session.store.attempts):
            if not missing:
                break
            cause = self._singly(folder, missing, uids, lost)
            if cause is not None:  # the session has retried already: the others would fare no better
                break
            missing = sorted(uids - set(folder.instances) - lost)
        if remaining := sorted(uids - set(folder.instances)):
            reason = self._reason or "not in the answer"
            error = IncompleteSeriesError(self._ref.store, self._ref.series_uid, remaining, reason, self._why)
            folder.tell_missing(error.reasons)
            raise error from cause

    def _singly(
        self, folder: SeriesFolder, missing: list[str], uids: frozenset[str], lost: set[str]
    ) -> RemoteError | None:
        """Ask for each of `missing` over several connections; return what the store itself failed with."""
        with ThreadPoolExecutor(min(self._session.store.connections, len(missing))) as pool:
            calls = [pool.submit(self._one, folder, uid, uids, lost) for uid in missing]
            for call in calls:
                try:
                    call.result()
                except RemoteError as error:
                    self._reason = error.problem
                    pool.shutdown(wait=True, cancel_futures=True)
                    return error
        return None

    def _one(self, folder: SeriesFolder, uid: str, uids: frozenset[str], lost: set[str]) -> None:
        try:
            with closing(self._ask(f"{_series_path(self._ref)}/instances/{uid}")) as answer:
                self._read(answer, folder, uids, uid)
        except (BrokenAnswerError, UnexpectedAnswerError) as error:
            self._tell(uid, error.problem)
        except (NotFoundError, StoreFailedError) as error:
            self._tell(uid, error.problem)
            if not isinstance(error, NotFoundError) and error.status != 500:
                raise  # 500 is about this instance; anything else about the store
            lost.add(uid)

    def _tell(self, uid: str | None, why: str) -> None:
        self._reason = why
        if uid is not None:
            self._why[uid] = why

    def _read(
        self, answer: requests.Response, folder: SeriesFolder, uids: frozenset[str] | None, uid: str | None = None
    ) -> None:
        """Write the instances of one answer to disk and verify each."""
        unproven_end, time = _ends_with_connection(answer), _date_of(answer)
        try:
            for part in self._parts(answer):
                file = self._written(part, folder)
                self._accept(folder, uids, uid, unproven_end, time, file)
        except MultipartError as error:
            raise BrokenAnswerError(self._ref.store, str(error)) from error

    def _written(self, part: Part, folder: SeriesFolder) -> PartialFile:
        with folder.part() as file:
            try:
                for chunk in part.chunks:
                    file.write(chunk)
                    del chunk  # or its block would stay in memory beside the next
            finally:
                with self._lock:
                    self._fetched += file.size
        return file

    def _accept(
        self,
        folder: SeriesFolder,
        uids: frozenset[str] | None,
        uid: str | None,
        unproven_end: bool,
        time: str,
        part: PartialFile,
    ) -> None:
        try:
            header = folder.verify(part, unproven_end=unproven_end)
            if self._listing is not None and not self._listing.done():
                self._waiting.append((part, header, time))
                return
            listed = self._listed if self._listing is None else self._listing.result()
            folder.name(part, header, uids or _allowed(listed), time)
        except NotWholeError as error:
            self._unlisted |= isinstance(error, UnlistedError)
            self._tell(uid, str(error))
        self._progress("instances", len(folder.instances), None if uids is None else len(uids))

    def _name_waiting(self, folder: SeriesFolder, listing: _Listing) -> None:
        self._listing = None
        for part, header, time in self._waiting:
            try:
                folder.name(part, header, _allowed(listing), time)
            except NotWholeError as error:
                self._unlisted |= isinstance(error, UnlistedError)
                self._tell(None, str(error))
        self._waiting.clear()

    def _ask(self, path: str) -> requests.Response:
        for accept in self._profile.accept:
            last = accept == self._profile.accept[-1]
            answer = self._session.request(
                "GET",
                path,
                # Identity: compressing pixels makes some servers 25 times slower and saves nothing.
                headers={"Accept": accept, "Accept-Encoding": "identity"},
                stream=True,
                expect=frozenset() if last else _REFUSES_ACCEPT,
            )
            if answer.status_code not in _REFUSES_ACCEPT:
                return answer
            self._session.discard(answer)
        raise AssertionError("unreachable")

    def _parts(self, answer: requests.Response) -> Iterator[Part]:
        content_type = answer.headers.get("Content-Type", "")
        chunks = self._session.chunks(answer, _BLOCK)
        boundary = boundary_of(content_type)
        if boundary is not None:
            return read_parts(chunks, boundary)
        if content_type.split(";")[0].strip().lower() == "application/dicom":
            return iter([Part({}, chunks)])
        answer.close()
        raise UnexpectedAnswerError(
            self._ref.store, f"answered {content_type or 'no media type'} where DICOM instances were asked for"
        )


def _is_whole(folder: SeriesFolder, listing: _Listing) -> bool:
    if isinstance(listing, frozenset):
        return folder.instances.keys() == listing
    return listing.consists_of(folder.instances)


def _allowed(listing: _Listing | None) -> frozenset[str] | None:
    """Return what alone may get a name; a database may have grown since it was asked, so that all is compared later."""
    return listing if isinstance(listing, frozenset) else None


def _ends_with_connection(answer: requests.Response) -> bool:
    """Tell whether a single-part answer could be cut without a trace; a multipart one has its closing boundary."""
    headers = answer.headers
    # What is no number is no length: then the body is read to the end of the connection.
    delimited = (
        headers.get("Content-Length", "").isdecimal() or "chunked" in headers.get("Transfer-Encoding", "").lower()
    )
    return not delimited and boundary_of(headers.get("Content-Type", "")) is None


def _date_of(answer: requests.Response) -> str:
    try:
        time = email.utils.parsedate_to_datetime(answer.headers["Date"])
    except (KeyError, ValueError, OverflowError):
        time = datetime.now(UTC)
    return time.isoformat(timespec="seconds")


def _series_path(ref: SeriesRef) -> str:
    return f"studies/{ref.study_uid}/series/{ref.series_uid}"
