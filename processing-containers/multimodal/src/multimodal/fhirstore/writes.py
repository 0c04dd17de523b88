"""The words between a load and its target: what to write, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import orjson


class Write(NamedTuple):
    """One resource to write or delete.

    Parameters
    ----------
    resource_type, resource_id : str
        Its name.
    body : bytes or None
        The resource as JSON; None deletes it. Of a shared resource what we contribute to it.
    sha256 : bytes
        Hash of what we contribute, for the manifest.
    origin, row, sheet : str, int and str
        Where it came from.
    patient : str
        Id of the Patient that it belongs to.
    meta, content : bytes
        Two more hashes for the manifest, see `Entry`.
    before : bytes or None
        Of a shared resource what we contributed last time; None where it is not known.
    shared : bool
        Whether other sources contribute to it: what is there is read and merged.
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
    patient: str = ""
    meta: bytes = b""
    content: bytes = b""
    before: bytes | None = None
    shared: bool = False
    version: str | None = None

    @property
    def reference(self) -> str:
        """``Type/id``."""
        return f"{self.resource_type}/{self.resource_id}"

    def contribution(self) -> dict[str, Any]:
        """Return what we contribute, as a new dict."""
        made: dict[str, Any] = orjson.loads(self.body or b"{}")
        return made


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
    same : sequence of Write
        Shared resources that held our contribution already, so that nothing was sent.
    warnings : sequence of str
        What a person should know.
    kind : str
        Where it is given, all planned writes of this type are stored, those in `same` apart, and none is listed.
    """

    stored: Sequence[tuple[Write, bool]] = ()
    refused: Sequence[Refusal] = ()
    same: Sequence[Write] = ()
    warnings: Sequence[str] = ()
    kind: str = ""

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            [*self.stored, *other.stored],
            [*self.refused, *other.refused],
            [*self.same, *other.same],
            [*self.warnings, *other.warnings],
        )


class Merged(NamedTuple):
    """A contribution united with what the target has."""

    write: Write | None
    """What to send; None where the target has all of it."""
    warnings: Sequence[str] = ()


Merge = Callable[[Write, Mapping[str, Any] | None], Merged]
"""Unites a shared write with the current resource (None where there is none)."""


Is = Callable[[Mapping[str, Any]], bool]
"""Says whether a version of a resource is the one that is looked for."""


class Target(Protocol):
    """Where resources are loaded into: a FHIR server, or a folder of NDJSON files.

    Attributes
    ----------
    order : {'patient', 'name'}
        How writes come best: those of one patient together, or by type and id.
    """

    order: Literal["patient", "name"]

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

    def earlier(self, wanted: Mapping[tuple[str, str], Is]) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the last version of each that is what is wanted, of those that are (still) kept."""

    def lacks(self, references: Sequence[tuple[str, str]]) -> bool:
        """Say, cheaply, whether any of `references` is gone: then the target is not what we remember."""

    def is_named(self, reference: str) -> bool:
        """Say whether any resource refers to `reference`, where the target itself would not mind."""

    def write(self, groups: Iterable[Sequence[Write]], merge: Merge, *, exact: bool = False) -> Iterator[Outcome]:
        """Write `groups`, each of them together, and yield what became of them as it is acknowledged.

        Where it is `exact`, tags that are not in what is sent go too; some servers keep them otherwise.
        """
