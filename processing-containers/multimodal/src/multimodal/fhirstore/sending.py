"""Writes to a FHIR server: bundles of whole groups on two connections; one bad resource does not hold up the rest."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson

from multimodal.fhirstore.bodies import body_hash, without_references
from multimodal.fhirstore.errors import ConflictError, FhirRefusedError
from multimodal.fhirstore.writes import Outcome, Refusal, Write
from multimodal.model.errors import RemoteError

# Measured best on HAPI FHIR 8.8: bundles of 100 to 200 entries on two connections.
ENTRIES = 200
CONNECTIONS = 2
_TRIES = 5

Post = Callable[[Sequence[bytes]], list[dict[str, Any]]]
Groups = Sequence[Sequence[Write]]


def send(post: Post, groups: Iterable[Sequence[Write]]) -> Iterator[Outcome]:
    """Post `groups` and yield what became of each bundle as the server acknowledges it.

    Parameters
    ----------
    post : callable
        Posts a transaction of entries; called from several threads.
    groups : iterable of sequences of Write
        Each is stored in one transaction, in this order as far as the two connections keep it.

    Notes
    -----
    When a call fails for good, what the other connection still stores is yielded before the error is raised.
    What is refused is tried once more at the end: it may refer to something that came later.
    """
    refused: list[Refusal] = []
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        waiting: deque[Future[Outcome]] = deque()
        failure: RemoteError | None = None
        bundles = _bundles(groups)
        while True:
            while failure is None and len(waiting) < CONNECTIONS + 1 and (bundle := next(bundles, None)):
                waiting.append(pool.submit(deliver, post, bundle))
            if not waiting:
                break
            try:
                outcome = waiting.popleft().result()
            except RemoteError as error:
                failure = failure or error
                continue
            refused.extend(outcome.refused)
            yield Outcome(outcome.stored)
    if failure is not None:
        raise failure
    if refused:
        yield deliver(post, [[refusal.write] for refusal in refused])


def deliver(post: Post, groups: Groups) -> Outcome:
    """Store `groups` in one transaction, or, where that is refused, in halves, down to what cannot be stored."""
    try:
        return _posted(post, [write for group in groups for write in group])
    except FhirRefusedError as error:
        if len(groups) == 1:
            return _apart(post, groups[0], error)
    middle = len(groups) // 2
    first, second = deliver(post, groups[:middle]), deliver(post, groups[middle:])
    return Outcome([*first.stored, *second.stored], [*first.refused, *second.refused])


def post_once(post: Post, writes: Sequence[Write]) -> Outcome:
    """Store `writes` in one transaction, all or nothing."""
    answers = post([_entry(write) for write in writes])
    created = [str(answer.get("response", {}).get("status", "")).startswith("201") for answer in answers]
    return Outcome(list(zip(writes, created, strict=True)))


def _posted(post: Post, writes: Sequence[Write]) -> Outcome:
    for attempt in range(1, _TRIES + 1):
        try:
            return post_once(post, writes)
        except ConflictError:
            # A delete that is refused because of a reference would be refused again.
            if attempt == _TRIES or any(write.body is None for write in writes):
                raise
            pause(attempt)
    raise AssertionError("unreachable")


def pause(attempt: int) -> None:
    """Give the other writer time to end."""
    time.sleep(0.05 * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret


def _apart(post: Post, group: Sequence[Write], error: FhirRefusedError) -> Outcome:
    """Store of a refused group what can be stored, with as few refusals as possible."""
    if len(group) == 1:
        return Outcome(refused=[Refusal(group[0], error.diagnostics)])
    named_first = sorted(group, key=lambda write: write.resource_id not in error.diagnostics)
    for suspect in named_first:
        others = [_without(write, {suspect.reference}) for write in group if write is not suspect]
        try:
            stored = _posted(post, others).stored
        except FhirRefusedError:
            continue
        # Asked about alone, the server says what is wrong with it; of the whole group it may have said less.
        try:
            return Outcome([*stored, *post_once(post, [suspect]).stored])
        except FhirRefusedError as alone:
            return Outcome(stored, [Refusal(suspect, alone.diagnostics)])
    return _one_by_one(post, group)


def _one_by_one(post: Post, group: Sequence[Write]) -> Outcome:
    """Several of `group` are bad: find the good ones, then store them again with their references."""
    stored: list[tuple[Write, bool]] = []
    refused: list[Refusal] = []
    missing = {write.reference for write in group}
    for write in group:
        try:
            stored.extend(post_once(post, [_without(write, missing - {write.reference})]).stored)
        except FhirRefusedError as error:
            refused.append(Refusal(write, error.diagnostics))
        else:
            missing.discard(write.reference)
    good = [_without(write, missing) for write in group if write.reference not in missing]
    if good:
        with suppress(FhirRefusedError):
            again = _posted(post, good).stored
            stored = [(write, created) for (write, _), (_, created) in zip(again, stored, strict=True)]
    return Outcome(stored, refused)


def _without(write: Write, gone: set[str]) -> Write:
    """Return `write` without references to `gone`; its hash then is that of what is stored, so it is sent again."""
    if write.body is None or not any(reference.encode() in write.body for reference in gone):
        return write
    resource = without_references(orjson.loads(write.body), gone)
    return replace(write, body=orjson.dumps(resource), sha256=body_hash(resource))


def _entry(write: Write) -> bytes:
    request = {"method": "DELETE" if write.body is None else "PUT", "url": write.reference}
    if write.version:
        request["ifMatch"] = f'W/"{write.version}"'
    if write.body is None:
        return orjson.dumps({"request": request})
    return b'{"resource":' + write.body + b',"request":' + orjson.dumps(request) + b"}"


def _bundles(groups: Iterable[Sequence[Write]]) -> Iterator[list[Sequence[Write]]]:
    bundle: list[Sequence[Write]] = []
    size = 0
    for group in groups:
        if bundle and size + len(group) > ENTRIES:
            yield bundle
            bundle, size = [], 0
        bundle.append(group)
        size += len(group)
    if bundle:
        yield bundle
