"""MinIO's client over our own HTTP session: one way of retrying, waiting and trusting for all stores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from minio import Minio
from minio.credentials.providers import Provider
from urllib3 import PoolManager

from multimodal.model.errors import ConfigurationError
from multimodal.transport.session import RETRIED_STATUS, HttpSession
from multimodal.transport.stores import Store

# The body of these says what the server means; what is left ends in the session's own typed errors.
ANSWERS = frozenset(range(300, 600)) - RETRIED_STATUS - {301, 302, 303, 307, 308}


class Answer:
    """What the client reads of an answer.

    Parameters
    ----------
    session : HttpSession
        Over which it came.
    answer : Response
        Streamed where the client asked for that.
    """

    def __init__(self, session: HttpSession, answer: requests.Response, *, streamed: bool) -> None:
        self._session = session
        self._answer = answer
        self._streamed = streamed and answer.status_code < 300
        self.status = answer.status_code
        self.headers = answer.headers

    @property
    def data(self) -> bytes:
        """The whole body."""
        return self._answer.content

    def read(self, **_: Any) -> bytes:
        """Return the whole body."""
        return self._answer.content

    def stream(self, amt: int = 1 << 17) -> Iterator[bytes]:
        """Yield the body as it comes in; see `HttpSession.chunks`."""
        return self._session.chunks(self._answer, amt) if self._streamed else iter([self._answer.content])

    def close(self) -> None:
        """Give the connection back."""
        self._answer.close()

    release_conn = close


class SessionPool(PoolManager):
    """The pool of connections that MinIO's client asks to send its requests.

    Parameters
    ----------
    session : HttpSession
        Sends them, with the store's certificates, proxy, time limits and retry.
    """

    def __init__(self, session: HttpSession) -> None:
        super().__init__()
        self._session = session

    def urlopen(  # type: ignore[override]  # what the client calls, and no more
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        preload_content: bool = True,
    ) -> Answer:
        """Send one signed request."""
        place = urlsplit(url)
        answer = self._session.request(
            method,
            place.path,
            query=place.query,
            headers={**(headers or {}), "Accept-Encoding": "identity"},
            data=body,
            stream=not preload_content,
            expect=ANSWERS,
        )
        return Answer(self._session, answer, streamed=not preload_content)


def open_client(store: Store, session: HttpSession, provider: Provider) -> Minio:
    """Return a client of the server of `store` that sends everything through `session`, signed with keys of `provider`.

    Raises
    ------
    ConfigurationError
        If the address has a path.
    """
    place = urlsplit(store.url)
    if place.path:
        raise ConfigurationError(f"store {store.name}: the url of an object store has no path; name the bucket apart")
    return Minio(
        place.netloc,
        secure=place.scheme == "https",
        region=store.region or None,
        credentials=provider,
        http_client=SessionPool(session),
    )
