"""A resource that is constant but for a few elements, serialised once and filled for each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multimodal.resources.serialised import canonical, serialised


class Stencil:
    """The canonical bytes of a resource with holes for the values of its slots.

    Parameters
    ----------
    made : dict
        The first resource of its kind, checked.
    slots : sequence of str
        Top-level elements that differ between the resources of the kind, sorted by name. ``value`` stands for whichever
        ``value[x]`` there is. A slot that `made` lacks is a hole that takes ``b""``.

    Attributes
    ----------
    meta : bytes
        ``meta`` of all resources of the kind.
    body : bytes
        The body as a format: ``body % values``, with the JSON of each slot in order (``id`` without its quotation
        marks), is the body of a resource.

    Raises
    ------
    AssertionError
        If filling in the values of `made` does not give the bytes of `serialised(made)`: the two ways must agree.
    """

    __slots__ = ("body", "meta")

    def __init__(self, made: dict[str, Any], slots: Sequence[str]) -> None:
        whole = serialised(made)
        self.meta = whole.meta
        named = {slot: _named(slot, made) for slot in slots}
        texts = {name: canonical(name) + b":" + _escaped(made[name]) for name in made if name != "meta"}
        for name in named.values():
            hole = b'"%b"' if name == "id" else b"%b"
            texts[name] = canonical(name) + b":" + hole if name in made else b"%b"
        body, comma = b"", b""
        for name in sorted(texts):
            # A hole without a name takes nothing, so it has no comma either.
            body += (comma if name in made else b"") + texts[name]
            comma = b"," if name in made else comma
        self.body = b"{" + body + b"}"
        own = [
            (made["id"].encode() if name == "id" else canonical(made[name])) if name in made else b""
            for name in named.values()
        ]
        if self.body % tuple(own) != whole.body:
            raise AssertionError(f"the stencil of {whole.reference} does not give its bytes")


def _named(slot: str, made: dict[str, Any]) -> str:
    if slot != "value":
        return slot
    return next((name for name in made if name.startswith("value") and name[5:6].isupper()), slot)


def _escaped(value: Any) -> bytes:
    return canonical(value).replace(b"%", b"%%")
