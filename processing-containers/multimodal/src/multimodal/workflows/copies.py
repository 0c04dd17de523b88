"""Copies of referenced series in the internal archive: who made them, who needs them, what was there before.

A record of each lies in the bucket before the first image is sent, so that a copy is never taken for an original, nor
forgotten by a run that was killed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from multimodal.bucket import Bucket, LockedError
from multimodal.dicomweb import DicomWeb, remove_series
from multimodal.index.series_index import Change, SeriesIndex
from multimodal.model.dicom_json import text
from multimodal.model.errors import ConfigurationError
from multimodal.model.references import SeriesRef
from multimodal.workflows.started_runs import awaited
from multimodal.workflows.thumbnails import thumbnail_key

COPIES, RUNS = "state/copies", "state/dataset-runs"
_OPEN = f"{RUNS}/open"
ARRIVED = "00000000 TimestampArrived_datetime"
_LOCK_SECONDS = 60.0
_VANISHES_SECONDS = 30.0
# Derived from the images, hence the platform's as the attributes are; all else in group 00000000 is of other writers.
_DERIVED = (
    "Timestamp", "DayOfWeek", "TimeTagUsed", "CuratedModality", "PredictedBodypart", "DerivedPatientAge", "Annotation",
    "IsSeriesComplete", "MinInstanceNumber", "MaxInstanceNumber", "MissingInstanceNumbers", "ThumbnailInstanceUID",
)  # fmt: skip


@dataclass(slots=True)
class Copy:
    """A series in the internal archive that was not there before.

    Parameters
    ----------
    series_uid, study_uid, store : str
        Which, and where its original lies.
    instances : list of str
        The SOP Instance UIDs that were fetched.
    document : mapping or None
        What the index said of the series before.
    holders : list of str
        The runs that need it.
    kept : bool
        Whether one of them wants it to stay.
    """

    series_uid: str
    study_uid: str
    store: str
    instances: list[str]
    document: dict[str, Any] | None
    holders: list[str] = field(default_factory=list)
    kept: bool = False

    @property
    def ref(self) -> SeriesRef:
        """The series."""
        return SeriesRef(self.study_uid, self.series_uid)


@dataclass(slots=True)
class DatasetRun:
    """One run on a dataset: what it copied, and what it started.

    Parameters
    ----------
    name, since : str
        Of the run, and when it began (ISO 8601).
    workflow : str
        The workflow to be started.
    evict : bool
        Whether the copies go once that has ended.
    copied : list of str
        The series whose copies it needs.
    host, started : str
        Where it was started, and the host's name of that run; empty until then.
    ended : str
        How that run ended.
    evicted : bool
        Whether nothing is left to be done.
    """

    name: str
    since: str
    workflow: str
    evict: bool = False
    copied: list[str] = field(default_factory=list)
    host: str = ""
    started: str = ""
    ended: str = ""
    evicted: bool = False


class NotEvictedError(Exception):
    """A copy stays, for a reason that a person should read."""


class Copies:
    """The records in one project's bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def run(self, name: str) -> DatasetRun | None:
        """Return what is known of a run."""
        content = self._read(f"{RUNS}/{name}.json") or self._read(f"{_OPEN}/{name}.json")
        return None if content is None else DatasetRun(**content)

    def save(self, run: DatasetRun) -> None:
        """Write down what is known of a run; those with copies to evict lie apart, since each later run looks there."""
        waits = run.evict and not run.evicted
        self._write(f"{_OPEN if waits else RUNS}/{run.name}.json", asdict(run))
        if not waits:
            self._bucket.delete(f"{_OPEN}/{run.name}.json")

    def unfinished(self) -> list[DatasetRun]:
        """Return the runs whose copies were to go and are still there."""
        names = [key[len(_OPEN) + 1 : -len(".json")] for key in self._bucket.list(f"{_OPEN}/")]
        return [run for name in names if (run := self.run(name)) is not None and not run.evicted]

    def get(self, series_uid: str) -> Copy | None:
        """Return the record of a copy; None for a series of the archive's own."""
        content = self._read(f"{COPIES}/{series_uid}.json")
        return None if content is None else Copy(**content)

    def hold(self, copies: Iterable[Copy], run: DatasetRun) -> None:
        """Note that `run` needs the copies; the first to do so says what was there before."""
        with self._locked(run.name):
            for copy in copies:
                if (found := self.get(copy.series_uid)) is None:
                    found = copy
                    picture = thumbnail_key(copy.series_uid)
                    if self._bucket.exists(picture):
                        self._bucket.write(f"{COPIES}/{copy.series_uid}.png", self._bucket.read(picture))
                found.holders = sorted({*found.holders, run.name})
                found.kept |= not run.evict
                self._write(f"{COPIES}/{copy.series_uid}.json", asdict(found))

    def evict(self, series_uid: str, run: DatasetRun, pacs: DicomWeb, index: SeriesIndex, *, project: str) -> bool:
        """Let go of a copy for `run`, and delete it where nobody else needs it; say whether that was so.

        Raises
        ------
        NotEvictedError
            If the archive's series holds what was not copied; then nothing is deleted.
        """
        with self._locked(run.name):
            copy = self.get(series_uid)
            if copy is None:
                return False
            others = sorted(set(copy.holders) - {run.name})
            if others or copy.kept:
                copy.holders = others
                self._write(f"{COPIES}/{series_uid}.json", asdict(copy))
                return False
            _delete(copy, pacs, project)
            self._restore(copy, index)
            self._bucket.delete(f"{COPIES}/{series_uid}.json")
            return True

    def _restore(self, copy: Copy, index: SeriesIndex) -> None:
        """Make the reference what it was; what others wrote into it meanwhile stays."""
        if copy.document is not None:
            restore_document(index, copy.series_uid, copy.document)
        saved = f"{COPIES}/{copy.series_uid}.png"
        if self._bucket.exists(saved):
            self._bucket.write(thumbnail_key(copy.series_uid), self._bucket.read(saved))
            self._bucket.delete(saved)

    @contextmanager
    def _locked(self, run: str) -> Iterator[None]:
        with ExitStack() as held:

            def take() -> bool | None:
                try:
                    held.enter_context(self._bucket.lock("copies", run=run))
                except LockedError:
                    return None
                return True

            if awaited(take, _LOCK_SECONDS) is None:
                held.enter_context(self._bucket.lock("copies", run=run))  # its error says who has it
            yield

    def _read(self, key: str) -> Any:
        if not self._bucket.exists(key):
            return None
        try:
            content = orjson.loads(self._bucket.read(key))
        except orjson.JSONDecodeError:
            content = None
        if not isinstance(content, dict):
            raise ConfigurationError(
                "is no record of a copy or run; remove it once you know what it stood for", file=key
            )
        return content

    def _write(self, key: str, content: Mapping[str, Any]) -> None:
        self._bucket.write(key, orjson.dumps(content, option=orjson.OPT_INDENT_2))


