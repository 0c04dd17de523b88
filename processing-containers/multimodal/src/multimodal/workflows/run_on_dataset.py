"""Any installed workflow on a dataset whose series lie in several stores: copied in, run, and the copies evicted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from multimodal.bucket import Bucket
from multimodal.dicomweb import DicomWeb, SeriesNotFoundError, open_dicomweb
from multimodal.index.errors import IndexMissingError
from multimodal.index.origin import store_of
from multimodal.index.series_index import SeriesIndex
from multimodal.model.errors import ConfigurationError, DataRefusedError, RemoteError
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.model.references import SeriesRef
from multimodal.model.results import Status, WorkflowResult
from multimodal.transport.stores import Stores
from multimodal.workflows.completion import STUDY_KEY
from multimodal.workflows.copies import ARRIVED, Copies, Copy, DatasetRun, NotEvictedError, instances_in
from multimodal.workflows.stage_series import INTERNAL, stage_series
from multimodal.workflows.started_runs import RunState, Start, WorkflowHost, awaited

_Documents = Mapping[str, Mapping[str, Any] | None]


class DatasetIncompleteError(DataRefusedError):
    """Series of the dataset cannot be had; a workflow that misses one of its series would fail."""

    def __init__(self, issues: Sequence[Issue], series: int) -> None:
        self.issues = tuple(issues)
        super().__init__(f"{len(issues)} of {series} series cannot be had ({issues[0].message}); nothing was started")


class NotIndexedError(RemoteError):
    """Copies that the internal archive or the index does not show in time."""

    def __init__(self, series_uids: Sequence[str], seconds: float) -> None:
        self.series_uids = tuple(series_uids)
        super().__init__(
            INTERNAL,
            f"{len(series_uids)} copied series are not whole and indexed after {seconds:.0f} s, e.g. {series_uids[0]}; "
            "nothing was started, try again",
        )


class StartedRunError(DataRefusedError):
    """The workflow was started and failed, or it was not started; to try the same step again would not help."""

    def __init__(self, host: str, problem: str) -> None:
        self.host = host
        super().__init__(f"{host}: {problem}")


def fetch_missing(
    stores: Stores,
    bucket: Bucket,
    run: DatasetRun,
    series_uids: Sequence[str],
    folder_of: Callable[[str], Path],
    *,
    progress: Progress = silent,
) -> WorkflowResult:
    """Fetch what the internal archive lacks of a dataset, and note it as copies of `run` before anything is sent.

    Returns
    -------
    WorkflowResult
        ``nothing`` where the archive has all of it.

    Raises
    ------
    ConfigurationError
        If copies shall be evicted from an archive that cannot delete.
    DatasetIncompleteError
        If a series is neither in the archive nor in the store that the index names.
    """
    copies = Copies(bucket)
    with ExitStack() as held:
        index = held.enter_context(SeriesIndex(stores.get("search", "opensearch")))
        pacs = held.enter_context(open_dicomweb(stores.get(INTERNAL, "dicomweb")))
        if run.evict and pacs.profile.delete == "none":
            raise ConfigurationError(
                f"{INTERNAL}: its profile {pacs.profile.name} knows no way to delete a series; run without evicting"
            )
        copies.save(run)
        documents = _documents(index, series_uids)
        _refuse_unknown(pacs, documents)
        refs = _referenced(documents)
        origins = {uid: store_of(documents[uid] or {}) for uid in refs}
        there = {uid: instances_in(pacs, ref) for uid, ref in refs.items()}
        missing = [uid for uid in refs if _lacks(stores, origins[uid], refs[uid], there[uid], copies.get(uid))]
        result = stage_series(stores, missing, folder_of, origins=origins, progress=progress)
        if lost := [issue for issue in result.issues if issue.code == IssueCode.SERIES_NOT_FOUND.code]:
            raise DatasetIncompleteError(lost, len(series_uids))
        made = {uid: _made(index, pacs, refs[uid], folder_of(uid)) for uid in missing}
        made |= {uid: copy for uid in refs.keys() - set(missing) if (copy := copies.get(uid)) is not None}
        run.copied = sorted({*run.copied, *made})
        copies.save(run)  # first: what a record of a copy names must be known to evict it
        copies.hold(made.values(), run)
    counts = {"series of the dataset": len(series_uids), "series to copy": len(missing), **result.counts}
    return WorkflowResult(result.status if missing else Status.NOTHING, counts, issues=result.issues)


def await_copies(stores: Stores, bucket: Bucket, run: DatasetRun, *, seconds: float) -> int:
    """Wait until the archive has every copy of `run` whole and, where a platform fills the index, that knows of it.

    Returns
    -------
    int
        How many copies there are.

    Raises
    ------
    NotIndexedError
        If that is not so in time.
    """
    copies = Copies(bucket)
    waiting = [copy for uid in run.copied if (copy := copies.get(uid)) is not None]
    number = len(waiting)
    with SeriesIndex(stores.get("search", "opensearch")) as index, open_dicomweb(stores.get(INTERNAL)) as pacs:
        platform = bool(waiting) and not index.owned

        def all_there() -> bool | None:
            waiting[:] = [copy for copy in waiting if not _has_arrived(copy, pacs, index if platform else None)]
            return None if waiting else True

        if awaited(all_there, seconds) is None:
            raise NotIndexedError([copy.series_uid for copy in waiting], seconds)
    return number


def start_workflow(
    host: WorkflowHost,
    bucket: Bucket,
    run: DatasetRun,
    series_uids: Sequence[str],
    settings: Mapping[str, Any],
    project: Mapping[str, Any],
) -> str:
    """Start the workflow of `run` on the whole dataset and return the host's name of that; once, however often called.

    Raises
    ------
    ConfigurationError
        If the copies of this run are gone already.
    """
    if run.started:
        return run.started
    if run.evicted:
        raise ConfigurationError(f"the copies of run {run.name} were evicted; start a new one")
    conf = {"data_form": {"identifiers": list(series_uids)}, "workflow_form": dict(settings)}
    if project:
        conf["project_form"] = dict(project)
    run.started = host.start(Start(run.workflow, conf, run.name))
    run.host = host.name
    Copies(bucket).save(run)
    return run.started


def evict_copies(
    stores: Stores,
    bucket: Bucket,
    run: DatasetRun | None,
    host: WorkflowHost,
    *,
    project: str = "",
    seconds: float = 0.0,
    progress: Progress = silent,
) -> WorkflowResult:
    """Wait for the end of what `run` started and delete its copies; then those that earlier runs left.

    Parameters
    ----------
    run : DatasetRun or None
        Without one only those of earlier runs, whose started workflows have ended.
    project : str
        Id of the Kaapana project.
    seconds : float
        How long to wait at most. What still runs after that keeps its copies; a later call evicts them.

    Raises
    ------
    StartedRunError
        If what `run` started failed, or it started nothing; after what there is to evict.
    """
    copies = Copies(bucket)
    eviction = _Eviction(stores, copies, project)
    own = [run] if run is not None and run.evict and not run.evicted else []
    earlier = [one for one in copies.unfinished() if run is None or one.name != run.name]
    for one in [*own, *earlier]:
        limit = seconds if one in own else 0.0
        if not one.started and one not in own:
            eviction.waits(one, "it started nothing yet")
            continue
        state = _end_of(one, host, limit)
        if state is None:
            eviction.waits(one, f"{one.started} still runs")
            continue
        one.ended = state.value if one.started else ""
        eviction.of(one)
        progress("runs", 1)
    if run is not None:
        _tell_failure(run)
    return eviction.result(bool(own or earlier))


def new_run(name: str, workflow: str, *, evict: bool) -> DatasetRun:
    """Return the record of a run that begins now."""
    return DatasetRun(name, datetime.now(UTC).isoformat(timespec="seconds"), workflow, evict)


class _Eviction:
    """What became of the copies of several runs."""

    def __init__(self, stores: Stores, copies: Copies, project: str) -> None:
        self._stores = stores
        self._copies = copies
        self._project = project
        self._issues: list[Issue] = []
        self._warnings: list[str] = []
        self._evicted = self._kept = 0

    def of(self, run: DatasetRun) -> None:
        """Evict the copies of a run; those that stay for a reason become issues."""
        stays = 0
        with SeriesIndex(self._stores.get("search", "opensearch")) as index, self._pacs() as pacs:
            for uid in run.copied:
                try:
                    gone = self._copies.evict(uid, run, pacs, index, project=self._project)
                except NotEvictedError as error:
                    stays += 1
                    code = IssueCode.COPY_STAYS
                    self._issues.append(Issue(code.code, str(error), record=uid, suggestion=code.suggestion))
                    continue
                self._evicted += gone
                self._kept += not gone
        run.evicted = not stays
        self._copies.save(run)

    def waits(self, run: DatasetRun, why: str) -> None:
        """Say that the copies of a run stay for now."""
        if run.copied:
            self._warnings.append(f"the {len(run.copied)} copies of run {run.name} ({run.since}) stay: {why}")

    def result(self, anything: bool) -> WorkflowResult:
        counts = {"copies evicted": self._evicted, "copies that others need": self._kept}
        partial = self._issues or self._warnings
        status = Status.NOTHING if not anything else Status.PARTIAL if partial else Status.DONE
        return WorkflowResult(status, counts, warnings=self._warnings, issues=self._issues)

    def _pacs(self) -> DicomWeb:
        return open_dicomweb(self._stores.get(INTERNAL, "dicomweb"))


def _documents(index: SeriesIndex, series_uids: Iterable[str]) -> _Documents:
    try:
        found = index.get_many(series_uids)
    except IndexMissingError:
        found = {}
    return {uid: found.get(uid) for uid in series_uids}


def _refuse_unknown(pacs: DicomWeb, documents: _Documents) -> None:
    """Refuse a dataset with series of which neither the index nor the archive knows."""
    issues = []
    code = IssueCode.SERIES_NOT_FOUND
    for uid, document in documents.items():
        if document is None:
            try:
                pacs.find_series(uid)
            except SeriesNotFoundError as error:
                issues.append(Issue(code.code, str(error), record=uid, suggestion=code.suggestion))
    if issues:
        raise DatasetIncompleteError(issues, len(documents))


def _referenced(documents: _Documents) -> dict[str, SeriesRef]:
    return {
        uid: SeriesRef(str(document.get(STUDY_KEY) or ""), uid)
        for uid, document in documents.items()
        if document is not None and store_of(document)
    }


def _made(index: SeriesIndex, pacs: DicomWeb, ref: SeriesRef, folder: Path) -> Copy:
    """Return the copy that is about to be sent, with the document, completed by now, that it will find.

    Of a series that the archive has a part of, or got by another way meanwhile, it is never evicted.
    """
    document = index.get(ref.series_uid)
    fetched = sorted(file.stem for file in folder.glob("*.dcm"))
    kept = bool(instances_in(pacs, ref))
    return Copy(ref.series_uid, ref.study_uid, store_of(document or {}), fetched, document, kept=kept)


def _lacks(stores: Stores, origin: str, ref: SeriesRef, there: frozenset[str], copy: Copy | None) -> bool:
    """Say whether the archive lacks a referenced series, or a part of it."""
    if copy is not None:
        return not there.issuperset(copy.instances)
    if not there:
        return True
    with open_dicomweb(stores.get(origin, "dicomweb")) as dicom:
        return not there.issuperset(instances_in(dicom, ref))


def _has_arrived(copy: Copy, pacs: DicomWeb, index: SeriesIndex | None) -> bool:
    if not instances_in(pacs, copy.ref).issuperset(copy.instances):
        return False
    if index is None:
        return True
    # The platform writes the document anew when the images arrive, with that time.
    document = index.get(copy.series_uid) or {}
    return bool(document.get(ARRIVED)) and document[ARRIVED] != (copy.document or {}).get(ARRIVED)


def _end_of(run: DatasetRun, host: WorkflowHost, seconds: float) -> RunState | None:
    """Return how the started run ended; None while it runs."""
    if not run.started:
        return RunState.GONE

    def ended() -> RunState | None:
        state = host.state(run.started, run.workflow)
        return state if state.ended else None

    return awaited(ended, seconds)


def _tell_failure(run: DatasetRun) -> None:
    copies = "; its copies are evicted" if run.evicted else ""
    if not run.started:
        raise StartedRunError(run.workflow, f"it was not started, see the step before{copies}")
    if run.ended == RunState.FAILED.value:
        raise StartedRunError(run.host, f"{run.started} failed, see its own log{copies}")
