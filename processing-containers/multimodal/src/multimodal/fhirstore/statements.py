"""Provenance lets go of what is deleted: a server that guards references deletes nothing that is still named."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from multimodal.fhirstore.bodies import body_hash, references_in, unversioned, without_references
from multimodal.fhirstore.manifest import Entry, Manifest
from multimodal.fhirstore.writes import Target, Write

_PROVENANCE = "Provenance"


def released(target: Target, known: Manifest, gone: set[str]) -> Iterator[tuple[Write, Entry | None]]:
    """Yield the writes that take `gone` out of what earlier loads stated, each with its new entry.

    Parameters
    ----------
    target : FhirServer or NdjsonFolder
        Where the statements are.
    known : Manifest
        Names them.
    gone : set of str
        References, ``Type/id``.

    Yields
    ------
    tuple of Write and Entry or None
        None where the Provenance named nothing else: ``Provenance.target`` is 1..* (FHIR R4 Provenance), so it
        is deleted. The server's history keeps what was stated.
    """
    if not gone:
        return
    entries = {entry.resource_id: entry for entry in known.select("type = ? AND NOT withdrawn", (_PROVENANCE,))}
    bodies = target.read_many([(_PROVENANCE, key) for key in entries])
    for (_, key), body in bodies.items():
        if not gone & references_in(body.get("target", ())):
            continue
        entry, kept = entries[key], without_references(unversioned(body), gone)
        if "target" in kept:
            sha256 = body_hash(kept)
            written = Write(_PROVENANCE, key, orjson.dumps(kept), sha256, entry.origin, entry.row)
            yield written, entry._replace(sha256=sha256)
        else:
            yield Write(_PROVENANCE, key, None, entry.sha256, entry.origin, entry.row), None
