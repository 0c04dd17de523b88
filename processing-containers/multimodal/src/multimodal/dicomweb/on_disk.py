"""A folder of DICOM files as a store: what Google's ``dcmweb retrieve`` leaves, or any other folder of ``*.dcm``."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pydicom

from multimodal.dicomweb.client import DicomWeb
from multimodal.dicomweb.errors import IncompleteSeriesError, SeriesNotFoundError, UnexpectedAnswerError
from multimodal.dicomweb.folder import SeriesFolder
from multimodal.dicomweb.matching import matches
from multimodal.dicomweb.probe import Finding
from multimodal.dicomweb.profiles import Profile
from multimodal.dicomweb.qido import Dataset, check_search
from multimodal.dicomweb.retrieve import PullReport
from multimodal.dicomweb.verify import Header, NotWholeError, read_header
from multimodal.model.dicom_json import json_tag
from multimodal.model.errors import ConfigurationError
from multimodal.model.ids import check_uid
from multimodal.model.progress import Progress, silent
from multimodal.model.references import SeriesRef
from multimodal.transport.stores import Store

_BLOCK = 1 << 18


class DicomFolder(DicomWeb):
    """Searches and retrieval of a folder, with the calls of a DICOMweb store.

    Notes
    -----
    The headers of all files are read once, at the first call. Where the files lie does not matter, only what they
    say about themselves; a file that is no whole DICOM file is left out, as a store would refuse it. Nothing is
    written to the folder.

    Raises
    ------
    ConfigurationError
        If there is no such folder.
    """

    def __init__(self, store: Store, profile: Profile) -> None:
        self.store = store
        self.profile = profile
        self._root = Path(store.path)
        if not self._root.is_dir():
            raise ConfigurationError(f"store {store.name}: {self._root} is no folder; correct its path")
        self._found: dict[tuple[str, str], dict[str, Path]] | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Nothing is kept open."""

    def prepare(self, *, series_uids: Collection[str] = (), study_uids: Collection[str] = ()) -> None:
        """Nothing has to be asked for: the headers of all files are read at the first call."""

    def has_studies(self) -> bool:
        """Tell whether there is any DICOM file."""
        return bool(self._series())

    def probe(self) -> list[Finding]:
        """There is nothing to ask a folder."""
        return []

    def studies(self, filters: Mapping[str, str] | None = None, fields: Sequence[str] = ()) -> Iterator[Dataset]:
        """Yield the studies that match `filters`."""
        check_search(self.store.name, filters or {}, fields)
        by_study: dict[str, list[dict[str, Path]]] = {}
        for (study, _), files in self._series().items():
            by_study.setdefault(study, []).append(files)
        for series in by_study.values():
            match = _attributes(next(iter(series[0].values())))
            modalities = {_first(_attributes(next(iter(files.values()))), "Modality") for files in series}
            _put(match, "ModalitiesInStudy", "CS", sorted(modalities - {""}))
            _put(match, "NumberOfStudyRelatedSeries", "IS", [len(series)])
            _put(match, "NumberOfStudyRelatedInstances", "IS", [sum(map(len, series))])
            if _matches(match, filters):
                yield match

    def series(
        self, study_uid: str | None = None, filters: Mapping[str, str] | None = None, fields: Sequence[str] = ()
    ) -> Iterator[Dataset]:
        """Yield the series of one study, or of the whole folder, that match `filters`."""
        check_search(self.store.name, filters or {}, fields)
        wanted = None if study_uid is None else check_uid(study_uid)
        for (study, _), files in self._series().items():
            if wanted in (None, study):
                match = _attributes(next(iter(files.values())))
                _put(match, "NumberOfSeriesRelatedInstances", "IS", [len(files)])
                if _matches(match, filters):
                    yield match

    def instances(self, study_uid: str, series_uid: str, fields: Sequence[str] = ()) -> Iterator[Dataset]:
        """Yield the instances of one series."""
        check_search(self.store.name, {}, fields)
        ref = SeriesRef(study_uid, series_uid)
        files = self._series().get((ref.study_uid, ref.series_uid), {})
        yield from (_attributes(path) for path in files.values())

    def find_series(self, series_uid: str) -> SeriesRef:
        """Return the reference of a series of which only its own UID is known."""
        check_uid(series_uid)
        for study, series in self._series():
            if series == series_uid:
                return SeriesRef(study, series, self.store.name)
        raise SeriesNotFoundError(self.store.name, series_uid)

    def metadata(self, ref: SeriesRef) -> list[Dataset]:
        """Return all attributes but the pixels of every instance of a series."""
        return [_attributes(path) for path in self._files_of(ref).values()]

    def bulk_data(self, link: str) -> Iterator[bytes | memoryview]:
        """Raise: the metadata of a folder hold no BulkDataURI."""
        raise UnexpectedAnswerError(self.store.name, f"a folder has no {link[:120]!r}")

    def pull(self, ref: SeriesRef, folder: Path, *, progress: Progress = silent) -> PullReport:
        """Copy a series into `folder` as ``<SOPInstanceUID>.dcm``, each verified; all of them, or an error."""
        files = self._files_of(ref)
        named = SeriesRef(ref.study_uid, ref.series_uid, self.store.name)
        reasons: dict[str, str] = {}
        copied = 0
        with closing(SeriesFolder(folder, named)) as out:
            for uid in set(out.instances) - files.keys():
                out.drop(uid)
            for uid in files.keys() - out.instances.keys():
                try:
                    copied += _copy(files[uid], out, frozenset(files))
                except (NotWholeError, OSError) as error:
                    reasons[uid] = str(error)
                progress("instances", len(out.instances), len(files))
            out.tell_missing(reasons)
            if reasons:
                last = next(reversed(reasons.values()))
                raise IncompleteSeriesError(self.store.name, ref.series_uid, sorted(reasons), last, reasons)
            return PullReport(named, out.in_order(), copied, 0, len(out.listed) - out.removed, out.removed)

    def _files_of(self, ref: SeriesRef) -> dict[str, Path]:
        files = self._series().get((ref.study_uid, ref.series_uid))
        if not files:
            raise SeriesNotFoundError(self.store.name, ref.series_uid)
        return files

    def _series(self) -> dict[tuple[str, str], dict[str, Path]]:
        """Return the files by study, series and instance, in the order of their paths."""
        with self._lock:
            if self._found is None:
                found: dict[tuple[str, str], dict[str, Path]] = {}
                for path in sorted(self._root.rglob("*.dcm")):
                    try:
                        header = _header(path)
                    except (NotWholeError, OSError):
                        continue  # a note, or what a killed download left
                    found.setdefault((header.study_uid, header.series_uid), {}).setdefault(header.sop_uid, path)
                self._found = found
            return self._found


def _header(path: Path) -> Header:
    if path.stat().st_size == 0:
        raise NotWholeError("an empty file")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return read_header(data)


def _copy(path: Path, out: SeriesFolder, allowed: frozenset[str]) -> int:
    with out.part() as part, path.open("rb") as file:
        while block := file.read(_BLOCK):
            part.write(block)
    out.name(part, out.verify(part), allowed)
    return part.size


def _attributes(path: Path) -> Dataset:
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    content: Dataset = dataset.to_json_dict(suppress_invalid_tags=True)
    return content


def _put(match: Dataset, keyword: str, vr: str, values: Sequence[str | int]) -> None:
    match[json_tag(keyword)] = {"vr": vr, "Value": list(values)}


def _first(match: Dataset, keyword: str) -> str:
    return str(next(iter(match.get(json_tag(keyword), {}).get("Value", [])), ""))


def _matches(match: Dataset, filters: Mapping[str, str] | None) -> bool:
    return all(matches(match, keyword, value) for keyword, value in (filters or {}).items())
