"""The gate: every reference value of IBSI chapter 1, through the profiles that ship, with code and aggregation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.radiomics.conformance import (
    DIGITAL,
    DOCUMENT,
    INPUTS,
    PROFILES,
    Found,
    FoundFilters,
    Reference,
    digital_phantom,
    from_nifti,
    gate,
    measured,
    missed,
    page,
    references,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*unlikely to represent the intended person name")


@pytest.fixture(scope="session")
def found(public_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    return gate(public_data, tmp_path_factory.mktemp("phantom"))


def test_the_482_values_of_the_digital_phantom(tmp_path: Path) -> None:
    wanted = references(DIGITAL, "dig")
    assert len(wanted) == 482
    assert missed(measured(*digital_phantom(tmp_path / "ct"), "dig"), wanted) == []


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("dataset", "ABCDE")
def test_the_ct_phantom(found: Found, dataset: str, kind: str) -> None:
    wanted, wrong = found[dataset, kind]
    assert len(wanted) == PROFILES[dataset][1]
    assert wrong == []


def test_the_page_in_docs_says_what_the_gate_found(found: Found, found_filters: FoundFilters) -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == page(found, found_filters), "run `make conformance`"


def test_the_digital_phantom_is_the_published_one(tmp_path: Path, public_data: Path) -> None:
    volume, roi = digital_phantom(tmp_path / "ct")
    published, drawn = from_nifti(public_data / "ibsi/ibsi_1_digital_phantom/nifti")
    assert np.array_equal(volume.array, published.array)
    assert np.array_equal(roi.in_full(volume.shape), drawn.in_full(volume.shape))
    assert volume.spacing == published.spacing
    everything = references(public_data / "ibsi/ibsi1_reference_values.csv", "dig")
    assert references(DIGITAL, "dig") == everything


def test_the_gate_sees_a_deviation_of_a_tenth(tmp_path: Path) -> None:
    wanted = [reference for reference in references(DIGITAL, "dig") if reference.value]
    assert not any(reference.holds(reference.value * 1.1) for reference in wanted if reference.tolerance == 0)
    assert sum(not reference.holds(reference.value * 1.1) for reference in wanted) > 0.95 * len(wanted)
    assert missed({}, wanted[:1]) == [f"{wanted[0].tag}: no value"]


def test_a_value_is_rounded_before_it_is_compared() -> None:
    reference = Reference("stat_mean", "Q4LE", "", "Statistics", "Mean", 2.15, 0.0)
    assert reference.holds(2.1486)
    assert not reference.holds(2.16)
