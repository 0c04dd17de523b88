"""Writes to a FHIR server: each patient in one transaction, on two connections; one bad resource stops no other."""

from __future__ import annotations

import random
import time
import tomllib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, Protocol

import orjson

from multimodal.fhirstore.bodies import body_hash, without_references
from multimodal.fhirstore.errors import ConflictError, FhirRefusedError
from multimodal.fhirstore.merge import merge as merge_bodies
from multimodal.fhirstore.ordering import split
from multimodal.fhirstore.writes import Merge, Outcome, Refusal, Write
from multimodal.model.errors import RemoteError

_TRIES = 8
_SUSPECT_ROUNDS = 20
# A version that no resource has: HAPI FHIR then creates it, or answers 409 where there is one.
_NONE = "0"

Groups = Sequence[Sequence[Write]]


class Limits(NamedTuple):
    """Sizes of bundles, see ``limits.toml``."""

    entries: int
    most_entries: int
    connections: int


@cache
def limits() -> Limits:
    """Return the measured limits."""
    return Limits(**tomllib.loads(files("multimodal.fhirstore").joinpath("limits.toml").read_text("utf-8")))


class Link(Protocol):
    """What sending needs of a server."""

    def post_entries(self, entries: Sequence[bytes], *, versioned: bool, exact: bool) -> list[dict[str, Any]]:
        """Post a transaction of entries; called from several threads."""

    def read_many(self, references: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
        """Return those of `references` that there are."""

    def previous(self, resource_type: str, resource_id: str) -> dict[str, Any] | None:
        """Return the version before the current one."""


class Sender:
    """Sends the writes of one load.

    Parameters
    ----------
    link : Link
        The server.
    merge : Merge
        Unites shared writes with what is there.
    exact : bool
        Whether tags that are not sent go.
    """

    def __init__(self, link: Link, merge: Merge, *, exact: bool = False) -> None:
        self._link = link
        self._exact = exact
        self._merge = merge
        self._reads_first = False  # until a shared resource turns out to be there already

    def send(self, groups: Iterable[Sequence[Write]]) -> Iterator[Outcome]:
        """Post `groups` and yield what became of each bundle as the server acknowledges it.

        Parameters
        ----------
        groups : iterable of sequences of Write
            Each is stored in one transaction, in this order as far as the connections keep it. One that is larger
            than ``most_entries`` is stored in parts, one after the other.

        Notes
        -----
        When a call fails for good, what the other connections still store is yielded before the error is raised.
        What is refused is tried once more at the end: it may refer to something that came later.
        """
        refused: list[Refusal] = []
        bundles, most = _bundles(groups), limits().connections
        failure: RemoteError | None = None
        with ThreadPoolExecutor(most) as pool:
            waiting: deque[Future[Outcome]] = deque()
            while True:
                while failure is None and len(waiting) < most + 1 and (bundle := next(bundles, None)):
                    waiting.append(pool.submit(self.deliver, bundle))
                if not waiting:
                    break
                try:
                    outcome = waiting.popleft().result()
                except RemoteError as error:
                    failure = failure or error
                    continue
                refused.extend(outcome.refused)
                yield Outcome(outcome.stored, same=outcome.same, warnings=outcome.warnings)
        if failure is not None:
            raise failure
        if refused:
            yield self.deliver([[refusal.write] for refusal in refused])

    def deliver(self, groups: Groups) -> Outcome:
        """Store `groups` in one transaction, or, where that is refused, in halves, down to what cannot be stored."""
        most = limits().most_entries
        if len(groups) == 1 and len(groups[0]) > most:
            done = Outcome()
            for part in split(groups[0], most):
                done += self._deliver([part])
            return done
        return self._deliver(groups)

    def _deliver(self, groups: Groups) -> Outcome:
        try:
            return self._posted([write for group in groups for write in group])
        except FhirRefusedError as error:
            if len(groups) == 1:
                return self._apart(groups[0], error)
        middle = len(groups) // 2
        return self._deliver(groups[:middle]) + self._deliver(groups[middle:])

    def _posted(self, writes: Sequence[Write]) -> Outcome:
        """Store `writes` in one transaction, all or nothing; on a conflict read and merge anew."""
        shared = [write for write in writes if write.shared]
        deletes = any(write.body is None and not write.shared for write in writes)
        read = self._reads_first or any(write.before is not None or write.body is None for write in shared)
        for attempt in range(1, _TRIES + 1):
            sent, same, warnings = self._merged(writes, shared, read=read)
            try:
                stored = self._post(sent)
            except ConflictError:
                # A delete that is refused because of a reference would be refused again.
                if deletes or attempt == _TRIES:
                    raise
                if shared and not read:
                    read = self._reads_first = True  # at once: somebody else has written these
                    continue
                pause(min(attempt, 5))
                continue
            ours = {write.reference: write for write in shared}
            for write, created in stored:
                if write.version == "" and not created:
                    self._give_back(write, ours[write.reference])
            stored = [(ours.get(write.reference, write), created) for write, created in stored]
            return Outcome(stored, same=same, warnings=warnings)
        raise AssertionError("unreachable")

    def _merged(
        self, writes: Sequence[Write], shared: Sequence[Write], *, read: bool
    ) -> tuple[list[Write], list[Write], list[str]]:
        if not shared:
            return list(writes), [], []
        names = [(write.resource_type, write.resource_id) for write in shared]
        current = self._link.read_many(names) if read else {}
        sent, same, warnings = list[Write](), list[Write](), list[str]()
        for write in writes:
            if not write.shared:
                sent.append(write)
                continue
            made, told = self._merge(write, current.get((write.resource_type, write.resource_id)))
            warnings.extend(told)
            if made is None:
                same.append(write)
            else:
                sent.append(made if read else made._replace(version=_NONE))
        return sent, same, warnings

    def _post(self, writes: Sequence[Write]) -> list[tuple[Write, bool]]:
        if not writes:
            return []
        versioned = any(write.version for write in writes)
        answers = self._link.post_entries([_entry(write) for write in writes], versioned=versioned, exact=self._exact)
        created = [str(answer.get("response", {}).get("status", "")).startswith("201") for answer in answers]
        stored = list(zip(writes, created, strict=True))
        if any(write.version == _NONE and not new for write, new in stored):
            # A server that takes no notice of that version: what was there before must be united with ours.
            stored = [(w._replace(version="") if w.version == _NONE else w, new) for w, new in stored]
        return stored

    def _give_back(self, write: Write, ours: Write) -> None:
        """Give back what another writer created between our read and our write, which had no version to match."""
        kind, key = write.resource_type, write.resource_id
        theirs = self._link.previous(kind, key)
        if theirs is None:
            return
        for attempt in range(1, _TRIES + 1):
            now = self._link.read_many([(kind, key)])[kind, key]
            united = self._merge(ours, theirs).write
            if united is None:
                return
            # What was changed after our write stays.
            body, _ = merge_bodies(orjson.loads(united.body or b"{}"), now, ours.contribution())
            body["meta"] = orjson.loads(united.body or b"{}")["meta"]
            try:
                self._post([united._replace(body=orjson.dumps(body), version=now["meta"]["versionId"])])
            except ConflictError:
                if attempt == _TRIES:
                    raise
                pause(attempt)
                continue
            return

    def _apart(self, group: Sequence[Write], error: FhirRefusedError) -> Outcome:
        """Store of a refused group what can be stored, with as few refusals as possible."""
        if len(group) == 1:
            return Outcome(refused=[Refusal(group[0], error.diagnostics)])
        suspects: list[Write] = []
        rest = list(group)
        for _ in range(_SUSPECT_ROUNDS):
            named = [write for write in rest if _is_named(write, error.diagnostics)]
            if not named or len(named) == len(rest):
                break
            if any(write.resource_type == "Patient" for write in named):
                # Nothing may be stored without its subject.
                return Outcome(refused=[Refusal(write, error.diagnostics) for write in group])
            suspects += named
            gone = {write.reference for write in suspects}
            rest = [_without(write, gone) for write in rest if write not in named]
            try:
                done = self._posted(rest)
            except FhirRefusedError as again:
                error = again
                continue
            for suspect in suspects:  # asked about alone, the server says what is wrong with each
                done += self._alone(suspect)
            return done
        return self._one_by_one(group)

    def _alone(self, write: Write) -> Outcome:
        try:
            return self._posted([write])
        except FhirRefusedError as error:
            return Outcome(refused=[Refusal(write, error.diagnostics)])

    def _one_by_one(self, group: Sequence[Write]) -> Outcome:
        """Several of `group` are bad: find the good ones, then store them again with their references."""
        first = Outcome()
        missing = {write.reference for write in group if write.resource_type != "Patient"}
        for write in group:
            first += self._alone(_without(write, missing - {write.reference}))
            if not first.refused or first.refused[-1].write.reference != write.reference:
                missing.discard(write.reference)
        named = {write.reference for write, _ in first.stored}
        good = [_without(write, missing) for write in group if write.reference in named]
        created = dict(zip(named, (False,) * len(named), strict=True)) | {w.reference: c for w, c in first.stored}
        originals = {write.reference: write for write in group}
        refused = [Refusal(originals[refusal.write.reference], refusal.reason) for refusal in first.refused]
        try:
            again = self._posted(good) if good else Outcome()
        except FhirRefusedError:
            return Outcome(first.stored, refused, first.same, first.warnings)
        stored = [(write, created.get(write.reference, False)) for write, _ in again.stored]
        stored += [(write, created.get(write.reference, False)) for write in again.same]
        return Outcome(stored, refused, first.same, first.warnings)


def pause(attempt: int) -> None:
    """Give the other writer time to end."""
    time.sleep(0.05 * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret


def _is_named(write: Write, diagnostics: str) -> bool:
    """Whether the server speaks of `write`, or of something that only `write` may refer to."""
    if write.resource_id in diagnostics:
        return True
    body = write.body or b""
    words = [word.strip("\"'.,;:()[]") for word in diagnostics.split()]
    return any("/" in word and f'"{word}"'.encode() in body for word in words)


def _without(write: Write, gone: set[str]) -> Write:
    """Return `write` without references to `gone`; its hash then is that of what is stored, so it is sent again."""
    if write.body is None or not any(reference.encode() in write.body for reference in gone):
        return write
    resource = without_references(orjson.loads(write.body), gone)
    return write._replace(body=orjson.dumps(resource), sha256=body_hash(resource))


def _entry(write: Write) -> bytes:
    request = {"method": "DELETE" if write.body is None else "PUT", "url": write.reference}
    if write.version:
        request["ifMatch"] = f'W/"{write.version}"'
    if write.body is None:
        return orjson.dumps({"request": request})
    return b'{"resource":' + write.body + b',"request":' + orjson.dumps(request) + b"}"


def _bundles(groups: Iterable[Sequence[Write]]) -> Iterator[list[Sequence[Write]]]:
    bundle: list[Sequence[Write]] = []
    size, most = 0, limits().entries
    for group in groups:
        weight = sum(map(_weight, group))
        if bundle and size + weight > most:
            yield bundle
            bundle, size = [], 0
        bundle.append(group)
        size += weight
    if bundle:
        yield bundle


def _weight(write: Write) -> int:
    """Return how many entries of common size a write counts for.

    A statement of hundreds of targets takes a server long; several of them had better go over all connections.
    """
    return 1 + len(write.body or b"") // 1000
