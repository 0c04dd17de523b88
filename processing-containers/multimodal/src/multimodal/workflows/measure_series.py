"""Many series and their masks, over as many processes as asked for: series side by side, or the ROIs of one."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from multimodal.imaging import MaskError, Reading, VolumeError
from multimodal.model.issue_codes import IssueCode
from multimodal.radiomics import Profile
from multimodal.workflows.measure_rois import Measured, measure_rois


@dataclass(frozen=True, slots=True)
class SeriesFolders:
    """One image series and what was drawn on it, as files.

    Parameters
    ----------
    image : Path
        Folder with the instances of one series.
    masks : Path
        A SEG or RTSTRUCT file, or a folder of them.
    """

    image: Path
    masks: Path


@dataclass(frozen=True, slots=True)
class Refused:
    """A series that could not be measured: the code of its issue, the reason, the series, and the file."""

    code: IssueCode
    problem: str
    record: str
    sheet: str = ""


@dataclass(frozen=True, slots=True)
class _How:
    """What the work on each series needs beside its files."""

    profile: Profile
    reading: Reading
    processes: int


def measure_series(
    pairs: Sequence[SeriesFolders], *, profile: Profile, reading: Reading, processes: int = 1
) -> Iterator[Measured | Refused]:
    """Yield what came out of each pair, in their order.

    Parameters
    ----------
    pairs : sequence of SeriesFolders
        What to measure.
    profile : Profile
        The settings, those of `with_reading` where the reading is not the usual one.
    reading : Reading
        How series and masks become voxels.
    processes : int
        With several pairs, so many are measured at once, each in a process of its own; what they read is theirs
        alone, so memory grows with them. With one pair they share its ROIs.

    Notes
    -----
    What comes from another process has no voxels and the header of its first image only: they have served their
    purpose, and sending them would take longer than reading them.
    """
    at_once = min(processes, len(pairs))
    if at_once < 2 or "fork" not in multiprocessing.get_all_start_methods():
        how = _How(profile, reading, processes)
        yield from (_measured(pair, how) for pair in pairs)
        return
    how = _How(profile, reading, max(processes // at_once, 1))
    with _pool(at_once) as pool:
        waiting = [_submitted(pool, pair, how) for pair in pairs]
        for pair, found in zip(pairs, waiting, strict=True):
            yield _result(found) or _alone(pair, how)


def _pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("fork"))


def _submitted(pool: ProcessPoolExecutor, pair: SeriesFolders, how: _How) -> Future[Measured | Refused] | None:
    try:
        return pool.submit(_measured_elsewhere, pair, how)
    except BrokenProcessPool:
        return None


def _result(found: Future[Measured | Refused] | None) -> Measured | Refused | None:
    """Return what was found; None where the pool broke, since one dead worker ends it for all that waited."""
    try:
        return found.result() if found else None
    except BrokenProcessPool:
        return None


def _alone(pair: SeriesFolders, how: _How) -> Measured | Refused:
    """Measure a pair in a process of its own, so that only the culprit fails."""
    with _pool(1) as pool:
        found = _result(_submitted(pool, pair, how))
    died = "the process that measured it died; is there enough memory for so many at once?"
    return found or Refused(IssueCode.SERIES_UNUSABLE, died, record=pair.image.parent.name)


def _measured(pair: SeriesFolders, how: _How) -> Measured | Refused:
    try:
        return measure_rois(pair.image, [pair.masks], profile=how.profile, reading=how.reading, processes=how.processes)
    except VolumeError as error:
        return Refused(IssueCode.SERIES_UNUSABLE, error.problem, record=error.series_uid)
    except MaskError as error:
        series = pair.masks.parent.name  # hosts name the batch folder after the mask's series
        return Refused(IssueCode.MASK_UNUSABLE, error.problem, record=series, sheet=error.file.name)


def _measured_elsewhere(pair: SeriesFolders, how: _How) -> Measured | Refused:
    measured = _measured(pair, how)
    if isinstance(measured, Refused):
        return measured
    volume = measured.volume
    return replace(
        measured, volume=replace(volume, array=np.zeros((0, 0, 0), dtype=np.float32), headers=volume.headers[:1])
    )
