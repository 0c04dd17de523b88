"""Twenty regions on a 512 x 512 x 300 series: pyradiomics as Kaapana calls it, against ours.

Kaapana's operator hands each region and the whole image to pyradiomics as NIfTI files: shape and first order on a
3 mm B-spline grid, one call per region. Each call costs about the same, so ``--theirs`` of them are timed and
multiplied; making the NIfTI files, which Kaapana needs and we do not, is not counted. Ours is timed from the DICOM
files on, reading included, in one process (two: `radiomics_processes`). The series is generated: nobody's data.

``python -m bench.radiomics_rois [--size 512 512 300] [--theirs 2]``
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import resource
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import highdicom
import numpy as np
import SimpleITK
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from radiomics.featureextractor import RadiomicsFeatureExtractor
from scipy import ndimage

from multimodal.imaging import Roi, Volume, read_rois, read_volume
from multimodal.model.ids import hash_uid
from multimodal.radiomics import Profile, RoiResult, extract, load_profile

ROIS = 20
# NIfTI keeps spacing as float32: these are exact in it, so that both work on the same grid
SPACING = (1.25, 0.75, 0.75)
NEW_SPACING = [3, 3, 3]
EXCESS = "original_firstorder_ExcessKurtosis"


def main() -> None:
    """Generate, measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", nargs=3, type=int, default=(512, 512, 300), metavar=("X", "Y", "Z"))
    parser.add_argument("--theirs", type=int, default=2, help="calls of pyradiomics that are timed")
    chosen = parser.parse_args()
    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    shape = (chosen.size[2], chosen.size[1], chosen.size[0])
    with tempfile.TemporaryDirectory(prefix="multimodal-bench-") as folder:
        # in a process of its own: its memory is not ours
        generating = multiprocessing.get_context("spawn").Process(target=generate, args=(Path(folder), shape))
        generating.start()
        generating.join()
        compare(Path(folder), chosen.theirs)


@dataclass(frozen=True, slots=True)
class Spent:
    """Wall and CPU seconds; the second holds on a busy machine too."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:6.1f} s ({self.cpu:.1f} s of CPU)"


class Watch:
    """Measures from its making on, child processes included."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), self._used()

    def spent(self) -> Spent:
        """Return the time since."""
        return Spent(time.perf_counter() - self._wall, self._used() - self._cpu)

    @staticmethod
    def _used() -> float:
        times = os.times()
        return times.user + times.system + times.children_user + times.children_system


