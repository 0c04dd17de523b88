"""A manifest that was lost, or left by a load that did not end, made anew from what the target has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import orjson

from multimodal.fhirstore.bodies import (
    SHARED,
    body_hash,
    content_hash,
    is_withdrawn,
    meta_hash,
    patient_of,
    scope_of,
    source_of,
    writers_of,
)
from multimodal.fhirstore.manifest import Entry, Manifest
from multimodal.fhirstore.writes import Target
from multimodal.model.progress import Progress, silent

_RECORDED_AT_ONCE = 1000


def rebuild(manifest: Manifest, target: Target, source: str, progress: Progress = silent) -> None:
    """Make `manifest` say what `source` has on `target`, and nothing else.

    Notes
    -----
    Where the manifest was left by a load that did not end, it still knows rows and origins, and what it does not
    know the target does: what was acknowledged before the load could note it. What differs was written by that
    load, and is noted as its work, so that it can be undone.
    """
    run = manifest.interrupted_run
    if not manifest.interrupted:
        manifest.clear()
    manifest.begin(run)
    database = manifest.database
    database.execute("CREATE TEMP TABLE found (type TEXT, id TEXT, PRIMARY KEY (type, id)) WITHOUT ROWID")
    found = target.of_source(source)
    done = 0
    while resources := list(islice(found, _RECORDED_AT_ONCE)):
        names = [(resource["resourceType"], resource["id"]) for resource in resources]
        database.executemany("INSERT OR IGNORE INTO temp.found VALUES (?, ?)", names)
        manifest.record(differing(manifest, resources, source))
        done += len(resources)
        progress("resources of earlier loads found", done)
    lost = "NOT EXISTS (SELECT 1 FROM temp.found f WHERE f.type = resource.type AND f.id = resource.id)"
    manifest.forget([entry.key for entry in manifest.select(lost)])
    database.execute("DROP TABLE temp.found")
    database.commit()
    manifest.begin("")


def differing(manifest: Manifest, resources: Sequence[Mapping[str, Any]], source: str) -> Iterator[Entry]:
    """Yield the entries of what is not on the target as the manifest says."""
    for resource in resources:
        known = manifest.get(resource["resourceType"], resource["id"])
        if resource["resourceType"] in SHARED:
            if known is None:
                yield _contribution(resource, source)
            continue
        entry = _entry(resource, known)
        if known is None or entry[2:4] != known[2:4] or entry.withdrawn != known.withdrawn:
            yield entry


def _entry(resource: Mapping[str, Any], known: Entry | None) -> Entry:
    body, sha256 = _body(resource), body_hash(resource)
    return Entry(
        resource["resourceType"],
        resource["id"],
        sha256,
        meta_hash(resource.get("meta", {})),
        content_hash(body, resource["id"]),
        patient_of(resource),
        scope=scope_of(resource),
        origin=known.origin if known else "",
        row=known.row if known else None,
        # A source may itself say that something was entered in error; that is not withdrawn by us.
        withdrawn=is_withdrawn(resource) and (known is None or known.withdrawn or known.sha256 != sha256),
    )


def _body(resource: Mapping[str, Any]) -> bytes:
    body = {key: value for key, value in resource.items() if key != "meta"}
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def _contribution(resource: Mapping[str, Any], source: str) -> Entry:
    """Return what we contributed to a shared resource: all of it if nobody else did, else nobody knows."""
    alone = writers_of(resource) == {source} and source_of(resource) == source
    return Entry(
        resource["resourceType"],
        resource["id"],
        body_hash(resource),
        meta_hash(resource.get("meta", {})),
        patient=patient_of(resource),
        contribution=_body(resource) if alone else None,
    )
