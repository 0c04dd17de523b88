import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.sr._concepts_dict import concepts

from multimodal.model.errors import InvalidUidError
from multimodal.model.features import Feature
from multimodal.model.issues import Issue
from multimodal.model.references import PatientRef
from multimodal.resources.body_structure import body_structure
from multimodal.resources.checks import check_resource
from multimodal.resources.device import device, device_id
from multimodal.resources.measured_roi import MeasuredRoi
from multimodal.resources.measurements import feature_class, feature_observations
from multimodal.resources.outcomes import operation_outcome
from multimodal.resources.shapes import validate

SHA = "ab" * 32
ROI = MeasuredRoi(
    patient=PatientRef("urn:demo:pacs", "DEMO-001"),
    study_uid="1.2.3",
    series_uid="1.2.3.1",
    mask_series_uid="1.2.3.2",
    mask_sop_uid="1.2.3.2.1",
    segment=1,
    name="GTV-1",
    settings_sha256=SHA,
    device=device_id("pyradiomics", "3.0.1", SHA),
    tracking_id="GTV-1",
    tracking_uid="2.25.77",
    effective="2024-01-31",
    finding=("http://snomed.info/sct", "108369006", "Neoplasm"),
)
FEATURES = (
    Feature("original_shape_MeshVolume", 1234.5, "mm3", "RNU0", "Volume (mesh)"),
    Feature("original_glcm_MCC", 0.5, "1", None, "Maximal correlation coefficient", "ITBB"),
)


def built(roi: MeasuredRoi = ROI, **options: Any) -> list[dict[str, Any]]:
    return feature_observations(roi, FEATURES, **options)


def test_a_group_has_each_feature_as_member() -> None:
    group, *features = built()
    assert [f"Observation/{one['id']}" for one in features] == [m["reference"] for m in group["hasMember"]]
    assert group["category"][1]["coding"][0]["code"] == "125007"
    assert group["valueCodeableConcept"]["text"] == "GTV-1"
    assert group["valueCodeableConcept"]["coding"][0]["code"] == "108369006"


def test_a_feature_says_what_was_measured_on_what_and_how() -> None:
    volume = built()[1]
    assert volume["valueQuantity"] == {
        "value": 1234.5,
        "unit": "mm3",
        "system": "http://unitsofmeasure.org",
        "code": "mm3",
    }
    ibsi, engine = volume["code"]["coding"]
    assert (ibsi["system"], ibsi["code"]) == ("urn:oid:1.2.840.10008.2.16.13", "RNU0")
    assert engine["code"] == "original_shape_MeshVolume"
    assert "method" not in volume
    assert volume["subject"]["reference"] == ROI.patient.reference
    assert volume["derivedFrom"] == [{"reference": f"ImagingStudy/{ROI.imaging_study}"}]
    assert volume["device"] == {"reference": f"Device/{ROI.device}"}
    assert volume["effectiveDateTime"] == "2024-01-31"
    values = {one["url"].rsplit("/", 1)[1]: one for one in volume["extension"]}
    assert values["mii-ex-bildgebung-series-uid"]["valueId"] == "1.2.3.2"
    assert values["mii-ex-bildgebung-sop-instanz-uid"]["valueId"] == "1.2.3.2.1"
    assert values["dicom-segment-number"]["valueUnsignedInt"] == 1
    assert values["dicom-source-series-uid"]["valueId"] == "1.2.3.1"


def test_a_feature_that_ibsi_does_not_know_has_our_code_alone() -> None:
    codings = built()[2]["code"]["coding"]
    assert [one["system"] for one in codings] == [
        "https://kaapana-multimodal.github.io/fhir/CodeSystem/radiomics-feature"
    ]


def test_a_texture_says_how_it_was_brought_together() -> None:
    assert built()[2]["method"]["coding"][0] == {
        "system": "urn:oid:1.2.840.10008.2.16.13",
        "code": "ITBB",
        "display": "3D, averaged",
    }


def test_a_plain_statistic_has_the_code_that_dicom_prefers() -> None:
    mean = feature_observations(ROI, [Feature("original_firstorder_Mean", 3.5, "[hnsf'U]", "Q4LE", "Mean intensity")])
    assert {"system": "http://snomed.info/sct", "code": "373098007"} in mean[1]["code"]["coding"]


def test_a_failed_roi_has_a_note_and_no_value() -> None:
    (group,) = built(failure="no voxels", remarks=("touches the image border",))
    assert group["status"] == "cancelled"
    assert group["note"] == [{"text": "GTV-1: not measured: no voxels"}, {"text": "touches the image border"}]
    assert "hasMember" not in group
    assert "dataAbsentReason" not in group
    assert not [key for key in group if key.startswith("value")]
    assert group["id"] == built()[0]["id"]  # a later success replaces it


