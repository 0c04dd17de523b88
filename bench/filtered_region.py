"""1,316 features of one region (original, Laplacian of Gaussian of five widths, wavelets): ours beside pyradiomics.

pyradiomics filters the whole image, ours what lies around the region. The image is generated. At 512 x 512 x 300
pyradiomics needs about 12 GB; the memory printed is each one's own, in a process of its own.

``python -m bench.filtered_region [--size 512 512 300]``
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection

import numpy as np
import SimpleITK
from radiomics.featureextractor import RadiomicsFeatureExtractor
from scipy import ndimage

from multimodal.imaging import Roi, Volume
from multimodal.imaging.rois import cropped
from multimodal.radiomics import load_profile
from multimodal.radiomics.engine import compute

SPACING = (2.5, 0.75, 0.75)
SIGMAS = [1, 2, 3, 4, 5]
Shape = tuple[int, int, int]
Measure = Callable[[Shape], tuple[dict[str, float], float, float]]


def main() -> None:
    """Measure both, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", nargs=3, type=int, default=(512, 512, 300), metavar=("X", "Y", "Z"))
    x, y, z = parser.parse_args().size
    (mine, our_time, our_cpu, our_memory), (theirs, their_time, their_cpu, their_memory) = (
        alone(measure, (z, y, x)) for measure in (ours, with_pyradiomics)
    )
    # of values near zero the difference counts, of others the share of it
    apart = max(abs(mine[name] - value) / max(abs(value), 1e-3) for name, value in theirs.items() if name in mine)
    print(f"{x} x {y} x {z}, {len(set(mine) & set(theirs))} features of one region")
    print(f"ours:        {our_time:6.1f} s ({our_cpu:.1f} s of CPU), {our_memory:.2f} GB")
    print(f"pyradiomics: {their_time:6.1f} s ({their_cpu:.1f} s of CPU), {their_memory:.2f} GB")
    print(f"ratio: {their_time / our_time:.0f} by wall time, {their_cpu / our_cpu:.0f} by CPU time")
    print(f"largest difference: {apart:.1e}")


def alone(measure: Measure, shape: Shape) -> tuple[dict[str, float], float, float, float]:
    """Run in a process of its own; return values, wall and CPU seconds, and peak memory in GB."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(measure, shape, sending))
    process.start()
    sending.close()
    try:
        found: tuple[dict[str, float], float, float, float] = receiving.recv()
    except EOFError:
        raise SystemExit(f"{measure.__name__} died; is there enough memory?") from None
    process.join()
    return found


def _send(measure: Measure, shape: Shape, sending: Connection) -> None:
    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    values, seconds, cpu = measure(shape)
    sending.send((values, seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6))


def generated(shape: Shape) -> tuple[Volume, Roi]:
    """Return smooth noise and an ellipsoid of about 50,000 voxels in its middle."""
    block = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(60, 64, 64)), 1.5, mode="wrap")
    block = (200 * block / block.std()).round().astype(np.float32)
    array = np.tile(block, [-(-length // part) for length, part in zip(shape, block.shape, strict=True)])
    array = array[tuple(slice(0, length) for length in shape)]
    radii = np.array([12.0, 30.0, 33.0])
    box = np.indices([2 * int(r) + 1 for r in radii])
    away = [((i - int(r)) / r) ** 2 for i, r in zip(box, radii, strict=True)]
    mask, offset = cropped(np.asarray(sum(away) <= 1))
    middle = tuple(int(n // 2 - r) + o for n, r, o in zip(shape, radii, offset, strict=True))
    volume = Volume(
        array=array, origin=(0.0, 0.0, 0.0), spacing=SPACING, direction=np.eye(3), study_uid="", series_uid="",
        patient_id="", issuer="", modality="CT", frame_of_reference="", started="", sop_class_uid="", sop_uids=(),
    )  # fmt: skip
    return volume, Roi(1, "generated", mask, (middle[0], middle[1], middle[2]), "", "", "SEG", "", "")


def ours(shape: Shape) -> tuple[dict[str, float], float, float]:
    """Return our values and the time they took."""
    volume, roi = generated(shape)
    compat = load_profile("pyradiomics-compat")
    images = ["original", {"filter": "log", "sigma": SIGMAS}, {"filter": "wavelet", "wavelet": "coif1", "level": 1}]
    profile = replace(compat, settings={**compat.settings, "images": images, "kurtosis": "pyradiomics"})
    begin, cpu = time.perf_counter(), time.process_time()
    result = compute(volume, roi, profile)
    spent = time.perf_counter() - begin, time.process_time() - cpu
    if result.failure:
        raise SystemExit(f"failed: {result.failure}")
    return {feature.name: feature.value for feature in result.features}, *spent


def with_pyradiomics(shape: Shape) -> tuple[dict[str, float], float, float]:
    """Return pyradiomics' values and the time they took."""
    volume, roi = generated(shape)
    image = SimpleITK.GetImageFromArray(volume.array.astype(np.int16))
    mask = SimpleITK.GetImageFromArray(roi.in_full(volume.shape).astype(np.uint8))
    for each in (image, mask):
        each.SetSpacing(volume.spacing[::-1])
    extractor = RadiomicsFeatureExtractor(additionalInfo=False)
    extractor.enableImageTypeByName("LoG", customArgs={"sigma": [float(sigma) for sigma in SIGMAS]})
    extractor.enableImageTypeByName("Wavelet")
    begin, cpu = time.perf_counter(), time.process_time()
    found = extractor.execute(image, mask)
    spent = time.perf_counter() - begin, time.process_time() - cpu
    return {name: float(value) for name, value in found.items()}, *spent


if __name__ == "__main__":
    main()
