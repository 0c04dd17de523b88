"""A manifest that was lost, or left by a load that did not end, made anew from what the target has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from multimodal.fhirstore.bodies import SHARED, body_hash, is_withdrawn, scope_of, source_of, writers_of
from multimodal.fhirstore.manifest import Entry, Manifest
from multimodal.fhirstore.writes import Target
from multimodal.model.progress import Progress, silent

_RECORDED_AT_ONCE = 1000


def rebuild(manifest: Manifest, target: Target, source: str, progress: Progress = silent) -> None:
    """Make `manifest` say what `source` has on `target`, and nothing else.

    Notes
    -----
    Where the manifest was left by a load that did not end, it still knows rows and origins, and what it does not
    know the target does: what was acknowledged before the load could note it.
    """
    if not manifest.interrupted:
        manifest.clear()
    lost = {(entry.resource_type, entry.resource_id) for entry in manifest.all_entries()}
    found = target.of_source(source)
    done = 0
    while entries := list(islice(_entries(manifest, found, source), _RECORDED_AT_ONCE)):
        manifest.record(entries)
        lost -= {(entry.resource_type, entry.resource_id) for entry in entries}
        done += len(entries)
        progress("resources of earlier loads found", done)
    manifest.forget(lost)


def _entries(manifest: Manifest, resources: Iterator[Mapping[str, Any]], source: str) -> Iterator[Entry]:
    for resource in resources:
        kind, key = resource["resourceType"], resource["id"]
        known = manifest.get(kind, key)
        if kind in SHARED:
            if known is None:
                known = _contribution(resource, source)
            yield known
            continue
        sha256 = body_hash(resource)
        yield Entry(
            kind,
            key,
            sha256,
            scope=scope_of(resource),
            origin=known.origin if known else "",
            row=known.row if known else None,
            run=known.run if known else "",
            # A source may itself say that something was entered in error; that is not withdrawn by us.
            withdrawn=is_withdrawn(resource) and (known is None or known.withdrawn or known.sha256 != sha256),
        )


def _contribution(resource: Mapping[str, Any], source: str) -> Entry:
    """Return what we contributed to a shared resource: all of it if nobody else did, else nobody knows."""
    alone = writers_of(resource) == {source} and source_of(resource) == source
    body = {key: value for key, value in resource.items() if key != "meta"} if alone else None
    return Entry(resource["resourceType"], resource["id"], body_hash(resource), contribution=body)
