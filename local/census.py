"""How often anything was written on each server, told by the servers themselves.

Counted is every version and every write, not only what is there: an identical overwrite shows, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multimodal.transport.session import HttpSession, NotFoundError
from multimodal.transport.stores import Store, Stores


def census(stores: Stores) -> dict[str, int]:
    """Return the number of writes that each server has seen so far, by the server's name for a person."""
    return {
        "Orthanc": _orthanc(stores.get("pacs")),
        "HAPI FHIR": _fhir(stores.get("clinical")),
        "OpenSearch": _opensearch(stores.get("search")),
    }


def changes(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return the writes between two censuses, server by server."""
    return {name: after[name] - before[name] for name in after}


def _orthanc(store: Store) -> int:
    """Count the instances that ever arrived, from Orthanc's log of changes."""
    root = Store(name=store.name, kind=store.kind, url=store.url.rsplit("/", 1)[0], auth=store.auth)
    count, since = 0, 0
    with HttpSession(root) as session:
        while True:
            page = session.request("GET", "changes", query=f"since={since}&limit=1000").json()
            count += sum(1 for change in page["Changes"] if change["ChangeType"] == "NewInstance")
            since = page["Last"]
            if page["Done"]:
                return count


def _fhir(store: Store) -> int:
    """Count the versions of all resources (FHIR R4 http#history)."""
    with HttpSession(store) as session:
        return int(session.request("GET", "_history", query="_summary=count").json()["total"])


def _opensearch(store: Store) -> int:
    """Sum up the sequence numbers of the index: each write of a document takes one."""
    with HttpSession(store) as session:
        try:
            stats: dict[str, Any] = session.request("GET", f"{store.index}/_stats", query="level=shards").json()
        except NotFoundError:
            return 0
    shards = (shard for index in stats["indices"].values() for copies in index["shards"].values() for shard in copies)
    return sum(int(shard["seq_no"]["max_seq_no"]) + 1 for shard in shards if shard["routing"]["primary"])
