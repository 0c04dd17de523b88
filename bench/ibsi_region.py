"""All features of IBSI-1 on one region, beside pyradiomics' classes on the same voxels.

A generated region of the size of IBSI's CT phantom (125,000 voxels of 0.98 x 0.98 x 3 mm), with the settings of IBSI's
configuration C: 2 mm, bins of 25 HU, 210 features with reference values. pyradiomics gets its nearest settings and
computes its 107 features, of which 33 would conform.

``python -m bench.ibsi_region [--repeat 5]``
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable

import numpy as np
import SimpleITK
from radiomics.featureextractor import RadiomicsFeatureExtractor
from scipy import ndimage

from multimodal.imaging import Roi, Volume
from multimodal.imaging.rois import cropped
from multimodal.radiomics import load_profile
from multimodal.radiomics.engine import compute

SPACING = (3.0, 0.9765625, 0.9765625)
SHAPE = (60, 201, 204)


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    volume, roi = generated()
    profile = load_profile("ibsi1-C")
    result = compute(volume, roi, profile)
    if result.failure:
        raise SystemExit(f"failed: {result.failure}")
    ours, cpu = fastest(lambda: compute(volume, roi, profile), repeat)
    found: list[int] = []
    theirs, theirs_cpu = fastest(lambda: found.append(with_pyradiomics(volume, roi)), repeat)
    print(f"one region of {roi.voxels:,} voxels at 2 mm, best of {repeat}")
    print(f"ours, {len(result.features)} features of IBSI-1:  {ours:.2f} s ({cpu:.2f} s of CPU)")
    print(f"pyradiomics, {found[0]} features:       {theirs:.2f} s ({theirs_cpu:.2f} s of CPU)")
    each = theirs / found[0] / (ours / len(result.features))
    print(f"ratio: {theirs / ours:.1f} for the region, {each:.1f} for each feature")


def generated() -> tuple[Volume, Roi]:
    """Return smooth noise around an ellipsoid of the phantom's size."""
    noise = ndimage.gaussian_filter(np.random.default_rng(5).normal(size=SHAPE), (0.7, 2, 2))
    array = (-50 + 150 * noise / noise.std()).round().astype(np.float32)
    volume = Volume(
        array=array, origin=(0.0, 0.0, 0.0), spacing=SPACING, direction=np.eye(3), study_uid="", series_uid="",
        patient_id="", issuer="", modality="CT", frame_of_reference="", started="", sop_class_uid="", sop_uids=(),
    )  # fmt: skip
    radii = (13.0, 48.0, 48.0)
    away = [((i - n / 2) / r) ** 2 for i, n, r in zip(np.indices(SHAPE), SHAPE, radii, strict=True)]
    box, offset = cropped(np.asarray(sum(away) <= 1))
    return volume, Roi(1, "generated", box, offset, "", "", "SEG", "", "")


def fastest(call: Callable[[], object], repeat: int) -> tuple[float, float]:
    """Return the least wall and CPU time in seconds."""
    times = []
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(wall for wall, _ in times), min(cpu for _, cpu in times)


def with_pyradiomics(volume: Volume, roi: Roi) -> int:
    """Let pyradiomics compute all its features and return how many."""
    image = SimpleITK.GetImageFromArray(volume.array.astype(np.int16))
    mask = SimpleITK.GetImageFromArray(roi.in_full(volume.shape).astype(np.uint8))
    for each in (image, mask):
        each.SetSpacing(volume.spacing[::-1])
    extractor = RadiomicsFeatureExtractor(
        additionalInfo=False, binWidth=25, resampledPixelSpacing=[2, 2, 2], interpolator="sitkLinear",
        resegmentRange=[-1000, 400],
    )  # fmt: skip
    return len(extractor.execute(image, mask))


if __name__ == "__main__":
    main()
