"""A derived SEG of an enhanced multi-frame image: its frames refer to frames of the one instance."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from multimodal.imaging import Volume


def as_single_frames(images: Sequence[Dataset]) -> list[Dataset]:
    """Return headers that highdicom takes for single-frame images, which the frames read from an enhanced one are.

    Notes
    -----
    For an enhanced SOP Class it expects the whole object in the object's own order of frames; here each frame has its
    place, and the order is that of the grid. `refer_to_frames` puts class and frame numbers right afterwards.
    """
    single = []
    for image in images:
        if not _enhanced(image):
            single.append(image)
            continue
        one = Dataset()
        one.update(image)
        one.file_meta = image.file_meta
        one.add_new("SOPClassUID", "UI", CTImageStorage)
        single.append(one)
    return single


def refer_to_frames(dataset: Dataset, volume: Volume) -> None:
    """Make the references of a SEG to an enhanced image name its class and, per frame, the frame (PS3.3 C.7.6.16)."""
    if not any(_enhanced(header) for header in volume.headers):
        return
    numbers = {_place(header): int(header.get("ReferencedFrameNumber") or 0) for header in volume.headers}
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        place = _place(groups.PlanePositionSequence[0])
        for derivation in groups.get("DerivationImageSequence") or ():
            for source in derivation.SourceImageSequence:
                source.ReferencedSOPClassUID = volume.sop_class_uid
                if numbers.get(place):
                    source.ReferencedFrameNumber = numbers[place]
    for series in dataset.get("ReferencedSeriesSequence") or ():
        once = {str(item.ReferencedSOPInstanceUID): item for item in series.ReferencedInstanceSequence}
        series.ReferencedInstanceSequence = list(once.values())
        for item in series.ReferencedInstanceSequence:
            item.ReferencedSOPClassUID = volume.sop_class_uid


def _enhanced(header: Dataset) -> bool:
    return "ENHANCED" in str(getattr(header.SOPClassUID, "name", "")).upper()


def _place(holder: Dataset) -> tuple[float, ...]:
    return tuple(round(float(v), 4) for v in holder.ImagePositionPatient)
