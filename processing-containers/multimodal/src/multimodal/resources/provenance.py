"""Where resources come from: one statement for each input that wrote something."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from multimodal.model.ids import digest, resource_id

# A server indexes each target; a statement of thousands of them would block it for long.
TARGETS = 500
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


def provenances(
    source: str, targets: Sequence[str], *, inputs: Mapping[str, str], software: str
) -> Iterator[dict[str, Any]]:
    """Yield `Provenance <https://hl7.org/fhir/R4/provenance.html>`_ resources for what a run wrote.

    Parameters
    ----------
    source : str
        Mapping or workflow id.
    targets : sequence of str
        References (``Type/id``) of what was written.
    inputs : mapping of str to str
        What it was made from, e.g. ``{"mapping": <sha256>, "table 1": <sha256>}``. File names may tell of
        people and are not to be used.
    software : str
        Name and version of the program.

    Notes
    -----
    The same input writes the same statement: ``recorded`` is left unknown, since the clock would differ each
    time; when it was stored, the server's ``meta.lastUpdated`` says.
    """
    ordered = sorted(targets)
    made_from = digest(*(f"{label}={sha256}" for label, sha256 in sorted(inputs.items())))
    for start in range(0, len(ordered), TARGETS):
        chunk = ordered[start : start + TARGETS]
        yield {
            "resourceType": "Provenance",
            "id": resource_id("Provenance", source, made_from, digest(*chunk)),
            "target": [{"reference": reference} for reference in chunk],
            "_recorded": {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]},
            "agent": [
                {
                    "type": {"coding": [{"system": _PARTICIPANT, "code": "assembler", "display": "Assembler"}]},
                    "who": {"display": f"{software}, {source}"},
                }
            ],
            "entity": [
                {
                    "role": "source",
                    "what": {
                        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:sha256:{sha256}"},
                        "display": label,
                    },
                }
                for label, sha256 in sorted(inputs.items())
            ],
        }
