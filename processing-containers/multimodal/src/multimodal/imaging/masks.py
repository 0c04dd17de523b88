"""A SEG or RTSTRUCT file -> the regions it draws, on a volume's grid."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, RTStructureSetStorage, SegmentationStorage

from multimodal.imaging.errors import MaskError, MaskFault
from multimodal.imaging.reading import Reading
from multimodal.imaging.rois import Roi
from multimodal.imaging.rtstruct import rtstruct_rois
from multimodal.imaging.segments import seg_rois
from multimodal.imaging.volume import Volume

LabelMapSegmentationStorage = UID("1.2.840.10008.5.1.4.1.1.66.7")  # PS3.6; not named in pydicom 3.0
_USUAL = Reading()


def read_rois(file: Path, volume: Volume, reading: Reading = _USUAL) -> list[Roi]:
    """Read all regions of a DICOM SEG or RTSTRUCT as voxels of `volume`.

    Parameters
    ----------
    file : Path
        The DICOM file.
    volume : Volume
        The image the regions are drawn on.
    reading : Reading
        Fraction, coverage rule, and whether a mask of another grid may be resampled.

    Returns
    -------
    list of Roi
        One for each segment or ROI, in the file's order. A region that cannot be measured (no voxels, outside
        the image, another frame of reference) carries the reason as its ``failure``; the others go on.

    Raises
    ------
    MaskError
        The file as a whole cannot be laid on the image.
    """
    try:
        dataset = pydicom.dcmread(file)
    except InvalidDicomError:  # its text speaks of a parameter of pydicom
        raise MaskError(file, MaskFault.NOT_A_MASK, "is no DICOM file; give a SEG or an RTSTRUCT") from None
    except (EOFError, ValueError, KeyError, OSError) as error:
        raise MaskError(file, MaskFault.NOT_A_MASK, f"cannot be read as DICOM: {error}") from error
    kind = dataset.get("SOPClassUID")
    if kind not in (SegmentationStorage, LabelMapSegmentationStorage, RTStructureSetStorage):
        raise MaskError(
            file, MaskFault.NOT_A_MASK, f"is a {dataset.get('Modality') or 'file'}, neither SEG nor RTSTRUCT"
        )
    patient = str(dataset.get("PatientID") or "")
    if patient and volume.patient_id and patient != volume.patient_id:
        raise MaskError(file, MaskFault.PATIENT, f"belongs to another patient than series {volume.series_uid}")
    if kind == RTStructureSetStorage:
        return rtstruct_rois(dataset, file, volume, reading)
    return seg_rois(dataset, file, volume, reading)
