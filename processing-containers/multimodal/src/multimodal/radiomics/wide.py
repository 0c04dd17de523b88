"""Features as a wide table: one row per region, one column per feature; Parquet with unit and IBSI code beside."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from multimodal.imaging import Volume
from multimodal.model.features import Feature
from multimodal.radiomics.profile import Profile
from multimodal.radiomics.results import RoiResult

ROI_COLUMNS = ("series", "mask_sop_uid", "segment", "roi", "settings")


@dataclass(frozen=True, slots=True)
class WideRow:
    """One region: what it is, and its features by name."""

    series: str
    mask_sop_uid: str
    segment: int
    roi: str
    settings: str
    features: dict[str, Feature]


def wide_rows(volume: Volume, results: Iterable[RoiResult], profile: Profile) -> list[WideRow]:
    """Return one row for each region that has features."""
    return [
        WideRow(
            volume.series_uid,
            result.roi.mask_sop_uid,
            result.roi.number,
            result.roi.name,
            profile.sha256,
            {feature.name: feature for feature in result.features},
        )
        for result in results
        if result.features
    ]


def parquet(rows: Sequence[WideRow]) -> bytes:
    """Return the rows as a Parquet file: float64 columns, null where a region has no such value.

    Each feature's field carries ``unit``, ``ibsi_code``, ``aggregation`` and ``discretisation`` as metadata. The same
    rows give the same bytes (with one release of pyarrow).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    known: dict[str, Feature] = {}
    for row in rows:
        known = {**row.features, **known}  # the first description of a feature stands
    order = {name: None for row in rows for name in row.features}
    fields = [pa.field(name, pa.int64() if name == "segment" else pa.string()) for name in ROI_COLUMNS]
    columns: list[list[object]] = [[getattr(row, name) for row in rows] for name in ROI_COLUMNS]
    for name in order:
        fields.append(pa.field(name, pa.float64(), metadata=_described(known[name])))
        columns.append([row.features[name].value if name in row.features else None for row in rows])
    schema = pa.schema(fields)
    table = pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, fields, strict=True)], schema=schema
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _described(feature: Feature) -> dict[str, str]:
    told = {
        "unit": feature.unit,
        "ibsi_code": feature.ibsi_code or "",
        "aggregation": feature.aggregation or "",
        "discretisation": feature.discretisation,
    }
    return {key: value for key, value in told.items() if value}
