"""Separable wavelets by IBSI chapter 2 (arXiv:2006.05470): undecimated, and averaged over right-angled rotations.

A band is written as in IBSI: a letter for each axis, x first, L for the low pass and H for the high pass. Before the
last level every axis is low passed. Which of its two middle numbers is the centre of a filter of even length, the
reference values tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import permutations, product

import numpy as np
import pywt
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

Array = NDArray[np.float64]
# what is done along one axis: the band's letter, and whether the filter runs the other way
Turned = tuple[str, bool]


def reach(wavelet: str, level: int) -> int:
    """Return how many voxels away the response of a voxel still depends on."""
    return sum(len(_kernel(wavelet, "L", each)) // 2 for each in range(1, level + 1))


def response(array: Array, wavelet: str, band: str, level: int, rotation_invariant: bool) -> Array:
    """Return the response of one band, the image mirrored beyond its edges.

    Parameters
    ----------
    array : NDArray[float64]
        Along z, y, x.
    wavelet : str
        Name as PyWavelets has it, e.g. ``db3``.
    band : str
        Two letters: within slices; three: in space.
    level : int
        Decomposition level, from 1.
    rotation_invariant : bool
        The mean of the responses of all right-angled rotations of the filter: 4 within slices, 24 in space.
    """
    # the last axis of the array is x, the first letter's
    axes = range(2, 2 - len(band), -1)
    turns = list(_rotations(band)) if rotation_invariant else [[(letter, False) for letter in band]]
    return np.asarray(_sum(array, list(axes), turns, wavelet, level) / len(turns), dtype=np.float64)


def _sum(array: Array, axes: Sequence[int], turns: Sequence[Sequence[Turned]], wavelet: str, level: int) -> Array:
    """Return the sum of the responses; what several rotations do alike along the first axes is done once."""
    if not axes:
        return array * len(turns)
    alike: Mapping[Turned, list[Sequence[Turned]]] = defaultdict(list)
    for turn in turns:
        alike[turn[0]].append(turn[1:])
    total = np.zeros_like(array)
    for (letter, reverse), rest in alike.items():
        passed = array
        for each in range(1, level + 1):
            kernel = _kernel(wavelet, letter if each == level else "L", each)
            passed = convolve1d(passed, kernel[::-1] if reverse else kernel, axis=axes[0], mode="reflect")
        total += _sum(passed, axes[1:], rest, wavelet, level)
    return total


def _rotations(band: str) -> Iterator[list[Turned]]:
    """Yield for each right-angled rotation what is done along each axis."""
    number = len(band)
    for order in permutations(range(number)):
        for reversals in product((False, True), repeat=number):
            matrix = np.zeros((number, number))
            for axis, (source, reverse) in enumerate(zip(order, reversals, strict=True)):
                matrix[axis, source] = -1 if reverse else 1
            if np.linalg.det(matrix) > 0:  # no mirror image
                yield [(band[source], reverse) for source, reverse in zip(order, reversals, strict=True)]


@cache
def _kernel(wavelet: str, letter: str, level: int) -> Array:
    """Return the filter of a level: with zeros between its numbers instead of fewer voxels ("a trous")."""
    chosen = pywt.Wavelet(wavelet)
    numbers = [*(chosen.dec_lo if letter == "L" else chosen.dec_hi), 0.0]
    step = 2 ** (level - 1)
    kernel = np.zeros((len(numbers) - 1) * step + 1)
    kernel[::step] = numbers
    return kernel
