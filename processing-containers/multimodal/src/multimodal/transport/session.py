"""One HTTP session per store: login, certificates, proxy, time limits and retry; every client uses it."""

from __future__ import annotations

import email.utils
import random
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter

from multimodal.model.errors import RemoteError
from multimodal.transport.stores import Store

RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class UnreachableError(RemoteError):
    """No connection, or no answer in time, after all attempts."""


class LoginRefusedError(RemoteError):
    """The store refused our login (401, 403)."""


class NotFoundError(RemoteError):
    """The store answered, and has no such thing (404, 410)."""


class RequestRefusedError(RemoteError):
    """The store refused the request itself (other 4xx); the same request will be refused again.

    Attributes
    ----------
    body : bytes
        The start of the answer, for a message.
    """

    def __init__(self, store: str, problem: str, *, status: int, body: bytes = b"") -> None:
        self.body = body
        super().__init__(store, problem, status=status)


class StoreFailedError(RemoteError):
    """The store answered 5xx or 429 until the attempts or the time for them were used up."""


class HttpSession:
    """Calls to one store.

    Parameters
    ----------
    store : Store
        Address, login and limits.
    connections : int
        Most connections kept open at once.

    Notes
    -----
    Retried: no connection, and the status 408, 425, 429, 500, 502, 503, 504, with growing waits and jitter,
    or the wait that ``Retry-After`` asks for (RFC 9110 10.2.3, in both forms). A body given as an iterator
    cannot be sent twice and is not retried.
    """

    def __init__(self, store: Store, *, connections: int = 8) -> None:
        self.store = store
        self._session = requests.Session()
        self._session.trust_env = False
        adapter = HTTPAdapter(pool_connections=connections, pool_maxsize=connections)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        if store.ca_file:
            self._session.verify = store.ca_file
        if store.proxy:
            self._session.proxies = {"http": store.proxy, "https": store.proxy}
        if store.auth is not None:
            secret = store.auth.secret(store.name)
            if store.auth.scheme == "basic":
                self._session.auth = (store.auth.user, secret)
            else:
                self._session.headers["Authorization"] = f"Bearer {secret}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

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
        """Call ``<store url>/<path>?<query>`` and return an answer below 400 (or with a status in `expect`).

        Parameters
        ----------
        query : str
            Already encoded; sent as it is, since some servers do not decode what they need not.
        expect : frozenset of int
            Statuses from 400 up that the caller reads itself.

        Raises
        ------
        UnreachableError, LoginRefusedError, NotFoundError, RequestRefusedError, StoreFailedError
            By what happened, each with the store's name.
        """
        request = requests.Request(method, self._url(path), headers=dict(headers or {}), data=data)
        prepared = self._session.prepare_request(request)
        if query:
            prepared.url = f"{self._url(path)}?{query}"
        settings = self._session.merge_environment_settings(prepared.url or "", {}, stream, None, None)
        deadline = time.monotonic() + self.store.retry_seconds
        repeatable = data is None or isinstance(data, (bytes, str))
        attempts = self.store.attempts if repeatable else 1
        for attempt in range(1, attempts + 1):
            last = attempt == attempts
            try:
                answer = self._session.send(
                    prepared,
                    timeout=(min(10.0, self.store.timeout), self.store.timeout),
                    allow_redirects=False,
                    **settings,
                )
            except (requests.ConnectionError, requests.Timeout) as error:
                if last or not _wait(attempt, None, deadline):
                    raise UnreachableError(
                        self.store.name,
                        f"no answer from {self.store.url} ({_reason(error)}); is it running and reachable?",
                    ) from error
                continue
            if answer.status_code in RETRIED_STATUS and answer.status_code not in expect and not last:
                asked = answer.headers.get("Retry-After")
                answer.close()
                if _wait(attempt, asked, deadline):
                    continue
            return self._checked(answer, method, path, expect)
        raise AssertionError("unreachable")

    def _url(self, path: str) -> str:
        return f"{self.store.url}/{path.lstrip('/')}" if path else self.store.url

    def _checked(self, answer: requests.Response, method: str, path: str, expect: frozenset[int]) -> requests.Response:
        status = answer.status_code
        if status < 300 or status in expect:
            return answer
        name = self.store.name
        if status < 400:
            answer.close()
            raise RequestRefusedError(name, f"{method} {path}: redirects ({status}) are not followed", status=status)
        if status in {401, 403}:
            answer.close()
            raise LoginRefusedError(
                name, f"login refused ({status}); check the secret the stores file names", status=status
            )
        if status in {404, 410}:
            answer.close()
            raise NotFoundError(name, f"not there: {path}", status=status)
        try:
            body = next(answer.iter_content(4096), b"")
        except requests.RequestException:
            body = b""  # the status alone is the message
        finally:
            answer.close()
        if status in RETRIED_STATUS:
            raise StoreFailedError(name, f"{method} {path} failed with status {status} after all tries", status=status)
        text = body[:300].decode("utf-8", "replace").replace("\n", " ")
        raise RequestRefusedError(name, f"{method} {path} refused ({status}): {text}", status=status, body=body)


def _wait(attempt: int, asked: str | None, deadline: float) -> bool:
    """Wait before the next attempt; False when the wait would pass `deadline`."""
    seconds = _retry_after(asked)
    if seconds is None:
        seconds = min(30.0, 0.2 * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
    if time.monotonic() + seconds > deadline:
        return False
    time.sleep(seconds)
    return True


def _retry_after(text: str | None) -> float | None:
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        when = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, when.timestamp() - time.time())


def _reason(error: Exception) -> str:
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    return str(cause).rsplit(":", 1)[-1].strip() or type(cause).__name__
