"""What can be wrong with a series or a mask; each error names the object and the reason."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from multimodal.model.errors import DataRefusedError


class VolumeFault(StrEnum):
    """Why a series is not a volume."""

    NO_IMAGES = "no-images"
    SEVERAL_SERIES = "several-series"
    NOT_DICOM = "not-dicom"
    UNSUPPORTED = "unsupported"
    NO_GEOMETRY = "no-geometry"
    ORIENTATION = "orientation"
    MATRIX = "matrix"
    FRAME_OF_REFERENCE = "frame-of-reference"
    DUPLICATE = "duplicate"
    GAP = "gap"
    TILT = "tilt"
    ONE_SLICE = "one-slice"
    PIXELS = "pixels"
    SUV = "suv"


class VolumeError(DataRefusedError):
    """The files of a folder do not make up one regular volume.

    Parameters
    ----------
    series_uid : str
        Series Instance UID, or the folder where no file could be read.
    fault : VolumeFault
        The kind of reason, for programs.
    problem : str
        The reason, in one line, for a person.
    """

    def __init__(self, series_uid: str, fault: VolumeFault, problem: str) -> None:
        self.series_uid = series_uid
        self.fault = fault
        self.problem = problem
        super().__init__(f"series {series_uid}: {problem}")


class MaskFault(StrEnum):
    """Why a SEG or RTSTRUCT cannot be used as a whole."""

    NOT_A_MASK = "not-a-mask"
    FRAME_OF_REFERENCE = "frame-of-reference"
    PATIENT = "patient"
    GRID = "grid"
    CONTENT = "content"


class MaskError(DataRefusedError):
    """A SEG or RTSTRUCT as a whole cannot be laid on the image.

    Parameters
    ----------
    file : Path
        The mask's file.
    fault : MaskFault
        The kind of reason, for programs.
    problem : str
        The reason, in one line, for a person.
    """

    def __init__(self, file: Path, fault: MaskFault, problem: str) -> None:
        self.file = file
        self.fault = fault
        self.problem = problem
        super().__init__(f"mask {file.name}: {problem}")
