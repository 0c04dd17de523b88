"""Intensity histogram (IBSI 3.4, ZVCW)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from multimodal.radiomics.ibsi.descriptives import Values, descriptives


def histogram(levels: NDArray[np.int64]) -> Values:
    """Return the 23 features of the intensity histogram by their tag in the reference table.

    Parameters
    ----------
    levels : NDArray[int64]
        Grey levels of the voxels, 1 and up.

    Notes
    -----
    Mean (IBSI 3.4.1, X6K6) to quartile coefficient of dispersion (3.4.17, SLWD), entropy (3.4.18, TLU2),
    uniformity (3.4.19, BJ5W) and the steepest places of the histogram (3.4.20 to 3.4.23).
    """
    counts = np.bincount(levels)[1:]
    share = counts / levels.size
    # the mode is the most frequent level; of several, the one nearest to the mean (IBSI 3.4.10)
    modes = np.flatnonzero(counts == counts.max()) + 1
    mean = float(levels.mean())
    found = {
        **descriptives(levels.astype(np.float64)),
        "mode": float(modes[np.argmin(np.abs(modes - mean))]),
        "entropy": float(entr(share).sum() / np.log(2)),
        "uniformity": float(np.sum(share**2)),
        **_gradients(counts),
    }
    return {f"ih_{name}": value for name, value in found.items()}


def _gradients(counts: NDArray[np.int64]) -> Values:
    """Return the steepest rise and fall and their grey levels; a histogram of one level has none."""
    names = ("max_grad", "max_grad_g", "min_grad", "min_grad_g")
    if counts.size < 2:
        return dict.fromkeys(names, float("nan"))
    gradient = np.gradient(counts.astype(np.float64))
    rise, fall = int(np.argmax(gradient)), int(np.argmin(gradient))
    return dict(
        zip(names, (float(gradient[rise]), float(rise + 1), float(gradient[fall]), float(fall + 1)), strict=True)
    )
