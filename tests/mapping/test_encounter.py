"""The Encounter of a visit is valid FHIR R4, whatever is known of the visit."""

from __future__ import annotations

import pytest

from multimodal.mapping.encounter import encounter
from multimodal.mapping.origin import Origin
from multimodal.mapping.visits import Visit
from multimodal.resources.checks import check_resource
from multimodal.resources.shapes import validate_fully

AMBULATORY = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
ORIGIN = Origin(("made",), "urn:multimodal:made", "final", lambda column, kind, value: None)


@pytest.mark.parametrize(
    "visit",
    [
        Visit("e1", "p1", encounter_class=AMBULATORY),
        Visit("e1", "p1", "Baseline", "2012-07-21", "2012-07-23", AMBULATORY),
        Visit("e1", "p1", "Baseline", "2012", "", AMBULATORY),
    ],
)
def test_an_encounter_is_valid(visit: Visit) -> None:
    made = encounter(visit, ORIGIN)
    assert check_resource(made) + validate_fully(made) == []
    assert (made["status"], made["class"]["code"]) == ("finished", "AMB")
    assert made["subject"] == {"reference": "Patient/p1"}
    assert made.get("period", {}) == {k: v for k, v in (("start", visit.start), ("end", visit.end)) if v}
    assert [one["text"] for one in made.get("type", [])] == ([visit.label] if visit.label else [])
