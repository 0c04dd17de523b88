"""The feature tables of the bucket -> the chosen features of each series, under document keys."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from multimodal.bucket import Bucket
from multimodal.index.choice import JoinChoice
from multimodal.index.keys import Area, KeyRegister, Kind

_FOLDER = "features/"


@dataclass(slots=True)
class Features:
    """For each series its document keys and values; what a reader of them should know."""

    of_series: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def read_features(bucket: Bucket, choice: JoinChoice, settings: str = "") -> Features:
    """Return the chosen features for image series and mask series alike.

    Parameters
    ----------
    bucket : Bucket
        Holds ``features/<mask series>/<settings hash>.csv``.
    choice : JoinChoice
        Which features.
    settings : str
        Hash of the settings to take; without one those that most series were measured with.

    Notes
    -----
    A series with several ROIs has a list in each field, in the order of the ROI names in
    ``RadiomicsRegion_keyword``: nothing is averaged.
    """
    tables = [key for key in bucket.list(_FOLDER) if key.count("/") == 2 and key.endswith(".csv")]
    used = Counter(_settings_of(key) for key in tables)
    features = Features()
    if not used:
        return features
    chosen = settings or min(used, key=lambda one: (-used[one], one))
    if len(used) > 1:
        features.warnings.append(
            f"features were measured with {len(used)} settings; joined are those of {chosen[:12]} "
            f"({used[chosen]} of {len(tables)} tables)"
        )
    rows: dict[str, dict[tuple[str, str, int], dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for key in tables:
        if _settings_of(key) == chosen:
            mask_series = key.split("/")[1]
            for row in csv.DictReader(bucket.read(key).decode().splitlines()):
                place = (row["roi"], row["mask_sop_uid"], int(row["segment"]))
                for series in {mask_series, row["series"]}:
                    rows[series][place][row["feature"]] = float(row["value"])
    features.of_series = {series: dict(_fields(of_series, choice, chosen)) for series, of_series in rows.items()}
    return features


def _fields(
    rows: Mapping[tuple[str, str, int], Mapping[str, float]], choice: JoinChoice, settings: str
) -> Iterator[tuple[str, Any]]:
    register = KeyRegister()
    regions = sorted(rows)
    yield register.key(Area.RADIOMICS, "Region", Kind.KEYWORD), _one_or_all([name for name, _, _ in regions])
    yield register.key(Area.RADIOMICS, "Settings", Kind.KEYWORD), settings
    for feature, name in choice.features.items():
        values = [rows[region][feature] for region in regions if feature in rows[region]]
        if len(values) == len(regions):  # a gap would put the values beside the wrong names
            yield register.key(Area.RADIOMICS, name, Kind.FLOAT), _one_or_all(values)


def _settings_of(key: str) -> str:
    return key.rsplit("/", 1)[1].removesuffix(".csv")


def _one_or_all(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values
