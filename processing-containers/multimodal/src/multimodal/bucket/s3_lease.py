"""A lock that is an object: held while its holder renews it, free again soon after the holder is gone."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Protocol

import orjson

from multimodal.bucket.base import LockedError, LostLockError
from multimodal.model.errors import RemoteError

_POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """A small object as it was read.

    Attributes
    ----------
    etag : str
        Changes with its content; empty where there is no object.
    age : timedelta
        Since it was written, by the server's own clock; zero where the server does not say.
    """

    content: bytes = b""
    etag: str = ""
    age: timedelta = timedelta()


class SmallObjects(Protocol):
    """What a lease needs of a bucket."""

    def find(self, key: str) -> Found:
        """Return the object `key`."""

    def put_if(self, key: str, content: bytes, etag: str) -> str:
        """Write `content` where the object still has `etag` (none, where that is empty), and return the new one.

        Empty where it had changed.
        """


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a lease lasts without a renewal, and how often it is renewed; both in seconds."""

    lasts: float = 30.0
    renewed: float = 8.0


@contextmanager
def lease(
    objects: SmallObjects, key: str, *, bucket: str, name: str, run: str = "", terms: Terms | None = None
) -> Iterator[None]:
    """Hold the lock `name`, the object `key`, while the body runs.

    Parameters
    ----------
    objects : SmallObjects
        Of the bucket, safe to be called by another thread.
    bucket : str
        Name of the store, for messages.
    run : str
        Named to whoever finds the lock held.
    terms : Terms, optional
        Those of all that use the bucket.

    Raises
    ------
    LockedError
        If a living run holds it.
    LostLockError
        If another run took it meanwhile, since this one could not renew it in time.

    Notes
    -----
    Only writes under a condition (``If-None-Match``, ``If-Match``) change the object, so of two runs one gets it. No
    clocks of two machines are compared: a lease is over when the server's clock says so, or when the one who waits has
    seen it unchanged for as long. Of a process on this machine the system says whether it lives.
    """
    terms = terms or Terms()
    holding = _Holding(objects, key, run)
    holding.take(bucket, name, terms)
    ended = threading.Event()
    renewing = threading.Thread(target=holding.renew_until, args=(ended, terms.renewed), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        with suppress(RemoteError):  # it ends by itself
            holding.let_go()
    if holding.lost:
        raise LostLockError(bucket, name)


class _Holding:
    def __init__(self, objects: SmallObjects, key: str, run: str) -> None:
        self._objects = objects
        self._key = key
        self._etag = ""
        self._renewals = 0
        self._who = {
            "host": socket.gethostname(), "pid": str(os.getpid()), "run": run,
            "since": datetime.now(UTC).isoformat(timespec="seconds"), "system": _system(),
            "token": secrets.token_hex(8),
        }  # fmt: skip
        self.lost = False

    def take(self, bucket: str, name: str, terms: Terms) -> None:
        """Take the lock, once it is known that nobody holds it."""
        first, since = None, time.monotonic()
        while True:
            found = self._objects.find(self._key)
            holder = _holder(found.content)
            if first is None:
                first = found.etag
            unchanged = timedelta(seconds=time.monotonic() - since)
            if not holder or max(found.age, unchanged).total_seconds() > terms.lasts or _is_gone(holder):
                if self._put(found.etag, self._said()):
                    return
                first, since = None, time.monotonic()  # another one was faster
                continue
            if found.etag != first or _lives(holder):
                raise LockedError(
                    bucket, name, {part: holder.get(part, "") for part in ("host", "pid", "run", "since")}
                )
            time.sleep(min(_POLL_SECONDS, terms.renewed))

    def renew_until(self, ended: threading.Event, seconds: float) -> None:
        """Renew the lock now and then, until `ended`; a server that is away is asked again the next time."""
        while not self.lost and not ended.wait(seconds):
            with suppress(RemoteError):
                self.lost = not self._put(self._etag, self._said())

    def let_go(self) -> None:
        """Say that it is free; to delete the object could delete another's."""
        if not self.lost:
            self.lost = not self._put(self._etag, orjson.dumps({"free": self._who["token"]}))

    def _said(self) -> bytes:
        self._renewals += 1
        return orjson.dumps({**self._who, "renewals": self._renewals})

    def _put(self, etag: str, content: bytes) -> bool:
        """Write `content` over the version `etag`; True too where an earlier try did so and its answer was lost."""
        written = self._objects.put_if(self._key, content, etag)
        if not written:
            found = self._objects.find(self._key)
            written = found.etag if found.content == content else ""
        self._etag = written or self._etag
        return bool(written)


def _holder(content: bytes) -> dict[str, str]:
    try:
        said = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(said, dict) or "free" in said:
        return {}
    return {str(part): str(text) for part, text in said.items()}


@cache
def _system() -> str:
    """Name the running system and its space of process ids: where both are ours, we can see a process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _is_gone(holder: dict[str, str]) -> bool:
    return _seen(holder, lambda alive: not alive)


def _lives(holder: dict[str, str]) -> bool:
    return _seen(holder, lambda alive: alive)


def _seen(holder: dict[str, str], verdict: Callable[[bool], bool]) -> bool:
    """Judge a process of this system; nothing is known of others."""
    pid = holder.get("pid", "")
    if not _system() or holder.get("system") != _system() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return verdict(False)
    except PermissionError:
        pass
    return verdict(True)
