"""What the language knows and this version does not do yet: refused by name, never ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from multimodal.mapping.document import Document, Place

_Refused = Callable[[Any], bool]


def _always(_: Any) -> bool:
    return True


# Path in the file (* is any key), and the values that are refused.
_NOT_YET: tuple[tuple[tuple[str, ...], _Refused], ...] = (
    (("fhir",), lambda value: value != "4.0.1"),
    (("profiles",), bool),
    (("privacy",), _always),
    (("source", "dictionary"), _always),
    (("source", "project_xml"), _always),
    (("source", "api"), _always),
    (("source", "collection"), _always),
    (("source", "table"), _always),
    (("source", "query"), _always),
    (("source", "labels"), bool),
    (("source", "form_status"), lambda value: value != "any"),
    (("source", "duplicate_key"), lambda value: value != "error"),
    (("source", "sheets", "*", "skip_rows"), bool),
    (("source", "sheets", "*", "join"), _always),
    (("source", "sheets", "*", "long"), _always),
    (("subject", "create"), lambda value: value == "never"),
    (("subject", "dicom", "issuer"), _always),
    (("subject", "dicom", "must_exist"), bool),
    (("quality", "on_error"), lambda value: value != "drop-value"),
    (("defaults", "effective", "event"), _always),
    (("defaults", "effective", "offset_days"), _always),
    (("defaults", "effective", "from"), _always),
    (("forms", "*", "events"), _always),
    (("forms", "*", "repeat"), bool),
    (("forms", "*", "encounter"), bool),
    (("forms", "*", "status"), _always),
)
_COLUMN_NOT_YET: tuple[tuple[tuple[str, ...], _Refused], ...] = (
    (("checkbox",), _always),
    (("note_column",), _always),
    (("low_column",), _always),
    (("high_column",), _always),
    (("effective", "event"), _always),
    (("effective", "offset_days"), _always),
    (("effective", "from"), _always),
    (("onset", "event"), _always),
    (("onset", "offset_days"), _always),
    (("onset", "from"), _always),
)
_TEMPLATE_NOT_YET: tuple[tuple[tuple[str, ...], _Refused], ...] = (
    (("$key",), _always),
    (("$each",), _always),
)


def refuse_unsupported(document: Document) -> None:
    """Raise for the first part of the file that this version does not do.

    Raises
    ------
    MappingError
        ``<path>: not supported yet``, with the position of the key.
    """
    rules = list(_NOT_YET)
    for prefix in ((), ("forms", "*")):
        rules += [((*prefix, "columns", "*", *path), refused) for path, refused in _COLUMN_NOT_YET]
        rules += [((*prefix, "resources", "*", *path), refused) for path, refused in _TEMPLATE_NOT_YET]
    rules += [(("forms", "*", *path), refused) for path, refused in _COLUMN_NOT_YET if path[0] == "effective"]
    for path, refused in rules:
        _check(document, document.content, path, (), refused)


def _check(document: Document, part: Any, path: tuple[str, ...], place: Place, refused: _Refused) -> None:
    if not path:
        if refused(part):
            shown = f" ({part})" if isinstance(part, (str, int)) and not isinstance(part, bool) else ""
            name = ".".join(str(step) for step in place)
            raise document.error(place, f"{name}{shown} is not supported yet", at_key=True)
        return
    if not isinstance(part, dict):
        return
    for key in part if path[0] == "*" else [path[0]]:
        if key in part:
            _check(document, part[key], path[1:], (*place, key), refused)
