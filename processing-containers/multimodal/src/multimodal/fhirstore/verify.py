"""Each resource of earlier loads looked at on the target: what is gone, or was changed there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from multimodal.fhirstore.bodies import SHARED, writers_of
from multimodal.fhirstore.manifest import Entry, Manifest, contribution_of
from multimodal.fhirstore.merge import merge
from multimodal.fhirstore.rebuild import differing
from multimodal.fhirstore.writes import Target
from multimodal.model.progress import Progress, silent

_AT_ONCE = 500
_NOBODY_KNOWS = b""  # the hash of no body, so that what has it is sent again


class Verified(NamedTuple):
    """What a target has of earlier loads, as numbers of resources."""

    looked_at: int
    gone: int
    changed: int


def verify(known: Manifest, target: Target, source: str, progress: Progress = silent) -> Verified:
    """Look at each resource that `known` says `target` has, and make `known` say what is so.

    Parameters
    ----------
    known : Manifest
        Of `source`; what is gone is forgotten, and named in the table ``temp.gone``. What was changed there gets
        the hash of what it is now, so that the next comparison finds it different.
    target : FhirServer or NdjsonFolder
        Where to look; each resource is read by its id, as a search may lag behind.
    source : str
        As in `load`.
    progress : Progress
        Told of resources looked at.

    Returns
    -------
    Verified
        How many there should be, are gone, and are not as they were stored. A shared resource is as it was while it
        still holds what we contributed and names us.
    """
    database, looked_at, gone, changed = known.database, 0, 0, 0
    database.execute("CREATE TEMP TABLE IF NOT EXISTS gone (type TEXT, id TEXT, PRIMARY KEY (type, id)) WITHOUT ROWID")
    database.execute("DELETE FROM spared")  # of these it is asked anew too
    total = len(known)
    at_once = _AT_ONCE if target.order == "patient" else 40 * _AT_ONCE  # a folder is read as a whole each time
    last = ("", "")
    while chunk := list(islice(known.select("(type, id) > (?, ?)", last), at_once)):
        last = chunk[-1].key
        here = target.read_many([entry.key for entry in chunk])
        lost = [entry.key for entry in chunk if entry.key not in here]
        database.executemany("INSERT OR IGNORE INTO temp.gone VALUES (?, ?)", lost)
        known.forget(lost)
        others = [*differing(known, list(here.values()), source), *_without_ours(chunk, here, source)]
        known.record(others)
        looked_at, gone, changed = looked_at + len(chunk), gone + len(lost), changed + len(others)
        progress("resources of earlier loads looked at", looked_at, total)
    return Verified(looked_at, gone, changed)


def _without_ours(
    entries: list[Entry], here: Mapping[tuple[str, str], Mapping[str, Any]], source: str
) -> Iterator[Entry]:
    """Yield the entries of shared resources that lack what we contributed."""
    for entry in entries:
        body = here.get(entry.key)
        if body is None or entry.resource_type not in SHARED:
            continue
        ours = contribution_of(entry)
        if source not in writers_of(body) or (ours is not None and _lacks(body, ours)):
            yield entry._replace(sha256=_NOBODY_KNOWS)


def _lacks(body: Mapping[str, Any], ours: dict[str, Any]) -> bool:
    merged, _ = merge(body, ours, ours)
    return {**merged, "meta": None} != {**body, "meta": None}
