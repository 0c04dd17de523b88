"""What can go wrong with a call to a store: one class per cause, each with the store's name."""

from __future__ import annotations

from datetime import datetime

from multimodal.model.errors import ConfigurationError, RemoteError


class UnknownStoreError(ConfigurationError):
    """A name that the stores file does not list, or lists as another kind."""

    def __init__(self, name: str, kind: str | None, known: list[str]) -> None:
        self.name = name
        self.kind = kind
        self.known = known
        wanted = f"{kind} store" if kind else "store"
        super().__init__(f"no {wanted} named {name!r} in the stores file; it has: {', '.join(known) or 'none'}")


class UnreachableError(RemoteError):
    """No connection, or no answer in time, after all attempts."""


class CertificateError(RemoteError):
    """The store's certificate is not to be trusted; asking again would not change that."""


class BrokenAnswerError(RemoteError):
    """The answer began and did not end: cut, undecodable, or slower than any line explains."""


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


class BudgetSpentError(RemoteError):
    """A store's budget of the day is used up; nothing more is asked of it before midnight UTC.

    Attributes
    ----------
    what : str
        ``bytes`` or ``requests``.
    limit : int
        The most of them in one UTC day.
    resets : datetime
        When the next day begins.
    """

    def __init__(self, store: str, what: str, limit: int, resets: datetime) -> None:
        self.what = what
        self.limit = limit
        self.resets = resets
        super().__init__(
            store, f"its budget of {limit} {what} a day is spent; run again after {resets:%Y-%m-%d %H:%M} UTC"
        )