def test_what_we_build_is_valid() -> None:
    settings = {"discretisation": {"width": 25}, "filters": {}, "resample": None, "force2D": False, "sigma": [1, 2]}
    built_device = device("pyradiomics", "3.0.1", SHA, settings, profile="ct")
    for resource in (*built(), *built(failure="no voxels"), body_structure(ROI), built_device):
        assert check_resource(resource) == []
        assert validate(resource) == []
    no_date = dataclasses.replace(ROI, effective=None, tracking_uid="", tracking_id="", finding=None)
    for resource in (*built(no_date), body_structure(no_date)):
        assert check_resource(resource) == []
        assert validate(resource) == []
        assert "effectiveDateTime" not in resource


def test_codes_of_dicom_are_codes_of_dicom() -> None:
    resources = [*built(), body_structure(ROI), device("pyradiomics", "3.0.1", SHA, {})]
    known = {code for meanings in concepts["DCM"].values() for code in meanings}
    used = {coding["code"] for coding in codings(resources) if coding["system"].endswith("/DCM")}
    assert used >= {"125007", "126010", "112039", "112040"}
    assert used <= known


def codings(part: Any) -> Iterator[dict[str, Any]]:
    for value in part.values() if isinstance(part, dict) else part:
        if isinstance(value, dict | list):
            yield from codings(value)
    if isinstance(part, dict) and "code" in part and "system" in part:
        yield part


def test_identity_is_where_and_how_never_the_value() -> None:
    again = feature_observations(ROI, [dataclasses.replace(FEATURES[0], value=1.0)])
    assert again[1]["id"] == built()[1]["id"]
    others = [
        dataclasses.replace(ROI, series_uid="1.2.3.9"),
        dataclasses.replace(ROI, mask_sop_uid="1.2.3.2.9"),
        dataclasses.replace(ROI, segment=2),
        dataclasses.replace(ROI, settings_sha256="cd" * 32),
    ]
    ids = {one["id"] for roi in (ROI, *others) for one in built(roi)}
    assert len(ids) == 5 * 3


def test_a_structure_is_the_same_on_every_mask_that_tracks_it() -> None:
    later = dataclasses.replace(ROI, mask_sop_uid="1.9", segment=4)
    assert body_structure(later)["id"] == body_structure(ROI)["id"]
    untracked = dataclasses.replace(ROI, tracking_uid="")
    other = dataclasses.replace(untracked, segment=2)
    assert body_structure(untracked)["id"] != body_structure(other)["id"]


def test_the_device_names_its_settings() -> None:
    built_device = device(
        "pyradiomics", "3.0.1", SHA, {"discretisation": {"width": 25}, "x": {"label": 1, "y": float("inf")}}
    )
    assert built_device["identifier"][0]["value"] == f"sha256:{SHA}"
    width, label, odd = built_device["property"]
    assert [one["code"] for one in width["type"]["coding"]] == ["Q3RU", "discretisation.width"]
    assert width["valueQuantity"][0]["value"] == 25
    assert label["type"]["coding"][0]["code"] == "x.label"
    assert odd["valueCode"] == [{"text": "inf"}]  # JSON has no infinity


def test_components_hold_the_same_in_one_observation_per_class() -> None:
    group, shape, glcm = built(layout="components")
    assert [m["reference"] for m in group["hasMember"]] == [f"Observation/{one['id']}" for one in (shape, glcm)]
    assert [len(one["component"]) for one in (shape, glcm)] == [1, 1]
    assert all("valueQuantity" not in one for one in (shape, glcm))
    by_feature = built()[1:]
    for one, alone in zip((shape, glcm), by_feature, strict=True):
        [component] = one["component"]
        assert component["code"] == alone["code"]
        assert component["valueQuantity"] == alone["valueQuantity"]
        assert validate(one) == []
        assert check_resource(one) == []
    [aggregation] = glcm["component"][0]["extension"]
    assert aggregation["valueCodeableConcept"] == by_feature[1]["method"]
    assert {shape["id"], glcm["id"]}.isdisjoint(one["id"] for one in by_feature)


def test_the_class_of_a_feature_is_told_by_its_name() -> None:
    names = ["original_glcm_JointEntropy", "original_cm_contrast_3D_avg", "wavelet-HHL_firstorder_Mean"]
    assert [feature_class(name) for name in names] == ["original_glcm", "original_cm", "wavelet-HHL_firstorder"]


def test_a_place_that_is_no_uid_is_refused() -> None:
    with pytest.raises(InvalidUidError):
        dataclasses.replace(ROI, series_uid="../etc")


def test_issues_become_an_operation_outcome() -> None:
    outcome = operation_outcome([Issue("R111", "no voxels", record="1.2.3.1", instance="1.2.3.2.1", value="GTV-2")])
    assert outcome["issue"][0]["details"]["text"] == "R111 no voxels"
    assert outcome["issue"][0]["diagnostics"] == "1.2.3.1, 1.2.3.2.1, GTV-2"
    assert validate(outcome) == []
    assert validate(operation_outcome([])) == []