def instances_in(dicom: DicomWeb, ref: SeriesRef) -> frozenset[str]:
    """Return the SOP Instance UIDs that a store lists of a series; none where it has no such series."""
    series = dicom.series(ref.study_uid, {"SeriesInstanceUID": ref.series_uid})
    if not any(text(one, "SeriesInstanceUID") == ref.series_uid for one in series):
        return frozenset()
    return frozenset(text(one, "SOPInstanceUID") for one in dicom.instances(ref.study_uid, ref.series_uid))


def restore_document(index: SeriesIndex, series_uid: str, before: Mapping[str, Any]) -> None:
    """Undo what the arrival of the images changed in a document; create it where it has gone."""
    now = index.get(series_uid)
    if now is None:
        index.create([(series_uid, before)])
        return
    put = {key: value for key, value in before.items() if _is_platforms(key) and now.get(key) != value}
    remove = [key for key in now if _is_platforms(key) and key not in before]
    if put or remove:
        index.update([Change(series_uid, put, remove)])


def _is_platforms(key: str) -> bool:
    return not key.startswith("00000000 ") or key[9:].startswith(_DERIVED)


def _delete(copy: Copy, pacs: DicomWeb, project: str) -> None:
    there = instances_in(pacs, copy.ref)
    if more := len(there - set(copy.instances)):
        raise NotEvictedError(f"the archive has {more} instances of it that were not copied; it is left as it is")
    if not there:
        return
    remove_series(pacs.store, copy.ref, project=project)
    # A search may show for some seconds what is gone.
    if awaited(lambda: None if instances_in(pacs, copy.ref) else True, _VANISHES_SECONDS) is None:
        raise NotEvictedError("the archive took the deletion and lists its instances all the same")
