"""Invariants of FHIR R4 that no cardinality and no binding says, for the types that a mapping can write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from multimodal.resources.elements import choices, objects_at

Resource = Mapping[str, Any]


def invariant_problems(resource: Resource) -> list[str]:
    """Return the invariants that a resource breaks, one line each.

    Notes
    -----
    obs-3, obs-6, obs-7 (https://hl7.org/fhir/R4/observation.html); con-1, con-4, con-5 (condition.html); ait-1, ait-2
    (allergyintolerance.html); ppc-1 (consent.html); fhs-1, fhs-2 (familymemberhistory.html); mad-1
    (medicationadministration.html); cmd-1 (conceptmap.html).
    """
    check = _INVARIANTS.get(str(resource.get("resourceType")))
    return check(resource) if check else []


def _observation(resource: Resource) -> list[str]:
    problems = []
    value = choices(resource, "value")
    if "dataAbsentReason" in resource and value:
        problems.append("obs-6: dataAbsentReason must not stand beside a value")
    for component in objects_at(resource, "component"):
        if value and _codings(component) & _codings(resource):
            problems.append("obs-7: a component has the code of the Observation, whose value must then be absent")
    for limits in objects_at(resource, "referenceRange"):
        if not {"low", "high", "text"} & set(limits):
            problems.append("obs-3: referenceRange needs low, high or text")
    return problems


def _codings(holder: Resource) -> set[tuple[str, str]]:
    return {
        (str(coding.get("system")), str(coding.get("code")))
        for coding in objects_at(holder, "code", "coding")
        if "code" in coding
    }


def _codes(resource: Resource, element: str) -> set[str]:
    return {str(coding.get("code")) for coding in objects_at(resource, element, "coding")}


def _condition(resource: Resource) -> list[str]:
    problems = []
    status = _codes(resource, "clinicalStatus")
    if any(not {"summary", "assessment"} & set(stage) for stage in objects_at(resource, "stage")):
        problems.append("con-1: stage needs a summary or an assessment")
    if choices(resource, "abatement") and not status & {"inactive", "resolved", "remission"}:
        problems.append("con-4: with an abatement, clinicalStatus must be inactive, resolved or remission")
    if "entered-in-error" in _codes(resource, "verificationStatus") and status:
        problems.append("con-5: clinicalStatus must be absent when verificationStatus is entered-in-error")
    return problems


def _allergy(resource: Resource) -> list[str]:
    wrong, status = "entered-in-error" in _codes(resource, "verificationStatus"), "clinicalStatus" in resource
    if wrong and status:
        return ["ait-2: clinicalStatus must be absent when verificationStatus is entered-in-error"]
    if not wrong and not status:
        return ["ait-1: clinicalStatus is required unless verificationStatus is entered-in-error"]
    return []


def _consent(resource: Resource) -> list[str]:
    return [] if {"policy", "policyRule"} & set(resource) else ["ppc-1: either policy or policyRule is required"]


def _family(resource: Resource) -> list[str]:
    problems = []
    if choices(resource, "age") and choices(resource, "born"):
        problems.append("fhs-1: age[x] and born[x] must not stand together")
    if "estimatedAge" in resource and not choices(resource, "age"):
        problems.append("fhs-2: estimatedAge needs age[x]")
    return problems


def _administration(resource: Resource) -> list[str]:
    lacking = [d for d in objects_at(resource, "dosage") if "dose" not in d and not choices(d, "rate")]
    return ["mad-1: dosage needs dose or rate[x]"] if lacking else []


def _concept_map(resource: Resource) -> list[str]:
    for target in objects_at(resource, "group", "element", "target"):
        if target.get("equivalence") in ("narrower", "inexact") and "comment" not in target:
            return ["cmd-1: a narrower or inexact target needs a comment"]
    return []


def _provenance(resource: Resource) -> list[str]:
    # No invariant but a type: `recorded` is an instant here, and a dateTime of an Immunization.
    return [] if "T" in str(resource.get("recorded", "T")) else [f"recorded {resource['recorded']!r} is no instant"]


_INVARIANTS: dict[str, Callable[[Resource], list[str]]] = {
    "Observation": _observation,
    "Condition": _condition,
    "AllergyIntolerance": _allergy,
    "Consent": _consent,
    "FamilyMemberHistory": _family,
    "MedicationAdministration": _administration,
    "ConceptMap": _concept_map,
    "Provenance": _provenance,
}
