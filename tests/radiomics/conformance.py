"""The gate against the reference values of IBSI chapters 1 and 2, and the tables in docs that are made from it.

``python -m tests.radiomics.conformance`` measures everything and writes ``docs/conformance-ibsi.md``.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML

from multimodal.imaging import Roi, Volume, read_rois, read_volume
from multimodal.model.features import Feature
from multimodal.radiomics import Profile, load_profile
from multimodal.radiomics.engine import compute
from multimodal.terminology.radiomics_codes import AGGREGATIONS, FeatureCode, feature_code
from tests.imaging.made import ct_images, seg, write
from tests.radiomics.conftest import roi_of

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).parent / "data"
DOCUMENT = ROOT / "docs" / "conformance-ibsi.md"
DIGITAL = DATA / "ibsi1_digital_phantom_values.csv"
# data set of the reference table -> profile, and how many standardised values it has
PROFILES = {
    "dig": ("ibsi1-digital", 482), "A": ("ibsi1-A", 346), "B": ("ibsi1-B", 346), "C": ("ibsi1-C", 210),
    "D": ("ibsi1-D", 210), "E": ("ibsi1-E", 210),
}  # fmt: skip
INPUTS = ("NIfTI", "DICOM + RTSTRUCT", "DICOM + SEG")
# IBSI chapter 2, phase 2: on the voxels as they are, and in space on cubes of 1 mm
FILTERED = DATA / "ibsi2_filter_values.csv"
_IN_SPACE = {"spacing": [1, 1, 1], "image": "cubic-spline", "rounding": "nearest"}
_WAVELET = {"filter": "wavelet", "wavelet": "db3", "rotation_invariant": True}
_LOG = {"filter": "log", "sigma": [1.5], "truncate": 4}
CONFIGURATIONS: dict[str, tuple[str, Any]] = {
    "1.A": ("none, within slices", "original"),
    "1.B": ("none, in space", "original"),
    "2.A": ("mean of 5 voxels, within slices", {"filter": "mean", "support": 5, "dimensions": 2}),
    "2.B": ("mean of 5 voxels, in space", {"filter": "mean", "support": 5, "dimensions": 3}),
    "3.A": ("Laplacian of Gaussian of 1.5 mm, within slices", {**_LOG, "dimensions": 2}),
    "3.B": ("Laplacian of Gaussian of 1.5 mm, in space", {**_LOG, "dimensions": 3}),
    "6.A": ("wavelet db3, LH, level 1, within slices", {**_WAVELET, "bands": ["LH"], "level": 1}),
    "6.B": ("wavelet db3, LLH, level 1, in space", {**_WAVELET, "bands": ["LLH"], "level": 1}),
    "7.A": ("wavelet db3, HH, level 2, within slices", {**_WAVELET, "bands": ["HH"], "level": 2}),
    "7.B": ("wavelet db3, HHH, level 2, in space", {**_WAVELET, "bands": ["HHH"], "level": 2}),
}


@dataclass(frozen=True, slots=True)
class Reference:
    """One consensus value."""

    tag: str
    code: str
    aggregation: str
    family: str
    name: str
    value: float
    tolerance: float

    def holds(self, value: float) -> bool:
        """Tell whether `value`, rounded to three significant digits, is within the tolerance."""
        rounding = 1e-9 * max(1.0, abs(self.value))  # of decimal fractions
        return abs(float(f"{value:.3g}") - self.value) <= self.tolerance + rounding


def references(file: Path, dataset: str) -> list[Reference]:
    """Return the standardised values of a data set; what has no consensus has none."""
    with file.open(encoding="utf-8") as lines:
        rows = csv.DictReader(line for line in lines if not line.startswith("#"))
        return [
            Reference(
                row["tag"], row["code"], row["aggregation"], row["family"].partition(" (")[0], row["name"],
                float(row["value"]), float(row["tolerance"]),
            )
            for row in rows
            if row["dataset"] == dataset and row["diag"] == "False" and row["value"]
        ]  # fmt: skip


def measured(volume: Volume, roi: Roi, dataset: str) -> dict[str, Feature]:
    """Return the features by their tag in the reference table."""
    result = compute(volume, roi, load_profile(PROFILES[dataset][0]))
    assert result.failure is None, result.failure
    return {feature.name.removeprefix("original_"): feature for feature in result.features}


def missed(features: Mapping[str, Feature], wanted: Iterable[Reference]) -> list[str]:
    """Return each reference value that is not met: by value, by IBSI code and by aggregation."""
    wrong = []
    for reference in wanted:
        feature = features.get(reference.tag)
        if feature is None:
            wrong.append(f"{reference.tag}: no value")
        elif not reference.holds(feature.value):
            wrong.append(f"{reference.tag}: {feature.value:.6g}, {reference.value:g} +- {reference.tolerance:g}")
        elif (feature.ibsi_code, AGGREGATIONS.get(feature.aggregation or "", "")) != (
            reference.code, reference.aggregation,
        ):  # fmt: skip
            wrong.append(f"{reference.tag}: coded {feature.ibsi_code}, {feature.aggregation}")
    return wrong


def digital_phantom(folder: Path) -> tuple[Volume, Roi]:
    """Return the digital phantom, made from its published numbers and read as DICOM."""
    published: dict[str, Any] = YAML(typ="safe").load((DATA / "ibsi_digital_phantom.yaml").read_text(encoding="utf-8"))
    stored = np.asarray(published["intensities"], dtype=np.int16)
    spacing = tuple(published["spacing"])
    volume = read_volume(write(folder, ct_images(stored, spacing=spacing, intercept=0)))
    return volume, roi_of(np.asarray(published["mask"]) > 0)


def ct_phantom(public_data: Path, kind: str, folder: Path) -> tuple[Volume, Roi]:
    """Return the CT phantom as one of `INPUTS`."""
    phantom = public_data / "ibsi/ibsi_1_ct_radiomics_phantom"
    if kind == "NIfTI":
        return from_nifti(phantom / "nifti")
    volume = read_volume(phantom / "dicom/image")
    [drawn] = read_rois(next((phantom / "dicom/mask").glob("*.dcm")), volume)
    if kind == "DICOM + RTSTRUCT":
        return volume, drawn
    images = [with_empty_elements(header) for header in volume.headers]
    seg(images, drawn.in_full(volume.shape).astype(np.uint8)).save_as(folder / "seg.dcm", enforce_file_format=True)
    [segment] = read_rois(folder / "seg.dcm", volume)
    return volume, segment


def from_nifti(folder: Path) -> tuple[Volume, Roi]:
    """Return image and mask of the phantom's NIfTI files."""
    image, mask = (nibabel.load(next((folder / part).glob("*.nii*"))) for part in ("image", "mask"))
    x, y, z = (float(step) for step in image.header.get_zooms()[:3])
    volume = Volume(
        array=_turned(image).astype(np.float32), origin=(0.0, 0.0, 0.0), spacing=(z, y, x), direction=np.eye(3),
        study_uid="", series_uid="", patient_id="", issuer="", modality="CT", frame_of_reference="", started="",
        sop_class_uid="", sop_uids=(),
    )  # fmt: skip
    return volume, roi_of(_turned(mask) > 0)


