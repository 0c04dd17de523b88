"""OpenSearch's client over our own HTTP session: one way of logging in, retrying and trusting for all stores."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlencode

from opensearchpy import Connection, OpenSearch

from multimodal.transport.session import HttpSession

# Statuses whose body says what OpenSearch means; all others end in the session's own typed errors.
_ANSWERS = frozenset({400, 403, 404, 409, 413})


class SessionConnection(Connection):  # type: ignore[misc]  # mypy does not read the client
    """The connection that opensearch-py asks to send its requests.

    Parameters
    ----------
    session : HttpSession
        Sends them, with the store's login, certificates, proxy, time limits and retry.
    """

    def __init__(self, session: HttpSession, **options: Any) -> None:
        super().__init__(**options)
        self._session = session

    def perform_request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,
        allow_redirects: bool | None = True,
        ignore: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send one request and return status, headers and body, as opensearch-py expects."""
        answer = self._session.request(
            method,
            url,
            query=urlencode(params or {}),
            headers={**self.headers, **(headers or {})},
            data=body,
            expect=_ANSWERS,
        )
        text = answer.content.decode("utf-8", "surrogatepass")
        if answer.status_code >= 300 and answer.status_code not in ignore:
            self._raise_error(answer.status_code, text, answer.headers.get("Content-Type"))
        return answer.status_code, answer.headers, text


def open_client(session: HttpSession) -> OpenSearch:
    """Return an OpenSearch client that sends everything through `session`."""
    # The host is never used: the session knows the store's address. No retry here, the session retries.
    return OpenSearch(hosts=["unused"], connection_class=SessionConnection, session=session, max_retries=0)
