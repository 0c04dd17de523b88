"""Sends instances to a store and reads what became of each (STOW-RS, PS3.18 10.5)."""

from __future__ import annotations

import mmap
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from multimodal.dicomweb.profiles import Profile
from multimodal.dicomweb.qido import Qido
from multimodal.dicomweb.verify import Header, NotWholeError, read_header
from multimodal.model.dicom_json import text, whole_number
from multimodal.model.errors import DataRefusedError
from multimodal.model.progress import Progress, silent
from multimodal.model.references import SeriesRef
from multimodal.transport.session import HttpSession

_BLOCK = 1 << 18
# Statuses that need not hold for each instance (PS3.18 table 10.5.3-1): 409 lists what failed, 400 is Orthanc's for
# a mixed batch, 413 says that the batch is too large for this server.
_SPEAKS_OF_EACH = frozenset({400, 409, 413})
_ALREADY_THERE = frozenset({0x0111, 0xB00E})  # PS3.4 table GG.4-1 and PS3.7 C.5.6: duplicate SOP Instance


@dataclass(frozen=True, slots=True)
class FailedInstance:
    """A file that the store does not have now, and why."""

    path: Path
    sop_uid: str
    reason: str


@dataclass(frozen=True, slots=True)
class PushReport:
    """What became of each file.

    Parameters
    ----------
    stored : tuple of str
        SOP Instance UIDs that were sent and confirmed.
    already : tuple of str
        Those that the store had before; they were not sent.
    failed : tuple of FailedInstance
        Files that are no whole DICOM files, and instances that the store refused.
    sent_bytes : int
        Bytes of the instances sent.
    """

    stored: tuple[str, ...]
    already: tuple[str, ...]
    failed: tuple[FailedInstance, ...]
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class _Instance:
    path: Path
    size: int
    header: Header


class Upload:
    """One push of some files.

    Notes
    -----
    Instances whose UIDs the store lists are not sent, so a push can be repeated at any time: a UID stands for
    one content for ever (PS3.5 9). Batches are bounded by the profile and streamed from disk. What a batch's
    answer does not confirm is sent once more by itself, so that one refused instance never hides others.
    """

    def __init__(self, session: HttpSession, profile: Profile, progress: Progress = silent) -> None:
        self._session = session
        self._profile = profile
        self._qido = Qido(session, profile)
        self._progress = progress
        self._stored: list[str] = []
        self._already: list[str] = []
        self._failed: list[FailedInstance] = []
        self._sent = 0
        self._there: dict[tuple[str, str], frozenset[str]] = {}

    def run(self, files: Iterable[Path]) -> PushReport:
        """Send the `files` and return what became of each."""
        paths = list(files)
        for batch in self._batches(self._new(paths)):
            self._send(batch)
            self._progress("instances", len(self._stored) + len(self._already) + len(self._failed), len(paths))
        return PushReport(tuple(self._stored), tuple(self._already), tuple(self._failed), self._sent)

    def _new(self, paths: Sequence[Path]) -> Iterator[_Instance]:
        """Yield what is to be sent; a file twice in the list counts once."""
        seen: set[str] = set()
        for path in paths:
            try:
                instance = _read(path)
            except NotWholeError as error:
                self._failed.append(FailedInstance(path, "", str(error)))
                continue
            except OSError as error:
                self._failed.append(FailedInstance(path, "", f"cannot be read: {error.strerror}"))
                continue
            uid = instance.header.sop_uid
            if uid in seen or uid in self._listed(instance.header):
                self._already.append(uid)
            else:
                seen.add(uid)
                yield instance

    def _listed(self, header: Header) -> frozenset[str]:
        key = (header.study_uid, header.series_uid)
        if key not in self._there:
            self._there[key] = self._qido.instance_uids_if_any(SeriesRef(*key))
        return self._there[key]

    def _batches(self, instances: Iterable[_Instance]) -> Iterator[list[_Instance]]:
        batch: list[_Instance] = []
        size = 0
        for instance in instances:
            full = size + instance.size > self._profile.batch_bytes or len(batch) >= self._profile.batch_instances
            if batch and full:
                yield batch
                batch, size = [], 0
            batch.append(instance)
            size += instance.size
        if batch:
            yield batch

    def _send(self, batch: list[_Instance]) -> None:
        stored, failed, status = self._post(batch)
        for instance in batch:
            uid = instance.header.sop_uid
            if uid in stored:
                self._stored.append(uid)
            elif failed.get(uid) in _ALREADY_THERE:
                self._already.append(uid)
            elif len(batch) > 1:
                self._send([instance])
            else:
                self._failed.append(FailedInstance(instance.path, uid, _failure(failed.get(uid), status)))

    def _post(self, batch: list[_Instance]) -> tuple[frozenset[str], dict[str, int | None], int]:
        """Send one request; return the UIDs it confirms, the failure reasons it gives, and its status."""
        boundary = f"multimodal-{uuid.uuid4().hex}"
        answer = self._session.request(
            "POST",
            "studies",
            headers={
                "Accept": "application/dicom+json",
                "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            },
            data=lambda: _Body(batch, boundary),
            expect=_SPEAKS_OF_EACH,
        )
        self._sent += sum(instance.size for instance in batch)
        try:
            content = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            content = {}
        # An answer may be a list of one; anything else confirms nothing.
        content = content[0] if isinstance(content, list) and content else content
        stored = {text(entry, "ReferencedSOPInstanceUID") for entry in _sequence(content, "00081199")}
        failed = {
            text(entry, "ReferencedSOPInstanceUID"): whole_number(entry, "FailureReason")
            for entry in _sequence(content, "00081198")
        }
        return frozenset(stored - failed.keys()), failed, answer.status_code


class _Body:
    """A multipart body that is read from disk while it is sent; its length is known before (RFC 2387)."""

    def __init__(self, batch: Sequence[_Instance], boundary: str) -> None:
        self._batch = batch
        self._head = f"\r\n--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()

    def __len__(self) -> int:
        return sum(len(self._head) + instance.size for instance in self._batch) + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        for instance in self._batch:
            yield self._head
            with instance.path.open("rb") as file:
                left = instance.size  # a file that grew meanwhile must not shift what follows
                while left:
                    block = file.read(min(_BLOCK, left))
                    if not block:
                        raise DataRefusedError(f"{instance.path} became shorter while it was sent")
                    left -= len(block)
                    yield block
        yield self._tail


def _read(path: Path) -> _Instance:
    size = path.stat().st_size
    if size == 0:
        raise NotWholeError("an empty file")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _Instance(path, size, read_header(data))


def _sequence(content: Any, tag: str) -> list[dict[str, Any]]:
    element = content.get(tag) if isinstance(content, dict) else None
    entries = element.get("Value", []) if isinstance(element, dict) else []
    return [entry for entry in entries if isinstance(entry, dict)]


def _failure(reason: int | None, status: int) -> str:
    if reason is None:
        return f"the store did not confirm it and gave no reason (status {status})"
    meaning = {
        0x0110: "processing failure",
        0x0122: "it does not store this SOP class",
        0x0124: "not authorised",
        0xA700: "out of resources",
        0xA900: "the data set does not match its SOP class",
        0xC000: "it does not understand the instance",
        0xC122: "it does not store this transfer syntax",
    }.get(reason, "refused")
    return f"{meaning} (failure reason 0x{reason:04X})"
