"""The default profile, from an RTSTRUCT to Observations."""

from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.fhirstore import NdjsonFolder
from multimodal.model.results import Status
from multimodal.radiomics import DEFAULT_PROFILE, load_profile
from multimodal.terminology.radiomics_codes import FEATURE_SYSTEM, IBSI_SYSTEM, feature_code
from multimodal.workflows.extract_radiomics import SeriesFolders, extract_radiomics
from multimodal.workflows.scanned_patients import ScannedPatients


@pytest.fixture
def pair(cohort: Path) -> SeriesFolders:
    patient = next(path for path in sorted((cohort / "dicom").iterdir()) if (path / "RTSTRUCT").is_dir())
    return SeriesFolders(patient / "CT", patient / "RTSTRUCT")


def test_each_feature_is_an_observation_with_its_ibsi_code(
    pair: SeriesFolders, target: NdjsonFolder, tmp_path: Path
) -> None:
    profile = load_profile(DEFAULT_PROFILE)
    result = extract_radiomics(
        [pair], profile=profile, out_dir=tmp_path / "out", fhir=target, patients=ScannedPatients("urn:test:ibsi")
    )
    assert result.status is Status.DONE
    assert list(result.versions) == ["multimodal-ibsi"]
    measured = [one for one in target.resources("Observation") if "valueQuantity" in one]
    coded = {}
    for observation in measured:
        codes = {coding["system"]: coding["code"] for coding in observation["code"]["coding"]}
        method = observation.get("method", {}).get("coding", [{}])[0].get("code")
        coded[codes[FEATURE_SYSTEM]] = (codes[IBSI_SYSTEM], method)
    assert len(measured) == len(coded) == 174
    for name, (ibsi, method) in coded.items():
        assert (ibsi, method) == (feature_code(name).ibsi_code, feature_code(name).aggregation)
    assert coded["original_cm_joint_entr_3D_comb"] == ("TU9B", "IAZD")
    [device] = target.resources("Device")
    assert device["deviceName"][0]["name"] == "multimodal-ibsi"
    assert device["identifier"][0]["value"] == f"sha256:{profile.sha256}"
