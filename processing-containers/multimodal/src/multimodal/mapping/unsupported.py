"""What the language knows and this version does not do yet: refused by name, never ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from multimodal.mapping.document import Document, Place

_Refused = Callable[[Any], bool]


# Path in the file, and the values that are refused.
_NOT_YET: tuple[tuple[tuple[str, ...], _Refused], ...] = ((("fhir",), lambda value: value != "4.0.1"),)


def refuse_unsupported(document: Document) -> None:
    """Raise for the first part of the file that this version does not do.

    Raises
    ------
    MappingError
        ``<path>: not supported yet``, with the position of the key.
    """
    for path, refused in _NOT_YET:
        _check(document, document.content, path, (), refused)


def _check(document: Document, part: Any, path: tuple[str, ...], place: Place, refused: _Refused) -> None:
    if not path:
        if refused(part):
            shown = f" ({part})" if isinstance(part, (str, int)) and not isinstance(part, bool) else ""
            name = ".".join(str(step) for step in place)
            raise document.error(place, f"{name}{shown} is not supported yet", at_key=True)
        return
    if isinstance(part, dict) and path[0] in part:
        _check(document, part[path[0]], path[1:], (*place, path[0]), refused)
