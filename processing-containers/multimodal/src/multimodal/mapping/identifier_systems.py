"""The URIs of a mapping: what names identifiers and code systems has to be one, or no other system could use it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from multimodal.mapping.document import Document, Place

# RFC 3986: a scheme, and behind it no blank, no sign that a URI has to escape, and nothing beyond ASCII.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]+")


def check_systems(document: Document) -> None:
    """Hold `subject.system`, the code systems under `systems:` and the `system` of identifiers to what a URI is.

    Raises
    ------
    MappingError
        For the first that is none.
    """
    for place, text in _systems(document):
        if not _URI.fullmatch(text):
            why = " (it holds a blank)" if any(sign.isspace() for sign in text) else ""
            example = "http://fhir.de/CodeSystem/bfarm/ops" if place[0] == "systems" else "urn:my-hospital:pid"
            raise document.error(place, f"{text!r} is no URI{why}; write e.g. {example}")


def _systems(document: Document) -> Iterator[tuple[Place, str]]:
    content = document.content
    yield ("subject", "system"), content["subject"]["system"]
    for prefix, uri in content.get("systems", {}).items():
        yield ("systems", prefix), uri
    sections: list[tuple[Place, dict[str, dict[str, str]]]] = [(("columns",), content.get("columns", {}))]
    for name, form in content.get("forms", {}).items():
        sections.append((("forms", name, "columns"), form.get("columns", {})))
    for place, columns in sections:
        for header, column in columns.items():
            if "system" in column:
                yield (*place, header, "system"), column["system"]
