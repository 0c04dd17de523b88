"""Fetches the instances of one series, verifies each, and fetches again what did not come (PS3.18 10.4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import requests

from multimodal.dicomweb.errors import IncompleteSeriesError, SeriesNotFoundError, UnexpectedAnswerError
from multimodal.dicomweb.folder import PartialFile, PulledInstance, SeriesFolder
from multimodal.dicomweb.multipart import MultipartError, Part, boundary_of, read_parts
from multimodal.dicomweb.profiles import Profile
from multimodal.dicomweb.qido import Qido
from multimodal.dicomweb.verify import NotWholeError
from multimodal.model.errors import RemoteError
from multimodal.model.progress import Progress, silent
from multimodal.model.references import SeriesRef
from multimodal.transport.session import (
    BrokenAnswerError,
    HttpSession,
    NotFoundError,
    RequestRefusedError,
    StoreFailedError,
)

__all__ = ["PullReport", "PulledInstance", "Retrieval"]

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
    resumed : int
        Instances that an earlier run had fetched, and this one did not.
    """

    series: SeriesRef
    instances: tuple[PulledInstance, ...]
    fetched_bytes: int
    resumed: int


class Retrieval:
    """One pull of one series into one folder.

    Notes
    -----
    First the whole series in one answer; then each instance that is missing by itself, in as many rounds as the
    store's ``attempts``. What is verified is never asked for again, in this run or a later one.
    """

    def __init__(
        self, session: HttpSession, profile: Profile, ref: SeriesRef, folder: Path, progress: Progress = silent
    ) -> None:
        self._session = session
        self._profile = profile
        self._qido = Qido(session, profile)
        self._ref = ref
        self._folder = folder
        self._progress = progress
        self._fetched = 0
        self._reason = ""

    def run(self) -> PullReport:
        """Fetch what is missing and return the whole series.

        Raises
        ------
        SeriesNotFoundError
            If the store has no such series.
        IncompleteSeriesError
            If instances are missing after all attempts.
        """
        count = self._count()
        uids = None if count is not None else self._uids()
        with closing(SeriesFolder(self._folder, self._ref)) as folder:
            if not folder.instances:
                self._whole_series(folder, uids, count if uids is None else len(uids))
            if count is None or len(folder.instances) != count:
                self._the_rest(folder, uids or self._uids())
            instances = tuple(folder.instances[uid] for uid in sorted(folder.instances))
            return PullReport(self._ref, instances, self._fetched, folder.resumed)

    def _count(self) -> int | None:
        """Return how many instances the series has, where the store can be trusted to know at once."""
        if not self._profile.counts:
            return None
        count = self._qido.instance_count(self._ref)
        if count == 0:
            raise SeriesNotFoundError(self._ref.store, self._ref.series_uid)
        return count

    def _uids(self) -> frozenset[str]:
        uids = self._qido.instance_uids(self._ref)
        if not uids:
            raise SeriesNotFoundError(self._ref.store, self._ref.series_uid)
        return uids

    def _whole_series(self, folder: SeriesFolder, uids: frozenset[str] | None, total: int | None) -> None:
        try:
            self._fetch(_series_path(self._ref), folder, uids, total)
        except NotFoundError as error:
            if uids is None:
                raise SeriesNotFoundError(self._ref.store, self._ref.series_uid) from error
            self._reason = error.problem
        except _SINGLY_INSTEAD as error:
            self._reason = error.problem  # what came before is kept, the rest is fetched singly

    def _the_rest(self, folder: SeriesFolder, uids: frozenset[str]) -> None:
        for gone in set(folder.instances) - uids:
            folder.drop(gone)
        missing = sorted(uids - set(folder.instances))
        cause: RemoteError | None = None
        lost: list[str] = []  # the store itself says that it does not have them, or cannot read them
        for _ in range(self._session.store.attempts):
            try:
                lost += self._singly(folder, missing, uids)
            except RemoteError as error:  # the session has retried already: the others would fare no better
                cause, self._reason = error, error.problem
                break
            missing = sorted(uids - set(folder.instances) - set(lost))
            if not missing:
                break
        if remaining := sorted(uids - set(folder.instances)):
            raise IncompleteSeriesError(self._ref.store, self._ref.series_uid, remaining, self._reason) from cause

    def _singly(self, folder: SeriesFolder, missing: list[str], uids: frozenset[str]) -> list[str]:
        lost = []
        for uid in missing:
            try:
                self._fetch(f"{_series_path(self._ref)}/instances/{uid}", folder, uids, len(uids))
            except NotFoundError as error:
                lost.append(uid)
                self._reason = error.problem
            except (BrokenAnswerError, UnexpectedAnswerError) as error:
                self._reason = error.problem
            except StoreFailedError as error:
                if error.status != 500:  # 500 is about this instance; anything else about the store
                    raise
                lost.append(uid)
                self._reason = error.problem
        return lost

    def _fetch(self, path: str, folder: SeriesFolder, uids: frozenset[str] | None, total: int | None) -> None:
        """Write the instances of one answer to disk and verify each."""
        answer = self._ask(path)
        unproven_end = _ends_with_connection(answer)
        try:
            for part in self._parts(answer):
                with folder.part() as file:
                    for chunk in part.chunks:
                        file.write(chunk)
                        self._fetched += len(chunk)
                self._accept(folder, file, uids, total, unproven_end)
        except MultipartError as error:
            raise BrokenAnswerError(self._ref.store, str(error)) from error

    def _accept(
        self,
        folder: SeriesFolder,
        part: PartialFile,
        uids: frozenset[str] | None,
        total: int | None,
        unproven_end: bool,
    ) -> None:
        try:
            folder.accept(part, uids, unproven_end=unproven_end)
        except NotWholeError as error:
            self._reason = str(error)
        self._progress("instances", len(folder.instances), total)

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
            answer.close()
        raise AssertionError("unreachable")

    def _parts(self, answer: requests.Response) -> Iterator[Part]:
        content_type = answer.headers.get("Content-Type", "")
        chunks = self._session.chunks(answer)
        boundary = boundary_of(content_type)
        if boundary is not None:
            return read_parts(chunks, boundary)
        if content_type.split(";")[0].strip().lower() == "application/dicom":
            return iter([Part({}, chunks)])
        answer.close()
        raise UnexpectedAnswerError(
            self._ref.store, f"answered {content_type or 'no media type'} where DICOM instances were asked for"
        )


def _ends_with_connection(answer: requests.Response) -> bool:
    """Tell whether a single-part answer could be cut without a trace; a multipart one has its closing boundary."""
    headers = answer.headers
    delimited = "Content-Length" in headers or "chunked" in headers.get("Transfer-Encoding", "").lower()
    return not delimited and boundary_of(headers.get("Content-Type", "")) is None


def _series_path(ref: SeriesRef) -> str:
    return f"studies/{ref.study_uid}/series/{ref.series_uid}"
