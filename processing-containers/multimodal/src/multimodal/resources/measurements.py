"""Radiomics features as FHIR Observations: one for each feature, one group for each ROI and configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from multimodal.model.features import Feature
from multimodal.resources.body_structure import body_structure_id
from multimodal.resources.measured_roi import MeasuredRoi
from multimodal.resources.systems import (
    AGGREGATION,
    BY_SCHEME,
    DCM,
    MASK_INSTANCE,
    MASK_SERIES,
    SCT,
    SEGMENT_NUMBER,
    SOURCE_SERIES,
    UCUM,
)
from multimodal.terminology.radiomics_codes import (
    AGGREGATIONS,
    FEATURE_SYSTEM,
    IBSI_SYSTEM,
    feature_codes,
    ibsi_feature_codes,
)

Layout = Literal["members", "components"]


def feature_observations(
    roi: MeasuredRoi,
    features: Sequence[Feature],
    *,
    failure: str = "",
    remarks: Sequence[str] = (),
    layout: Layout = "members",
) -> list[dict[str, Any]]:
    """Return the Observations of one ROI: the group first, then one for each feature or class of features.

    Parameters
    ----------
    roi : MeasuredRoi
        What was measured.
    features : sequence of Feature
        Empty where the ROI failed.
    failure : str
        Why there are no features: the group then says so in a note and has the status ``cancelled``
        ("not started or not completed"), and no Observation without a value is made.
    remarks : sequence of str
        What a reader of the values should know, e.g. ``touches the image border``.
    layout : {'members', 'components'}
        One Observation for each feature, or one for each class with a component for each feature: a fifteenth of the
        resources, but found by ``component-code`` and ``component-code-value-quantity`` only.

    Notes
    -----
    The shape is that of HL7's DICOM SR to FHIR guide (imaging-measurement-group, imaging-measurement),
    written in R4; ``derivedFrom`` rather than ``partOf`` leads to the ImagingStudy, which the German MII
    profiles allow as well.
    """
    measured = [] if failure else _measured(roi, features, layout)
    group: dict[str, Any] = {
        "resourceType": "Observation",
        "id": roi.observation_id(),
        "extension": _place(roi),
        "status": "cancelled" if failure else "final",
        "category": [_imaging(), _concept(DCM, "125007", "Measurement Group")],
        "code": {**_concept(DCM, "126010", "Imaging Measurements"), "text": "Radiomics features"},
        **_context(roi),
    }
    notes = ([f"{roi.name}: not measured: {failure}"] if failure else []) + list(remarks)
    if notes:
        group["note"] = [{"text": line} for line in notes]
    if measured:
        group["valueCodeableConcept"] = {**(_concept(*roi.finding) if roi.finding else {}), "text": roi.name}
        group["hasMember"] = [{"reference": f"Observation/{one['id']}"} for one in measured]
    return [group, *measured]


def _measured(roi: MeasuredRoi, features: Sequence[Feature], layout: Layout) -> list[dict[str, Any]]:
    if layout == "members":
        return [_feature(roi, feature) for feature in features]
    classes: dict[str, list[Feature]] = {}
    for feature in features:
        classes.setdefault(feature_class(feature.name), []).append(feature)
    return [_class(roi, name, found) for name, found in classes.items()]


def feature_class(name: str) -> str:
    """Return image and class of a feature by its name: ``original_glcm_Contrast`` is ``original_glcm``."""
    return "_".join(name.split("_", 2)[:2])


def _class(roi: MeasuredRoi, name: str, features: Sequence[Feature]) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": roi.observation_id(f"class {name}"),
        "extension": _place(roi),
        "status": "final",
        "category": [_imaging(), _concept(SCT, "122869004", "Measurement procedure")],
        "code": {**_concept(DCM, "126010", "Imaging Measurements"), "text": f"Radiomics features: {name}"},
        **_context(roi),
        "component": [_component(feature) for feature in features],
    }


def _component(feature: Feature) -> dict[str, Any]:
    component: dict[str, Any] = {
        "code": {"coding": _codings(feature), "text": feature.display},
        "valueQuantity": {"value": feature.value, "unit": feature.unit, "system": UCUM, "code": feature.unit},
    }
    if feature.aggregation:  # a component has no method of its own
        method = _concept(IBSI_SYSTEM, feature.aggregation, AGGREGATIONS.get(feature.aggregation, ""))
        component["extension"] = [{"url": AGGREGATION, "valueCodeableConcept": method}]
    return component


def _feature(roi: MeasuredRoi, feature: Feature) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "resourceType": "Observation",
        "id": roi.observation_id(feature.name),
        "extension": _place(roi),
        "status": "final",
        "category": [_imaging(), _concept(SCT, "122869004", "Measurement procedure")],
        "code": {"coding": _codings(feature), "text": feature.display},
        **_context(roi),
        "valueQuantity": {"value": feature.value, "unit": feature.unit, "system": UCUM, "code": feature.unit},
    }
    if feature.aggregation:
        resource["method"] = _concept(IBSI_SYSTEM, feature.aggregation, AGGREGATIONS.get(feature.aggregation, ""))
    return resource


def _codings(feature: Feature) -> list[dict[str, Any]]:
    """Return IBSI's code where there is one, the engine's name, and the code DICOM prefers for a plain statistic."""
    codings = [{"system": FEATURE_SYSTEM, "code": feature.name, "display": feature.display}]
    if feature.ibsi_code:
        codings.insert(0, {"system": IBSI_SYSTEM, "code": feature.ibsi_code, "display": feature.display})
    known = feature_codes().get(feature.name) or ibsi_feature_codes().get(feature.name)
    alternative = feature.alternative or (known.alternative if known else None)
    if alternative and alternative[0] in BY_SCHEME:
        scheme, code = alternative
        codings.append({"system": BY_SCHEME[scheme], "code": code})
    return codings


def _place(roi: MeasuredRoi) -> list[dict[str, Any]]:
    """Return the extensions that lead to the very voxels: mask series, instance, segment, image series."""
    return [
        {"url": MASK_SERIES, "valueId": roi.mask_series_uid},
        {"url": MASK_INSTANCE, "valueId": roi.mask_sop_uid},
        {"url": SEGMENT_NUMBER, "valueUnsignedInt": roi.segment},
        {"url": SOURCE_SERIES, "valueId": roi.series_uid},
    ]


def _context(roi: MeasuredRoi) -> dict[str, Any]:
    context: dict[str, Any] = {"subject": {"reference": roi.patient.reference}}
    if roi.effective:
        context["effectiveDateTime"] = roi.effective
    context["device"] = {"reference": f"Device/{roi.device}"}
    context["derivedFrom"] = [{"reference": f"ImagingStudy/{roi.imaging_study}"}]
    context["bodySite"] = {
        "text": roi.name,
        # R4 has no Observation.bodyStructure; HL7's own extension carries the reference.
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/bodySite",
                "valueReference": {"reference": f"BodyStructure/{body_structure_id(roi)}"},
            }
        ],
    }
    return context


def _imaging() -> dict[str, Any]:
    return _concept("http://terminology.hl7.org/CodeSystem/observation-category", "imaging", "Imaging")


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    coding = {"system": system, "code": code}
    return {"coding": [{**coding, "display": display} if display else coding]}
