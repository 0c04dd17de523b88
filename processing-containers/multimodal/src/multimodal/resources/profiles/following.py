"""Resources made to follow profiles: what a profile asks for is added, what cannot be added is told.

A profile is claimed in ``meta.profile`` only by a resource that has all it asks for (FHIR R4 Resource.meta.profile: an
assertion of conformance).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from multimodal.resources.profiles.document import AddedCoding, AddedElement, Profile, read_profiles

Resource = dict[str, Any]


class Unfollowed(NamedTuple):
    """A profile that a resource does not follow, and what it lacks, for people."""

    profile: str
    lacks: str


@dataclass(frozen=True, slots=True)
class ProfileSet:
    """The profiles of one or more sets.

    Parameters
    ----------
    profiles : tuple of Profile
        In the order of their files.
    """

    profiles: tuple[Profile, ...]

    @classmethod
    def of(cls, names: Iterable[str]) -> ProfileSet:
        """Return the profiles of the sets `names`, e.g. ``mcode-4``.

        Raises
        ------
        KeyError
            If there is no such set; see `profile_sets`.
        """
        return cls(tuple(profile for name in names for profile in _sets()[name]))

    def apply(self, resource: Resource) -> tuple[Resource, list[Unfollowed]]:
        """Return `resource` with what its profiles ask for, and the profiles that it still does not follow.

        The resource itself is left as it is. Where no profile concerns it, it is returned unchanged.
        """
        unfollowed: list[Unfollowed] = []
        for profile in self.profiles:
            if not profile.concerns(resource):
                continue
            made = _extended(resource, profile)
            lacks = _lacks(made, profile)
            if lacks:
                unfollowed.append(Unfollowed(profile.url.rsplit("/", 1)[1], lacks))
                continue
            resource = _claiming(made, profile.url)
        return resource, unfollowed


@cache
def _sets() -> Mapping[str, tuple[Profile, ...]]:
    folder = files("multimodal.resources.profiles")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return {name.removesuffix(".toml"): read_profiles(folder.joinpath(name).read_text("utf-8")) for name in names}


def profile_sets() -> tuple[str, ...]:
    """Return the names of all sets."""
    return tuple(_sets())


def _extended(resource: Resource, profile: Profile) -> Resource:
    made = dict(resource)
    for element in profile.elements:
        _add_element(made, element)
    for coding in profile.codings:
        _add_coding(made, coding)
    return made


def _add_element(made: Resource, element: AddedElement) -> None:
    """Add a fixed value: always to a list that lacks it, elsewhere only where there is nothing."""
    present = made.get(element.name)
    if present is None:
        made[element.name] = element.value
    elif element.always and isinstance(present, list):
        made[element.name] = [*present, *(value for value in element.value if value not in present)]


def _add_coding(made: Resource, added: AddedCoding) -> None:
    """Add codings that say the same in the code system that the profile binds to."""
    concept = made.get(added.element)
    if not isinstance(concept, Mapping):
        return
    present = concept.get("coding", [])
    new = [
        added.translations[key]
        for coding in present
        if (key := (coding.get("system", ""), coding.get("code", ""))) in added.translations
    ]
    new = [coding for coding in new if coding not in present]
    if new:
        made[added.element] = {**concept, "coding": [*present, *new]}


def _lacks(made: Resource, profile: Profile) -> str:
    """Return what a profile asks for and the resource does not have; empty where it has all of it."""
    absent = [name for name in profile.needs if name not in made]
    if absent:
        return f"needs {', '.join(absent)}"
    value = next((name for name in made if name.startswith("value")), "")
    if profile.value and value and value != profile.value:
        return f"needs {profile.value} in place of {value}"
    for element, system in profile.systems.items():
        codings: Sequence[Mapping[str, Any]] = made.get(element, {}).get("coding", ())
        if element in made and not any(coding.get("system") == system for coding in codings):
            return f"needs a code of {system} in {element}"
    return ""


def _claiming(made: Resource, url: str) -> Resource:
    meta = made.get("meta", {})
    claimed = meta.get("profile", [])
    if url in claimed:
        return made
    return {**made, "meta": {**meta, "profile": [*claimed, url]}}
