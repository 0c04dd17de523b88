"""``features.csv``: one line per feature, all that is needed to read the value beside it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from multimodal.imaging import Volume
from multimodal.radiomics.profile import Profile
from multimodal.radiomics.results import RoiResult
from multimodal.terminology.radiomics_codes import AGGREGATIONS

FEATURES_CSV_COLUMNS = (
    "series", "mask_sop_uid", "segment", "roi", "feature", "ibsi_code", "aggregation", "discretisation", "settings",
    "value", "unit",
)  # fmt: skip


def write_features_csv(path: Path, volume: Volume, results: Iterable[RoiResult], profile: Profile) -> int:
    """Write the features of all regions in long form and return the number of lines.

    Parameters
    ----------
    path : Path
        The file; overwritten.
    volume : Volume
        The image.
    results : iterable of RoiResult
        In the order in which they shall stand; a region without features has no line.
    profile : Profile
        The settings; the column ``settings`` is their sha256.

    Notes
    -----
    Values are written with all digits that a float64 has: reading them back gives the same number.
    """
    lines = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FEATURES_CSV_COLUMNS)
        for result in results:
            for line in _lines(volume, result, profile):
                writer.writerow(line)
                lines += 1
    return lines


def _lines(volume: Volume, result: RoiResult, profile: Profile) -> Iterator[tuple[object, ...]]:
    roi = result.roi
    for feature in result.features:
        yield (
            volume.series_uid,
            roi.mask_sop_uid,
            roi.number,
            roi.name,
            feature.name,
            feature.ibsi_code or "",
            AGGREGATIONS[feature.aggregation] if feature.aggregation else "",
            feature.discretisation,
            profile.sha256,
            repr(feature.value),
            feature.unit,
        )
