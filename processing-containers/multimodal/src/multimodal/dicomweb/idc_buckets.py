"""IDC by its public buckets: searched by the index, fetched object by object, verified as from any other store."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import requests

from multimodal.dicomweb.bucket_objects import BucketObject, PublicBucket, object_name
from multimodal.dicomweb.errors import IncompleteSeriesError, UnexpectedAnswerError
from multimodal.dicomweb.folder import PartialFile, SeriesFolder, writing
from multimodal.dicomweb.idc_index import IdcIndex
from multimodal.dicomweb.idc_query import IndexQuery
from multimodal.dicomweb.idc_search import IndexedDicomWeb
from multimodal.dicomweb.idc_series import IndexedSeries
from multimodal.dicomweb.on_disk import DicomFolder
from multimodal.dicomweb.probe import Finding
from multimodal.dicomweb.profiles import Profile
from multimodal.dicomweb.qido import Dataset
from multimodal.dicomweb.retrieve import PullReport
from multimodal.dicomweb.verify import NotWholeError
from multimodal.model.errors import RemoteError
from multimodal.model.progress import Progress, silent
from multimodal.model.references import SeriesRef
from multimodal.transport.session import BrokenAnswerError, HttpSession, NotFoundError
from multimodal.transport.stores import Store

OBJECTS = ".objects.jsonl"


class IdcBuckets(IndexedDicomWeb):
    """The series of IDC in the buckets of Amazon's public data programme."""

    has_endpoint = False

    def __init__(self, store: Store, profile: Profile, session: HttpSession, index: IdcIndex) -> None:
        super().__init__(store, profile, session, index)
        self._kept: tuple[str, TemporaryDirectory[str]] | None = None

    def close(self) -> None:
        """Close all connections, and remove what was fetched for `metadata`."""
        self._forget()
        super().close()

    def has_studies(self) -> bool:
        """Tell whether the bucket lists the first series of the index."""
        first = next(self.find(IndexQuery()), None)
        return first is not None and bool(PublicBucket(self._session, first.address).objects(first.instances))

    def probe(self) -> list[Finding]:
        """There are no abilities to ask a bucket for."""
        return []

    def instances(self, study_uid: str, series_uid: str, fields: Sequence[str] = ()) -> Iterator[Dataset]:
        """Yield the instances of one series, which is fetched for it: neither index nor bucket name them."""
        yield from self.metadata(SeriesRef(study_uid, series_uid))

    def metadata(self, ref: SeriesRef) -> list[Dataset]:
        """Return all attributes but the pixels of every instance; the files are kept for a `pull` that follows."""
        return self._files(ref).metadata(ref)

    def bulk_data(self, link: str) -> Iterator[bytes | memoryview]:
        """Raise: the metadata of files hold no BulkDataURI."""
        raise UnexpectedAnswerError(self.store.name, f"a bucket has no {link[:120]!r}")

    def pull(self, ref: SeriesRef, folder: Path, *, progress: Progress = silent) -> PullReport:
        """Fetch a series into `folder` as ``<SOPInstanceUID>.dcm``, each verified; all of them, or an error.

        Notes
        -----
        A bucket names objects, not instances: those that are missing stand in the error by the name of their object.
        """
        if self._kept is not None and self._kept[0] == ref.series_uid:
            return self._files(ref).pull(ref, folder, progress=progress)
        return _BucketRetrieval(self._session, self.indexed(ref.series_uid), folder, progress).run()

    def _files(self, ref: SeriesRef) -> DicomFolder:
        if self._kept is None or self._kept[0] != ref.series_uid:
            self._forget()
            fetched = TemporaryDirectory(prefix="multimodal-")
            try:
                self.pull(ref, Path(fetched.name))
            except BaseException:
                fetched.cleanup()
                raise
            self._kept = (ref.series_uid, fetched)
        return DicomFolder(replace(self.store, path=self._kept[1].name), self.profile)

    def _forget(self) -> None:
        if self._kept is not None:
            self._kept[1].cleanup()
            self._kept = None