def _turned(image: Any) -> NDArray[Any]:
    """Return the voxels as [z, y, x]; NIfTI has [x, y, z]."""
    return np.asarray(image.dataobj).transpose(2, 1, 0)


def with_empty_elements(header: Any) -> Any:
    """Add the elements that a SEG must copy and that the phantom's files lack."""
    for keyword in ("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate", "StudyTime"):
        if keyword not in header:
            setattr(header, keyword, "")
    return header


def profile_with(*images: Any, families: tuple[str, ...] = ("statistics",), **settings: Any) -> Profile:
    """Return a profile for these images with settings of its own."""
    ibsi = load_profile("ibsi1-D")
    return replace(ibsi, settings={**ibsi.settings, "images": list(images), "families": list(families), **settings})


def filter_references(configuration: str) -> list[Reference]:
    """Return the reference values of a configuration of IBSI chapter 2."""
    with FILTERED.open(encoding="utf-8") as lines:
        rows = csv.DictReader(line for line in lines if not line.startswith("#"))
        return [
            Reference(row["tag"], "", "", "", "", float(row["value"]), float(row["tolerance"]))
            for row in rows
            if row["configuration"] == configuration
        ]


def filter_gate(volume: Volume, roi: Roi) -> FoundFilters:
    """Return for each configuration of IBSI chapter 2 its reference values, and which of them are missed."""
    found = {}
    for configuration, (_, image) in CONFIGURATIONS.items():
        in_space = configuration.endswith("B")
        result = compute(volume, roi, profile_with(
            image, resampling=_IN_SPACE if in_space else None,
            resegmentation={"range": [-1000, 400], "outliers": None},
        ))  # fmt: skip
        values = {feature.name.partition("_")[2]: feature.value for feature in result.features}
        wanted = filter_references(configuration)
        wrong = [each.tag for each in wanted if each.tag not in values or not each.holds(values[each.tag])]
        found[configuration] = wanted, wrong
    return found


FoundFilters = Mapping[str, tuple[list[Reference], list[str]]]
Found = Mapping[tuple[str, str], tuple[list[Reference], list[str]]]


