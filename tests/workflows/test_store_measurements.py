"""Measurements made elsewhere become the Observations that an extraction would have written."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from highdicom.sr.coding import CodedConcept
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from multimodal.bucket import FolderBucket
from multimodal.fhirstore import NdjsonFolder
from multimodal.imaging import Volume, read_rois, read_volume
from multimodal.model.errors import ConfigurationError
from multimodal.model.ids import hash_uid
from multimodal.model.results import Status
from multimodal.radiomics import load_profile
from multimodal.radiomics.feature_files import read_features_file
from multimodal.radiomics.report_reading import read_report
from multimodal.radiomics.reported import MeasurementsError
from multimodal.radiomics.written import source_images
from multimodal.workflows.extract_radiomics import SeriesFolders, extract_radiomics
from multimodal.workflows.feature_table import feature_table
from multimodal.workflows.scanned_patients import ScannedPatients
from multimodal.workflows.store_measurements import store_measurements
from tests.imaging.made import SERIES, STUDY, ct_images, seg, write

PATIENTS = ScannedPatients("urn:test:elsewhere")
SHAPE = (8, 20, 22)
MASK_SERIES = hash_uid("seg series")
MASK = hash_uid("seg", "BINARY")
GIVEN = {"patient_id": "P1", "study": STUDY, "mask_series": MASK_SERIES, "modality": "CT"}
UNITS = {"mm3": "cubic millimeter", "[hnsf'U]": "Hounsfield unit", "1": "no units", "mm": "millimeter"}


@pytest.fixture
def pair(tmp_path: Path) -> SeriesFolders:
    stored = np.random.default_rng(5).integers(900, 1200, SHAPE, dtype=np.int16)
    images = ct_images(stored)
    masks = np.zeros(SHAPE, dtype=np.uint8)
    masks[2:6, 4:14, 5:15] = 1
    (tmp_path / "masks").mkdir()
    seg(images, masks).save_as(tmp_path / "masks/seg.dcm", enforce_file_format=True)
    return SeriesFolders(write(tmp_path / "image", images), tmp_path / "masks")


def measurement(code: CodedConcept, value: float, unit: str = "1", **more: Any) -> highdicom.sr.Measurement:
    return highdicom.sr.Measurement(
        name=code, value=value, unit=CodedConcept(unit, "UCUM", UNITS.get(unit, unit)), **more
    )


def report(volume: Volume, mask: Dataset, measurements: list[highdicom.sr.Measurement], *, by: str = "") -> Dataset:
    """Return a TID 1500 report as a tool other than ours writes it."""
    group = highdicom.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=highdicom.sr.TrackingIdentifier(uid=hash_uid("track", "1"), identifier="Nodule 1"),
        referenced_segment=highdicom.sr.ReferencedSegment(
            mask.SOPClassUID, mask.SOPInstanceUID, 1, source_series=highdicom.sr.SourceSeriesForSegmentation(SERIES)
        ),
        finding_type=codes.SCT.Nodule,
        algorithm_id=highdicom.sr.AlgorithmIdentification(by, "3.1", ["bins 25"]) if by else None,
        measurements=measurements,
    )
    person = highdicom.sr.PersonObserverIdentifyingAttributes(name="Doe^Jane")
    content = highdicom.sr.MeasurementReport(
        observation_context=highdicom.sr.ObservationContext(
            observer_person_context=highdicom.sr.ObserverContext(codes.DCM.Person, person)
        ),
        procedure_reported=CodedConcept("363679005", "SCT", "Imaging procedure"),
        imaging_measurements=[group],
    )
    return highdicom.sr.Comprehensive3DSR(
        evidence=[*source_images(volume), mask], content=content[0], series_instance_uid=hash_uid("sr series"),
        series_number=3, sop_instance_uid=hash_uid("sr"), instance_number=1, manufacturer="Elsewhere",
    )  # fmt: skip


@pytest.fixture
def sr(pair: SeriesFolders, tmp_path: Path) -> Path:
    volume = read_volume(pair.image)
    mask = pydicom.dcmread(pair.masks / "seg.dcm")
    measured = [
        measurement(CodedConcept("RNU0", "IBSI", "Volume (mesh)"), 812.25, "mm3"),
        measurement(
            CodedConcept("TU9B", "IBSI", "Joint entropy"), 3.5,
            method=CodedConcept("ITBB", "IBSI", "3D averaged"),
        ),
        measurement(codes.SCT.Volume, 800.0, "mm3"),
        measurement(
            CodedConcept("112031", "DCM", "Attenuation Coefficient"), 41.5, "[hnsf'U]",
            derivation=CodedConcept("373098007", "SCT", "Mean"),
        ),
    ]  # fmt: skip
    file = tmp_path / "elsewhere/sr.dcm"
    file.parent.mkdir()
    report(volume, mask, measured, by="pyradiomics").save_as(file, enforce_file_format=True)
    return file


def observations(target: NdjsonFolder) -> dict[str, dict[str, Any]]:
    return {one["code"]["text"]: one for one in target.resources("Observation") if "valueQuantity" in one}


def test_a_report_says_what_was_measured_on_what(sr: Path) -> None:
    [one] = read_report(sr)
    assert (one.patient_id, one.study_uid, one.series_uid) == ("P1", STUDY, SERIES)
    assert (one.mask_series_uid, one.mask_sop_uid, one.segment) == (MASK_SERIES, MASK, 1)
    assert (one.name, one.tracking_uid, one.engine, one.version) == (
        "Nodule 1", hash_uid("track", "1"), "pyradiomics", "3.1",
    )  # fmt: skip
    assert one.settings == {"parameter 1": "bins 25"}
    assert [(f.name, f.value, f.unit) for f in one.features] == [
        ("original_shape_MeshVolume", 812.25, "mm3"),
        ("original_glcm_JointEntropy", 3.5, "1"),
        ("SCT_118565006", 800.0, "mm3"),
        ("DCM_112031_373098007", 41.5, "[hnsf'U]"),
    ]


def test_a_report_becomes_observations_under_the_same_codes(
    sr: Path, target: NdjsonFolder, bucket: FolderBucket
) -> None:
    result = store_measurements([sr.parent], fhir=target, patients=PATIENTS, bucket=bucket)
    assert result.status is Status.DONE, result.issues
    assert result.counts["features"] == 4
    found = observations(target)
    volume = found["Volume of Mesh"]
    coding = volume["code"]["coding"][0]
    assert (coding["system"], coding["code"]) == ("urn:oid:1.2.840.10008.2.16.13", "RNU0")
    assert volume["valueQuantity"]["value"] == 812.25
    entropy = next(one for text, one in found.items() if "ntropy" in text)
    assert entropy["method"]["coding"][0]["code"] == "ITBB"
    plain = found["Volume"]["code"]["coding"]
    assert {"system": "http://snomed.info/sct", "code": "118565006"} in plain
    [device] = target.resources("Device")
    assert device["version"] == [{"value": "3.1"}]
    before = [list(target.resources(kind)) for kind in ("Observation", "Device", "BodyStructure")]
    again = store_measurements([sr], fhir=target, patients=PATIENTS, bucket=bucket)
    assert again.status is Status.DONE
    assert [list(target.resources(kind)) for kind in ("Observation", "Device", "BodyStructure")] == before


def test_our_own_table_gives_the_very_observations_of_the_extraction(
    pair: SeriesFolders, target: NdjsonFolder, tmp_path: Path
) -> None:
    extract_radiomics(
        [pair], profile=load_profile("pyradiomics-compat"), out_dir=tmp_path / "out", fhir=target, patients=PATIENTS
    )
    other = NdjsonFolder(tmp_path / "other")
    (table,) = (tmp_path / "out").rglob("features.csv")
    (own,) = (tmp_path / "out").rglob("*.sr.dcm")
    result = store_measurements([table, own], fhir=other, patients=PATIENTS, given=GIVEN)
    assert result.status is Status.DONE, result.issues
    assert result.warnings == [f"{own.name} was written by an extraction of ours and is passed over"]
    ours, theirs = (
        {
            one["id"]: (one["code"], one["valueQuantity"], one.get("method"))
            for one in place.resources("Observation")
            if "valueQuantity" in one
        }
        for place in (target, other)
    )
    assert ours == theirs
    left, right = ([{**row, "patient": ""} for row in feature_table(place).rows] for place in (target, other))
    assert left == right


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_table_of_pyradiomics(target: NdjsonFolder, tmp_path: Path, kind: str) -> None:
    row: dict[str, Any] = {
        "series": SERIES, "mask_sop_uid": MASK, "Label": 2, "Image": "ct.nii.gz",
        "diagnostics_Versions_PyRadiomics": "3.0.1", "diagnostics_Configuration_Settings": "{'binWidth': 25}",
        "original_shape_MeshVolume": 812.25, "original_firstorder_Kurtosis": 2.5,
        "original_glcm_JointEntropy": "nan", "wavelet-HHL_glcm_Contrast": "1.5", "original_glcm_Nonsense": 1,
    }  # fmt: skip
    file = tmp_path / f"features.{kind}"
    if kind == "json":
        file.write_text(json.dumps([row]))
    else:
        with file.open("w", newline="") as lines:
            writer = csv.DictWriter(lines, list(row))
            writer.writeheader()
            writer.writerow(row)
    result = store_measurements([file], fhir=target, patients=PATIENTS, given=GIVEN)
    assert result.status is Status.PARTIAL
    assert sorted(issue.message for issue in result.issues) == [
        "original_glcm_JointEntropy: 'nan' is no finite number",
        "original_glcm_Nonsense: no feature that is known",
    ]
    [line] = feature_table(target).rows
    assert (line["segment"], line["original_shape_MeshVolume"], line["wavelet-HHL_glcm_Contrast"]) == (2, 812.25, 1.5)
    kurtosis = next(one for text, one in observations(target).items() if "urtosis" in text)
    assert all(coding["code"] != "IPH6" for coding in kurtosis["code"]["coding"])  # that code names the excess


def no_dicom(file: Path) -> None:
    file.write_bytes(b"nonsense" * 1000)


def no_report(file: Path) -> None:
    ct_images(np.zeros((1, 4, 4), dtype=np.int16))[0].save_as(file, enforce_file_format=True)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:3000])


@pytest.mark.parametrize("spoil", [no_dicom, no_report, cut])
def test_a_bad_file_is_told_and_the_others_go_on(sr: Path, target: NdjsonFolder, spoil: Any) -> None:
    good = sr.read_bytes()
    (sr.parent / "good.dcm").write_bytes(good)
    spoil(sr)
    result = store_measurements([sr.parent], fhir=target, patients=PATIENTS)
    assert result.status is Status.PARTIAL
    assert [(issue.code, issue.sheet) for issue in result.issues] == [("R131", "sr.dcm")]
    assert "\n" not in result.issues[0].message
    assert len(observations(target)) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n", "holds no rows"),
        ("series,original_shape_MeshVolume\n1.2,3\n", "row 1 does not say patient_id, study"),
        ("a,b\n1,2,3\n", "row 1 is no row of names and values"),
        ("[1, 2]", "row 1 is no row"),
        ("{", "cannot be read"),
    ],
)
def test_a_bad_table_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / ("x.json" if text[0] in "[{" else "x.csv")
    file.write_text(text)
    with pytest.raises(MeasurementsError, match=words):
        read_features_file(file, {})


@given(content=st.binary(max_size=300), kind=st.sampled_from(["csv", "json"]))
@settings(max_examples=60, deadline=None)
def test_no_table_makes_a_defect(tmp_path_factory: pytest.TempPathFactory, content: bytes, kind: str) -> None:
    file = tmp_path_factory.mktemp("any") / f"x.{kind}"
    file.write_bytes(content)
    with pytest.raises(MeasurementsError):
        read_features_file(file, {**GIVEN, "series": SERIES, "mask_sop_uid": MASK})


def test_without_a_system_of_patients_nothing_is_written(sr: Path, target: NdjsonFolder) -> None:
    with pytest.raises(ConfigurationError, match="patient_system"):
        store_measurements([sr], fhir=target, patients=ScannedPatients(""))


def test_rois_and_segments_agree(pair: SeriesFolders) -> None:
    [roi] = read_rois(pair.masks / "seg.dcm", read_volume(pair.image))
    assert (roi.mask_sop_uid, roi.mask_series_uid) == (MASK, MASK_SERIES)
