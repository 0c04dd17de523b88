"""What intensities and grey levels are described by alike (IBSI 3.3 and 3.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = dict[str, float]


def descriptives(values: NDArray[np.float64]) -> Values:
    """Return the statistics that IBSI 3.3 defines on intensities and 3.4 on grey levels.

    Parameters
    ----------
    values : NDArray[float64]
        Intensities or grey levels of the voxels, at least one.

    Notes
    -----
    Of flat values, skewness and kurtosis are zero (IBSI 3.3.3, 3.3.4).
    """
    mean = float(values.mean())
    away = values - mean
    variance = float(np.mean(away**2))
    p10, p25, median, p75, p90 = (float(p) for p in np.percentile(values, [10, 25, 50, 75, 90]))
    robust = values[(values >= p10) & (values <= p90)]
    return {
        "mean": mean,
        "var": variance,
        "skew": float(np.mean(away**3)) / variance**1.5 if variance else 0.0,
        "kurt": float(np.mean(away**4)) / variance**2 - 3 if variance else 0.0,
        "median": median,
        "min": float(values.min()),
        "p10": p10,
        "p90": p90,
        "max": float(values.max()),
        "iqr": p75 - p25,
        "range": float(np.ptp(values)),
        "mad": float(np.mean(np.abs(away))),
        "rmad": float(np.mean(np.abs(robust - robust.mean()))),
        "medad": float(np.mean(np.abs(values - median))),
        "cov": divided(variance**0.5, mean),
        "qcod": divided(p75 - p25, p75 + p25),
    }


def divided(numerator: float, denominator: float) -> float:
    """Return the quotient, NaN where there is none."""
    return numerator / denominator if denominator else float("nan")
