"""The result of the demo as one picture: a scan with its regions, its joined document, and what the join is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from multimodal.imaging import MaskError, Roi, Volume, read_rois, read_volume
from multimodal.index.series_index import SeriesIndex
from multimodal.transport.stores import Stores

mpl.use("Agg")
from matplotlib import pyplot as plt

INK, MUTED = "#1f2933", "#7b8794"
REGION_COLOURS = ("#e4572e", "#f3a712", "#2b9348")
STAGES = ("Stage I", "Stage II", "Stage IIIA", "Stage IIIB")
PATIENT_KEY = "00100020 PatientID_keyword"
MODALITY_KEY = "00080060 Modality_keyword"
STAGE_KEY = "00000000 ClinicalStageGroup_keyword"
REGION_KEY = "00000000 RadiomicsRegion_keyword"
VOLUME_KEY = "00000000 RadiomicsMeshVolume_float"
LESION = "GTV-1"
PICTURED = "DEMO-009"
_APART = 1.6  # cm³ between two labels that can both be read
PARTS = {
    "from the scan": [PATIENT_KEY, MODALITY_KEY, "00080020 StudyDate_date", "00180050 SliceThickness_float"],
    "from the table, by way of FHIR": [
        f"00000000 Clinical{name}"
        for name in (
            "Age_float", "Sex_keyword", "StageGroup_keyword", "Hb_float", "Crp_float", "Smoking_keyword",
            "SurvivalDays_integer", "VitalStatus_keyword",
        )
    ],
    "from the regions": [
        REGION_KEY,
        VOLUME_KEY,
        *(f"00000000 Radiomics{name}_float" for name in ("LongestDiameter", "MeanIntensity", "Sphericity")),
    ],
}  # fmt: skip
Document = Mapping[str, Any]


def draw_result(stores: Stores, cohort: Path, file: Path, patient: str = PICTURED) -> Path:
    """Draw the demo's result from the servers' content and return `file`."""
    with SeriesIndex(stores.get("search", "opensearch")) as index:
        documents = [document for _, document in index.scan()]
    figure, axes = plt.subplots(1, 3, figsize=(15, 5.2), width_ratios=(1, 1.35, 1.15))
    figure.set_layout_engine("constrained", w_pad=0.18, h_pad=0.16)
    _draw_scan(axes[0], cohort / "dicom" / patient)
    axes[0].set_title(f"The scan of {patient}\nand its regions, from the PACS", loc="left", fontsize=11, color=INK)
    _draw_document(axes[1], next(d for d in documents if _is(d, patient, "CT")))
    axes[1].set_title("Its document in the index:\nscan, table and features joined", loc="left", fontsize=11, color=INK)
    _draw_effect(axes[2], documents)
    axes[2].set_title("What the join is for:\nlesion volume by stage", loc="left", fontsize=11, color=INK)
    figure.savefig(file, dpi=110, facecolor="white", metadata={"Software": None})
    plt.close(figure)
    return file


def _is(document: Document, patient: str, modality: str) -> bool:
    return bool(document.get(PATIENT_KEY) == patient and document.get(MODALITY_KEY) == modality)


def _draw_scan(axes: Axes, folder: Path) -> None:
    volume = read_volume(folder / "CT")
    rois = _rois(folder, volume)
    z = max(range(volume.shape[0]), key=lambda z: sum(int(_plane(roi, volume, z).sum()) for roi in rois))
    axes.imshow(volume.array[z], cmap="gray", vmin=-1000, vmax=400, interpolation="bilinear")
    for roi, colour in zip(rois, REGION_COLOURS, strict=False):
        plane = _plane(roi, volume, z)
        if plane.any():
            axes.contour(plane, levels=[0.5], colors=colour, linewidths=1.8)
            rows, columns = np.nonzero(plane)
            axes.annotate(
                f" {roi.name} ",
                (columns.max() + 2, rows.mean()),
                color=colour,
                fontsize=10,
                va="center",
                bbox={"facecolor": "black", "alpha": 0.6, "pad": 1, "edgecolor": "none"},
            )
    axes.set_anchor("N")  # its top in line with its neighbours'
    axes.set_axis_off()


def _rois(folder: Path, volume: Volume) -> list[Roi]:
    file = next(path for kind in ("SEG", "RTSTRUCT") for path in (folder / kind).glob("*.dcm"))
    try:
        return [roi for roi in read_rois(file, volume) if roi.mask.any()]
    except MaskError:
        return []


def _plane(roi: Roi, volume: Volume, z: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    plane = np.zeros(volume.shape[1:], dtype=bool)
    first, row, column = roi.offset
    if first <= z < first + roi.mask.shape[0]:
        plane[row : row + roi.mask.shape[1], column : column + roi.mask.shape[2]] = roi.mask[z - first]
    return plane


def _draw_document(axes: Axes, document: Document) -> None:
    """Write the keys and values that show where the parts of the document come from."""
    y = 0.98
    for title, keys in PARTS.items():
        axes.text(0, y, title, fontsize=10, weight="bold", color=INK, va="top", transform=axes.transAxes)
        y -= 0.055
        for key in keys:
            name = key.split(" ", 1)[-1]
            value = document.get(key)
            text = "; ".join(_shown(one) for one in (value if isinstance(value, list) else [value]))
            axes.text(0.02, y, name, fontsize=8.5, color=MUTED, va="top", transform=axes.transAxes)
            axes.text(0.62, y, text[:34], fontsize=8.5, color=INK, va="top", transform=axes.transAxes)
            y -= 0.046
        y -= 0.03
    axes.set_axis_off()


def _shown(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _lesion_volume(document: Document) -> float:
    """Return the volume of the lesion, cm³; regions and their values are parallel lists."""
    regions, volumes = ([x] if not isinstance(x, list) else x for x in (document[REGION_KEY], document[VOLUME_KEY]))
    return float(volumes[regions.index(LESION)]) / 1000


def _draw_effect(axes: Axes, documents: Sequence[Document]) -> None:
    points = [
        (STAGES.index(document[STAGE_KEY]), _lesion_volume(document), document[PATIENT_KEY])
        for document in documents
        if document.get(MODALITY_KEY) == "CT" and document.get(STAGE_KEY) in STAGES and VOLUME_KEY in document
    ]
    labelled = dict.fromkeys(range(len(STAGES)), -np.inf)
    for stage, volume, patient in sorted(points):
        axes.plot(stage, volume, "o", color=REGION_COLOURS[0], markersize=8, alpha=0.85)
        height = max(volume, labelled[stage] + _APART)
        labelled[stage] = height
        axes.annotate(patient.removeprefix("DEMO-"), (stage + 0.09, height), fontsize=7.5, color=MUTED, va="center")
    axes.set_xticks(range(len(STAGES)), STAGES)
    axes.set_xlim(-0.5, len(STAGES) - 0.4)
    axes.set_ylabel("mesh volume of the lesion, cm³", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e4e7eb")
    axes.set_axisbelow(True)
