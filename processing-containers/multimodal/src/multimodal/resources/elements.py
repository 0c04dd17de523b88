"""Elements of a resource found by their path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def elements_at(part: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """Yield what stands at `path`, in each item of the lists on the way."""
    if isinstance(part, list):
        for entry in part:
            yield from elements_at(entry, path)
    elif not path:
        yield part
    elif isinstance(part, Mapping) and path[0] in part:
        yield from elements_at(part[path[0]], path[1:])


def objects_at(part: Any, *path: str) -> Iterator[Mapping[str, Any]]:
    """Yield the objects at a path; what is none there is another check's finding."""
    return (found for found in elements_at(part, path) if isinstance(found, Mapping))


def choices(holder: Mapping[str, Any], stem: str) -> list[str]:
    """Return the elements of `holder` that are the choice ``stem[x]``."""
    return [name for name in holder if name.startswith(stem) and name[len(stem) :][:1].isupper()]
