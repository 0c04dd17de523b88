"""Units of intensities where PET was measured as SUV."""

from __future__ import annotations

from dataclasses import replace

from multimodal.imaging import Volume
from multimodal.radiomics.results import RoiResult

# arbitrary units -> SUV by body weight; UCUM has no power of an annotated or bracketed unit
_SUV = (("{intensity2}", "g2/ml2{SUVbw}"), ("{intensity}", "g/ml{SUVbw}"))


def in_suv(result: RoiResult, volume: Volume) -> RoiResult:
    """Return the result with its intensities in SUV where the volume is; unchanged elsewhere."""
    if not volume.suv:
        return result
    return replace(result, features=tuple(replace(f, unit=_suv_unit(f.unit)) for f in result.features))


def _suv_unit(unit: str) -> str:
    for arbitrary, suv in _SUV:
        unit = unit.replace(arbitrary, suv)
    return unit
