"""Series of a dataset -> verified files in the batch, each from the store that it lies in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from multimodal.bucket import open_bucket
from multimodal.dicomweb import DicomWeb, open_dicomweb
from multimodal.index.errors import IndexMissingError
from multimodal.index.origin import ORIGIN_FIELDS, store_of
from multimodal.index.series_index import SeriesIndex
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.model.results import Status, WorkflowResult
from multimodal.transport.stores import Stores
from multimodal.workflows.completion import complete_staged
from multimodal.workflows.pull_series import Pulled, pull_each

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
            found = index.get_many(series_uids, ORIGIN_FIELDS)
        except IndexMissingError:
            return {}
    return {uid: store for uid, document in found.items() if (store := store_of(document))}


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
    RemoteError
        If one of them did not come, after those of all stores were fetched.
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
    pulled = Pulled()
    issues: list[Issue] = []
    for name, uids in of_store.items():
        with open_dicomweb(ends[name]) as dicom:
            of_one = pull_each(dicom, uids, folder_of, progress=progress)
            if name != INTERNAL:
                completed = _complete(stores, dicom, of_one.fetched, folder_of)
                of_one.counts.update(completed.counts)
                issues += completed.issues
        of_one.counts["series of other stores"] = 0 if name == INTERNAL else len(of_one.fetched)
        pulled.add(of_one)
    issues = [*pulled.issues(), *issues]
    status = Status.NOTHING if not series_uids else Status.PARTIAL if issues else Status.DONE
    return WorkflowResult(status, pulled.counts, issues=issues)


def _complete(stores: Stores, dicom: DicomWeb, uids: Iterable[str], folder_of: Callable[[str], Path]) -> WorkflowResult:
    """Complete the documents of what was fetched, where there is an index that has them."""
    folders = {uid: folder for uid in uids if (folder := folder_of(uid)).is_dir()}
    named = {store.name for store in stores}
    if not folders or "search" not in named:
        return WorkflowResult(Status.NOTHING)
    bucket = open_bucket(stores.get("bucket")) if "bucket" in named else None
    with SeriesIndex(stores.get("search", "opensearch")) as index:
        return complete_staged(index, bucket, dicom, folders)