class _BucketRetrieval:
    """One pull of one series into one folder.

    Notes
    -----
    Whole is a series of which every listed object came, each another instance of it, and as many as the index counts.
    Which object became which instance stands in ``.objects.jsonl``, so that a rerun fetches only what is missing.
    """

    def __init__(self, session: HttpSession, series: IndexedSeries, folder: Path, progress: Progress) -> None:
        self._session = session
        self._series = series
        self._ref = SeriesRef(series.study_uid, series.series_uid, session.store.name)
        self._bucket = PublicBucket(session, series.address)
        self._folder = folder
        self._progress = progress
        self._lock = threading.Lock()
        self._fetched = 0
        self._uid_of: dict[str, str] = {}  # by the key of the object
        self._why: dict[str, str] = {}
        self._lost: set[str] = set()
        self._twice: set[str] = set()  # instances that two objects hold

    def run(self) -> PullReport:
        """Fetch what is missing and return the whole series; each error names the series."""
        try:
            objects = self._bucket.objects(self._series.instances)
            with closing(SeriesFolder(self._folder, self._ref)) as folder:
                self._resume(folder, objects)
                resumed = len(self._uid_of)
                cause = self._fetch_all(folder, objects)
                self._check_whole(folder, objects, cause)
                folder.tell_missing({})
                instances = folder.in_order()
                here = sum(i.bytes for i in instances if i.sop_uid not in folder.listed)
                return PullReport(self._ref, instances, self._fetched, self._fetched - here, resumed)
        except RemoteError as error:
            error.series_uid = self._ref.series_uid
            raise

    def _resume(self, folder: SeriesFolder, objects: list[BucketObject]) -> None:
        """Take over what an earlier run fetched of these objects, and drop what is of none of them."""
        sizes = {one.key: one.size for one in objects}
        for key, uid in dict(_named(self._folder / OBJECTS)).items():
            if key in sizes and uid in folder.instances and folder.instances[uid].bytes == sizes[key]:
                self._uid_of[key] = uid
        for uid in set(folder.instances) - set(self._uid_of.values()):
            folder.drop(uid)

    def _fetch_all(self, folder: SeriesFolder, objects: list[BucketObject]) -> RemoteError | None:
        """Fetch in rounds, over several connections; return what the bucket itself failed with."""
        for _ in range(self._session.store.attempts):
            missing = [one for one in objects if one.key not in self._uid_of and one.key not in self._lost]
            if not missing:
                break
            with ThreadPoolExecutor(min(self._session.store.connections, len(missing))) as pool:
                calls = [pool.submit(self._fetch, folder, one, len(objects)) for one in missing]
                for call in calls:
                    try:
                        call.result()
                    except RemoteError as error:  # the session has retried: the others would fare no better
                        pool.shutdown(wait=True, cancel_futures=True)
                        return error
        return None

    def _fetch(self, folder: SeriesFolder, one: BucketObject, total: int) -> None:
        try:
            answer = self._bucket.open(one)
            with closing(answer):
                with folder.part() as part:
                    self._write(part, answer, one)
                self._accept(folder, part, one)
        except NotFoundError as error:
            self._lost.add(one.key)
            self._why[one.name] = error.problem
        except (BrokenAnswerError, NotWholeError) as error:
            self._why[one.name] = error.problem if isinstance(error, BrokenAnswerError) else str(error)
        self._progress("instances", len(self._uid_of), total)

    def _write(self, part: PartialFile, answer: requests.Response, one: BucketObject) -> None:
        try:
            for chunk in self._session.chunks(answer):
                part.write(chunk)
                if part.size > one.size:
                    break  # whatever else comes, it is not this object
        finally:
            with self._lock:
                self._fetched += part.size
        if part.size != one.size:
            raise NotWholeError(f"{part.size} bytes came of an object of {one.size}")

    def _accept(self, folder: SeriesFolder, part: PartialFile, one: BucketObject) -> None:
        header = folder.verify(part)
        folder.name(part, header, None)
        uid = header.sop_uid
        with self._lock:
            twin = next((key for key, known in self._uid_of.items() if known == uid), None)
            if twin is None and uid not in self._twice:
                self._note(one.key, uid)
                return
            # Which of the two is spoilt, neither tells: the next run fetches both again.
            self._twice.add(uid)
            self._lost.add(one.key)
            reason = f"holds the same instance as another object: {uid}"
            if twin is not None:
                self._lost.add(twin)
                self._why[object_name(twin)] = reason
                self._note(twin, "")
            if uid in folder.instances:
                folder.drop(uid)
        raise NotWholeError(reason)

    def _note(self, key: str, uid: str) -> None:
        """Write down which instance an object became; none: it is to be fetched again."""
        if uid:
            self._uid_of[key] = uid
        else:
            self._uid_of.pop(key, None)
        with writing(self._folder), (self._folder / OBJECTS).open("ab") as file:
            file.write(orjson.dumps({"key": key, "uid": uid}) + b"\n")

    def _check_whole(self, folder: SeriesFolder, objects: list[BucketObject], cause: RemoteError | None) -> None:
        """Raise `IncompleteSeriesError` unless every object came, and the list had as many as the index counts."""
        why = cause.problem if cause is not None else "not fetched"
        missing = {one.name: self._why.get(one.name, why) for one in objects if one.key not in self._uid_of}
        unlisted = self._series.instances - len(objects)
        for number in range(1, unlisted + 1):
            missing[f"unlisted {number} of {unlisted}"] = "the bucket does not list it, though the index counts it"
        if not missing:
            return
        last = next(reversed(missing.values()))
        error = IncompleteSeriesError(self._ref.store, self._ref.series_uid, sorted(missing), last, missing)
        folder.tell_missing(error.reasons)
        raise error from cause


def _named(file: Path) -> Iterator[tuple[str, str]]:
    """Yield object and instance of each line; one that a killed run left unfinished is passed over."""
    if not file.is_file():
        return
    for line in file.read_bytes().splitlines():
        try:
            entry = orjson.loads(line)
            yield str(entry["key"]), str(entry["uid"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            continue
