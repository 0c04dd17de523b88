"""Features as a DICOM Structured Report: TID 1500 Measurement Report, one TID 1411 group per region (PS3.16)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import highdicom
from highdicom.sr.coding import CodedConcept
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.sr.codedict import codes
from pydicom.tag import Tag
from pydicom.uid import SegmentationStorage
from pydicom.valuerep import DS

from multimodal.imaging import Concept, Volume
from multimodal.model.features import Feature
from multimodal.model.ids import hash_uid
from multimodal.radiomics.profile import Profile
from multimodal.radiomics.results import RoiResult, engine_version
from multimodal.radiomics.segmentation import segment_numbers
from multimodal.radiomics.written import (
    MANUFACTURER,
    MODEL,
    SERIAL_NUMBER,
    SR_DESCRIPTION,
    accepted_names,
    settle,
    software_version,
    source_images,
)
from multimodal.terminology.radiomics_codes import (
    AGGREGATIONS,
    FEATURE_SCHEME,
    IBSI_SCHEME,
    IBSI_UID,
    feature_code,
)

SERIES_NUMBER = 9702
_MEASURED_VALUE, _CONTENT = Tag("MeasuredValueSequence"), Tag("ContentSequence")
_UNITS = {
    "1": "no units",
    "mm": "millimeter",
    "mm2": "square millimeter",
    "mm3": "cubic millimeter",
    "/mm": "per millimeter",
    "[hnsf'U]": "Hounsfield unit",
}


def measurement_report(
    volume: Volume, results: Sequence[RoiResult], profile: Profile, derived: Dataset | None = None
) -> Dataset:
    """Return the features of all regions of one mask as a Comprehensive 3D SR (PS3.3 A.35.13).

    Parameters
    ----------
    volume : Volume
        The image.
    results : sequence of RoiResult
        Of one SEG or RTSTRUCT; at least one has features. Regions without features are left out.
    profile : Profile
        The settings; their hash is the first algorithm parameter.
    derived : Dataset, optional
        The SEG made from an RTSTRUCT (`segmentation`); the report then points into it.

    Returns
    -------
    Dataset
        Named by its content, with the study's times: the same input gives the same bytes.
    """
    measured = [result for result in results if result.reported]
    segmentation = derived if derived is not None else _mask_reference(measured[0], volume)
    numbers = segment_numbers([result.roi for result in results])
    groups = [
        _group(r, volume, profile, segmentation, r.roi.number if derived is None else numbers[r.roi.number])
        for r in measured
    ]
    content = highdicom.sr.MeasurementReport(
        observation_context=_observer(),
        procedure_reported=CodedConcept("363679005", "SCT", "Imaging procedure"),
        imaging_measurements=groups,
    )
    mask = measured[0].roi.mask_sop_uid
    with accepted_names():
        document = highdicom.sr.Comprehensive3DSR(
            evidence=[*source_images(volume), segmentation],
            content=content[0],
            series_instance_uid=hash_uid("radiomics-sr-series", volume.series_uid, mask, profile.sha256),
            series_number=SERIES_NUMBER,
            sop_instance_uid=hash_uid("radiomics-sr", *_fingerprint(measured, volume, profile, segmentation)),
            instance_number=1,
            manufacturer=MANUFACTURER,
            is_complete=True,
            is_final=False,
        )
    dataset = Dataset(document)  # the document's own copy of its content knows only what it was made of
    dataset.file_meta = document.file_meta
    _fill(dataset, measured)
    dataset.ManufacturerModelName = MODEL
    dataset.DeviceSerialNumber = SERIAL_NUMBER
    dataset.SoftwareVersions = software_version()
    dataset.CodingSchemeIdentificationSequence = _schemes()
    settle(dataset, volume, SR_DESCRIPTION)
    return dataset


def _fingerprint(
    results: Sequence[RoiResult], volume: Volume, profile: Profile, segmentation: Dataset
) -> Iterator[str]:
    """Yield what the report says: a report that says something else has another UID."""
    yield from (volume.series_uid, str(segmentation.SOPInstanceUID), profile.sha256, engine_version(profile))
    yield software_version()
    yield from volume.warnings
    for result in results:
        yield from (f"{result.roi.number}:{f.name}:{f.value!r}" for f in result.reported)


def _mask_reference(result: RoiResult, volume: Volume) -> Dataset:
    """Return what the report's evidence needs of the SEG that was measured."""
    reference = Dataset()
    reference.SOPClassUID = SegmentationStorage
    reference.SOPInstanceUID = result.roi.mask_sop_uid
    reference.StudyInstanceUID = volume.study_uid
    reference.SeriesInstanceUID = result.roi.mask_series_uid
    reference.PatientID = volume.patient_id
    return reference


def _observer() -> highdicom.sr.ObservationContext:
    device = highdicom.sr.DeviceObserverIdentifyingAttributes(
        uid=hash_uid("device", MODEL, software_version()),
        name=MODEL,
        manufacturer_name=MANUFACTURER,
        model_name=MODEL,
        serial_number=SERIAL_NUMBER,
    )
    return highdicom.sr.ObservationContext(
        observer_device_context=highdicom.sr.ObserverContext(
            observer_type=codes.DCM.Device, observer_identifying_attributes=device
        )
    )