def compare(folder: Path, theirs_timed: int) -> None:
    """Time both and print the figures."""
    compat = load_profile("pyradiomics-compat")
    as_kaapana = replace(
        compat,
        settings={
            **compat.settings,
            "classes": ["shape", "firstorder"],
            "resampling": {"spacing": NEW_SPACING, "interpolator": "bspline"},
        },
    )
    ours, spent, volume, rois = from_dicom(folder, as_kaapana)
    sizes = sorted(roi.voxels for roi in rois)
    z, y, x = volume.shape
    print(f"{x} x {y} x {z}, {len(rois)} ROIs of {sizes[0]:,} to {sizes[-1]:,} voxels; load {os.getloadavg()[0]:.1f}")
    print(f"ours, shape + first order at 3 mm, from DICOM, 1 process: {spent}")
    print(f"peak memory so far: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
    print(f"ours, 107 features, voxels as they are, 1 process:        {from_dicom(folder, compat)[1]}")
    picked = np.linspace(0, len(rois) - 1, theirs_timed).round().astype(int).tolist()
    call, equal, compared = theirs(folder, volume, rois, ours, picked)
    every = Spent(call.wall * len(rois), call.cpu * len(rois))
    print(f"pyradiomics, one call on the full NIfTI:                  {call} ({theirs_timed} calls timed)")
    print(f"pyradiomics, {len(rois)} calls, extrapolated:                       {every}")
    print(f"ratio with 1 process: {every.wall / spent.wall:.0f} by wall time, {every.cpu / spent.cpu:.0f} by CPU time")
    print(f"{equal} of {compared} values equal to 4 decimals")


def from_dicom(folder: Path, profile: Profile) -> tuple[list[RoiResult], Spent, Volume, list[Roi]]:
    """Return our results and the time they took, reading included."""
    watch = Watch()
    volume = read_volume(folder / "ct")
    rois = read_rois(folder / "seg.dcm", volume)
    results = extract(volume, rois, profile)
    spent = watch.spent()
    failed = [result.failure for result in results if result.failure]
    if failed:
        raise SystemExit(f"failed: {failed}")
    return results, spent, volume, rois


def theirs(
    folder: Path, volume: Volume, rois: list[Roi], ours: list[RoiResult], picked: list[int]
) -> tuple[Spent, int, int]:
    """Return the time per call, and how many of the compared values are equal to 4 decimals."""
    write_nifti(volume.array.astype(np.int16), folder / "image.nii.gz", volume)
    wall = cpu = 0.0
    equal = compared = 0
    for index in picked:
        write_nifti(rois[index].in_full(volume.shape).astype(np.uint8), folder / "mask.nii.gz", volume)
        watch = Watch()
        extractor = RadiomicsFeatureExtractor(
            binWidth=25, resampledPixelSpacing=NEW_SPACING, interpolator="sitkBSpline", num_cpus=1
        )
        extractor.disableAllFeatures()
        extractor.enableFeatureClassByName("shape")
        extractor.enableFeatureClassByName("firstorder")
        found = extractor.execute(str(folder / "image.nii.gz"), str(folder / "mask.nii.gz"))
        spent = watch.spent()
        wall, cpu = wall + spent.wall, cpu + spent.cpu
        for feature in ours[index].features:
            name, value = feature.name, feature.value
            if name == EXCESS:
                name, value = "original_firstorder_Kurtosis", value + 3
            compared += 1
            equal += round(value, 4) == round(float(found[name]), 4)
    return Spent(wall / len(picked), cpu / len(picked)), equal, compared


def write_nifti(array: NDArray[np.generic], file: Path, volume: Volume) -> None:
    """Write an array on the volume's grid."""
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(volume.spacing[::-1])
    SimpleITK.WriteImage(image, str(file))


def generate(folder: Path, shape: tuple[int, int, int]) -> None:
    """Write a CT series of smooth noise and a SEG of ellipsoids of 5,000 to 125,000 voxels."""
    block = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(60, 64, 64)), 1.5, mode="wrap")
    repeats = [-(-length // part) for length, part in zip(shape, block.shape, strict=True)]
    z, y, x = shape
    block = (1000 + 200 * block / block.std()).astype(np.int16)
    (folder / "ct").mkdir()
    images = [image(np.tile(block[i % 60], repeats[1:])[:y, :x] + i // 10, i) for i in range(z)]
    for index, each in enumerate(images):
        each.save_as(folder / "ct" / f"{index}.dcm", enforce_file_format=True)
    segmentation(images, ellipsoids(shape)).save_as(folder / "seg.dcm", enforce_file_format=True)


def ellipsoids(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return a label per voxel; the ellipsoids lie on a grid of places and do not touch."""
    labels = np.zeros(shape, dtype=np.uint8)
    sizes = np.geomspace(5000, 125000, ROIS) * min(1.0, shape[1] / 512) ** 2
    for number, voxels in enumerate(sizes, start=1):
        place = np.array([(number % 3 + 0.5) / 3, (number // 3 % 4 + 0.5) / 4, (number // 12 % 2 + 0.5) / 2])
        centre = place * shape
        radius = (voxels / 4.18879) ** (1 / 3)
        radii = radius * np.array([0.9, 1.3, 1 / 1.17])
        box = tuple(slice(max(int(c - r) - 1, 0), int(c + r) + 2) for c, r in zip(centre, radii, strict=True))
        away = [((i + b.start - c) / r) ** 2 for i, b, c, r in zip(
            np.indices(labels[box].shape), box, centre, radii, strict=True
        )]  # fmt: skip
        labels[box][sum(away) <= 1] = number
    return labels


def image(plane: NDArray[np.int16], index: int) -> Dataset:
    """Return one CT image."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, hash_uid("bench image", str(index))
    made.StudyInstanceUID, made.SeriesInstanceUID = hash_uid("bench study"), hash_uid("bench series")
    made.FrameOfReferenceUID = hash_uid("bench frame")
    made.PatientID, made.PatientName, made.Modality = "BENCH", "Bench^Generated", "CT"
    made.PatientBirthDate = made.PatientSex = made.AccessionNumber = made.StudyID = ""
    made.StudyDate, made.StudyTime = "20200101", "000000"
    made.ImagePositionPatient = [0.0, 0.0, index * SPACING[0]]
    made.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    made.PixelSpacing, made.SliceThickness = list(SPACING[1:]), SPACING[0]
    made.Rows, made.Columns = plane.shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 16, 15, 1
    made.RescaleSlope, made.RescaleIntercept = 1, -1000
    made.PixelData = plane.astype("<i2").tobytes()
    return made


def segmentation(images: list[Dataset], labels: NDArray[np.uint8]) -> Dataset:
    """Return the labels as a binary SEG."""
    made: Dataset = highdicom.seg.Segmentation(
        images, labels, "BINARY",
        [
            highdicom.seg.SegmentDescription(n, f"region {n}", codes.SCT.Tissue, codes.SCT.Tissue, "MANUAL")
            for n in range(1, ROIS + 1)
        ],
        hash_uid("bench seg series"), 2, hash_uid("bench seg"), 1, "Generated", "bench", "1", "1",
    )  # fmt: skip
    return made


if __name__ == "__main__":
    main()
