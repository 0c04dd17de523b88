"""Where pyradiomics and IBSI define the same, two programs give the same number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from multimodal.imaging import Roi, Volume
from multimodal.radiomics import load_profile
from multimodal.radiomics.engine import compute

WIDTH = 25
# IBSI has N - 1 below the covariance, pyradiomics N; and another unit of energy and of histograms is no other quantity
OTHER_BY_DEFINITION = {"TDIC", "P9VJ", "7J51"}


def test_equal_where_the_definitions_are(volume: Volume, blob: Roi) -> None:
    start = float(np.floor(volume.array[blob.box][blob.mask].min() / WIDTH) * WIDTH)  # pyradiomics' first edge
    ibsi = load_profile("ibsi1-C")
    settings = {**ibsi.settings, "resampling": None, "resegmentation": {"range": [start, None], "outliers": None}}
    ours = {(f.ibsi_code, f.aggregation): f for f in compute(volume, blob, replace(ibsi, settings=settings)).features}
    compared = 0
    for theirs in compute(volume, blob, load_profile("pyradiomics-compat")).features:
        mine = ours.get((theirs.ibsi_code, theirs.aggregation))
        if mine is None or theirs.ibsi_code in OTHER_BY_DEFINITION:
            continue
        assert mine.value == pytest.approx(theirs.value, rel=1e-9, abs=1e-12), theirs.name
        assert (mine.unit, mine.discretisation) == (theirs.unit, theirs.discretisation), theirs.name
        compared += 1
    assert compared == 99
