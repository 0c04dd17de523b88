"""Measurements that were made elsewhere, as their files say them: what was measured on what, by what."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from multimodal.imaging import Concept
from multimodal.model.errors import DataRefusedError
from multimodal.model.features import Feature
from multimodal.terminology.radiomics_codes import FeatureCode, feature_codes, ibsi_feature_codes

_STATED = re.compile(r"settings sha256:([0-9a-f]{64})")
UNKNOWN = "unknown"


class MeasurementsError(DataRefusedError):
    """A file of measurements cannot be used as a whole.

    Parameters
    ----------
    file : Path
        The file.
    problem : str
        The reason, in one line, for a person.
    """

    def __init__(self, file: Path, problem: str) -> None:
        self.file = file
        self.problem = problem
        super().__init__(f"{file.name}: {problem}")


@dataclass(frozen=True)
class Reported:
    """The measurements of one region, as a file says them.

    Parameters
    ----------
    patient_id, study_uid, series_uid, started : str
        Of the images that were measured; ``started`` is the study's date and time as in DICOM, maybe empty.
    mask_series_uid, mask_sop_uid, segment
        What draws the region: a segmentation, or the report itself where it holds the outline.
    name, tracking_id, tracking_uid : str
        Of the region.
    finding : Concept or None
        What the region shows.
    engine, version : str
        What measured.
    settings : mapping
        How, in the words of the file.
    settings_sha256 : str
        The hash that the file states, else one of engine, version and settings.
    features : tuple of Feature
        Finite values under known codes where there are such.
    left_out : tuple of str
        Values that cannot be taken over, with the reason.
    """

    patient_id: str
    study_uid: str
    series_uid: str
    mask_series_uid: str
    mask_sop_uid: str
    segment: int
    name: str
    engine: str
    version: str
    settings: Mapping[str, str]
    settings_sha256: str
    features: tuple[Feature, ...]
    tracking_id: str = ""
    tracking_uid: str = ""
    finding: Concept | None = None
    started: str = ""
    left_out: tuple[str, ...] = ()


def settings_hash(engine: str, version: str, settings: Mapping[str, str]) -> str:
    """Return the hash that a file states among its settings, else one of all that it says of how was measured."""
    for text in settings.values():
        if stated := _STATED.search(text):
            return stated.group(1)
    content = json.dumps(["measured elsewhere", engine, version, settings], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def code_by_name(name: str) -> FeatureCode | None:
    """Return the codes of a feature by its engine's name; those of the original image for a filtered one."""
    base = f"original_{name.split('_', 1)[1]}" if "_" in name else name
    for known in (feature_codes(), ibsi_feature_codes()):
        if found := known.get(name) or known.get(base):
            return found
    return None


def code_by_concept(concept: Concept, aggregation: str, engine: str) -> FeatureCode | None:
    """Return what a DICOM code means among the features; the names of the engine that measured where it is known."""
    tables: Sequence[Mapping[str, FeatureCode]] = (feature_codes(), ibsi_feature_codes())
    if "pyradiomics" not in engine.lower():
        tables = tables[::-1]
    fitting = [
        code
        for table in tables
        for code in table.values()
        if (concept.scheme == "IBSI" and code.ibsi_code == concept.value)
        or code.alternative == (concept.scheme, concept.value)
    ]
    return next((code for code in fitting if (code.aggregation or "") == aggregation), None)
