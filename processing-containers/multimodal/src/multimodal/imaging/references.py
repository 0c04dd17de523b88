"""Which image series a segmentation was drawn on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom import Dataset


def referenced_series(folder: Path) -> list[str]:
    """Return the Series Instance UIDs that the SEG and RTSTRUCT files of `folder` refer to, sorted.

    Notes
    -----
    SEG: Referenced Series Sequence of the Common Instance Reference Module
    (`PS3.3 C.12.2 <https://dicom.nema.org/medical/dicom/current/output/chtml/part03/sect_C.12.2.html>`_).
    RTSTRUCT: RT Referenced Series Sequence of the Structure Set Module
    (`PS3.3 C.8.8.5 <https://dicom.nema.org/medical/dicom/current/output/chtml/part03/sect_C.8.8.5.html>`_).
    """
    found: set[str] = set()
    for file in sorted(folder.glob("*.dcm")):
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
        found |= {str(series.SeriesInstanceUID) for series in _series(dataset) if "SeriesInstanceUID" in series}
    return sorted(found)


def _series(dataset: Dataset) -> Iterator[Dataset]:
    yield from dataset.get("ReferencedSeriesSequence") or ()
    for frame in dataset.get("ReferencedFrameOfReferenceSequence") or ():
        for study in frame.get("RTReferencedStudySequence") or ():
            yield from study.get("RTReferencedSeriesSequence") or ()
