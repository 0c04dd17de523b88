"""All families of IBSI-1 on one region."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multimodal.radiomics.ibsi.cells import Cells, Stack, energy, shared_features
from multimodal.radiomics.ibsi.descriptives import Values
from multimodal.radiomics.ibsi.discretisation import grey_levels, volume_histogram_input
from multimodal.radiomics.ibsi.glcm import cooccurrences, glcm_features
from multimodal.radiomics.ibsi.glrlm import runs
from multimodal.radiomics.ibsi.histogram import histogram
from multimodal.radiomics.ibsi.local_intensity import local_intensity
from multimodal.radiomics.ibsi.morphology import morphology
from multimodal.radiomics.ibsi.ngldm import dependences
from multimodal.radiomics.ibsi.ngtdm import ngtdm_features, tone_differences
from multimodal.radiomics.ibsi.region import ProcessedRegion
from multimodal.radiomics.ibsi.statistics import statistics
from multimodal.radiomics.ibsi.volume_histogram import volume_histogram
from multimodal.radiomics.ibsi.voxels import Voxels, directions, voxels_of
from multimodal.radiomics.ibsi.zones import Zones, border_distance, distance_zones, size_zones, zones

# an aggregation as the profile has it -> the end of the reference table's tags: for families with directions
# (GLCM, GLRLM) and for those without
DIRECTED = {
    "2D-averaged": "2D_avg", "2D-slice-merged": "2D_comb", "2.5D-direction-merged": "2_5D_avg",
    "2.5D-merged": "2_5D_comb", "3D-averaged": "3D_avg", "3D-merged": "3D_comb",
}  # fmt: skip
UNDIRECTED = {"2D": "2D", "2.5D": "2_5D", "3D": "3D"}
AGGREGATION_NAMES = (*DIRECTED, *UNDIRECTED)
# second axis of each matrix -> tags of the shared features, in the order of cells.shared_features
_CELL_TAGS = {
    "rlm": "sre lre lgre hgre srlge srhge lrlge lrhge glnu glnu_norm rlnu rlnu_norm r_perc gl_var rl_var rl_entr",
    "szm": "sze lze lgze hgze szlge szhge lzlge lzhge glnu glnu_norm zsnu zsnu_norm z_perc gl_var zs_var zs_entr",
    "dzm": "sde lde lgze hgze sdlge sdhge ldlge ldhge glnu glnu_norm zdnu zdnu_norm z_perc gl_var zd_var zd_entr",
    "ngl": "lde hde lgce hgce ldlge ldhge hdlge hdhge glnu glnu_norm dcnu dcnu_norm dc_perc gl_var dc_var dc_entr",
}
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Measurement:
    """One region with the settings of its profile; each method is a family."""

    region: ProcessedRegion
    settings: Settings

    @cached_property
    def _limits(self) -> tuple[float | None, float | None]:
        chosen = (self.settings["resegmentation"] or {}).get("range") or (None, None)
        return chosen[0], chosen[1]

    @cached_property
    def _levels(self) -> NDArray[np.int64]:
        return grey_levels(self.region.intensities, self.settings["discretisation"], self._limits[0])

    @cached_property
    def _voxels(self) -> Voxels:
        return voxels_of(self.region.intensity, self._levels)

    def morphology(self) -> Values:
        """IBSI 3.1."""
        return morphology(self.region)

    def local_intensity(self) -> Values:
        """IBSI 3.2."""
        return local_intensity(self.region.surrounded, self.region.surrounded_mask, self.region.spacing)

    def statistics(self) -> Values:
        """IBSI 3.3."""
        return statistics(self.region.intensities)

    def histogram(self) -> Values:
        """IBSI 3.4."""
        return histogram(self._levels)

    def volume_histogram(self) -> Values:
        """IBSI 3.5."""
        return volume_histogram(
            *volume_histogram_input(self.region.intensities, self.settings["volume_histogram"], self._limits)
        )

    def glcm(self) -> Values:
        """IBSI 3.6."""
        found: Values = {}
        for by_slice, wanted in self._aggregations(DIRECTED):
            counts = cooccurrences(self._voxels, by_slice)
            for name in wanted:
                stack = glcm_features(_merged_counts(counts, name))
                found |= {f"cm_{feature}_{DIRECTED[name]}": _mean(values) for feature, values in stack.items()}
        return found

    def glrlm(self) -> Values:
        """IBSI 3.7."""
        found: Values = {}
        for by_slice, wanted in self._aggregations(DIRECTED):
            cells = runs(self._voxels, by_slice)
            for name in wanted:
                into = _merging(cells.voxels.size, len(directions(by_slice)), name)
                found |= _tagged("rlm", shared_features(cells.merged(into)), DIRECTED[name])
        return found

    def glszm(self) -> Values:
        """IBSI 3.8."""
        return self._of_slices("szm", lambda by_slice: size_zones(self._zones(by_slice)))

    def gldzm(self) -> Values:
        """IBSI 3.9."""
        return self._of_slices("dzm", lambda by_slice: distance_zones(self._zones(by_slice)))

    def ngtdm(self) -> Values:
        """IBSI 3.10."""
        found: Values = {}
        for by_slice, wanted in self._aggregations(UNDIRECTED):
            matrices = tone_differences(self._voxels, by_slice)
            for name in wanted:
                stack = ngtdm_features(matrices.merged() if name == "2.5D" else matrices)
                found |= {f"ngt_{feature}_{UNDIRECTED[name]}": _mean(values) for feature, values in stack.items()}
        return found

    def ngldm(self) -> Values:
        """IBSI 3.11."""
        return self._of_slices("ngl", lambda by_slice: dependences(self._voxels, by_slice))

    def _zones(self, by_slice: bool) -> Zones:
        kept = self._found_zones
        if by_slice not in kept:
            distance = border_distance(self.region.morphological, by_slice)[self.region.intensity]
            kept[by_slice] = zones(self._voxels, distance, by_slice)
        return kept[by_slice]

    @cached_property
    def _found_zones(self) -> dict[bool, Zones]:
        return {}

    def _of_slices(self, family: str, matrices: Callable[[bool], Cells]) -> Values:
        found: Values = {}
        for by_slice, wanted in self._aggregations(UNDIRECTED):
            cells = matrices(by_slice)
            for name in wanted:
                merged = cells.merged(np.zeros(cells.voxels.size, dtype=np.int64)) if name == "2.5D" else cells
                stack = shared_features(merged)
                found |= _tagged(family, stack, UNDIRECTED[name])
                if family == "ngl":
                    found[f"ngl_dc_energy_{UNDIRECTED[name]}"] = _mean(energy(merged))
        return found

    def _aggregations(self, known: Mapping[str, str]) -> Iterator[tuple[bool, Sequence[str]]]:
        """Yield the wanted aggregations within slices and in space, where there are any."""
        wanted = [name for name in known if name in self.settings["aggregation"]]
        for by_slice in (True, False):
            chosen = [name for name in wanted if name.startswith("3D") != by_slice]
            if chosen:
                yield by_slice, chosen


FAMILIES: Mapping[str, Callable[[Measurement], Values]] = {
    "morphology": Measurement.morphology,
    "local-intensity": Measurement.local_intensity,
    "statistics": Measurement.statistics,
    "histogram": Measurement.histogram,
    "volume-histogram": Measurement.volume_histogram,
    "glcm": Measurement.glcm,
    "glrlm": Measurement.glrlm,
    "glszm": Measurement.glszm,
    "gldzm": Measurement.gldzm,
    "ngtdm": Measurement.ngtdm,
    "ngldm": Measurement.ngldm,
}


def features_of(region: ProcessedRegion, settings: Settings) -> Iterator[tuple[str, float]]:
    """Yield the tag of the reference table and the value of every feature of the profile; NaN where there is none."""
    measurement = Measurement(region, settings)
    with np.errstate(all="ignore"):  # what divides by zero comes out as NaN, and NaN does not go out
        for family in settings["families"]:
            yield from FAMILIES[family](measurement).items()


def ibsi_values(region: ProcessedRegion, settings: Settings, image: str) -> Iterator[tuple[str, float | None]]:
    """Yield name and value of every feature of the profile on the image named so; None where there is no value."""
    for tag, value in features_of(region, settings):
        yield f"{image}_{tag}", value if math.isfinite(value) else None


def _merging(matrices: int, directions_: int, name: str) -> NDArray[np.int64]:
    """Return into which matrix each of slice * directions + direction goes (IBSI 3.6, aggregation)."""
    each = np.arange(matrices)
    return {
        "2D-slice-merged": each // directions_,
        "2.5D-direction-merged": each % directions_,
        "2.5D-merged": np.zeros_like(each),
        "3D-merged": np.zeros_like(each),
    }.get(name, each)


def _merged_counts(counts: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """Return the co-occurrence matrices ``[slice, direction, i, j]`` merged as `name` says."""
    most = counts.shape[-1]
    axes = {"2D-slice-merged": (1,), "2.5D-direction-merged": (0,), "2.5D-merged": (0, 1), "3D-merged": (0, 1)}
    return np.asarray(counts.sum(axis=axes.get(name, ())).reshape(-1, most, most), dtype=np.float64)


def _tagged(family: str, stack: Stack, aggregation: str) -> Values:
    """Return the shared features by the reference table's tags, averaged over the matrices."""
    tags = _CELL_TAGS[family].split()
    return {f"{family}_{tag}_{aggregation}": _mean(values) for tag, values in zip(tags, stack.values(), strict=True)}


def _mean(values: NDArray[np.float64]) -> float:
    """Return the mean over the matrices that have a value (a slice of one voxel has no neighbours to count)."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else float("nan")
