"""DICOM images -> checked volumes; SEG and RTSTRUCT -> masks on the volume's grid."""

from multimodal.imaging.errors import MaskError, MaskFault, VolumeError, VolumeFault
from multimodal.imaging.masks import read_rois
from multimodal.imaging.reader import read_volume
from multimodal.imaging.reading import Reading
from multimodal.imaging.rois import Concept, FailureReason, Roi, RoiFailure
from multimodal.imaging.volume import Volume

__all__ = [
    "Concept",
    "FailureReason",
    "MaskError",
    "MaskFault",
    "Reading",
    "Roi",
    "RoiFailure",
    "Volume",
    "VolumeError",
    "VolumeFault",
    "read_rois",
    "read_volume",
]
