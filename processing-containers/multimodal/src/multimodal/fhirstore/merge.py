"""Several writers, one resource: what each brings is added, and none overwrites another's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Elements of these lists are the same thing when these parts agree; elsewhere only when all of it does.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "identifier": ("system", "value"),
    "coding": ("system", "code"),
    "series": ("uid",),
    "instance": ("uid",),
}
# Choice elements (value[x]): a resource has at most one of each, whatever its type.
_CHOICES = ("deceased", "multipleBirth")
_SKIPPED = frozenset({"resourceType", "id", "meta"})


def merge(
    current: Mapping[str, Any], ours: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Return `current` with our contribution in it, and the elements where another writer's value was kept.

    Parameters
    ----------
    current : mapping
        The resource as it is; its ``meta`` is left alone.
    ours : mapping
        What we contribute now.
    before : mapping, optional
        What we contributed last time. What still stands there as we wrote it is ours to replace or remove;
        anything else is another writer's.
    """
    kept: list[str] = []
    merged = _merge_object(current, ours, before or {}, "", kept)
    return merged, kept


def _merge_object(
    current: Mapping[str, Any], ours: Mapping[str, Any], before: Mapping[str, Any], path: str, kept: list[str]
) -> dict[str, Any]:
    merged = dict(current)
    for key in before.keys() - ours.keys() - _SKIPPED:
        if key in merged:
            left = _removed(merged[key], before[key], key)
            if left is None:
                del merged[key]
            else:
                merged[key] = left
    for key, value in ours.items():
        if key in _SKIPPED:
            continue
        place = f"{path}.{key}" if path else key
        if key not in merged:
            if rival := _rival(merged, key):
                kept.append(f"{path}.{rival}" if path else rival)
            else:
                merged[key] = value
        else:
            merged[key] = _merge_value(merged[key], value, before.get(key), place, kept)
    return merged


def _merge_value(current: Any, ours: Any, before: Any, place: str, kept: list[str]) -> Any:
    if current == ours:
        return current
    if isinstance(current, list) and isinstance(ours, list):
        return _merge_list(current, ours, before if isinstance(before, list) else [], place, kept)
    if before is not None and current == before:
        return ours
    if isinstance(current, Mapping) and isinstance(ours, Mapping):
        return _merge_object(current, ours, before if isinstance(before, Mapping) else {}, place, kept)
    kept.append(place)
    return current


def _merge_list(
    current: Sequence[Any], ours: Sequence[Any], before: Sequence[Any], place: str, kept: list[str]
) -> list[Any]:
    name = place.rpartition(".")[2]
    gone = [element for element in before if _find(ours, element, name) is None]
    merged = [element for element in current if element not in gone]
    for element in ours:
        at = _find(merged, element, name)
        if at is None:
            merged.append(element)
            continue
        earlier = _find(before, element, name)
        merged[at] = _merge_value(merged[at], element, None if earlier is None else before[earlier], place, kept)
    return merged


def _find(elements: Sequence[Any], wanted: Any, name: str) -> int | None:
    for at, element in enumerate(elements):
        if element == wanted:
            return at
        keys = _KEYS.get(name)
        if keys and isinstance(element, Mapping) and isinstance(wanted, Mapping):
            parts = [wanted.get(key) for key in keys]
            if any(parts) and parts == [element.get(key) for key in keys]:
                return at
    return None


def _removed(current: Any, before: Any, name: str) -> Any:
    """Return what is left of `current` without our earlier `before`; None where nothing is."""
    if current == before:
        return None
    if isinstance(current, list) and isinstance(before, list):
        return [element for element in current if element not in before] or None
    return current


def _rival(merged: Mapping[str, Any], key: str) -> str | None:
    """Return the element that excludes `key`: another type of the same choice element."""
    for choice in _CHOICES:
        if key.startswith(choice):
            return next((other for other in merged if other.startswith(choice) and other != key), None)
    return None
