"""What is measured by IBSI leaves with its codes: table, SR, units."""

from __future__ import annotations

import csv
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pytest

from multimodal.imaging import FailureReason, Roi, Volume
from multimodal.radiomics import Profile, engine_version, extract, load_profile, measurement_report, write_features_csv
from multimodal.radiomics.engine import compute
from multimodal.terminology.radiomics_codes import AGGREGATIONS, FEATURE_SCHEME, feature_code
from tests.radiomics.conftest import roi_of

PROFILE = load_profile("ibsi")
CONFIGURATION_C = load_profile("ibsi1-C")


def test_174_features_each_with_an_ibsi_code(volume: Volume, blob: Roi) -> None:
    features = compute(volume, blob, PROFILE).features
    assert len(features) == len({feature.name for feature in features}) == 174
    assert all(feature.ibsi_code for feature in features)
    for feature in features:
        family = feature_code(feature.name).family
        assert bool(feature.aggregation) == (family in ("LFYI", "TP0I", "9SAK", "VMDZ", "IPET", "REK0"))
        binned = {"ZVCW": "FBN 32", "P88C": "FBN 1000"}.get(family, "FBN 32" if feature.aggregation else "")
        assert feature.discretisation == binned


def test_features_csv_has_aggregation_and_discretisation(tmp_path: Path, volume: Volume, blob: Roi) -> None:
    lines = write_features_csv(tmp_path / "f.csv", volume, extract(volume, [blob], CONFIGURATION_C), CONFIGURATION_C)
    assert lines == 215
    with (tmp_path / "f.csv").open(encoding="utf-8") as file:
        rows = {row["feature"]: row for row in csv.DictReader(file)}
    said = {
        name: (row["ibsi_code"], row["aggregation"], row["discretisation"], row["unit"]) for name, row in rows.items()
    }
    assert said["original_cm_joint_entr_3D_comb"] == ("TU9B", "3D, merged", "FBS 25", "1")
    assert said["original_cm_joint_entr_3D_avg"] == ("TU9B", "3D, averaged", "FBS 25", "1")
    assert said["original_ngl_lde_3D"] == ("SODN", "3D", "FBS 25", "1")
    assert said["original_ivh_i10"] == ("GBPN", "", "FBS 2.5", "[hnsf'U]")
    assert said["original_stat_mean"] == ("Q4LE", "", "", "[hnsf'U]")


def test_levels_of_a_volume_histogram_have_no_unit(volume: Volume, blob: Roi) -> None:
    units = {feature.name: feature.unit for feature in compute(volume, blob, PROFILE).features}
    assert (units["original_ivh_i10"], units["original_stat_mean"]) == ("1", "[hnsf'U]")


@pytest.mark.parametrize("profile", [PROFILE, CONFIGURATION_C], ids=lambda profile: profile.name)
def test_the_report_tells_values_of_one_code_apart(tmp_path: Path, volume: Volume, blob: Roi, profile: Profile) -> None:
    [result] = extract(volume, [blob], profile)
    report = measurement_report(volume, [result], profile)
    [group] = highdicom.sr.Comprehensive3DSR.from_dataset(report).content.get_volumetric_roi_measurement_groups()
    said = {}
    for measurement in group.get_measurements():
        method = measurement.method.value if measurement.method else ""
        said[measurement.name.scheme_designator, measurement.name.value, method] = measurement.value
    assert len(said) == len(result.features)
    for feature in result.features:
        code = feature_code(feature.name)
        assert said[code.scheme, code.short_code, feature.aggregation or ""] == pytest.approx(feature.value, rel=1e-15)
        assert AGGREGATIONS.get(feature.aggregation or "", "") or not feature.aggregation
    assert {short for scheme, short, _ in said if scheme == FEATURE_SCHEME} == {
        "ivh_v10", "ivh_v90", "ivh_i10", "ivh_i90",
    }  # fmt: skip
    report.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    assert_valid(tmp_path / "sr.dcm")


def assert_valid(file: Path) -> None:
    if shutil.which("dciodvfy"):
        said = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, check=False).stderr
        assert [line for line in said.splitlines() if line.startswith("Error")] == []


def test_the_engine_is_ours_where_ibsi_is_computed() -> None:
    assert engine_version(PROFILE).startswith("multimodal-ibsi ")
    assert engine_version(load_profile("pyradiomics-compat")) == engine_version() == "pyradiomics 3.0.1"


def test_a_region_that_cannot_be_measured_says_why(volume: Volume, blob: Roi) -> None:
    dark = replace(CONFIGURATION_C, settings={**CONFIGURATION_C.settings, "resegmentation": {"range": [5000, 6000]}})
    fine = replace(
        CONFIGURATION_C,
        settings={**CONFIGURATION_C.settings, "discretisation": {"method": "fixed-bin-size", "width": 0.001}},
    )
    line = np.zeros(volume.shape, dtype=bool)
    line[3, 4, 5:30] = True
    for roi, profile, reason, words in (
        (blob, dark, FailureReason.TOO_SMALL, "0 voxel"),
        (blob, fine, FailureReason.ENGINE, "choose wider bins"),
        (roi_of(line), PROFILE, FailureReason.TOO_SMALL, "dimension"),
    ):
        result = compute(volume, roi, profile)
        assert result.features == ()
        assert result.failure is not None
        assert result.failure.reason is reason
        assert words in result.failure.message


def test_identical_input_gives_identical_values(volume: Volume, blob: Roi) -> None:
    [first], [again] = extract(volume, [blob], PROFILE), extract(volume, [blob], PROFILE)
    assert first.features == again.features
    several = extract(volume, [blob, replace(blob, number=2)], PROFILE, processes=2)
    assert [result.features for result in several] == [first.features] * 2
