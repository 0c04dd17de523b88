"""A small CT series with structure, and regions on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from multimodal.imaging import Roi, Volume, read_volume
from multimodal.imaging.rois import cropped
from multimodal.model.ids import hash_uid
from tests.imaging.made import ct_images, write


@pytest.fixture(scope="session")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Volume:
    noise = np.random.default_rng(3).normal(size=(20, 48, 52))
    smooth = ndimage.gaussian_filter(noise, 1.2)
    stored = (1000 + 400 * smooth / smooth.std()).round().astype(np.int16)
    return read_volume(write(tmp_path_factory.mktemp("series") / "ct", ct_images(stored, spacing=(2.5, 0.9, 0.9))))


def roi_of(mask: NDArray[np.bool_], number: int = 1, name: str = "") -> Roi:
    """Return a region as read_rois gives it."""
    box, offset = cropped(mask)
    uid = hash_uid("made mask")
    return Roi(
        number, name or f"region {number}", box, offset, uid, hash_uid("made mask series"), "SEG", f"t{number}",
        hash_uid("t", str(number)),
    )  # fmt: skip


def ellipsoid(shape: tuple[int, int, int], centre: tuple[float, ...], radii: tuple[float, ...]) -> NDArray[np.bool_]:
    away = [((i - c) / r) ** 2 for i, c, r in zip(np.indices(shape), centre, radii, strict=True)]
    return np.asarray(sum(away) <= 1)


@pytest.fixture(scope="session")
def blob(volume: Volume) -> Roi:
    return roi_of(ellipsoid(volume.shape, (9, 22, 27), (6, 14, 11)) & ~ellipsoid(volume.shape, (9, 22, 27), (2, 4, 5)))


@pytest.fixture(scope="session")
def found_filters(public_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The reference values of IBSI chapter 2 and which are missed (`conformance.filter_gate`)."""
    from tests.radiomics import conformance  # imports from here

    return conformance.filter_gate(*conformance.ct_phantom(public_data, "NIfTI", tmp_path_factory.mktemp("phantom")))
