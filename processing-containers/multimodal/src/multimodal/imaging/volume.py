"""A checked volume: the pixels of one regular series, with what is needed to find them in the patient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Volume:
    """The pixels of one series on one regular grid; all axes in array order: slice (z), row (y), column (x).

    Parameters
    ----------
    array : NDArray[float32]
        Modality values (Rescale Slope and Intercept applied), indexed ``[z, y, x]``.
    origin : tuple of float
        Centre of voxel ``[0, 0, 0]`` in the patient coordinate system, mm (PS3.3 C.7.6.2.1.1).
    spacing : tuple of float
        Distance between voxel centres along z, y, x in mm.
    direction : NDArray[float64]
        3 x 3; column 0, 1, 2 is the unit vector along z, y, x.
    study_uid, series_uid, patient_id, issuer, modality, frame_of_reference : str
        As in the DICOM; empty where it says nothing.
    started : str
        Study Date and Time as in the DICOM, ``YYYYMMDD[HHMMSS[.F]]``; empty where there is none.
    sop_class_uid : str
        SOP Class of the images.
    sop_uids : tuple of str
        SOP Instance UIDs in the order of the slices.
    headers : tuple of Dataset
        The images without their pixels, in the order of the slices: references and evidence of what is written.
    warnings : tuple of str
        What was left out of the folder, and what a reader of the numbers should know.
    suv : bool
        The intensities are standardised uptake values.
    resampled : bool
        The grid is not that of the images: the slices were laid on an even, straight one.
    cut : tuple of float
        Places along z, as continuous indices, of images that lie beyond a gap and were left out.
    """

    array: NDArray[np.float32]
    origin: Triple
    spacing: Triple
    direction: NDArray[np.float64]
    study_uid: str
    series_uid: str
    patient_id: str
    issuer: str
    modality: str
    frame_of_reference: str
    started: str
    sop_class_uid: str
    sop_uids: tuple[str, ...]
    headers: tuple[Dataset, ...] = ()
    warnings: tuple[str, ...] = ()
    suv: bool = False
    resampled: bool = False
    cut: tuple[float, ...] = ()

    def beyond_gap(self, height: float) -> bool:
        """Tell whether a place along z lies on the far side of a gap, where images were left out."""
        slices = self.shape[0]
        return (height < -0.5 and any(at < 0 for at in self.cut)) or (
            height > slices - 0.5 and any(at > slices - 1 for at in self.cut)
        )

    @property
    def intensity_unit(self) -> str:
        """UCUM unit of the intensities."""
        if self.suv:
            return "g/ml{SUVbw}"
        return "[hnsf'U]" if self.modality == "CT" else "{intensity}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows, columns."""
        z, y, x = self.array.shape
        return z, y, x

    @cached_property
    def steps(self) -> NDArray[np.float64]:
        """3 x 3; column i is the way from one voxel to the next along array axis i, in mm."""
        return np.asarray(self.direction * np.asarray(self.spacing), dtype=np.float64)

    @cached_property
    def integral(self) -> bool:
        """Whether all intensities are whole numbers by their rescaling (CT numbers are)."""
        if self.suv or self.resampled:
            return False
        pairs = {(h.get("RescaleSlope") or 1, h.get("RescaleIntercept") or 0) for h in self.headers}
        return all(float(number).is_integer() for pair in pairs for number in pair)

    def to_index(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the continuous index (z, y, x) of `points` (n x 3, patient coordinates, mm).

        The axes are orthogonal (the reader's gate holds that), so that a projection is exact where a matrix
        inverse would add rounding errors: a vertex on a voxel's centre stays there.
        """
        along = (points - np.asarray(self.origin)) @ self.direction
        return np.asarray(along / np.asarray(self.spacing), dtype=np.float64)

    def to_patient(self, index: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the patient coordinates in mm of continuous indices (n x 3: z, y, x)."""
        return np.asarray(index @ self.steps.T + np.asarray(self.origin), dtype=np.float64)
