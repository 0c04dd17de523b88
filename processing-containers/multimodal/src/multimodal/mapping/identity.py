"""Ids of the resources of one row, the same as `model.ids` gives but with the parts that rows share hashed once."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from multimodal.model.ids import patient_id, resource_id

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
    letter = letter_of(resource_type)
    before = SEPARATOR.join((resource_type, *origin, ""))
    after = SEPARATOR + name

    def make(key: str) -> str:
        return letter + sha256((before + key + after).encode()).hexdigest()[:40]

    return make


def letter_of(resource_type: str) -> str:
    """Return the letter with which ids of a type begin; `resource_id` has the only list of them."""
    return resource_id(resource_type, "")[0]


def begun(resource_type: str, origin: tuple[str, ...]) -> Any:
    """Return the hash of what all ids of a type and form begin with.

    Copied and fed with a row's key it is that row's; copied again and fed with a column's name, that of a resource:
    the same id as `id_maker` gives, for half the work.
    """
    return sha256(SEPARATOR.join((resource_type, *origin, "")).encode())


def patient_id_maker(system: str) -> Callable[[str], str]:
    """Return the function from an identifier under `system` to the id of its Patient (`model.ids.patient_id`)."""
    letter = patient_id(system, "")[0]
    start = sha256((system + SEPARATOR).encode())

    def make(value: str) -> str:
        hashed = start.copy()
        hashed.update(value.encode())
        return letter + str(hashed.hexdigest()[:40])

    return make
