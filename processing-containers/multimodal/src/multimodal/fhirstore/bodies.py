"""What we write, as bytes: the hash that tells whether it changed, its origin in `meta`, references left out."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Container, Mapping
from typing import Any

import orjson

SOURCE = "urn:multimodal:"
WRITER = "https://kaapana-multimodal.github.io/fhir/CodeSystem/writer"
SCOPE = "https://kaapana-multimodal.github.io/fhir/CodeSystem/scope"

# Several writers contribute to these: they are read, merged, and written under If-Match, and no load deletes them.
# In this order one may refer to those before it.
SHARED = ("Patient", "Device", "ImagingStudy", "BodyStructure")
# Provenance tells of the past; it does not vanish with what it tells of.
KEPT = frozenset({*SHARED, "Provenance"})

_REFERENCE = b'"reference":"'


def body_hash(resource: Mapping[str, Any]) -> bytes:
    """Return the sha256 of `resource` without ``meta``, whatever the order of its elements."""
    body = {key: value for key, value in resource.items() if key != "meta"}
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()


def content_hash(body: bytes, resource_id: str) -> bytes:
    """Return a short checksum of canonical JSON without its own id and what its references name.

    Two resources with the same content say the same of different patients or rows.
    """
    first, *parts = body.replace(resource_id.encode(), b"", 1).split(_REFERENCE)
    found = zlib.crc32(first)
    for part in parts:
        found = zlib.crc32(part[part.find(b'"') :], found)
    return found.to_bytes(4, "big")


def meta_hash(meta: Mapping[str, Any]) -> bytes:
    """Return a short hash of the profiles, labels and tags that are not ours to add; empty where there are none."""
    told = {
        "profile": sorted(meta.get("profile", ())),
        "security": sorted(_coding(label) for label in meta.get("security", ())),
        "tag": sorted(_coding(tag) for tag in meta.get("tag", ()) if tag.get("system") not in {WRITER, SCOPE}),
    }
    told = {name: values for name, values in told.items() if values}
    return hashlib.blake2b(orjson.dumps(told), digest_size=8).digest() if told else b""


def _coding(label: Mapping[str, Any]) -> str:
    return f"{label.get('system', '')}|{label.get('code', '')}"


def patient_of(resource: Mapping[str, Any]) -> str:
    """Return the id of the Patient that `resource` is, or that its subject names; else an empty string."""
    if resource.get("resourceType") == "Patient":
        return str(resource.get("id", ""))
    for name in ("subject", "patient", "beneficiary"):
        value = resource.get(name)
        if isinstance(value, Mapping):
            kind, _, key = str(value.get("reference", "")).rpartition("Patient/")
            if key and not kind:
                return key
    return ""


def marked_meta(meta: Mapping[str, Any], resource_type: str, source: str, scope: str = "") -> dict[str, Any]:
    """Return `meta` with the origin, from which a lost manifest can be rebuilt.

    ``meta.source`` names `source`; a tag names `scope` where there is one, and on a shared type each writer.
    """
    made = {**meta, "source": SOURCE + source}
    ours = None
    if resource_type in SHARED:
        ours = {"system": WRITER, "code": source}
    elif scope:
        ours = {"system": SCOPE, "code": scope}
    if ours:
        made["tag"] = [*(tag for tag in meta.get("tag", ()) if tag != ours), ours]
    return made


def marked(resource: Mapping[str, Any], source: str, scope: str = "") -> dict[str, Any]:
    """Return `resource` with its origin in ``meta``; see `marked_meta`."""
    return {**resource, "meta": marked_meta(resource.get("meta", {}), resource["resourceType"], source, scope)}


def source_of(resource: Mapping[str, Any]) -> str:
    """Return the source that ``meta.source`` names, or an empty string.

    HAPI appends ``#`` and its own request id to the URI.
    """
    uri = str(resource.get("meta", {}).get("source", "")).partition("#")[0]
    return uri.removeprefix(SOURCE) if uri.startswith(SOURCE) else ""


def scope_of(resource: Mapping[str, Any]) -> str:
    """Return the scope that a tag names, or an empty string."""
    tags = resource.get("meta", {}).get("tag", ())
    return next((str(tag.get("code", "")) for tag in tags if tag.get("system") == SCOPE), "")


def writers_of(resource: Mapping[str, Any]) -> set[str]:
    """Return the sources that contributed to a shared resource."""
    tags = resource.get("meta", {}).get("tag", ())
    return {str(tag.get("code", "")) for tag in tags if tag.get("system") == WRITER}


def unversioned(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return `resource` without what the server says of its version."""
    meta = {key: value for key, value in resource.get("meta", {}).items() if key not in {"versionId", "lastUpdated"}}
    return {**resource, "meta": meta}


def without_references(resource: Mapping[str, Any], gone: Container[str]) -> dict[str, Any]:
    """Return `resource` without the references to `gone` (``Type/id``), and without what is empty then."""
    kept = _pruned(resource, lambda value: value.get("reference") in gone)
    return kept if isinstance(kept, dict) else {}


def _pruned(value: Any, is_gone: Callable[[Mapping[str, Any]], bool]) -> Any:
    if isinstance(value, Mapping):
        if is_gone(value):
            return None
        kept = {key: _pruned(part, is_gone) for key, part in value.items()}
        kept = {key: part for key, part in kept.items() if part is not None}
        lost_value = "url" in kept and len(kept) == 1 and len(value) > 1  # an extension is nothing without its value
        return None if lost_value or not kept else kept
    if isinstance(value, list):
        parts = [_pruned(part, is_gone) for part in value]
        return [part for part in parts if part is not None] or None
    return value


def references_in(resource: Any) -> set[str]:
    """Return every ``reference`` in `resource`."""
    found: set[str] = set()
    waiting = [resource]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            reference = value.get("reference")
            if isinstance(reference, str):
                found.add(reference)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return found


_VERIFICATION = {
    "Condition": "http://terminology.hl7.org/CodeSystem/condition-ver-status",
    "AllergyIntolerance": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
}
_STATUS = frozenset(
    {
        "CarePlan",
        "ClinicalImpression",
        "Communication",
        "Consent",
        "DiagnosticReport",
        "DocumentReference",
        "Encounter",
        "FamilyMemberHistory",
        "Goal",
        "Immunization",
        "List",
        "MedicationAdministration",
        "MedicationRequest",
        "MedicationStatement",
        "Observation",
        "Procedure",
        "QuestionnaireResponse",
        "ServiceRequest",
        "Specimen",
    }
)  # fmt: skip - in R4 these types have a status with the code entered-in-error (Goal: lifecycleStatus)


def withdrawn(resource: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return `resource` marked as entered in error, or None where its type has no such status."""
    kind = resource["resourceType"]
    if kind in _VERIFICATION:
        # Invariants con-5 and ait-2: no clinicalStatus beside entered-in-error.
        body = {key: value for key, value in resource.items() if key != "clinicalStatus"}
        code = {"system": _VERIFICATION[kind], "code": "entered-in-error"}
        return {**body, "verificationStatus": {"coding": [code]}}
    if kind in _STATUS:
        return {**resource, ("lifecycleStatus" if kind == "Goal" else "status"): "entered-in-error"}
    return None


def is_withdrawn(resource: Mapping[str, Any]) -> bool:
    """Say whether `resource` is marked as entered in error."""
    if resource["resourceType"] in _VERIFICATION:
        codings = resource.get("verificationStatus", {}).get("coding", ())
        return any(coding.get("code") == "entered-in-error" for coding in codings)
    return "entered-in-error" in (resource.get("status"), resource.get("lifecycleStatus"))
