"""TID 1500 Structured Reports of any origin -> measurements (PS3.16 TID 1500, 1410, 1411, 1501, 1419, 300)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.sr._snomed_dict import mapping as snomed_mapping

from multimodal.imaging import Concept
from multimodal.model.features import Feature
from multimodal.radiomics.reported import UNKNOWN, MeasurementsError, Reported, code_by_concept, settings_hash

GROUP = ("125007", "DCM")
_NAME, _VERSION, _PARAMETERS = ("111001", "DCM"), ("111003", "DCM"), ("111002", "DCM")
_TRACKING_ID, _TRACKING_UID = ("112039", "DCM"), ("112040", "DCM")
_FINDING = ("121071", "DCM")
_SEGMENT, _SEGMENT_FRAME, _SOURCE_SERIES = ("121191", "DCM"), ("121214", "DCM"), ("121232", "DCM")
_METHOD, _DERIVATION = ("370129005", "SCT"), ("121401", "DCM")
_MOST_DEPTH = 20

Key = tuple[str, str]


def read_report(file: Path) -> list[Reported]:
    """Return the measurement groups of a Structured Report.

    Parameters
    ----------
    file : Path
        An Enhanced, Comprehensive or Comprehensive 3D SR that follows TID 1500 (IDC publishes such).

    Raises
    ------
    MeasurementsError
        The file is no such report, or does not say what was measured.
    """
    try:
        report = pydicom.dcmread(file)
    except InvalidDicomError:
        raise MeasurementsError(file, "is no DICOM file") from None
    except (EOFError, ValueError, KeyError, OSError) as error:
        raise MeasurementsError(file, f"cannot be read as DICOM: {error}") from error
    if report.get("Modality") != "SR" or "ContentSequence" not in report:
        raise MeasurementsError(file, f"is a {report.get('Modality') or 'file'}, not a Structured Report")
    try:
        evidence = dict(_evidence(report))
        groups = [(number, group) for number, group in enumerate(_groups(report, 0), start=1) if _numbers(group)]
        found = [_reported(group, number, report, evidence, file) for number, group in groups]
    except (AttributeError, TypeError, ValueError, KeyError, IndexError) as error:
        raise MeasurementsError(file, f"its content is broken: {error}") from error
    if not found:
        raise MeasurementsError(file, "holds no measurement group (TID 1410, 1411 or 1501)")
    return found


def _evidence(report: Dataset) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield SOP Instance UID -> series and study of what the report refers to."""
    for keyword in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence"):
        for study in report.get(keyword) or ():
            for series in study.get("ReferencedSeriesSequence") or ():
                for instance in series.get("ReferencedSOPSequence") or ():
                    place = (str(series.SeriesInstanceUID), str(study.StudyInstanceUID))
                    yield str(instance.ReferencedSOPInstanceUID), place


def _groups(item: Dataset, depth: int) -> Iterator[Dataset]:
    for child in (item.get("ContentSequence") or ()) if depth < _MOST_DEPTH else ():
        if _concept_of(child) == GROUP:
            yield child
        else:
            yield from _groups(child, depth + 1)


def _concept_of(item: Dataset) -> Key:
    concept = _coded(item, "ConceptNameCodeSequence")
    return (concept.value, concept.scheme) if concept else ("", "")


def _coded(holder: Dataset, keyword: str) -> Concept | None:
    """Return a code, one of SNOMED-RT as of SNOMED CT."""
    codes = holder.get(keyword)
    if not codes:
        return None
    value = str(codes[0].get("CodeValue") or codes[0].get("LongCodeValue") or "")
    scheme = str(codes[0].get("CodingSchemeDesignator") or "")
    if scheme in ("SRT", "SNM3", "99SDM") and value in snomed_mapping["SRT"]:
        scheme, value = "SCT", snomed_mapping["SRT"][value]
    return Concept(value, scheme, str(codes[0].get("CodeMeaning") or ""))


def _children(item: Dataset, *wanted: Key) -> Iterator[Dataset]:
    return (child for child in item.get("ContentSequence") or () if _concept_of(child) in wanted)


def _numbers(group: Dataset) -> list[Dataset]:
    return [child for child in group.get("ContentSequence") or () if child.get("ValueType") == "NUM"]


def _text(item: Dataset, wanted: Key) -> str:
    for child in _children(item, wanted):
        return str(child.get("TextValue") or child.get("UID") or "")
    return ""


