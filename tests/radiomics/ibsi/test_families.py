"""Parts that stand for a definition which can be written down in a line and is too slow to be used."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.spatial.distance import pdist
from scipy.special import eval_legendre

from multimodal.radiomics.ibsi import boxes, ellipsoid
from multimodal.radiomics.ibsi.autocorrelation import moran_geary
from multimodal.radiomics.ibsi.cells import counted
from multimodal.radiomics.ibsi.discretisation import grey_levels
from multimodal.radiomics.ibsi.interpolation import new_axis, read_at
from multimodal.radiomics.ibsi.local_intensity import RADIUS, local_intensity
from multimodal.radiomics.ibsi.zones import border_distance
from multimodal.radiomics.mesh import surface

RANDOM = np.random.default_rng(7)
SPACING = (3.0, 1.25, 0.75)


def test_moran_and_geary_are_sums_over_all_pairs() -> None:
    image, mask = RANDOM.normal(size=(5, 7, 8)), RANDOM.random((5, 7, 8)) < 0.6
    values = image[mask]
    weights = 1 / pdist(np.argwhere(mask) * SPACING)
    away = values - values.mean()
    i, j = np.triu_indices(values.size, 1)
    moran = values.size * (weights * away[i] * away[j]).sum() / (weights.sum() * (away**2).sum())
    geary = (values.size - 1) * (weights * (values[i] - values[j]) ** 2).sum()
    geary /= 2 * weights.sum() * (away**2).sum()
    assert moran_geary(image, mask, SPACING) == pytest.approx((moran, geary), rel=1e-10)


def test_sums_that_would_take_gigabytes_have_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multimodal.radiomics.ibsi.autocorrelation.MOST_POINTS", 10)
    image = RANDOM.normal(size=(3, 3, 3))
    assert all(map(math.isnan, moran_geary(image, image < 1, SPACING)))


def test_a_local_peak_is_the_mean_of_the_centres_in_a_sphere_even_at_the_images_edge() -> None:
    image, mask = RANDOM.normal(size=(6, 12, 20)), np.zeros((6, 12, 20), dtype=bool)
    mask[:3, 2:9, 3:15] = True
    places, points = np.argwhere(mask) * SPACING, np.indices(image.shape).reshape(3, -1).T * SPACING
    means = [image.ravel()[((points - place) ** 2).sum(axis=1) <= RADIUS**2].mean() for place in places]
    found = local_intensity(image, mask, SPACING)
    assert found["loc_peak_glob"] == pytest.approx(max(means))
    assert found["loc_peak_loc"] == pytest.approx(means[int(np.argmax(image[mask]))])


@pytest.mark.parametrize(("cubic", "order"), [(False, 1), (True, 3)])
def test_interpolation_is_scipys_on_the_aligned_grid(cubic: bool, order: int) -> None:
    image = RANDOM.normal(size=(30, 41, 52))
    axes = [new_axis(n, s, 2.0) for n, s in zip(image.shape, SPACING, strict=True)]
    assert [axis.number for axis in axes] == [45, 26, 20]
    # the middles of both grids coincide (IBSI 2.4.1)
    for axis in axes:
        assert axis.first + axis.step * (axis.number - 1) / 2 == pytest.approx((axis.length - 1) / 2)
    points = np.meshgrid(*(axis.at(0, axis.number) for axis in axes), indexing="ij")
    whole = map_coordinates(image, points, order=order, mode="mirror")
    ends = [axis.number for axis in axes]
    assert np.allclose(read_at(image, axes, (0, 0, 0), ends, cubic), whole, atol=1e-12)
    part = read_at(image, axes, (20, 10, 8), (25, 14, 11), cubic)
    assert np.allclose(part, whole[20:25, 10:14, 8:11], atol=1e-10)


def test_a_grid_that_fits_has_no_point_more() -> None:
    assert new_axis(300, 0.1, 0.3).number == 100
    assert new_axis(7, 2.0, 2.0) == new_axis(7, 2.0, 2.0 + 1e-12)


def test_surfaces_of_ellipsoids() -> None:
    def area(*axes: float) -> float:
        return ellipsoid.area(np.array(axes))

    assert area(3, 3, 3) == pytest.approx(36 * math.pi)
    first, second = 1 - (2 / 3) ** 2, 1 - (1 / 3) ** 2  # squared eccentricities as IBSI 3.1.22 has them
    product = math.sqrt(first * second)
    series = sum(product**n / (1 - 4 * n**2) * eval_legendre(n, (first + second) / (2 * product)) for n in range(21))
    assert area(2, 1, 3) == pytest.approx(4 * math.pi * 3 * 2 * series)
    # a disc: one eccentricity is zero, and with it the argument's denominator
    assert area(3, 3, 1) == pytest.approx(area(3, 3 - 1e-9, 1))
    assert area(0, 0, 0) == 0
    assert ellipsoid.volume(np.array([1, 2, 3])) == pytest.approx(8 * math.pi)


def test_the_enclosing_ellipsoid_holds_every_point_and_hardly_more() -> None:
    directions = RANDOM.normal(size=(400, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    turned, _ = np.linalg.qr(RANDOM.normal(size=(3, 3)))
    found = ellipsoid.enclosing((directions * [9.0, 5.0, 2.0]) @ turned + [40.0, -3.0, 8.0])
    assert np.sort(found) == pytest.approx([2, 5, 9], rel=0.03)


def test_the_least_box_of_a_turned_box_is_that_box() -> None:
    mask = np.zeros((40, 40, 40), dtype=bool)
    z, y, x = np.indices(mask.shape) - 20
    along, across = (x + y) / math.sqrt(2), (x - y) / math.sqrt(2)
    mask[(np.abs(z) <= 8) & (np.abs(along) <= 14) & (np.abs(across) <= 5)] = True
    mesh = surface(mask, (1.0, 1.0, 1.0))
    oriented = boxes.oriented(mesh)
    assert np.sort(oriented) == pytest.approx([10.6, 17, 28.3], abs=1.0)
    assert np.prod(oriented) < 0.7 * np.prod(boxes.aligned(mesh.corners))
    assert np.prod(oriented) >= mesh.hull.volume


def test_distance_to_the_border_goes_by_sides() -> None:
    mask = np.ones((3, 5, 5), dtype=bool)
    assert border_distance(mask, by_slice=True)[0].max() == 3
    assert border_distance(mask, by_slice=False).max() == 2
    mask[0, 2, 2] = False
    assert border_distance(mask, by_slice=True)[0].max() == 2


def test_cells_are_counted_alike_in_full_and_by_sorting(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, level, other = (RANDOM.integers(low, high, 200) for low, high in ((0, 3), (1, 5), (1, 40)))
    full = counted(matrix, level, other, np.ones(3))
    monkeypatch.setattr("multimodal.radiomics.ibsi.cells._DENSE", 0)
    by_sorting = counted(matrix, level, other, np.ones(3))
    for name in ("matrix", "level", "other", "number"):
        assert np.array_equal(getattr(full, name), getattr(by_sorting, name)), name
    assert full.number.sum() == 200


SIZE, NUMBER = {"method": "fixed-bin-size", "width": 10}, {"method": "fixed-bin-number", "count": 4}


@pytest.mark.parametrize(
    ("discretisation", "lowest", "levels"),
    [
        (SIZE, None, [1, 1, 2, 5]),
        (SIZE, -5.0, [1, 2, 2, 5]),  # counted from the lower end of the range (IBSI 2.7.2)
        (NUMBER, None, [1, 1, 2, 4]),
        ({"method": "none"}, None, None),
    ],
)
def test_grey_levels(discretisation: dict[str, object], lowest: float | None, levels: list[int] | None) -> None:
    intensities = np.array([0.0, 9.5, 12.0, 40.0])
    if levels is None:
        with pytest.raises(ValueError, match="no grey levels"):
            grey_levels(intensities, discretisation, lowest)
    else:
        assert grey_levels(intensities, discretisation, lowest).tolist() == levels


def test_a_flat_region_has_one_level() -> None:
    assert grey_levels(np.full(3, 7.0), NUMBER, None).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("intensities", "problem"),
    [([0.0, 1e6], "100001 grey levels .* choose wider bins"), ([0.0, math.inf], "not numbers")],
)
def test_levels_that_cannot_be_are_refused(intensities: list[float], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        grey_levels(np.array(intensities), SIZE, None)
