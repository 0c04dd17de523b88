"""Feature Observations in FHIR -> one wide table: a row per region and configuration, a column per feature."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multimodal.fhirstore import Target
from multimodal.resources.systems import (
    MASK_INSTANCE,
    MASK_SERIES,
    RADIOMICS_CONFIGURATION,
    SEGMENT_NUMBER,
    SOURCE_SERIES,
)
from multimodal.terminology.radiomics_codes import FEATURE_SYSTEM

SOURCES = ("extract-radiomics", "store-measurements")
ROI_COLUMNS = ("patient", "series", "mask_series", "mask_sop_uid", "segment", "roi", "settings")
Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """The table.

    Parameters
    ----------
    columns : tuple of str
        `ROI_COLUMNS`, then the features.
    rows : list of dict
        One per region and configuration, sorted by the ROI columns; a feature that a region lacks is None.
    """

    columns: tuple[str, ...]
    rows: list[dict[str, Value]]

    def write_csv(self, path: Path) -> None:
        """Write the table; values with all digits that a float64 has."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.columns)
            for row in self.rows:
                writer.writerow(repr(v) if isinstance(v, float) else "" if v is None else v for v in row.values())


def feature_table(target: Target, *, settings: str = "", sources: Iterable[str] = SOURCES) -> FeatureTable:
    """Return all radiomics features that `target` holds as one wide table.

    Parameters
    ----------
    target : Target
        A FHIR server, or a folder of NDJSON files.
    settings : str
        sha256 of a configuration; without it all of them, one row each.
    sources : iterable of str
        Which of our workflows' Observations.

    Notes
    -----
    Both layouts are read: one Observation per feature, and one per class with components.
    """
    resources = [one for source in sources for one in target.of_source(source)]
    configurations = dict(_configurations(resources))
    rows: dict[tuple[Value, ...], dict[str, float]] = {}
    names: dict[str, None] = {}
    for resource in resources:
        if resource["resourceType"] != "Observation":
            continue
        values = dict(_features(resource))
        if not values:
            continue
        key = _roi(resource, configurations)
        if settings in ("", key[-1]):
            rows.setdefault(key, {}).update(values)
            names.update(dict.fromkeys(values))
    features = sorted(names)
    found = [
        {**dict(zip(ROI_COLUMNS, key, strict=True)), **{name: rows[key].get(name) for name in features}}
        for key in sorted(rows, key=lambda key: tuple(str(part).zfill(6) for part in key))
    ]
    return FeatureTable((*ROI_COLUMNS, *features), found)


def _configurations(resources: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield reference and settings hash of each Device."""
    for resource in resources:
        if resource["resourceType"] == "Device":
            for identifier in resource.get("identifier", ()):
                if identifier.get("system") == RADIOMICS_CONFIGURATION:
                    yield f"Device/{resource['id']}", str(identifier["value"]).removeprefix("sha256:")


def _features(resource: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield name and value of the features of an Observation, or of its components."""
    for part in (resource, *resource.get("component", ())):
        for coding in part["code"].get("coding", ()):
            if coding.get("system") == FEATURE_SYSTEM and "valueQuantity" in part:
                yield coding["code"], float(part["valueQuantity"]["value"])


def _roi(resource: Mapping[str, Any], configurations: Mapping[str, str]) -> tuple[Value, ...]:
    said = {
        one["url"]: next(value for key, value in one.items() if key.startswith("value"))
        for one in resource.get("extension", ())
        if any(key.startswith("value") for key in one)
    }
    device = resource.get("device", {}).get("reference", "")
    return (
        resource["subject"]["reference"].removeprefix("Patient/"),
        said.get(SOURCE_SERIES, ""),
        said.get(MASK_SERIES, ""),
        said.get(MASK_INSTANCE, ""),
        said.get(SEGMENT_NUMBER, 0),
        resource.get("bodySite", {}).get("text", ""),
        configurations.get(device, device),
    )
