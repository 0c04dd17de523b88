"""One named DICOMweb store, as the workflows see it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import orjson

from multimodal.dicomweb.errors import QueryRefusedError, UnexpectedAnswerError
from multimodal.dicomweb.links import path_of
from multimodal.dicomweb.multipart import MultipartError, boundary_of, read_parts
from multimodal.dicomweb.orthanc_api import OrthancDatabase
from multimodal.dicomweb.probe import Finding, probe
from multimodal.dicomweb.profiles import Profile, profile_of
from multimodal.dicomweb.qido import Dataset, Qido
from multimodal.dicomweb.retrieve import PullReport, Retrieval
from multimodal.dicomweb.store import PushReport, Upload
from multimodal.model.errors import ConfigurationError
from multimodal.model.ids import check_uid
from multimodal.model.progress import Progress, silent
from multimodal.model.references import SeriesRef
from multimodal.transport.session import BrokenAnswerError, HttpSession
from multimodal.transport.stores import Store

if TYPE_CHECKING:
    from multimodal.dicomweb.idc_search import IndexedDicomWeb

FOLDER_PROFILE = "google-folder"
BUCKETS_PROFILE = "idc-s3"

_BULK_DATA = 'multipart/related; type="application/octet-stream"'
_REFUSES_ACCEPT = frozenset({400, 406})


def open_dicomweb(store: Store, *, budget_state: Path | None = None) -> DicomWeb:
    """Return the client of a store of the kind ``dicomweb``; use it in a ``with`` statement.

    Parameters
    ----------
    budget_state : Path, optional
        Keeps what was spent of the store's daily budget; instead of the file that the store names.

    Raises
    ------
    ConfigurationError
        If its profile does not exist, or its secret or certificate cannot be read.
    """
    profile = profile_of(store)
    if profile.name == FOLDER_PROFILE:
        from multimodal.dicomweb.on_disk import DicomFolder  # it builds on this module

        return DicomFolder(store, profile)
    if profile.name == BUCKETS_PROFILE:
        from multimodal.dicomweb.idc_buckets import IdcBuckets
        from multimodal.dicomweb.idc_index import open_index

        return IdcBuckets(store, profile, HttpSession(store, budget_state=budget_state), open_index(store))
    session = HttpSession(
        store, services=profile.services, token_headers=profile.token_headers, budget_state=budget_state
    )
    return DicomWeb(store, profile, session)


class DicomWeb:
    """Searches, retrieval and storage of one store (PS3.18 10.4 to 10.6).

    Notes
    -----
    Addresses are made of the store's own base and of checked UIDs: RetrieveURL, BulkDataURI and other links in
    answers are never followed. All calls raise the errors of `multimodal.transport.session` as well.
    """

    lists_instances = True  # whether a search of instances answers without fetching them
    has_endpoint = True  # whether others can call it at its address as a DICOMweb service

    def __init__(self, store: Store, profile: Profile, session: HttpSession) -> None:
        self.store = store
        self.profile = profile
        self._session = session
        self._qido = Qido(session, profile)
        self._database = OrthancDatabase(session) if profile.orthanc else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def by_index(self) -> IndexedDicomWeb:
        """Return this store of IDC, searched by IDC's index, over the same session.

        Raises
        ------
        QueryRefusedError
            If it is no store of IDC.
        IndexNotInstalledError, WrongIndexError
            If there is no index.
        """
        from multimodal.dicomweb.idc_index import open_index
        from multimodal.dicomweb.idc_search import IndexedDicomWeb

        if not self.profile.idc:
            raise QueryRefusedError(
                self.store.name,
                f"has no collections (profile {self.profile.name}): those of IDC, idc-s3 and idc-proxy, have",
            )
        return IndexedDicomWeb(self.store, self.profile, self._session, open_index(self.store))

    def prepare(self, *, series_uids: Collection[str] = (), study_uids: Collection[str] = ()) -> None:
        """Tell which series and studies the next calls are about, so that they can be asked for together."""
        if self._database is not None:
            self._database.prepare(series_uids)

    def has_studies(self) -> bool:
        """Tell whether a search for one study finds one: the smallest call that proves address and login."""
        return self._qido.has_any("studies")

    def probe(self) -> list[Finding]:
        """Ask the store what it can do, and compare that with its profile."""
        return probe(self._session, self.profile)

    def studies(self, filters: Mapping[str, str] | None = None, fields: Sequence[str] = ()) -> Iterator[Dataset]:
        """Yield the studies that match `filters`, page by page; see `multimodal.dicomweb.qido.Qido.search`."""
        return self._qido.search("studies", filters, fields)

    def series(
        self, study_uid: str | None = None, filters: Mapping[str, str] | None = None, fields: Sequence[str] = ()
    ) -> Iterator[Dataset]:
        """Yield the series of one study, or of the whole store, that match `filters`."""
        path = "series" if study_uid is None else f"studies/{check_uid(study_uid)}/series"
        return self._qido.search(path, filters, fields)

    def instances(self, study_uid: str, series_uid: str, fields: Sequence[str] = ()) -> Iterator[Dataset]:
        """Yield the instances of one series."""
        ref = SeriesRef(study_uid, series_uid)
        return self._qido.search(f"studies/{ref.study_uid}/series/{ref.series_uid}/instances", None, fields)

    def find_series(self, series_uid: str) -> SeriesRef:
        """Return the reference of a series of which only its own UID is known.

        Raises
        ------
        SeriesNotFoundError
            If the store has none.
        """
        known = self._database.find(check_uid(series_uid)) if self._database is not None else None
        return known.ref if known is not None else self._qido.find_series(series_uid)

    def metadata(self, ref: SeriesRef) -> list[Dataset]:
        """Return all attributes but the bulk data of every instance of a series (PS3.18 10.4.1.1.2)."""
        path = f"studies/{ref.study_uid}/series/{ref.series_uid}/metadata"
        answer = self._session.request("GET", path, headers={"Accept": "application/dicom+json"})
        try:
            content = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            content = None
        if not isinstance(content, list):
            raise UnexpectedAnswerError(self.store.name, f"the answer to {path} is no list of DICOM JSON")
        return content

    def bulk_data(self, link: str) -> Iterator[bytes | memoryview]:
        """Yield the bytes of a value that `metadata` gives as a BulkDataURI (PS3.18 10.4.1.1.5).

        Parameters
        ----------
        link : str
            As it stands there; it is asked for at the store's own address, wherever it points.

        Raises
        ------
        UnexpectedAnswerError
            If it is no resource of a study.
        BrokenAnswerError
            If the value does not come whole.
        """
        path, query = path_of(self.store.name, link)
        for accept in (_BULK_DATA, "application/octet-stream"):
            answer = self._session.request(
                "GET",
                path,
                query=query,
                headers={"Accept": accept, "Accept-Encoding": "identity"},
                stream=True,
                expect=_REFUSES_ACCEPT if accept == _BULK_DATA else frozenset(),
            )
            if answer.status_code not in _REFUSES_ACCEPT:
                break
            self._session.discard(answer)
        chunks = self._session.chunks(answer)
        boundary = boundary_of(answer.headers.get("Content-Type", ""))
        if boundary is None:
            yield from chunks
            return
        try:
            for part in read_parts(chunks, boundary):
                yield from part.chunks
        except MultipartError as error:
            raise BrokenAnswerError(self.store.name, str(error)) from error

    def pull(self, ref: SeriesRef, folder: Path, *, progress: Progress = silent) -> PullReport:
        """Fetch a series into `folder` as ``<SOPInstanceUID>.dcm``, each verified; all of them, or an error.

        Parameters
        ----------
        folder : Path
            For this series alone. A rerun on the same folder fetches only what is missing.

        Raises
        ------
        SeriesNotFoundError
            If the store has no such series.
        IncompleteSeriesError
            If instances are missing after all attempts; the others stay in the folder.
        """
        named = SeriesRef(ref.study_uid, ref.series_uid, self.store.name)
        return Retrieval(self._session, self.profile, named, folder, progress, database=self._database).run()

    def push(self, files: Iterable[Path], *, progress: Progress = silent) -> PushReport:
        """Send DICOM files that the store does not have yet, and say of each what became of it.

        An instance that the store refuses, or a file that is no DICOM file, is reported, not raised.

        Raises
        ------
        ConfigurationError
            If the store is one that takes no instances.
        """
        if not self.profile.accepts_instances:
            raise ConfigurationError(
                f"{self.store.name} takes no instances by STOW-RS (profile {self.profile.name}); name another store"
            )
        return Upload(self._session, self.profile, progress).run(files)
