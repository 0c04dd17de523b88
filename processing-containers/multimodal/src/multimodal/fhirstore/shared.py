"""Resources with several writers: read, merge our part, write under If-Match, anew when somebody was faster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import orjson

from multimodal.fhirstore.bodies import SOURCE, marked, source_of, unversioned
from multimodal.fhirstore.errors import ConflictError
from multimodal.fhirstore.manifest import Entry, Manifest
from multimodal.fhirstore.merge import merge
from multimodal.fhirstore.report import LoadReport
from multimodal.fhirstore.sending import pause
from multimodal.fhirstore.writes import Outcome, Target, Write

_TRIES = 8
_UNITED = ("profile", "security", "tag")

Contribution = tuple[Write, dict[str, Any]]


class SharedWriter:
    """Writes contributions of one source to shared resources and records them.

    Parameters
    ----------
    target, known : Target and Manifest
        Where to, and what we contributed before.
    source, scope, run : str
        As in `load`.
    """

    def __init__(self, target: Target, known: Manifest, *, source: str, scope: str, run: str) -> None:
        self._target = target
        self._known = known
        self._source = source
        self._scope = scope
        self._run = run

    def write(self, contributions: Iterator[Contribution], report: LoadReport) -> Iterator[Outcome]:
        """Write `contributions`, yield what was stored, and count in `report` what stood there already."""
        while chunk := list(islice(contributions, self._target.shared_at_once)):
            yield self._write_chunk(chunk, report)

    def _write_chunk(self, chunk: list[Contribution], report: LoadReport) -> Outcome:
        for attempt in range(1, _TRIES + 1):
            current = self._target.read_many([(w.resource_type, w.resource_id) for w, _ in chunk])
            writes, same, warnings = self._merged(chunk, current)
            try:
                outcome = self._target.write_shared(writes) if writes else Outcome()
            except ConflictError:
                if attempt == _TRIES:
                    raise
                pause(min(attempt, 4))
                continue
            break
        report.warnings.extend(warnings)
        report.unchanged.update(write.resource_type for write in same)
        contribution_of = {write.reference: (write, ours) for write, ours in chunk}
        noted = [contribution_of[write.reference] for write in (*same, *(write for write, _ in outcome.stored))]
        self._repair(outcome, contribution_of)
        self._known.record(self._entry(write, ours) for write, ours in noted)
        return outcome

    def _merged(
        self, chunk: Iterable[Contribution], current: Mapping[tuple[str, str], dict[str, Any]]
    ) -> tuple[list[Write], list[Write], list[str]]:
        writes, same, warnings = list[Write](), list[Write](), list[str]()
        for write, ours in chunk:
            here = current.get((write.resource_type, write.resource_id))
            if here is None:
                sent = marked(ours, self._source)
                writes.append(_sent(write, sent, ""))
                continue
            known = self._known.get(write.resource_type, write.resource_id)
            merged, kept = merge(here, ours, known.contribution if known else None)
            merged["meta"] = _merged_meta(here.get("meta", {}), ours.get("meta", {}), self._source)
            warnings.extend(f"{write.reference}: {place} of another writer was kept" for place in kept)
            if _comparable(merged) == _comparable(here):
                same.append(write)
            else:
                writes.append(_sent(write, merged, here.get("meta", {}).get("versionId")))
        return writes, same, warnings

    def _repair(self, outcome: Outcome, contribution_of: Mapping[str, Contribution]) -> None:
        """Give back what another writer created between our read and our write, which had no version to match."""
        for write, created in outcome.stored:
            if write.version != "" or created:
                continue
            theirs = self._target.previous(write.resource_type, write.resource_id)
            if theirs is None:
                continue
            for attempt in range(1, _TRIES + 1):
                name = (write.resource_type, write.resource_id)
                now = self._target.read_many([name])[name]
                merged, _ = merge(theirs, now, contribution_of[write.reference][1])
                merged["meta"] = _merged_meta(theirs.get("meta", {}), now.get("meta", {}), self._source)
                try:
                    self._target.write_shared([_sent(write, merged, now["meta"]["versionId"])])
                except ConflictError:
                    if attempt == _TRIES:
                        raise
                    pause(attempt)
                    continue
                break

    def _entry(self, write: Write, ours: dict[str, Any]) -> Entry:
        return Entry(
            write.resource_type, write.resource_id, write.sha256, self._scope, write.origin, write.row, self._run,
            contribution=ours,
        )  # fmt: skip


def _sent(write: Write, resource: Mapping[str, Any], version: str | None) -> Write:
    body = orjson.dumps(resource)
    return Write(
        write.resource_type, write.resource_id, body, write.sha256, write.origin, write.row, write.sheet, version
    )


def _merged_meta(here: Mapping[str, Any], ours: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return the union of both; the source stays that of the first writer, tags name all of them."""
    meta = unversioned({"meta": here})["meta"]
    for key in _UNITED:
        united = [*here.get(key, ()), *(value for value in ours.get(key, ()) if value not in here.get(key, ()))]
        if united:
            meta[key] = united
    resource = marked({"resourceType": "Patient", "meta": meta}, source)
    first = source_of({"meta": here})
    resource["meta"]["source"] = (
        SOURCE + first if first else here.get("source", "").partition("#")[0] or SOURCE + source
    )
    return dict(resource["meta"])


def _comparable(resource: Mapping[str, Any]) -> bytes:
    """Return the content that matters of `resource`, in one order; tags are a set."""
    meta = resource.get("meta", {})
    united = {
        key: sorted(orjson.dumps(value, option=orjson.OPT_SORT_KEYS) for value in meta.get(key, ())) for key in _UNITED
    }
    body = {key: value for key, value in resource.items() if key != "meta"}
    flat = {key: [value.decode() for value in values] for key, values in united.items()}
    return orjson.dumps([body, flat], option=orjson.OPT_SORT_KEYS)
