"""The table of feature codes, and what its loader refuses."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from multimodal.model.errors import ConfigurationError
from multimodal.radiomics.pyradiomics_classes import feature_classes
from multimodal.terminology.radiomics_codes import (
    feature_code,
    feature_codes,
    ibsi_feature_codes,
    read_codes,
    read_ibsi_codes,
)
from multimodal.terminology.units import unit as parse_unit

HEAD = "name,ibsi_code,short_code,display,family,aggregation,unit,unit_ct,alternative,note"
GOOD = "original_glcm_JointEntropy,TU9B,,Joint Entropy of GLCM,LFYI,ITBB,1,1,,"


def test_102_of_107_features_have_an_ibsi_code() -> None:
    codes = feature_codes()
    standard = [name for name in codes if name != "original_firstorder_Kurtosis"]
    assert len(standard) == 107
    assert sum(codes[name].ibsi_code is not None for name in standard) == 102


def test_it_holds_what_the_engine_computes() -> None:
    computed = {
        f"original_{family}_{name}"
        for family, engine in feature_classes().items()
        for name, deprecated in engine.getFeatureNames().items()  # type: ignore[attr-defined]
        if not deprecated
    }
    assert set(feature_codes()) - computed == {"original_firstorder_ExcessKurtosis"}
    assert computed - set(feature_codes()) == set()


def test_it_agrees_with_the_compiled_table(public_data: Path) -> None:
    with (public_data / "ibsi/pyradiomics_ibsi_codes.csv").open(encoding="utf-8") as file:
        rows = {row["pyradiomics_feature"]: row for row in csv.DictReader(file)}
    for name, code in feature_codes().items():
        if "Kurtosis" not in name:
            assert (code.ibsi_code or "", code.unit, code.unit_ct) == tuple(
                rows[name][column] for column in ("ibsi_id", "ucum", "ucum_ct")
            ), name


def test_no_code_names_two_quantities() -> None:
    assert feature_code("original_firstorder_ExcessKurtosis").ibsi_code == "IPH6"
    assert feature_code("original_firstorder_Kurtosis").ibsi_code is None
    short = [code.short_code for code in feature_codes().values()]
    assert len(set(short)) == len(short)
    assert max(map(len, short)) <= 16


def test_units_are_ucum() -> None:
    for unit in {unit for code in feature_codes().values() for unit in (code.unit, code.unit_ct)}:
        assert parse_unit(unit).code == unit


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (GOOD.replace("TU9B", "tu9b"), "not an IBSI code"),
        (GOOD.replace("TU9B", ""), "either an IBSI code or a code of our own"),
        (GOOD.replace("ITBB", "WORD"), "unknown aggregation"),
        (GOOD.replace("original_glcm_JointEntropy", "JointEntropy"), "not a feature name"),
        (GOOD.replace("TU9B,", ",more-than-sixteen-characters"), "more than 16 characters"),
        (GOOD.replace(",1,1,", ",1,,"), "no unit_ct"),
        (f"{GOOD}\n{GOOD}", "is there twice"),
    ],
)
def test_a_mistake_is_named_with_its_line(line: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        read_codes(["# comment", HEAD, *line.splitlines()])
    assert caught.value.line == 2 + len(line.splitlines())


def test_other_columns_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="expected the columns"):
        read_codes(["name,code", "a,b"])


IBSI_HEAD = "tag,ibsi_code,short_code,display,family,unit,unit_ct,alternative,note"
IBSI_GOOD = "cm_joint_entr,TU9B,,Joint Entropy of GLCM,LFYI,1,1,,"


def test_every_feature_of_ibsi_is_there_once_for_each_aggregation() -> None:
    codes = ibsi_feature_codes()
    assert len(codes) == 79 + 41 * 6 + 54 * 3
    assert sum(code.ibsi_code is not None for code in codes.values()) == len(codes)
    by_meaning = {(code.scheme, code.short_code, code.aggregation) for code in codes.values()}
    assert len(by_meaning) == len(codes)  # what a DICOM reader sees names one value
    assert set(codes).isdisjoint(feature_codes())
    for unit in {unit for code in codes.values() for unit in (code.unit, code.unit_ct)}:
        assert parse_unit(unit).code == unit


def test_both_tables_call_the_same_quantity_alike() -> None:
    ibsi = {code.ibsi_code: code for code in ibsi_feature_codes().values()}
    for code in feature_codes().values():
        if code.ibsi_code in ibsi:
            other = ibsi[code.ibsi_code]
            assert (code.display, code.unit, code.unit_ct) == (other.display, other.unit, other.unit_ct)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (IBSI_GOOD.replace("TU9B", ""), "not an IBSI code"),
        (IBSI_GOOD.replace("cm_joint_entr", "JointEntropy"), "not a tag"),
        (IBSI_GOOD.replace("TU9B,", "TU9B,more-than-sixteen-characters"), "more than 16 characters"),
        (IBSI_GOOD.replace(",1,1,", ",1,,"), "no unit_ct"),
        (f"{IBSI_GOOD}\n{IBSI_GOOD}", "is there twice"),
    ],
)
def test_a_mistake_in_the_ibsi_table_is_named_with_its_line(line: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        read_ibsi_codes(["# comment", IBSI_HEAD, *line.splitlines()])
    assert caught.value.line == 2 + len(line.splitlines())
