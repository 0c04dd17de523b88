"""All regions of a volume, over as many processes as asked for."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

import SimpleITK

from multimodal.imaging import FailureReason, Roi, RoiFailure, Volume
from multimodal.model.progress import Progress, silent
from multimodal.radiomics.engine import compute
from multimodal.radiomics.profile import Profile
from multimodal.radiomics.results import RoiResult

# What the workers read: set before they fork, so that the volume is shared and never sent.
_shared: tuple[Volume, Sequence[Roi], Profile] | None = None


def extract(
    volume: Volume, rois: Sequence[Roi], profile: Profile, *, processes: int = 1, progress: Progress = silent
) -> list[RoiResult]:
    """Return the features of each region, in the order of `rois`.

    Parameters
    ----------
    volume : Volume
        Read once, for all regions.
    rois : sequence of Roi
        Regions on the volume's grid; those with a failure keep it.
    profile : Profile
        The settings.
    processes : int
        More than one: worker processes over the regions, the largest region first. They are forked after the
        volume was read and share its memory.
    progress : Progress
        Told after each region.

    Notes
    -----
    A region that cannot be computed yields a `RoiResult` with a failure and no numbers; the others go on.
    """
    results: dict[int, RoiResult] = {}
    largest_first = sorted(range(len(rois)), key=lambda i: -rois[i].mask.size)
    if processes > 1 and len(rois) > 1 and "fork" in multiprocessing.get_all_start_methods():
        found = _in_processes(volume, rois, profile, largest_first, processes)
    else:
        found = ((i, compute(volume, rois[i], profile)) for i in largest_first)
    for index, result in found:
        results[index] = result
        progress("ROIs", len(results), len(rois))
    return [results[i] for i in range(len(rois))]


def _in_processes(
    volume: Volume, rois: Sequence[Roi], profile: Profile, order: Sequence[int], processes: int
) -> Iterator[tuple[int, RoiResult]]:
    global _shared
    _shared = (volume, rois, profile)
    pool = _pool(min(processes, len(rois)))
    try:
        waiting, unfinished = {}, []
        for index in order:
            try:
                waiting[pool.submit(_compute_shared, index)] = index
            except BrokenProcessPool:
                unfinished.append(index)
        for done in as_completed(waiting):
            try:
                yield waiting[done], done.result()
            except BrokenProcessPool:
                unfinished.append(waiting[done])
        # One dead worker ends the pool for all that waited: each gets a process of its own, only the culprit fails.
        for index in sorted(unfinished, key=order.index):
            yield index, _alone(index, rois[index])
    finally:
        pool.shutdown(cancel_futures=True)
        _shared = None


def _pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("fork"), initializer=_one_thread)


def _alone(index: int, roi: Roi) -> RoiResult:
    with _pool(1) as pool:
        try:
            return pool.submit(_compute_shared, index).result()
        except BrokenProcessPool:
            died = RoiFailure(FailureReason.ENGINE, "the process that computed it died; is there enough memory?")
            return RoiResult(roi, failure=died, flags=roi.flags)


def _one_thread() -> None:
    """Keep SimpleITK from starting a thread per core in every worker."""
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


def _compute_shared(index: int) -> RoiResult:
    if _shared is None:
        raise RuntimeError("worker started without its volume")
    volume, rois, profile = _shared
    return compute(volume, rois[index], profile)
