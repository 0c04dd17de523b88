"""How long work says how far it is, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called now and then with what is done of a total (None where it is not known)."""

    def __call__(self, what: str, done: int, total: int | None = None) -> None:
        """Report that `done` of `total` of `what` (e.g. ``rows``) are through."""


def silent(what: str, done: int, total: int | None = None) -> None:
    """Report nothing."""