def _reported(
    group: Dataset, number: int, report: Dataset, evidence: dict[str, tuple[str, str]], file: Path
) -> Reported:
    mask_sop, segment = _mask(group)
    series, study = _source(group, mask_sop, report, evidence, file)
    numbers = _numbers(group)
    described = [holder for holder in (group, *numbers) if _text(holder, _NAME)]
    engine = _text(described[0], _NAME) if described else str(report.get("ManufacturerModelName") or UNKNOWN)
    version = _text(described[0], _VERSION) if described else str(report.get("SoftwareVersions") or "")
    parameters = [str(child.TextValue) for child in _children(described[0], _PARAMETERS)] if described else []
    settings = {f"parameter {place}": text for place, text in enumerate(parameters, start=1)}
    features, left_out = _features(numbers, engine)
    own_place = (str(report.SeriesInstanceUID), "")
    name = _text(group, _TRACKING_ID)
    finding = next((_coded(child, "ConceptCodeSequence") for child in _children(group, _FINDING)), None)
    return Reported(
        patient_id=str(report.get("PatientID") or ""),
        study_uid=study,
        series_uid=series,
        mask_series_uid=evidence.get(mask_sop, own_place)[0],
        mask_sop_uid=mask_sop or str(report.SOPInstanceUID),
        segment=segment or number,
        name=name or (finding.meaning if finding else "") or f"group {number}",
        engine=engine,
        version=version or UNKNOWN,
        settings=settings,
        settings_sha256=settings_hash(engine, version, settings),
        features=features,
        tracking_id=name,
        tracking_uid=_text(group, _TRACKING_UID),
        finding=finding,
        started=f"{report.get('StudyDate') or ''}{report.get('StudyTime') or ''}" if report.get("StudyDate") else "",
        left_out=left_out,
    )


def _mask(group: Dataset) -> tuple[str, int]:
    """Return instance and number of the segment that was measured; none where the report holds the outline."""
    for child in _children(group, _SEGMENT, _SEGMENT_FRAME):
        reference = child.ReferencedSOPSequence[0]
        numbers = reference.get("ReferencedSegmentNumber") or 0
        return str(reference.ReferencedSOPInstanceUID), int(numbers if isinstance(numbers, int) else numbers[0])
    return "", 0


def _source(
    group: Dataset, mask_sop: str, report: Dataset, evidence: dict[str, tuple[str, str]], file: Path
) -> tuple[str, str]:
    """Return series and study of the images that were measured."""
    studies = dict(evidence.values())
    if stated := _text(group, _SOURCE_SERIES):
        return stated, studies.get(stated, str(report.StudyInstanceUID))
    for instance in _instances(group, 0):
        if instance in evidence and instance != mask_sop:
            return evidence[instance]
    others = {place for instance, place in evidence.items() if instance != mask_sop}
    if len(others) != 1:
        raise MeasurementsError(file, f"does not say on which series {_text(group, _TRACKING_ID) or 'a group'} lies")
    return others.pop()


def _instances(item: Dataset, depth: int) -> Iterator[str]:
    for child in (item.get("ContentSequence") or ()) if depth < _MOST_DEPTH else ():
        if child.get("ValueType") == "IMAGE" and _concept_of(child) not in (_SEGMENT, _SEGMENT_FRAME):
            yield str(child.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        yield from _instances(child, depth + 1)


def _features(numbers: list[Dataset], engine: str) -> tuple[tuple[Feature, ...], tuple[str, ...]]:
    found: dict[str, Feature] = {}
    left_out: list[str] = []
    for item in numbers:
        concept = _coded(item, "ConceptNameCodeSequence") or Concept("", "", "a measurement without a name")
        feature = _feature(item, concept, engine)
        if isinstance(feature, str):
            left_out.append(f"{concept.meaning or concept.value}: {feature}")
        elif feature.name in found:
            left_out.append(f"{feature.name}: is there twice")
        else:
            found[feature.name] = feature
    return tuple(found.values()), tuple(left_out)


def _feature(item: Dataset, concept: Concept, engine: str) -> Feature | str:
    """Return the feature, or why it cannot be taken over."""
    if not concept.value:
        return "has no code"
    measured = item.get("MeasuredValueSequence")
    if not measured:
        return "has no value"
    value = float(measured[0].get("FloatingPointValue") or measured[0].NumericValue)
    unit = _coded(measured[0], "MeasurementUnitsCodeSequence")
    if not math.isfinite(value):
        return "is no finite number"
    if unit is None or unit.scheme != "UCUM":
        return f"its unit {unit.value if unit else '(none)'} is none of UCUM"
    method = next((_coded(child, "ConceptCodeSequence") for child in _children(item, _METHOD)), None)
    aggregation = method.value if method and method.scheme == "IBSI" else ""
    derived = next((_coded(child, "ConceptCodeSequence") for child in _children(item, _DERIVATION)), None)
    code = None if derived else code_by_concept(concept, aggregation, engine)
    if code is not None:
        return Feature(code.name, value, unit.value, code.ibsi_code, code.display, code.aggregation)
    # told by how the value was derived and by what method: one code may stand several times in a group
    how = [one for one in (derived, method) if one is not None]
    return Feature(
        "_".join([concept.scheme, concept.value, *(one.value for one in how)]),
        value,
        unit.value,
        concept.value if concept.scheme == "IBSI" else None,
        ", ".join([concept.meaning, *(one.meaning for one in how)]),
        aggregation or None,
        alternative=(concept.scheme, concept.value) if concept.scheme != "IBSI" else None,
    )
