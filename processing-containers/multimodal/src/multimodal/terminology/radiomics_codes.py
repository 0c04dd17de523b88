"""The codes and units of radiomics features, from the tables beside this module.

``radiomics_features.csv`` has pyradiomics' features, ``ibsi_features.csv`` those of the IBSI reference manual.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

from multimodal.model.errors import ConfigurationError

IBSI_SCHEME = "IBSI"
IBSI_UID = "1.2.840.10008.2.16.13"  # PS3.16 table 8-1
IBSI_SYSTEM = f"urn:oid:{IBSI_UID}"
FEATURE_SYSTEM = "https://kaapana-multimodal.github.io/fhir/CodeSystem/radiomics-feature"
FEATURE_SCHEME = "99MULTIMODAL"  # private schemes begin with 99 (PS3.3 8.2)

# aggregation -> the words of the IBSI reference tables
AGGREGATIONS = {
    "BTW3": "2D, averaged",
    "SUJT": "2D, slice-merged",
    "JJUI": "2.5D, direction-merged",
    "ZW7Z": "2.5D, merged",
    "ITBB": "3D, averaged",
    "IAZD": "3D, merged",
    "8QNN": "2D",
    "62GR": "2.5D",
    "KOBO": "3D",
}
# end of a feature's name -> aggregation, for families whose matrices have a direction (GLCM, GLRLM) and the others
_DIRECTED = {
    "2D_avg": "BTW3", "2D_comb": "SUJT", "2_5D_avg": "JJUI", "2_5D_comb": "ZW7Z", "3D_avg": "ITBB", "3D_comb": "IAZD",
}  # fmt: skip
_UNDIRECTED = {"2D": "8QNN", "2_5D": "62GR", "3D": "KOBO"}
_ENDS = dict.fromkeys(("cm", "rlm"), _DIRECTED) | dict.fromkeys(("szm", "dzm", "ngt", "ngl"), _UNDIRECTED)

FILE = "radiomics_features.csv"
IBSI_FILE = "ibsi_features.csv"
_IBSI_COLUMNS = ("tag", "ibsi_code", "short_code", "display", "family", "unit", "unit_ct", "alternative", "note")
_COLUMNS = (
    "name", "ibsi_code", "short_code", "display", "family", "aggregation", "unit", "unit_ct", "alternative", "note",
)  # fmt: skip
_IBSI = re.compile(r"[A-Z0-9]{4}")
_NAME = re.compile(r"original_[a-z]+_[A-Za-z0-9]+")
_TAG = re.compile(r"[a-z]+_[a-z0-9_]+")
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
        Code for DICOM (at most 16 characters): the IBSI code, else ours in `FEATURE_SCHEME`; also ours where the
        IBSI code names several of our features (intensity-volume histogram).
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

    @property
    def scheme(self) -> str:
        """Coding scheme of `short_code` in DICOM."""
        return IBSI_SCHEME if self.short_code == self.ibsi_code else FEATURE_SCHEME

    def unit_for(self, modality: str) -> str:
        """Return the UCUM unit of a value measured on images of `modality` (0008,0060)."""
        return self.unit_ct if modality == "CT" else self.unit


def feature_code(name: str) -> FeatureCode:
    """Return the codes of the feature that the engine calls `name`.

    Raises
    ------
    KeyError
        If no table has such a feature.
    """
    return feature_codes()[name] if name in feature_codes() else ibsi_feature_codes()[name]


@cache
def feature_codes() -> Mapping[str, FeatureCode]:
    """Return all features of the table by name, in the table's order."""
    text = resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    return read_codes(text.splitlines())


@cache
def ibsi_feature_codes() -> Mapping[str, FeatureCode]:
    """Return the features of the IBSI reference manual by name; texture features once for each aggregation."""
    text = resources.files(__package__).joinpath(IBSI_FILE).read_text(encoding="utf-8")
    return read_ibsi_codes(text.splitlines())


def read_ibsi_codes(lines: Iterable[str]) -> dict[str, FeatureCode]:
    """Read and check a table of IBSI's features.

    Raises
    ------
    ConfigurationError
        Names the file, the line and what is wrong with it.
    """
    numbered = [(n, line) for n, line in enumerate(lines, start=1) if not line.startswith("#")]
    rows = csv.DictReader(line for _, line in numbered)
    if tuple(rows.fieldnames or ()) != _IBSI_COLUMNS:
        raise ConfigurationError(f"expected the columns {', '.join(_IBSI_COLUMNS)}", file=IBSI_FILE)
    codes: dict[str, FeatureCode] = {}
    used: set[str] = set()
    for (number, _), row in zip(numbered[1:], rows, strict=True):
        code, problem = row["short_code"] or row["ibsi_code"], _ibsi_problem(row)
        if problem is None and code in used:
            problem = f"{row['tag']}: the code {code} is there twice"
        if problem is not None:
            raise ConfigurationError(problem, file=IBSI_FILE, line=number)
        used.add(code)
        for end, aggregation in _ENDS.get(row["tag"].partition("_")[0], {"": ""}).items():
            name = f"original_{row['tag']}" + (f"_{end}" if end else "")
            codes[name] = replace(
                _code({**row, "name": name, "aggregation": aggregation}), short_code=row["short_code"] or code
            )
    return codes


def _ibsi_problem(row: Mapping[str, str]) -> str | None:
    """Return what is wrong with a row of the IBSI table."""
    if not _TAG.fullmatch(row["tag"] or ""):
        return f"not a tag of the reference table: {row['tag']!r}"
    if not _IBSI.fullmatch(row["ibsi_code"] or ""):
        return f"{row['tag']}: not an IBSI code: {row['ibsi_code']!r}"
    return _common_problem(row["tag"], row)


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
    if row["aggregation"] and row["aggregation"] not in AGGREGATIONS:
        return f"{row['name']}: unknown aggregation {row['aggregation']!r}"
    return _common_problem(row["name"], row)


def _common_problem(name: str, row: Mapping[str, str]) -> str | None:
    if len(row["short_code"]) > 16:
        return f"{name}: more than 16 characters: {row['short_code']!r}"
    if row["alternative"] and not _ALTERNATIVE.fullmatch(row["alternative"]):
        return f"{name}: not SCHEME:CODE: {row['alternative']!r}"
    missing = [column for column in ("display", "unit", "unit_ct") if not row[column]]
    return f"{name}: no {missing[0]}" if missing else None


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
