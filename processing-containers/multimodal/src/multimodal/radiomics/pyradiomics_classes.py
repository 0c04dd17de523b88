"""pyradiomics' feature classes with their matrices and formulas, less what takes time without changing a value.

Each class gets grey levels that were made once for all; the mesh, the sums over diagonals of a co-occurrence matrix and
the eigenvalues are computed in another order, which changes their last digits only.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from radiomics import firstorder, glcm, gldm, glrlm, glszm, ngtdm, shape

from multimodal.radiomics.mesh import measure

_NEGLIGIBLE = float(np.spacing(1))  # pyradiomics adds it wherever it divides or takes a logarithm


class _Discretised:
    """Takes the grey levels that were made once for all classes (mixed in before a pyradiomics class)."""

    settings: dict[str, Any]
    coefficients: dict[str, Any]

    def _applyBinning(self, matrix: NDArray[Any]) -> NDArray[Any]:  # noqa: N802 - pyradiomics' name
        levels: NDArray[Any] = self.settings["levels"]
        self.coefficients["grayLevels"] = self.settings["level_values"]
        self.coefficients["Ng"] = int(self.settings["level_values"][-1])
        return levels


class _Shape(shape.RadiomicsShape):  # type: ignore[misc]
    """pyradiomics' shape features over our measure of the same mesh."""

    def _initSegmentBasedCalculation(self) -> None:  # noqa: N802 - pyradiomics' name
        mask = SimpleITK.GetArrayFromImage(self.inputMask) == self.label
        self.pixelSpacing = np.array(self.inputImage.GetSpacing()[::-1])
        self.labelledVoxelCoordinates = np.where(mask)
        z, y, x = (float(v) for v in self.pixelSpacing)
        mesh = measure(mask, (z, y, x))
        self.SurfaceArea, self.Volume, self.diameters = mesh.area, mesh.volume, mesh.diameters
        self.eigenValues = _eigenvalues(np.stack(self.labelledVoxelCoordinates, axis=1) * self.pixelSpacing)


def _eigenvalues(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the variances along the principal axes, ascending; real, and no rounding error below zero."""
    centred = (points - points.mean(axis=0)) / math.sqrt(len(points))
    values = np.linalg.eigvalsh(centred.T @ centred)
    return np.where((values < 0) & (values > -1e-10), 0.0, values)


class _FirstOrder(firstorder.RadiomicsFirstOrder):  # type: ignore[misc]
    @staticmethod
    def _moment(a: NDArray[np.float64], moment: int = 1) -> NDArray[np.float64]:
        """Return the central moment by products: a general power takes a logarithm for each voxel."""
        away = a - np.nanmean(a, 1, keepdims=True)
        product = away
        for _ in range(moment - 1):
            product = product * away
        return np.asarray(np.nanmean(product, 1), dtype=np.float64)


class _Glcm(glcm.RadiomicsGLCM):  # type: ignore[misc]
    def _calculateCoefficients(self) -> None:  # noqa: N802 - pyradiomics' name
        """Set what the features share; each entry is added to its diagonals once, not sought for every diagonal."""
        levels = self.coefficients["grayLevels"].astype(np.int64)
        count = self.coefficients["Ng"]
        matrices: NDArray[np.float64] = self.P_glcm
        i, j = np.meshgrid(levels.astype(np.float64), levels.astype(np.float64), indexing="ij", sparse=True)
        self.coefficients |= {
            "eps": _NEGLIGIBLE,
            "i": i,
            "j": j,
            "kValuesSum": np.arange(2, count * 2 + 1, dtype=np.float64),
            "kValuesDiff": np.arange(0, count, dtype=np.float64),
            "px": matrices.sum(2, keepdims=True),
            "py": matrices.sum(1, keepdims=True),
            "ux": np.sum(i[None, :, :, None] * matrices, (1, 2), keepdims=True),
            "uy": np.sum(j[None, :, :, None] * matrices, (1, 2), keepdims=True),
            "pxAddy": _by_diagonal(matrices, np.add.outer(levels, levels) - 2, 2 * count - 1),
            "pxSuby": _by_diagonal(matrices, np.abs(np.subtract.outer(levels, levels)), count),
            "HXY": -np.sum(matrices * np.log2(matrices + _NEGLIGIBLE), (1, 2)),
        }

    def _cluster(self, power: int) -> NDArray[np.float64]:
        """Return the moment of i + j about its mean: of the sums over diagonals, that is by far fewer numbers."""
        means = (self.coefficients["ux"] + self.coefficients["uy"])[:, 0]
        away = self.coefficients["kValuesSum"][None, :, None] - means
        product = self.coefficients["pxAddy"]
        for _ in range(power):
            product = product * away
        return np.asarray(np.nanmean(np.sum(product, 1), 1), dtype=np.float64)

    def getClusterProminenceFeatureValue(self) -> NDArray[np.float64]:  # noqa: N802 - pyradiomics' name
        """Return the fourth moment."""
        return self._cluster(4)

    def getClusterShadeFeatureValue(self) -> NDArray[np.float64]:  # noqa: N802 - pyradiomics' name
        """Return the third moment."""
        return self._cluster(3)

    def getClusterTendencyFeatureValue(self) -> NDArray[np.float64]:  # noqa: N802 - pyradiomics' name
        """Return the variance."""
        return self._cluster(2)

    def getMCCFeatureValue(self) -> NDArray[np.float64] | int:  # noqa: N802 - pyradiomics' name
        """Return the maximal correlation coefficient.

        pyradiomics' matrix Q is P P' with each row of P divided by the products of the marginal sums. Scaled by the
        roots of the row sums it is symmetric but for pyradiomics' addend, so its eigenvalues come from the symmetric
        solver: real, and in a tenth of the time.
        """
        matrices = np.moveaxis(self.P_glcm[0], -1, 0)
        if matrices.shape[1] < 2:
            return 1  # pyradiomics' value for a flat region
        rows, columns = matrices.sum(2), matrices.sum(1)
        divided = matrices / (rows[:, :, None] * columns[:, None, :] + _NEGLIGIBLE)
        scale = np.sqrt(rows)
        back = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
        symmetric = scale[:, :, None] * (divided @ matrices.transpose(0, 2, 1)) * back[:, None, :]
        values = np.linalg.eigvalsh((symmetric + symmetric.transpose(0, 2, 1)) / 2)
        return np.asarray([np.nanmean(np.sqrt(np.maximum(values[:, -2], 0)))])


def _by_diagonal(matrices: NDArray[np.float64], number: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Return the sums of the entries of equal `number`, for each matrix of [1, i, j, matrix]."""
    each = number.ravel()
    sums = [np.bincount(each, weights=entries, minlength=count) for entries in matrices[0].reshape(each.size, -1).T]
    return np.asarray(np.stack(sums, axis=1)[np.newaxis], dtype=np.float64)


@cache
def feature_classes() -> dict[str, type]:
    """Return the classes by pyradiomics' names."""
    textures: dict[str, Any] = {
        "firstorder": _FirstOrder,
        "glcm": _Glcm,
        "glrlm": glrlm.RadiomicsGLRLM,
        "glszm": glszm.RadiomicsGLSZM,
        "gldm": gldm.RadiomicsGLDM,
        "ngtdm": ngtdm.RadiomicsNGTDM,
    }
    return {"shape": _Shape} | {
        # __module__ decides under which logger a class reports
        name: type(f"Discretised{parent.__name__}", (_Discretised, parent), {"__module__": f"radiomics.{name}"})
        for name, parent in textures.items()
    }
