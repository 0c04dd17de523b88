"""The codes and units of radiomics features, from ``radiomics_features.csv`` beside this module."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from multimodal.model.errors import ConfigurationError

IBSI_SCHEME = "IBSI"
IBSI_UID = "1.2.840.10008.2.16.13"  # PS3.16 table 8-1
IBSI_SYSTEM = f"urn:oid:{IBSI_UID}"
FEATURE_SYSTEM = "https://kaapana-multimodal.github.io/fhir/CodeSystem/radiomics-feature"
FEATURE_SCHEME = "99MULTIMODAL"  # private schemes begin with 99 (PS3.3 8.2)

# aggregation -> the words of the IBSI reference tables
AGGREGATIONS = {"ITBB": "3D, averaged", "KOBO": "3D"}

FILE = "radiomics_features.csv"
_COLUMNS = (
    "name", "ibsi_code", "short_code", "display", "family", "aggregation", "unit", "unit_ct", "alternative", "note",
)  # fmt: skip
_IBSI = re.compile(r"[A-Z0-9]{4}")
_NAME = re.compile(r"original_[a-z]+_[A-Za-z0-9]+")
_ALTERNATIVE = re.compile(r"(SCT|DCM|UMLS):[A-Z0-9]+")


@dataclass(frozen=True, slots=True)
class FeatureCode:
    """What one feature is called.

    Parameters
    ----------
    name : str
        The engine's name, e.g. ``original_glcm_JointEntropy``; the code in `FEATURE_SYSTEM`.
    ibsi_code : str or None
        Code of the IBSI reference manual; None where IBSI has no such feature.
    short_code : str
        Code for DICOM (at most 16 characters): the IBSI code, else ours in `FEATURE_SCHEME`.
    display : str
        Readable name.
    family : str
        IBSI code of the feature family, empty where there is none.
    aggregation : str or None
        IBSI code of the aggregation, for texture features.
    unit, unit_ct : str
        UCUM code in general, and where intensities are Hounsfield units.
    alternative : tuple of str or None
        Coding scheme (SCT, DCM, UMLS) and code by which DICOM knows the same statistic.
    note : str
        How the value deviates from what the reader may expect.
    """

    name: str
    ibsi_code: str | None
    short_code: str
    display: str
    family: str
    aggregation: str | None
    unit: str
    unit_ct: str
    alternative: tuple[str, str] | None
    note: str

    def unit_for(self, modality: str) -> str:
        """Return the UCUM unit of a value measured on images of `modality` (0008,0060)."""
        return self.unit_ct if modality == "CT" else self.unit


def feature_code(name: str) -> FeatureCode:
    """Return the codes of the feature that the engine calls `name`.

    Raises
    ------
    KeyError
        If the table has no such feature.
    """
    return feature_codes()[name]


@cache
def feature_codes() -> Mapping[str, FeatureCode]:
    """Return all features of the table by name, in the table's order."""
    text = resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    return read_codes(text.splitlines())


def read_codes(lines: Iterable[str]) -> dict[str, FeatureCode]:
    """Read and check a table of feature codes.

    Raises
    ------
    ConfigurationError
        Names the file, the line and what is wrong with it: columns, a malformed or doubled code, a doubled name.
    """
    numbered = [(n, line) for n, line in enumerate(lines, start=1) if not line.startswith("#")]
    rows = csv.DictReader(line for _, line in numbered)
    if tuple(rows.fieldnames or ()) != _COLUMNS:
        raise ConfigurationError(f"expected the columns {', '.join(_COLUMNS)}", file=FILE)
    codes: dict[str, FeatureCode] = {}
    used: set[str] = set()
    for (number, _), row in zip(numbered[1:], rows, strict=True):
        problem = _problem(row)
        code = row["ibsi_code"] or row["short_code"]
        if problem is None and (row["name"] in codes or code in used):
            problem = f"{row['name']} or its code {code} is there twice"
        if problem is not None:
            raise ConfigurationError(problem, file=FILE, line=number)
        used.add(code)
        codes[row["name"]] = _code(row)
    return codes


def _problem(row: Mapping[str, str]) -> str | None:
    """Return what is wrong with a row."""
    if not _NAME.fullmatch(row["name"] or ""):
        return f"not a feature name: {row['name']!r}"
    if bool(row["ibsi_code"]) == bool(row["short_code"]):
        return f"{row['name']}: either an IBSI code or a code of our own"
    if row["ibsi_code"] and not _IBSI.fullmatch(row["ibsi_code"]):
        return f"{row['name']}: not an IBSI code: {row['ibsi_code']!r}"
    if len(row["short_code"]) > 16:
        return f"{row['name']}: more than 16 characters: {row['short_code']!r}"
    if row["aggregation"] and row["aggregation"] not in AGGREGATIONS:
        return f"{row['name']}: unknown aggregation {row['aggregation']!r}"
    if row["alternative"] and not _ALTERNATIVE.fullmatch(row["alternative"]):
        return f"{row['name']}: not SCHEME:CODE: {row['alternative']!r}"
    missing = [column for column in ("display", "unit", "unit_ct") if not row[column]]
    return f"{row['name']}: no {missing[0]}" if missing else None


def _code(row: Mapping[str, str]) -> FeatureCode:
    scheme, _, value = row["alternative"].partition(":")
    return FeatureCode(
        name=row["name"],
        ibsi_code=row["ibsi_code"] or None,
        short_code=row["ibsi_code"] or row["short_code"],
        display=row["display"],
        family=row["family"],
        aggregation=row["aggregation"] or None,
        unit=row["unit"],
        unit_ct=row["unit_ct"],
        alternative=(scheme, value) if row["alternative"] else None,
        note=row["note"],
    )
