"""Intensity-based statistics (IBSI 3.3, UHIW)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from multimodal.radiomics.ibsi.descriptives import Values, descriptives


def statistics(intensities: NDArray[np.float64]) -> Values:
    """Return the 18 intensity-based statistics by their tag in the reference table.

    Parameters
    ----------
    intensities : NDArray[float64]
        Of the voxels in the intensity mask.

    Notes
    -----
    Mean (IBSI 3.3.1, Q4LE) to quartile coefficient of dispersion (3.3.16, 9S40), energy (3.3.17, N8CA) and root
    mean square (3.3.18, 5ZWQ).
    """
    energy = float(np.sum(intensities**2))
    found = {
        **descriptives(intensities),
        "energy": energy,
        "rms": (energy / intensities.size) ** 0.5,
    }
    return {f"stat_{name}": value for name, value in found.items()}
