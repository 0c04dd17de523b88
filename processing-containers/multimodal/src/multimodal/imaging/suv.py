"""PET activity -> standardised uptake value by body weight (SUVbw, g/ml).

The rules are those of QIBA's vendor-neutral pseudo-code
(https://qibawiki.rsna.org/index.php/Standardized_Uptake_Value_(SUV)); attributes: PS3.3 C.8.9.1, C.8.9.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydicom.dataset import Dataset
from pydicom.valuerep import DT

from multimodal.imaging.errors import VolumeError, VolumeFault

_PHILIPS = (0x7053, "Philips PET Private Group")
_PHILIPS_SUV, _PHILIPS_ACTIVITY = 0x00, 0x09
_GE = (0x0009, "GEMS_PETD_01")
_GE_SCAN_DATETIME = 0x0D
_LONGEST = 24 * 3600.0  # s; an injection a day before the scan is a wrong date


@dataclass(frozen=True, slots=True)
class SuvFactor:
    """What the rescaled pixels are multiplied with, and how it came about."""

    factor: float
    told: str


def suv_factor(images: Sequence[Dataset], series_uid: str) -> SuvFactor:
    """Return the factor from the stored unit to g/ml for one PET series.

    Parameters
    ----------
    images : sequence of Dataset
        All images of the series.
    series_uid : str
        For the errors.

    Raises
    ------
    VolumeError
        Units that cannot become SUV, or weight, dose, half-life, times or corrections are missing or impossible.
    """
    first = images[0]
    units = {str(image.get("Units") or "") for image in images}
    if len(units) > 1:
        raise _refused(series_uid, f"its images have several units: {', '.join(sorted(units))}")
    unit = units.pop()
    if unit == "GML":
        kind = str(first.get("SUVType") or "BW")
        if kind != "BW":
            raise _refused(series_uid, f"it is stored as SUV of type {kind}, not by body weight")
        return SuvFactor(1.0, "stored as SUV by body weight (GML)")
    if unit == "CNTS":
        return _from_counts(images, series_uid)
    if unit == "BQML":
        return _from_activity(images, series_uid)
    raise _refused(series_uid, f"its unit {unit or '(none)'} cannot become SUV; known: BQML, CNTS of Philips, GML")


def _from_counts(images: Sequence[Dataset], series_uid: str) -> SuvFactor:
    """Philips stores counts, and beside them the factor to SUV (7053,xx00) or to Bq/ml (7053,xx09)."""
    if to_suv := _private_number(images[0], *_PHILIPS, _PHILIPS_SUV):
        return SuvFactor(to_suv, f"counts times Philips' SUV factor {to_suv:.6g}")
    if to_activity := _private_number(images[0], *_PHILIPS, _PHILIPS_ACTIVITY):
        rest = _from_activity(images, series_uid)
        return SuvFactor(to_activity * rest.factor, f"counts times Philips' activity factor; {rest.told}")
    raise _refused(series_uid, "its unit is CNTS and Philips' scale factor (7053,xx00) is not there")


def _private_number(image: Dataset, group: int, creator: str, element: int) -> float | None:
    try:
        value = float(image.private_block(group, creator)[element].value)
    except (KeyError, TypeError, ValueError):
        return None
    return value if math.isfinite(value) and value > 0 else None


def _from_activity(images: Sequence[Dataset], series_uid: str) -> SuvFactor:
    first = images[0]
    done = [str(one) for one in _listed(first.get("CorrectedImage"))]
    if missing := [one for one in ("ATTN", "DECY") if done and one not in done]:
        raise _refused(series_uid, f"it is not corrected for {' and '.join(missing)} (Corrected Image)")
    weight = _positive(first, "PatientWeight", "the patient's weight", series_uid)
    drug = (first.get("RadiopharmaceuticalInformationSequence") or [Dataset()])[0]
    dose = _positive(drug, "RadionuclideTotalDose", "the injected dose", series_uid)
    corrected_to = str(first.get("DecayCorrection") or "")
    if corrected_to == "ADMIN":
        return SuvFactor(1000 * weight / dose, f"Bq/ml x {weight:g} kg / {dose:g} Bq (decay corrected to injection)")
    if corrected_to != "START":
        raise _refused(series_uid, f"its decay correction is {corrected_to or '(none)'}; known: START, ADMIN")
    half_life = _positive(drug, "RadionuclideHalfLife", "the half-life", series_uid)
    waited = _seconds_waited(images, drug, series_uid)
    left = dose * 2 ** (-waited / half_life)
    told = f"Bq/ml x {weight:g} kg / {dose:g} Bq, {waited:g} s after injection, half-life {half_life:g} s"
    return SuvFactor(1000 * weight / left, told)


def _listed(value: object) -> Sequence[object]:
    if value is None or value == "":
        return ()
    return [value] if isinstance(value, str) else list(value)  # type: ignore[call-overload]


def _positive(holder: Dataset, keyword: str, words: str, series_uid: str) -> float:
    try:
        value = float(holder.get(keyword))
    except (TypeError, ValueError):
        value = 0.0
    if not math.isfinite(value) or value <= 0:
        raise _refused(series_uid, f"{words} ({keyword}) is missing or no positive number")
    return value


def _seconds_waited(images: Sequence[Dataset], drug: Dataset, series_uid: str) -> float:
    scan = _scan_start(images, series_uid)
    injected = _moment(str(drug.get("RadiopharmaceuticalStartDateTime") or ""))
    dated = injected is not None
    if injected is None:
        # a time of day alone: the day is the scan's, or the one before where the scan ran past midnight
        injected = _moment(f"{scan:%Y%m%d}{drug.get('RadiopharmaceuticalStartTime') or ''}", with_time=True)
    if injected is None:
        raise _refused(series_uid, "the time of injection (Radiopharmaceutical Start Time) is missing")
    waited = (scan - injected).total_seconds()
    if waited < 0 and not dated:
        waited += timedelta(days=1).total_seconds()
    if not 0 <= waited <= _LONGEST:
        raise _refused(series_uid, f"the scan begins {waited:.0f} s after the injection; dates or times are wrong")
    return waited


def _scan_start(images: Sequence[Dataset], series_uid: str) -> datetime:
    """Return the time to which the decay was corrected.

    Series Time, unless the series was made anew after the acquisition: then GE's own scan time, else the earliest
    acquisition.
    """
    first = images[0]
    series = _moment(f"{first.get('SeriesDate') or ''}{first.get('SeriesTime') or ''}", with_time=True)
    acquired = [
        moment
        for image in images
        if (moment := _moment(f"{image.get('AcquisitionDate') or ''}{image.get('AcquisitionTime') or ''}", True))
    ]
    earliest = min(acquired, default=None)
    if series is not None and (earliest is None or series <= earliest):
        return series
    start = _private_moment(first) or earliest or series
    if start is None:
        raise _refused(series_uid, "neither Series Time nor Acquisition Time is there")
    return start


def _private_moment(image: Dataset) -> datetime | None:
    try:
        return _moment(str(image.private_block(*_GE)[_GE_SCAN_DATETIME].value))
    except KeyError:
        return None


def _moment(text: str, with_time: bool = False) -> datetime | None:
    """Return a DICOM date and time without its zone: all times of a series have one zone."""
    if len(text) < (10 if with_time else 8):
        return None
    try:
        found = DT(text)
    except ValueError:
        return None
    return None if found is None else datetime.combine(found.date(), found.time())


def _refused(series_uid: str, problem: str) -> VolumeError:
    return VolumeError(
        series_uid,
        VolumeFault.SUV,
        f"PET cannot be measured as SUV: {problem}; complete the header, or measure as stored (suv off)",
    )
