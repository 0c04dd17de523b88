"""What was planted into the cohort, as data: tests and the demo compare against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from local.cohort.masks import EMPTY, LESION, NODE, OUTSIDE, roi_names
from local.cohort.patients import ROWLESS_PATIENT, UNDATED_PATIENT, Patient
from local.cohort.table import ClinicalRow

# of mappings/demo-cohort.yaml: T, N, M, their group, two laboratory values, smoking, survival, vital status
_OBSERVATIONS = 9
_COSTS_AN_OBSERVATION = frozenset({"hb", "hb_unit"})
_WRONG_ROIS = {OUTSIDE: "outside the image", EMPTY: "no contours"}


def write_planted(patients: Sequence[Patient], rows: Sequence[ClinicalRow], file: Path) -> None:
    """Write ``planted.json``.

    Its parts: ``table`` (row, column, value and code of each line that ``errors.csv`` must have), ``rois``
    (the ROIs that cannot have features), ``unmatched`` (patients that one side lacks), ``empty_study_date``,
    ``series`` (UIDs and ROI names of each patient), ``effect`` (what correlates with what), ``resources`` (how
    many the demo's mapping makes of the table, by type) and ``counts``.
    """
    scanned = [patient for patient in patients if patient.scanned]
    used = [row for row in rows if not row.duplicate]
    lost = sum(defect.column in _COSTS_AN_OBSERVATION for row in used for defect in row.defects)
    planted = {
        "table": list(_table(rows)),
        "rois": list(_rois(scanned)),
        "unmatched": {
            "row_without_scan": [patient.id for patient in patients if not patient.scanned],
            "scan_without_row": [patient.id for patient in patients if patient.number == ROWLESS_PATIENT],
        },
        "empty_study_date": [patient.id for patient in patients if patient.number == UNDATED_PATIENT],
        "series": {patient.id: _series(patient) for patient in scanned},
        "effect": {patient.id: _effect(patient) for patient in scanned},
        "resources": {
            "Patient": len(used),
            "Condition": len(used),
            "Observation": _OBSERVATIONS * len(used) - lost,
        },
        "counts": {
            "rows": len(rows),
            "row_patients": len(used),
            "scan_patients": len(scanned),
            "series": 2 * len(scanned),
            "rois": sum(len(roi_names(patient)) for patient in scanned),
            "rois_with_features": sum(
                1 for patient in scanned for name in roi_names(patient) if name in {LESION, NODE}
            ),
        },
    }
    file.write_bytes(orjson.dumps(planted, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _table(rows: Sequence[ClinicalRow]) -> Iterator[dict[str, Any]]:
    for row in rows:
        record = {"row": row.number, "record": row.patient.id}
        if row.duplicate:
            first = next(other.number for other in rows if other.patient is row.patient)
            reason = f"the key of row {first} again"
            yield {**record, "column": "PatientID", "value": row.patient.id, "code": "E501", "reason": reason}
            continue
        for defect in row.defects:
            found = {"column": defect.column, "value": defect.value, "code": defect.code, "reason": defect.reason}
            yield {**record, **found}


def _rois(patients: Sequence[Patient]) -> Iterator[dict[str, Any]]:
    for patient in patients:
        for number, name in enumerate(roi_names(patient), start=1):
            if name in _WRONG_ROIS:
                yield {"patient": patient.id, "number": number, "name": name, "reason": _WRONG_ROIS[name]}


def _series(patient: Patient) -> dict[str, Any]:
    return {
        "study": patient.uid("study"),
        "CT": patient.uid("series", "CT"),
        patient.mask_kind: patient.uid("series", patient.mask_kind),
        "rois": roi_names(patient),
    }


def _effect(patient: Patient) -> dict[str, Any]:
    core = patient.core.volume if patient.core else 0.0
    return {
        "stage": patient.stage,
        "survival_days": patient.survival_days,
        "lesion_mm3": round(patient.lesion.volume - core),
    }