def gate(public_data: Path, folder: Path) -> Found:
    """Measure everything: data set and input -> the reference values, and which of them are missed."""
    wanted = references(DIGITAL, "dig")
    found = {("dig", "published numbers"): (wanted, missed(measured(*digital_phantom(folder / "d"), "dig"), wanted))}
    for kind in INPUTS:
        volume, roi = ct_phantom(public_data, kind, folder)
        for dataset in "ABCDE":
            wanted = references(public_data / "ibsi/ibsi1_reference_values.csv", dataset)
            found[dataset, kind] = wanted, missed(measured(volume, roi, dataset), wanted)
    return found


def page(found: Found, filtered: FoundFilters) -> str:
    """Return the conformance page."""
    return "\n".join([*_introduction(), *_summary(found), *_by_feature(found), *_filters(filtered)]) + "\n"


def _introduction() -> list[str]:
    return [
        "# Conformance with IBSI chapters 1 and 2",
        "",
        "Made by `make conformance`; not typed. `make test` holds it: the digital phantom always, the CT phantom where"
        " its files are (they may not be passed on: CC BY-NC 3.0).",
        "",
        "A value conforms when, rounded to three significant digits, it lies within the tolerance of the consensus"
        " value, and carries the IBSI code and the aggregation of the reference table. Reference: Zwanenburg et al.,"
        " Radiology 2020; 295:328-338 and arXiv:1612.07003 (CC BY 4.0). Five features have no consensus value (oriented"
        " bounding box, minimum enclosing ellipsoid, area under the intensity-volume histogram); they are computed and"
        " not counted.",
        "",
        "## By data set",
        "",
        "| data set | profile | read from | conforming | of |",
        "|---|---|---|---:|---:|",
    ]


def _summary(found: Found) -> list[str]:
    lines = [
        f"| {'digital phantom' if dataset == 'dig' else f'CT phantom, {dataset}'} | `{PROFILES[dataset][0]}` | {kind} |"
        f" {len(wanted) - len(wrong)} | {len(wanted)} |"
        for (dataset, kind), (wanted, wrong) in found.items()
    ]
    first = {
        dataset: (len(wanted), len(wrong)) for (dataset, kind), (wanted, wrong) in found.items() if "+" not in kind
    }
    total, wrong = (sum(each[i] for each in first.values()) for i in (0, 1))
    lines += ["", f"All reference values once: **{total - wrong} of {total}**.", ""]
    missing = [f"- {dataset}, {kind}: {line}" for (dataset, kind), (_, wrong) in found.items() for line in wrong]
    return [*lines, *(["Not conforming:", "", *missing, ""] if missing else [])]


def _by_feature(found: Found) -> list[str]:
    """Return for each feature in how many aggregations and data sets it conforms."""
    lines = ["## By feature", "", "| feature | IBSI code | family | conforming | of |", "|---|---|---|---:|---:|"]
    counts: dict[tuple[str, str, str], list[int]] = {}
    for wanted, wrong in found.values():
        bad = {line.partition(":")[0] for line in wrong}
        for reference in wanted:
            code = code_of(reference)
            count = counts.setdefault((code.display, reference.code, reference.family), [0, 0])
            count[0] += reference.tag not in bad
            count[1] += 1
    return lines + [
        f"| {display} | {code} | {family} | {conforming} | {of} |"
        for (display, code, family), (conforming, of) in counts.items()
    ]


def _filters(found: FoundFilters) -> list[str]:
    """Return how many of the statistics of filtered images conform."""
    return [
        "",
        "## Filters (chapter 2)",
        "",
        "The statistics of the CT phantom's filtered images, by the same rule. Reference: Whybra et al., Radiology"
        " 2024; 310:e231319 and arXiv:2006.05470. Of the filters with reference values, Laws, Gabor and the"
        " non-separable wavelets (configurations 4, 5, 8 and 9) are not offered.",
        "",
        "| configuration | filter | conforming | of |",
        "|---|---|---:|---:|",
        *(
            f"| {name} | {CONFIGURATIONS[name][0]} | {len(wanted) - len(wrong)} | {len(wanted)} |"
            for name, (wanted, wrong) in found.items()
        ),
    ]


def code_of(reference: Reference) -> FeatureCode:
    """Return our entry for a reference value."""
    return feature_code(f"original_{reference.tag}")


def main() -> None:
    """Write the conformance page."""
    public_data = Path(os.environ.get("MULTIMODAL_TEST_DATA") or ROOT.parent / "shared" / "data")
    with tempfile.TemporaryDirectory() as folder:
        filtered = filter_gate(*ct_phantom(public_data, "NIfTI", Path(folder)))
        DOCUMENT.write_text(page(gate(public_data, Path(folder)), filtered), encoding="utf-8")
    print(f"wrote {DOCUMENT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
