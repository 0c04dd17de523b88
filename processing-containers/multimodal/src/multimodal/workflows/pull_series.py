"""DICOM series of a store -> verified files, a folder for each series; several series at once."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from multimodal.dicomweb import DicomWeb, PullReport, SeriesNotFoundError
from multimodal.model.errors import RemoteError, first_few
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.model.results import Status, WorkflowResult
from multimodal.transport.errors import BudgetSpentError, CertificateError, UnreachableError

# The next series would fare no better: those that were not begun are not asked for.
_OF_THE_STORE = (UnreachableError, CertificateError, BudgetSpentError)
_STATUS_OF_THE_STORE = frozenset({401, 429, 503})


class NoneFoundError(SeriesNotFoundError):
    """The store has none of several series.

    Attributes
    ----------
    other_series : tuple of str
        The further ones that it does not have.
    """

    def __init__(self, store: str, series_uids: Sequence[str]) -> None:
        first, *others = series_uids
        self.other_series = tuple(others)
        super().__init__(store, first)

    def __str__(self) -> str:
        others = self.other_series
        if not others:
            return super().__str__()
        return f"{super().__str__()}; not there either ({len(others)}): {first_few(others)}"


@dataclass(slots=True)
class Pulled:
    """What became of series that were asked for, each list in the order in which they were.

    Parameters
    ----------
    fetched : list of str
        UIDs of those that are whole.
    failed : list of RemoteError
        Of those that are not.
    not_asked : list of str
        UIDs of those that were not begun, since the store had failed.
    """

    counts: Counter[str] = field(default_factory=Counter)
    fetched: list[str] = field(default_factory=list)
    not_there: list[SeriesNotFoundError] = field(default_factory=list)
    failed: list[RemoteError] = field(default_factory=list)
    not_asked: list[str] = field(default_factory=list)

    def add(self, other: Pulled) -> None:
        """Take in what became of other series."""
        self.counts.update(other.counts)
        self.fetched += other.fetched
        self.not_there += other.not_there
        self.failed += other.failed
        self.not_asked += other.not_asked

    def issues(self) -> list[Issue]:
        """Return an issue for each series that its store does not have.

        Raises
        ------
        RemoteError
            Of the first that failed, with the UIDs of the others.
        SeriesNotFoundError
            If none of the series was found.
        """
        if self.failed:
            first, *others = self.failed
            first.other_series = (*(error.series_uid for error in others), *self.not_asked)
            raise first
        if self.not_there and not self.fetched:
            raise NoneFoundError(self.not_there[0].store, [error.series_uid for error in self.not_there])
        return [not_found(error.series_uid, str(error)) for error in self.not_there]


def pull_series(
    dicom: DicomWeb,
    series_uids: Sequence[str],
    folder_of: Callable[[str], Path],
    *,
    progress: Progress = silent,
) -> WorkflowResult:
    """Fetch each series into the folder that `folder_of` names for its UID.

    Returns
    -------
    WorkflowResult
        ``partial`` with an issue for each series that the store does not have.

    Raises
    ------
    SeriesNotFoundError
        If it has none of them.
    RemoteError
        If one of them did not come, after the others were fetched; of several the first, with the UIDs of the others.
        A rerun fetches only what is missing.
    """
    pulled = pull_each(dicom, series_uids, folder_of, progress=progress)
    issues = pulled.issues()
    status = Status.NOTHING if not series_uids else Status.PARTIAL if issues else Status.DONE
    return WorkflowResult(status, pulled.counts, issues=issues)


def pull_each(
    dicom: DicomWeb,
    series_uids: Sequence[str],
    folder_of: Callable[[str], Path],
    *,
    progress: Progress = silent,
) -> Pulled:
    """Fetch series, as many at once as the store has connections, and say what became of each.

    Parameters
    ----------
    folder_of : callable
        Series of the same folder are fetched one after the other.
    progress : Progress
        Told of instances and series over all of them; never by two threads at once.

    Notes
    -----
    A series that fails ends no other one. Any other error than that of a series or of the store, such as a disk that
    is full, ends all: then, as when the caller is interrupted, the store's connections are closed.
    """
    uids = list(dict.fromkeys(series_uids))
    if not uids:
        return Pulled()
    dicom.prepare(series_uids=uids)
    of_folder: dict[Path, list[str]] = defaultdict(list)
    for uid in uids:
        of_folder[folder_of(uid)].append(uid)
    pulls = _Pulls(dicom, len(uids), progress)
    pulls.run(of_folder)
    return pulls.outcome(uids)


def not_found(series_uid: str, message: str) -> Issue:
    """Return the issue of a series that its store does not have."""
    code = IssueCode.SERIES_NOT_FOUND
    return Issue(code.code, message, record=series_uid, suggestion=code.suggestion)


class _Pulls:
    """The pulls of one store that are under way, and what became of those that ended."""

    def __init__(self, dicom: DicomWeb, total: int, progress: Progress) -> None:
        self._dicom = dicom
        self._total = total
        self._progress = progress
        self._lock = threading.Lock()
        self._ended: dict[str, PullReport | SeriesNotFoundError | RemoteError] = {}
        self._instances: Counter[str] = Counter()
        self._all_instances = 0
        self._store_failed = False

    def run(self, of_folder: Mapping[Path, Sequence[str]]) -> None:
        with ThreadPoolExecutor(min(self._dicom.store.connections, len(of_folder))) as pool:
            calls = [pool.submit(self._into, folder, uids) for folder, uids in of_folder.items()]
            try:
                for call in as_completed(calls):
                    call.result()
            except BaseException:
                self._dicom.close()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def outcome(self, uids: Sequence[str]) -> Pulled:
        pulled = Pulled()
        for uid in uids:
            match self._ended.get(uid):
                case None:
                    pulled.not_asked.append(uid)
                case PullReport() as report:
                    pulled.fetched.append(uid)
                    pulled.counts["series"] += 1
                    pulled.counts["instances"] += len(report.instances)
                    pulled.counts["instances there before"] += report.resumed
                    if report.removed:
                        pulled.counts["instances removed, as the store has them no more"] += report.removed
                    pulled.counts["bytes fetched"] += report.fetched_bytes
                case SeriesNotFoundError() as error:
                    pulled.not_there.append(error)
                case RemoteError() as error:
                    pulled.failed.append(error)
        return pulled

    def _into(self, folder: Path, uids: Sequence[str]) -> None:
        for uid in uids:
            if self._store_failed:
                return
            ended: PullReport | SeriesNotFoundError | RemoteError
            try:
                ended = self._dicom.pull(self._dicom.find_series(uid), folder, progress=partial(self._tell, uid))
            except SeriesNotFoundError as error:
                ended = error
            except RemoteError as error:
                error.series_uid = uid
                self._store_failed |= _is_of_the_store(error) or _is_of_the_store(error.__cause__)
                ended = error
            with self._lock:
                self._ended[uid] = ended
                self._progress("series", len(self._ended), self._total)

    def _tell(self, uid: str, what: str, done: int, total: int | None = None) -> None:
        """Pass on how many instances of all series are there; `total` is that of one series."""
        with self._lock:
            self._all_instances += done - self._instances[uid]
            self._instances[uid] = done
            self._progress(what, self._all_instances, total if self._total == 1 else None)


def _is_of_the_store(error: BaseException | None) -> bool:
    if isinstance(error, RemoteError) and error.status in _STATUS_OF_THE_STORE:
        return True
    return isinstance(error, _OF_THE_STORE)