def _group(
    result: RoiResult, volume: Volume, profile: Profile, segmentation: Dataset, number: int
) -> highdicom.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    roi = result.roi
    return highdicom.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=highdicom.sr.TrackingIdentifier(uid=roi.tracking_uid, identifier=roi.tracking_id),
        # by hand: highdicom's from_segmentation fails on a SEG of one segment
        referenced_segment=highdicom.sr.ReferencedSegment(
            sop_class_uid=str(segmentation.SOPClassUID),
            sop_instance_uid=str(segmentation.SOPInstanceUID),
            segment_number=number,
            source_series=highdicom.sr.SourceSeriesForSegmentation(volume.series_uid),
        ),
        finding_type=_finding(roi.property_type),
        algorithm_id=highdicom.sr.AlgorithmIdentification(
            name=engine_version(profile).split()[0],
            version=engine_version(profile).split()[1],
            # some readers keep only the first parameter: the one that identifies the others comes first
            parameters=[
                f"settings sha256:{profile.sha256}",
                f"profile {profile.name}",
                *([profile.discretisation] if profile.discretisation else []),
                *([f"intensity-volume histogram {profile.volume_histogram}"] if profile.volume_histogram else []),
                *volume.warnings,  # what was cut or resampled, PET as SUV: how the voxels came about
            ],
        ),
        measurements=[_measurement(result.reported[0])],  # marks the place of all: see _fill
    )


def _fill(report: Dataset, results: Sequence[RoiResult]) -> None:
    """Put each region's measurements where its group has one of them.

    highdicom makes one of a kind, and each region's is a copy with its own value: making, copying and searching
    thousands of them took most of the time.
    """
    kinds: dict[tuple[str, str, str | None], Dataset] = {}
    groups = [item for item in _children(report) if item.ValueType == "CONTAINER"]
    for group, result in zip(groups, results, strict=True):
        content = group.ContentSequence
        place = next(index for index, item in enumerate(content) if item.ValueType == "NUM")
        measurements = []
        for feature in result.reported:
            kind = (feature.name, feature.unit, feature.aggregation)
            if kind not in kinds:
                kinds[kind] = _measurement(feature)[0]
            measurements.append(_with_value(kinds[kind], feature.value))
        every = DicomSequence([*content[:place], *measurements, *content[place + 1 :]])
        group[_CONTENT] = DataElement(_CONTENT, "SQ", every)


def _children(report: Dataset) -> Sequence[Dataset]:
    """Return what is in the container Imaging Measurements (TID 1500)."""
    measurements = codes.DCM.ImagingMeasurements
    for item in report.ContentSequence:
        if item.ConceptNameCodeSequence[0].CodeValue == measurements.value:
            children: Sequence[Dataset] = item.ContentSequence
            return children
    raise ValueError("the report has no container of measurements")


def _with_value(measurement: Dataset, value: float) -> Dataset:
    """Return a copy with another value; its other elements are shared, nothing changes them."""
    measured = Dataset()
    measured.add(measurement.MeasuredValueSequence[0]["MeasurementUnitsCodeSequence"])
    measured.NumericValue = DS(value, auto_format=True)  # at most 16 characters; all digits are in the next
    measured.FloatingPointValue = value
    copy = Dataset({tag: element for tag, element in measurement.items() if tag != _MEASURED_VALUE})
    copy.add_new(_MEASURED_VALUE, "SQ", [measured])
    return copy


def _finding(concept: Concept | None) -> CodedConcept | None:
    return None if concept is None else CodedConcept(concept.value, concept.scheme, concept.meaning)


def _measurement(feature: Feature) -> highdicom.sr.Measurement:
    code = feature_code(feature.name)
    method = None
    if feature.aggregation:
        method = CodedConcept(feature.aggregation, IBSI_SCHEME, AGGREGATIONS[feature.aggregation])
    return highdicom.sr.Measurement(
        name=CodedConcept(code.short_code, code.scheme, code.display[:64]),
        value=feature.value,
        unit=CodedConcept(feature.unit, "UCUM", _UNITS.get(feature.unit, feature.unit)),
        method=method,
    )


def _schemes() -> DicomSequence:
    """Return what the two coding schemes are that PS3.16 does not name or that are ours (PS3.3 C.12.1)."""
    ibsi, ours = Dataset(), Dataset()
    ibsi.CodingSchemeDesignator = IBSI_SCHEME
    ibsi.CodingSchemeUID = IBSI_UID
    ibsi.CodingSchemeName = "Image Biomarker Standardisation Initiative"
    ours.CodingSchemeDesignator = FEATURE_SCHEME
    ours.CodingSchemeName = "Radiomics features without an IBSI code"
    ours.CodingSchemeResponsibleOrganization = "kaapana-multimodal"
    return DicomSequence([ibsi, ours])
