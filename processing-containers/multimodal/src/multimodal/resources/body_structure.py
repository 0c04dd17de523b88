"""The delineated structure as a FHIR BodyStructure, known by its DICOM tracking identifiers."""

from __future__ import annotations

from typing import Any

from multimodal.model.ids import resource_id
from multimodal.resources.measured_roi import MeasuredRoi
from multimodal.resources.systems import DCM, uid_identifier


def body_structure_id(roi: MeasuredRoi) -> str:
    """Return the id of a structure: by its tracking UID, else by the mask instance and segment."""
    known_by = (roi.tracking_uid,) if roi.tracking_uid else (roi.mask_sop_uid, str(roi.segment))
    return resource_id("BodyStructure", roi.patient.id, *known_by)


def body_structure(roi: MeasuredRoi) -> dict[str, Any]:
    """Return the `BodyStructure <https://hl7.org/fhir/R4/bodystructure.html>`_ of an ROI.

    Notes
    -----
    Identifiers as in HL7's DICOM SR to FHIR guide: Tracking Unique Identifier (DCM 112040) and Tracking
    Identifier (DCM 112039, PS3.16 TID 1501). An RTSTRUCT has none; its ROI name is then the only text.
    """
    identifiers: list[dict[str, Any]] = []
    if roi.tracking_uid:
        identifiers.append(
            {"type": _type("112040", "Tracking Unique Identifier"), **uid_identifier(roi.tracking_uid)},
        )
    if roi.tracking_id:
        identifiers.append({"type": _type("112039", "Tracking Identifier"), "value": roi.tracking_id})
    resource: dict[str, Any] = {"resourceType": "BodyStructure", "id": body_structure_id(roi)}
    if identifiers:
        resource["identifier"] = identifiers
    return {**resource, "location": {"text": roi.name}, "patient": {"reference": roi.patient.reference}}


def _type(code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": DCM, "code": code, "display": display}]}
