"""A checked resource as bytes: what the mapping engine makes, and a load takes without touching it again."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson


class Serialised(NamedTuple):
    """A checked resource as canonical JSON (keys sorted, as ``orjson.OPT_SORT_KEYS`` writes them), ``meta`` apart.

    ``meta`` is kept apart since it does not count when a load asks whether a resource changed: the hash is that of
    `body`.

    Parameters
    ----------
    type : str
        FHIR resource type.
    id : str
        Its id; `body` holds it too.
    body : bytes
        The resource without ``meta``.
    meta : bytes
        Its ``meta``, an object.
    """

    type: str
    id: str
    body: bytes
    meta: bytes = b"{}"

    @property
    def reference(self) -> str:
        """``Type/id``."""
        return f"{self.type}/{self.id}"

    def resource(self) -> dict[str, Any]:
        """Return the resource as a new dict, ``meta`` included."""
        made: dict[str, Any] = orjson.loads(self.body)
        meta = orjson.loads(self.meta)
        if meta:
            made["meta"] = meta
        return made

    def line(self) -> bytes:
        """Return the resource with its ``meta`` as one JSON object."""
        return b'{"meta":' + self.meta + b"," + self.body[1:] if self.meta != b"{}" else self.body


def serialised(resource: dict[str, Any]) -> Serialised:
    """Return `resource`, which must have been checked, in this form."""
    meta = resource.get("meta")
    body = {name: value for name, value in resource.items() if name != "meta"}
    return Serialised(
        resource["resourceType"],
        resource["id"],
        canonical(body),
        canonical(meta) if meta else b"{}",
    )


def canonical(value: Any) -> bytes:
    """Return `value` as JSON with sorted keys, in no more memory than it needs.

    What `orjson.dumps` returns holds on to the buffer it was written in, a kilobyte for a few bytes of text; copied it
    may be kept.
    """
    return b"%b" % orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
