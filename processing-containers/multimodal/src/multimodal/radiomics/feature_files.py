"""Feature tables made elsewhere -> measurements: pyradiomics' CSV and JSON, and our own ``features.csv``."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from multimodal.model.features import Feature
from multimodal.radiomics.reported import UNKNOWN, MeasurementsError, Reported, code_by_name, settings_hash

# what says which region a row is of; the other names are those of pyradiomics' batches and of hosts
CONTEXT = {
    "patient_id": ("patient_id", "patient", "PatientID"),
    "study": ("study", "StudyInstanceUID"),
    "series": ("series", "SeriesInstanceUID"),
    "mask_series": ("mask_series",),
    "mask_sop_uid": ("mask_sop_uid",),
    "segment": ("segment", "Label", "label"),
    "roi": ("roi", "segment_label"),
    "modality": ("modality", "Modality"),
    "settings": ("settings",),
}
NEEDED = ("patient_id", "study", "series", "mask_series", "mask_sop_uid")
_ENGINE = "pyradiomics"
_VERSION = "diagnostics_Versions_PyRadiomics"
_SETTINGS = ("diagnostics_Configuration_Settings", "diagnostics_Configuration_EnabledImageTypes")
_LONG = {"feature", "value"}
_LARGEST = 256 * 1024 * 1024  # bytes; a table of features has some thousand rows


def read_features_file(file: Path, given: Mapping[str, str]) -> list[Reported]:
    """Return the measurements of a CSV or JSON file, one for each region.

    Parameters
    ----------
    file : Path
        pyradiomics' CSV (a row per region, a column per feature) or JSON (an object, or a list of them), or a table
        with the columns ``feature`` and ``value`` (a row per value).
    given : mapping
        What holds for all rows and the file does not say: keys of `CONTEXT`.

    Raises
    ------
    MeasurementsError
        The file is no such table, or does not say what was measured; the error names the row.
    """
    if file.stat().st_size > _LARGEST:
        raise MeasurementsError(file, f"is larger than {_LARGEST // 1024**2} MB; a table of features is not")
    rows = list(_rows(file))
    if not rows:
        raise MeasurementsError(file, "holds no rows")
    if rows[0].keys() >= _LONG:
        rows = _widened(rows, given)
    found = [_reported(row, number, given, file) for number, row in enumerate(rows, start=1)]
    if not any(one.features for one in found):
        raise MeasurementsError(file, "holds no feature that has a code; columns are named as original_glcm_Contrast")
    return found


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix.lower() == ".json":
            document = json.loads(text)
            rows = document if isinstance(document, list) else [document]
        else:
            rows = list(csv.DictReader(text.splitlines(), strict=True))
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error, RecursionError) as error:
        raise MeasurementsError(file, f"cannot be read: {error}") from error
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or None in row:
            raise MeasurementsError(file, f"row {number} is no row of names and values")
        yield row


def _widened(rows: list[dict[str, Any]], given: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return long rows as one per region, the unit of each value beside it."""
    wide: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        context = {key: _said(row, key, given) for key in CONTEXT}
        one = wide.setdefault(tuple(context.values()), {**context, "units": {}})
        one[row["feature"]] = row["value"]
        one["units"][row["feature"]] = row.get("unit") or ""
    return list(wide.values())


def _said(row: Mapping[str, Any], key: str, given: Mapping[str, str]) -> str:
    for name in CONTEXT[key]:
        if row.get(name) not in (None, ""):
            return str(row[name])
    return given.get(key, "")


def _reported(row: Mapping[str, Any], number: int, given: Mapping[str, str], file: Path) -> Reported:
    said = {key: _said(row, key, given) for key in CONTEXT}
    if missing := [key for key in NEEDED if not said[key]]:
        raise MeasurementsError(file, f"row {number} does not say {', '.join(missing)}; add columns, or give them")
    segment = said["segment"] or "1"
    if not segment.isascii() or not segment.isdecimal():
        raise MeasurementsError(file, f"row {number}: segment {segment[:40]!r} is no number")
    settings = {name: str(row[name]) for name in _SETTINGS if row.get(name)}
    version = str(row.get(_VERSION) or UNKNOWN)
    features, left_out = _features(row, said["modality"])
    return Reported(
        patient_id=said["patient_id"],
        study_uid=said["study"],
        series_uid=said["series"],
        mask_series_uid=said["mask_series"],
        mask_sop_uid=said["mask_sop_uid"],
        segment=int(segment),
        name=said["roi"] or f"segment {segment}",
        engine=_ENGINE,
        version=version,
        settings=settings,
        settings_sha256=said["settings"] or settings_hash(_ENGINE, version, settings),
        features=tuple(features),
        left_out=tuple(left_out),
    )


def _features(row: Mapping[str, Any], modality: str) -> tuple[list[Feature], list[str]]:
    found, left_out = [], []
    context = {name for names in CONTEXT.values() for name in names} | {"units"}
    for name, text in row.items():
        if name in context or name.startswith("diagnostics_") or name.count("_") < 2:
            continue
        code = code_by_name(name)
        if code is None:
            left_out.append(f"{name}: no feature that is known")
            continue
        value = _number(text)
        if value is None:
            left_out.append(f"{name}: {str(text)[:40]!r} is no finite number")
            continue
        unit = row.get("units", {}).get(name) or code.unit_for(modality)
        found.append(Feature(name, value, unit, code.ibsi_code, code.display, code.aggregation))
    return found, left_out


def _number(text: object) -> float | None:
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        return None
    try:
        value = float(text)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None
