"""One HTTP session per store: login, certificates, proxy, time limits and retry; every client uses it."""

from __future__ import annotations

import contextlib
import copy
import email.utils
import random
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import requests
import urllib3

from multimodal.model.errors import ConfigurationError
from multimodal.transport.budget import Budget
from multimodal.transport.errors import (
    BrokenAnswerError,
    CertificateError,
    LoginRefusedError,
    NotFoundError,
    RequestRefusedError,
    StoreFailedError,
    UnreachableError,
)
from multimodal.transport.paced import SLOWEST_BYTES_PER_SECOND, PacedAdapter
from multimodal.transport.stores import Store
from multimodal.transport.tokens import Token, TokenServices, token_of

__all__ = [
    "BrokenAnswerError",
    "CertificateError",
    "HttpSession",
    "LoginRefusedError",
    "NotFoundError",
    "RequestRefusedError",
    "StoreFailedError",
    "UnreachableError",
]

RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})

_BLOCK = 1 << 17  # of larger ones, partly filled, each is new memory to malloc: the time goes into page faults
_LONGEST_WAIT = 30.0


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Say that there is none: else requests reads all of such an answer, however long, even to not follow it."""


class HttpSession:
    """Calls to one store.

    Parameters
    ----------
    store : Store
        Address, login and limits.
    services : TokenServices, optional
        Where a cloud gives out tokens, for a login that needs one.
    token_headers : sequence of str
        Headers that carry the bearer token too, beside ``Authorization``.
    budget_state : Path, optional
        Keeps what was spent of the store's daily budget; instead of the file that the store names.

    Raises
    ------
    ConfigurationError
        If the address, the secret or the certificate file of the stores file cannot be used.

    Notes
    -----
    Retried: no connection, an answer cut short, and the status 408, 425, 429, 500, 502, 503, 504, with growing
    waits and jitter, or the wait that ``Retry-After`` asks for (:rfc:`9110` 10.2.3, in both forms). Every call
    ends: a connection that sends nothing by the store's ``timeout``, one that trickles by ``answer_seconds``,
    and no call is begun anew after ``retry_seconds``. Redirects are not followed and the process's proxy
    variables are not read: only the stores file says where a call goes.
    """

    def __init__(
        self,
        store: Store,
        *,
        services: TokenServices | None = None,
        token_headers: Sequence[str] = (),
        budget_state: Path | None = None,
    ) -> None:
        _check_address(store)
        self.store = store
        self._session = _Session()
        self._session.trust_env = False
        # Blocking: a call waits until one of the connections is free, so that no store gets more calls at once.
        size = store.connections
        seconds = store.timeout + store.answer_seconds
        adapter = PacedAdapter(seconds, pool_connections=size, pool_maxsize=size, pool_block=True)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        if store.ca_file:
            _check_certificates(store, store.ca_file)
            self._session.verify = store.ca_file
        if store.proxy:
            self._session.proxies = {"http": store.proxy, "https": store.proxy}
        self._ended = threading.Event()
        self._token: Token | None = None
        self._token_headers = tuple(token_headers)
        self._log_in(services or TokenServices())
        self._budget = None
        if store.budget is not None:
            file = store.budget.state_file
            state = budget_state or (Path(file) if file else None)
            self._budget = Budget(store.name, store.budget, state)

    def _log_in(self, services: TokenServices) -> None:
        auth, name = self.store.auth, self.store.name
        if auth is None or auth.scheme == "token":  # such a token is part of each call's body: its client asks for it
            return
        if auth.scheme == "basic":
            # Bytes: requests would encode text as Latin-1, where RFC 7617 wants UTF-8.
            self._session.auth = (auth.user.encode(), auth.secret(name).encode())  # type: ignore[assignment]
        else:
            self._token = token_of(self.store, auth, services, HttpSession)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections, and write down what was spent of a budget; calls of other threads fail."""
        self._ended.set()
        self._session.close()
        if self._budget is not None:
            self._budget.close()

    def beside(self, url: str) -> HttpSession:
        """Return this session for calls to another address of the same server: the same connections and limits."""
        other = copy.copy(self)
        other.store = replace(self.store, url=url)
        _check_address(other.store)
        return other

    def request(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        data: Any = None,
        stream: bool = False,
        expect: frozenset[int] = frozenset(),
    ) -> requests.Response:
        """Call ``<store url>/<path>?<query>`` and return an answer below 300 (or with a status in `expect`).

        Parameters
        ----------
        query : str
            Already encoded; sent as it is, since some servers do not decode what they need not.
        data : bytes, str, iterator or function, optional
            The body. A function is called for each attempt and returns the body; a bare iterator cannot be
            sent twice, so such a call is not retried.
        stream : bool
            Leave the body of the answer unread; read it with `chunks`.
        expect : frozenset of int
            Statuses from 300 up that the caller reads itself.

        Raises
        ------
        UnreachableError, CertificateError, BrokenAnswerError, LoginRefusedError, NotFoundError, \
RequestRefusedError, StoreFailedError
            By what happened, each with the store's name.
        """
        repeatable = data is None or callable(data) or isinstance(data, (bytes, str))
        attempts = self.store.attempts if repeatable else 1
        deadline = time.monotonic() + self.store.retry_seconds
        for attempt in range(1, attempts + 1):
            if self._ended.is_set():
                raise UnreachableError(self.store.name, "the run was ended")
            last = attempt == attempts
            try:
                answer = self._sent(method, path, query, headers, data, stream, repeatable)
            except (UnreachableError, BrokenAnswerError):
                if last or not _wait(attempt, None, deadline):
                    raise
                continue
            if answer.status_code in RETRIED_STATUS and answer.status_code not in expect and not last:
                asked = answer.headers.get("Retry-After")
                if _wait(attempt, asked, deadline, before=answer.close):
                    continue
            return self._checked(answer, method, path, expect)
        raise AssertionError("unreachable")

    def chunks(self, answer: requests.Response, size: int = _BLOCK) -> Iterator[bytes]:
        """Yield the body of a streamed `answer` as it comes in, at most `size` bytes at a time.

        Raises
        ------
        BrokenAnswerError
            If the connection ends before the body does, or the body comes slower than 16 kB/s for longer than
            the store's ``answer_seconds``. A body that neither its length nor its chunks delimit just ends:
            whether it is whole, only its content can tell.
        """
        waited, received = 0.0, 0
        if self._budget is not None:  # what passes it is given up: let that be little
            size = min(size, _BLOCK)
        encoded = "Content-Encoding" in answer.headers  # decoding costs a copy even where there is nothing to decode
        try:
            while True:
                started = time.monotonic()
                # read1 returns what is there: read would wait for `size` bytes, and a trickle never time out.
                block = answer.raw.read1(size, decode_content=encoded)
                waited += time.monotonic() - started
                if not block:
                    return
                if self._ended.is_set():
                    raise BrokenAnswerError(self.store.name, f"the run was ended after {received} bytes of an answer")
                received += len(block)
                if self._budget is not None:
                    self._budget.received(len(block))
                yield block
                block = b""  # or there would be two in memory
                if waited > self.store.answer_seconds + received / SLOWEST_BYTES_PER_SECOND:
                    raise BrokenAnswerError(
                        self.store.name, f"only {received} bytes of an answer came in {waited:.0f} s; given up"
                    )
        except (urllib3.exceptions.HTTPError, ssl.SSLError, OSError) as error:
            raise BrokenAnswerError(
                self.store.name, f"the answer was cut after {received} bytes ({_reason(error)})"
            ) from error
        finally:
            answer.close()

    def discard(self, answer: requests.Response) -> None:
        """Read what is left of a short answer, so that its connection can serve the next call; give up a long one."""
        with contextlib.suppress(BrokenAnswerError):  # nobody wanted it
            for number, _ in enumerate(self.chunks(answer)):
                if number:
                    return

    def _sent(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str] | None,
        data: Any,
        stream: bool,
        repeatable: bool,
    ) -> requests.Response:
        """Send once; where the store no longer takes the token, once more with a new one."""
        token = self._token.value() if self._token is not None else ""
        answer = self._send(self._prepared(method, path, query, headers, data, token), stream)
        if answer.status_code == 401 and self._token is not None and repeatable and self._token.renew(token):
            answer.close()
            answer = self._send(self._prepared(method, path, query, headers, data, self._token.value()), stream)
        return answer

    def _prepared(
        self, method: str, path: str, query: str, headers: Mapping[str, str] | None, data: Any, token: str
    ) -> requests.PreparedRequest:
        body = data() if callable(data) else data
        url = f"{self.store.url}/{path.lstrip('/')}" if path else self.store.url
        request = requests.Request(method, url, headers=dict(headers or {}), data=body)
        prepared = self._session.prepare_request(request)
        if token:
            prepared.headers["Authorization"] = f"Bearer {token}"
            prepared.headers.update(dict.fromkeys(self._token_headers, token))
        if query:
            prepared.url = f"{prepared.url}?{query}"
        return prepared

    def _send(self, prepared: requests.PreparedRequest, stream: bool) -> requests.Response:
        if self._budget is not None:
            self._budget.begin_call()
        name, url = self.store.name, self.store.url
        settings = self._session.merge_environment_settings(prepared.url or "", {}, True, None, None)
        timeouts = (min(10.0, self.store.timeout), self.store.timeout)
        try:
            answer = self._session.send(prepared, timeout=timeouts, allow_redirects=False, **settings)
        except requests.exceptions.SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise CertificateError(
                    name, f"the certificate of {url} is not trusted ({_reason(error)}); name its authority as ca_file"
                ) from error
            raise UnreachableError(name, f"no secure connection to {url} ({_reason(error)})") from error
        except requests.exceptions.ProxyError as error:
            raise UnreachableError(
                name, f"no way to {url} through the proxy {self.store.proxy} ({_reason(error)})"
            ) from error
        except requests.exceptions.InvalidHeader as error:
            raise BrokenAnswerError(name, f"the answer of {url} cannot be read ({_reason(error)})") from error
        except (requests.ConnectionError, requests.Timeout) as error:
            raise UnreachableError(
                name, f"no answer from {url} ({_reason(error)}); is it running and reachable?"
            ) from error
        if not stream:
            answer._content = b"".join(self.chunks(answer))  # where requests itself keeps what it has read
        return answer

    def _checked(self, answer: requests.Response, method: str, path: str, expect: frozenset[int]) -> requests.Response:
        status = answer.status_code
        if status < 300 or status in expect:
            return answer
        name = self.store.name
        body = self._start_of(answer)
        if status < 400:
            raise RequestRefusedError(name, f"{method} {path}: redirects ({status}) are not followed", status=status)
        if status == 401:
            raise LoginRefusedError(
                name, "login refused (401); check the user and the secret that the stores file names", status=status
            )
        if status == 403:
            raise LoginRefusedError(name, f"this login may not {method} {path} (403)", status=status)
        if status in {404, 410}:
            raise NotFoundError(name, f"not there: {path}", status=status)
        if status in RETRIED_STATUS or status >= 500:
            raise StoreFailedError(name, f"{method} {path} failed with status {status} after all tries", status=status)
        text = " ".join(body[:300].decode("utf-8", "replace").split())
        raise RequestRefusedError(name, f"{method} {path} refused ({status}): {text}", status=status, body=body)

    def _start_of(self, answer: requests.Response) -> bytes:
        if isinstance(answer._content, bytes):  # read already, the call was not a streamed one
            return answer._content[:4096]
        chunks = self.chunks(answer)
        try:
            return next(chunks, b"")[:4096]
        except BrokenAnswerError:
            return b""  # the status alone is the message
        finally:
            answer.close()


