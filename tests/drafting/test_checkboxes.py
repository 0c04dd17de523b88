"""Options of a checkbox field: those that name nothing are never a condition."""

from __future__ import annotations

import pytest

from multimodal.drafting.checkboxes import absent_options, checkbox_proposal
from multimodal.tables.dictionary import Field

KNOWN = {"1": "COPD", "2": "Hypertension"}


@pytest.mark.parametrize(
    ("label", "meaning"),
    [
        *(
            (label, "drop")
            for label in ("keine", "None of the above", "Aucune", "ninguna", "nessuno", "no comorbidity")
        ),
        *((label, "unknown") for label in ("unbekannt", "k.A.", "Unknown", "inconnu", "se desconoce", "non noto")),
        ("not asked", "not-asked"),
        ("n/a", "not-applicable"),
    ],
)
def test_an_option_that_names_nothing_is_missing(label: str, meaning: str) -> None:
    proposal = checkbox_proposal(Field("f", "Comorbidity", "checkbox", choices={**KNOWN, "99": label}), 0.8)
    assert set(proposal.line["options"]) == {"1", "2"}
    assert proposal.line["missing"] == {"99": meaning}
    assert any(label in reason for reason in proposal.reasons)


@pytest.mark.parametrize("label", ["andere", "Other (specify)", "autre", "otra", "altro"])
def test_of_other_a_person_decides(label: str) -> None:
    proposal = checkbox_proposal(Field("f", "Comorbidity", "checkbox", choices={**KNOWN, "98": label}), 0.8)
    assert proposal.line["options"]["98"].startswith("TODO: ")


def test_a_code_that_cells_hold_is_not_made_a_missing_one() -> None:
    choices = {"1": "keine", "2": "COPD", "3": "Hypertension"}
    proposal = checkbox_proposal(Field("f", "Comorbidity", "checkbox", choices=choices), 0.8)
    assert proposal.line["options"]["1"].startswith("TODO: ")
    assert "missing" not in proposal.line


def test_conditions_are_no_absence() -> None:
    labels = {"1": "Non-Hodgkin lymphoma", "2": "Gout"}
    assert absent_options(labels, {"1": "", "2": ""}) == {}
