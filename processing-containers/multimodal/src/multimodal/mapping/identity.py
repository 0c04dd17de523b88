"""Ids of the resources of one row, the same as `model.ids.resource_id` but with the row's part made once."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from multimodal.model.ids import resource_id

SEPARATOR = "\x1f"


def id_maker(resource_type: str, origin: tuple[str, ...], name: str) -> Callable[[str], str]:
    """Return the function from a row key (its parts joined by U+001F) to the id of a resource.

    Parameters
    ----------
    resource_type : str
        FHIR resource type.
    origin : tuple of str
        Mapping id, and the form's name where there are forms.
    name : str
        Identity of the column or template.
    """
    # The letter of the type is taken from resource_id, which has the only list of them.
    letter = resource_id(resource_type, *origin, name)[0]
    before = SEPARATOR.join((resource_type, *origin, ""))
    after = SEPARATOR + name

    def make(key: str) -> str:
        return letter + sha256((before + key + after).encode()).hexdigest()[:40]

    return make