def _check_address(store: Store) -> None:
    try:
        parts = urlsplit(store.url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(f"store {store.name}: its url is not an http(s) address with a host")


def _check_certificates(store: Store, file: str) -> None:
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:  # ssl.SSLError, for a file that is no PEM, is one too
        raise ConfigurationError(
            f"store {store.name}: cannot use its ca_file {file} ({error.strerror or error}); it must be a PEM file"
        ) from error


def _wait(attempt: int, asked: str | None, deadline: float, before: Callable[[], None] | None = None) -> bool:
    """Wait before the next attempt; False, at once, when the wait would pass `deadline`."""
    seconds = _retry_after(asked)
    if seconds is None:
        seconds = min(_LONGEST_WAIT, 0.2 * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
    if time.monotonic() + seconds > deadline:
        return False
    if before is not None:
        before()
    time.sleep(seconds)
    return True


def _retry_after(text: str | None) -> float | None:
    """Seconds that a ``Retry-After`` asks for; None where there is none, or none that can be read."""
    if text is None:
        return None
    if re.fullmatch(r"\s*[0-9]+\s*", text):
        return float(text)
    try:
        when = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if when.tzinfo is None:  # "-0000", which is UTC too
        when = when.replace(tzinfo=UTC)
    return max(0.0, when.timestamp() - time.time())


def _reason(error: BaseException) -> str:
    """Return the innermost cause in a few words: the outer ones repeat addresses and object names."""
    cause: BaseException = error
    while inner := cause.__cause__ or cause.__context__:
        cause = inner
    if isinstance(cause, TimeoutError):
        return "nothing came in time"
    text = str(cause).rsplit(":", 1)[-1] if isinstance(cause, urllib3.exceptions.HTTPError) else str(cause)
    return text.strip() or type(cause).__name__
