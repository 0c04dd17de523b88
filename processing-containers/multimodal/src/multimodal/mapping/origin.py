"""What the resources of a form share, and the check that each of them passes before it leaves as bytes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from multimodal.mapping.row_state import Resource, RowState
from multimodal.mapping.stencil import Stencil
from multimodal.model.issue_codes import IssueCode
from multimodal.resources.checks import check_resource
from multimodal.resources.profiles import ProfileSet
from multimodal.resources.serialised import Serialised, serialised
from multimodal.resources.shapes import validate, validate_fully

# Kinds repeat; a column of all-different kinds (free text as code) must not fill the memory.
_MOST_KINDS = 20_000
# Said of a kind of resource, so it is told once, not counted.
NOT_FOLLOWED = "profile not followed"


@dataclass(frozen=True, slots=True)
class Origin:
    """What all resources of a form share.

    Parameters
    ----------
    parts : tuple of str
        First parts of each id: mapping id, and form name where there are forms.
    meta_source : str
        ``meta.source``.
    status : str
        Of Observations.
    noted : callable
        Told column, kind and value of what a person should know.
    every : bool
        Whether the model of its type validates each resource, in place of the first of each kind.
    profiles : ProfileSet, optional
        The profiles that resources follow.
    security : sequence of dict
        ``meta.security``.
    """

    parts: tuple[str, ...]
    meta_source: str
    status: str
    noted: Callable[[str, str, str], None]
    every: bool = False
    profiles: ProfileSet | None = None
    security: Sequence[dict[str, Any]] = ()

    def meta(self, profile: str = "") -> dict[str, Any]:
        """Return ``meta`` with a profile, where there is one."""
        made: dict[str, Any] = {"source": self.meta_source}
        if profile:
            made["profile"] = [profile]
        if self.security:
            made["security"] = list(self.security)
        return made

    def followed(self, made: Resource, name: str) -> Resource:
        """Return a resource with what its profiles ask for; a profile that it cannot follow is noted.

        Parameters
        ----------
        made : dict
            The resource.
        name : str
            Column or template that it comes from.
        """
        if self.profiles is None:
            return made
        made, unfollowed = self.profiles.apply(made)
        for profile, lacks in unfollowed:
            self.noted(name, NOT_FOLLOWED, f"{profile} {lacks}")
        return made

    def problems(self, resource: Resource) -> list[str]:
        """Return what our own rules or the model of its type find wrong with a resource."""
        return check_resource(resource) or (validate_fully if self.every else validate)(resource)


class Checked:
    """Turns the resources of one column into `Serialised`, checking the first of each kind.

    Parameters
    ----------
    header : str
        Header of the column in the file, for issues.
    origin : Origin
        What the form's resources share.
    """

    def __init__(self, header: str, origin: Origin) -> None:
        self._header = header
        self._origin = origin
        self._problems: dict[Hashable, list[str]] = {}

    def __call__(self, made: Resource, kind: Hashable, state: RowState) -> Serialised | None:
        """Return `made` as bytes; None, and an issue of the row, where it breaks a rule.

        Parameters
        ----------
        made : dict
            The resource.
        kind : hashable
            Resources of one kind are alike in all that their typed cells do not check: `Outcome.kind`, and which
            elements are there.
        state : RowState
            The row.
        """
        made = self._origin.followed(made, self._header)
        return serialised(made) if self.passes(made, kind, state) else None

    def stencil(self, made: Resource, kind: Hashable, state: RowState, slots: Sequence[str]) -> Stencil | None:
        """Return the stencil of a kind, from the first resource of it; None, and an issue, where it breaks a rule."""
        made = self._origin.followed(made, self._header)
        return Stencil(made, slots) if self.passes(made, kind, state) else None

    def passes(self, made: Resource, kind: Hashable, state: RowState) -> bool:
        """Return whether a resource is sound; a wrong one is reported for every row that has it."""
        problems = None if self._origin.every else self._problems.get(kind)
        if problems is None:
            if len(self._problems) >= _MOST_KINDS:
                self._problems.clear()
            problems = self._problems[kind] = self._origin.problems(made)
        if problems:
            message = f"{made['resourceType']}: {problems[0]}"
            state.add(IssueCode.INVALID_RESOURCE, message, self._header, state.values[self._header])
        return not problems
