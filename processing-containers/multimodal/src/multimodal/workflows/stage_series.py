"""Series of a dataset -> verified files in the batch, each from the store that it lies in."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from multimodal.bucket import open_bucket
from multimodal.dicomweb import DicomWeb, IncompleteSeriesError, SeriesNotFoundError, open_dicomweb
from multimodal.index.errors import IndexMissingError
from multimodal.index.origin import store_of
from multimodal.index.series_index import SeriesIndex
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.model.results import Status, WorkflowResult
from multimodal.transport.stores import Stores
from multimodal.workflows.completion import complete_staged
from multimodal.workflows.pull_series import not_found, pull_series

INTERNAL = "pacs"


def origins_of(stores: Stores, series_uids: Iterable[str]) -> dict[str, str]:
    """Return the store of each series that the index says to lie in another than the internal archive.

    Parameters
    ----------
    stores : Stores
        Without a store of the name ``search`` nothing is known to lie elsewhere.
    """
    named = {store.name for store in stores if store.kind == "opensearch"}
    if "search" not in named:
        return {}
    with SeriesIndex(stores.get("search", "opensearch")) as index:
        try:
            found = {uid: store_of(index.get(uid) or {}) for uid in series_uids}
        except IndexMissingError:
            return {}
    return {uid: store for uid, store in found.items() if store}


def stage_series(
    stores: Stores,
    series_uids: Sequence[str],
    folder_of: Callable[[str], Path],
    *,
    origins: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> WorkflowResult:
    """Fetch each series into its folder: referenced ones from their own store, all others from the internal archive.

    Parameters
    ----------
    origins : mapping of str to str, optional
        Series UID -> store; what the index says, where not given.

    Returns
    -------
    WorkflowResult
        As that of `pull_series`, over all stores.

    Raises
    ------
    SeriesNotFoundError
        If not one of them was found.
    IncompleteSeriesError
        If one of them is not whole, after those of all stores were fetched.
    UnknownStoreError
        If the stores file does not name the store that a series lies in; nothing is fetched then.

    Notes
    -----
    The document of a referenced series that holds what a search told is completed from the fetched files, with its
    thumbnail where the stores file names a ``bucket``.
    """
    origins = origins_of(stores, series_uids) if origins is None else origins
    of_store: dict[str, list[str]] = defaultdict(list)
    for uid in series_uids:
        of_store[origins.get(uid) or INTERNAL].append(uid)
    ends = {name: stores.get(name, "dicomweb") for name in of_store}
    counts: Counter[str] = Counter()
    issues: list[Issue] = []
    missing: list[SeriesNotFoundError] = []
    incomplete: list[IncompleteSeriesError] = []
    for name, uids in of_store.items():
        with open_dicomweb(ends[name]) as dicom:
            try:
                result = pull_series(dicom, uids, folder_of, progress=progress)
            except SeriesNotFoundError as error:
                missing.append(error)
                issues += [not_found(uid, f"{name} has no series {uid}") for uid in uids]
                continue
            except IncompleteSeriesError as error:
                incomplete.append(error)
                continue
            if name != INTERNAL:
                completed = _complete(stores, dicom, uids, folder_of)
                counts.update(completed.counts)
                issues += completed.issues
        counts.update(result.counts)
        counts["series of other stores"] += 0 if name == INTERNAL else int(result.counts.get("series", 0))
        issues += result.issues
    if incomplete:
        raise incomplete[0]
    if missing and len(missing) == len(of_store):
        raise missing[0]
    status = Status.NOTHING if not series_uids else Status.PARTIAL if issues else Status.DONE
    return WorkflowResult(status, counts, issues=issues)


def _complete(stores: Stores, dicom: DicomWeb, uids: Iterable[str], folder_of: Callable[[str], Path]) -> WorkflowResult:
    """Complete the documents of what was fetched, where there is an index that has them."""
    folders = {uid: folder for uid in uids if (folder := folder_of(uid)).is_dir()}
    named = {store.name for store in stores}
    if not folders or "search" not in named:
        return WorkflowResult(Status.NOTHING)
    bucket = open_bucket(stores.get("bucket")) if "bucket" in named else None
    with SeriesIndex(stores.get("search", "opensearch")) as index:
        return complete_staged(index, bucket, dicom, folders)
