"""The words between a load and its target: what to write, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Write:
    """One resource to write or delete.

    Parameters
    ----------
    resource_type, resource_id : str
        Its name.
    body : bytes or None
        The resource as JSON; None deletes it.
    sha256 : bytes
        Hash of what we contribute, for the manifest.
    origin, row, sheet : str, int and str
        Where it came from.
    version : str or None
        The version this one follows (If-Match); None where nobody else writes it.
    """

    resource_type: str
    resource_id: str
    body: bytes | None
    sha256: bytes
    origin: str = ""
    row: int | None = None
    sheet: str = ""
    version: str | None = None

    @property
    def reference(self) -> str:
        """``Type/id``."""
        return f"{self.resource_type}/{self.resource_id}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A write that the target refused, and why."""

    write: Write
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of some writes, to be noted in the manifest at once.

    Parameters
    ----------
    stored : sequence of (Write, created)
        What the target has now; `created` where it was not there before. A write whose references to refused
        resources were left out has the hash of what was stored.
    refused : sequence of Refusal
        What it refused.
    """

    stored: Sequence[tuple[Write, bool]] = ()
    refused: Sequence[Refusal] = ()


class Target(Protocol):
    """Where resources are loaded into: a FHIR server, or a folder of NDJSON files.

    Attributes
    ----------
    shared_at_once : int
        How many shared resources `write_shared` takes best.
    """

    shared_at_once: int

    @property
    def name(self) -> str:
        """Name for messages."""

    @property
    def address(self) -> str:
        """What tells this target from all others."""

    def read_many(self, references: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
        """Return those of `references` that there are."""

    def of_source(self, source: str) -> Iterator[dict[str, Any]]:
        """Yield the resources that `source` wrote or contributed to, as far as the target can tell."""

    def previous(self, resource_type: str, resource_id: str) -> dict[str, Any] | None:
        """Return the version before the current one, or None where there is none."""

    def write(self, groups: Iterable[Sequence[Write]]) -> Iterator[Outcome]:
        """Write `groups`, each of them together, and yield what became of them as it is acknowledged."""

    def write_shared(self, writes: Sequence[Write]) -> Outcome:
        """Write shared resources, each under its `version` ("" where it must not exist yet).

        Raises
        ------
        ConflictError
            If another writer came in between; read, merge and try again.
        """
