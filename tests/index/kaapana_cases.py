"""One DICOM file of each kind whose document is compared with that of Kaapana's converter, made up here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    ComprehensiveSRStorage,
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    RTStructureSetStorage,
    SegmentationStorage,
)

from multimodal.model.ids import hash_uid


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _item(**attributes: object) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def _instance(kind: str, sop_class: UID, modality: str) -> Dataset:
    instance = Dataset()
    instance.file_meta = FileMetaDataset()
    instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    instance.SpecificCharacterSet = "ISO_IR 192"
    instance.SOPClassUID, instance.SOPInstanceUID = sop_class, hash_uid("case", kind, "instance")
    instance.StudyInstanceUID, instance.SeriesInstanceUID = hash_uid("case", "study"), hash_uid("case", kind)
    instance.Modality, instance.PatientID, instance.PatientName = modality, "CASE-1 ", "Müller^Eva=山田^花子"
    instance.PatientBirthDate, instance.PatientSex, instance.IssuerOfPatientID = "19600716", "F", "CLINIC"
    instance.StudyDate, instance.StudyTime, instance.StudyID = "20240715", "101500.25", ""
    instance.SeriesDate, instance.SeriesTime, instance.SeriesNumber = "20240715", "1017", 3
    instance.ReferringPhysicianName, instance.AccessionNumber = "Doe^John^^Dr.", ""
    instance.Manufacturer, instance.SoftwareVersions = "Somebody", ["V1", "", "V3"]
    instance.OperatorsName = ["Meier^A", "Huber^B"]
    return instance


def _image(instance: Dataset, *, frames: int = 1) -> Dataset:
    instance.Rows = instance.Columns = 8
    instance.BitsAllocated, instance.BitsStored, instance.HighBit, instance.PixelRepresentation = 16, 12, 11, 0
    instance.SamplesPerPixel, instance.PhotometricInterpretation = 1, "MONOCHROME2"
    instance.PixelData = np.arange(64 * frames, dtype="<u2").tobytes()
    return instance


def ct() -> Dataset:
    """Return a CT slice in winter time, with several values, an overlay-like binary and a code sequence."""
    image = _instance("ct", CTImageStorage, "CT")
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.StudyDate = image.SeriesDate = image.AcquisitionDate = "20240131"
    image.AcquisitionTime, image.ContentDate, image.ContentTime = "003000.123456", "20240131", "10"
    image.ImagePositionPatient, image.ImageOrientationPatient = [-11.3, 7.7, 21.9], [1, 0, 0, 0, 1, 0]
    image.PixelSpacing, image.SliceThickness, image.KVP = [0.9, 0.8], "2.50", "120"
    image.ExposureTimeInuS, image.PatientAge, image.InstanceNumber = 500.5, "063Y", 7
    image.WindowCenter, image.WindowWidth = [40, 600], [400, 1500]
    image.RescaleSlope, image.RescaleIntercept = 1, -1024
    image.ReferencedImageSequence = Sequence(
        [_item(ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID="1.2.3")]
    )
    image.ProcedureCodeSequence = Sequence([_code("A", "L", "one"), _code("B", "L", "two")])
    image.ClinicalTrialProtocolID = "kp-demo;other"
    image.ClinicalTrialSponsorName = "kp-lung"
    image.RedPaletteColorLookupTableData = b"\0\1\2\3"
    return _image(image)


def localizer() -> Dataset:
    """Return a CT localizer without a birth date, its age in months."""
    image = _instance("localizer", CTImageStorage, "CT")
    image.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    image.PatientBirthDate, image.PatientAge = "", "030M"
    return _image(image)


def mr() -> Dataset:
    """Return an MR slice with one DT attribute, a tag, and dates of several ages of the standard."""
    image = _instance("mr", MRImageStorage, "MR")
    image.ImageType = ["DERIVED", "SECONDARY", "M"]
    image.AcquisitionDateTime = "20240715101500.500000"
    image.DateOfLastCalibration, image.TimeOfLastCalibration = ["20240101", "20240201"], ["080000", "0900"]
    image.EchoTime, image.FlipAngle, image.DiffusionBValue = "4.2", "12", 1000.0
    image.ScanningSequence, image.ContrastBolusAgent = ["GR", "IR"], "Gadolinium"
    image.FrameIncrementPointer = 0x00181063
    return _image(image)


def pt() -> Dataset:
    """Return a PET slice with its tracer."""
    image = _instance("pt", PositronEmissionTomographyImageStorage, "PT")
    image.Units, image.DecayCorrection, image.PatientWeight = "BQML", "START", 71.5
    image.AcquisitionDate, image.AcquisitionTime = "20240715", "101500"
    tracer = _item(
        RadionuclideTotalDose=3.5e8, RadionuclideHalfLife=6586.2, RadiopharmaceuticalStartTime="091500",
        RadiopharmaceuticalStartDateTime="20240715091500", RadiopharmaceuticalStopDateTime="20240715",
        RadionuclideCodeSequence=Sequence([_code("C-111A1", "SRT", "18F")]),
    )  # fmt: skip
    image.RadiopharmaceuticalInformationSequence = Sequence([tracer])
    return _image(image)


def seg() -> Dataset:
    """Return a SEG of two segments, one name with a comma."""
    mask = _instance("seg", SegmentationStorage, "SEG")
    mask.ContentDate, mask.ContentTime, mask.ContentLabel = "20240716", "120000", "LUNG"
    mask.ContentCreatorName, mask.SegmentationType, mask.NumberOfFrames = "Reader^One", "BINARY", 2
    mask.SegmentSequence = Sequence(
        [
            _item(SegmentNumber=1, SegmentLabel="Tumour, left ", SegmentAlgorithmType="MANUAL"),
            _item(
                SegmentNumber=2, SegmentLabel="Lung", SegmentAlgorithmType="AUTOMATIC", SegmentAlgorithmName="nnU-Net"
            ),
        ]
    )
    series = _item(SeriesInstanceUID=hash_uid("case", "ct"))
    series.ReferencedInstanceSequence = Sequence([_item(ReferencedSOPInstanceUID="1.2.3")])
    mask.ReferencedSeriesSequence = Sequence([series])
    return _image(mask, frames=2)


def seg_of_one() -> Dataset:
    """Return a SEG of one segment without a label."""
    mask = _instance("seg-one", SegmentationStorage, "SEG")
    mask.SegmentSequence = Sequence([_item(SegmentNumber=1, SegmentAlgorithmType="MANUAL")])
    return _image(mask)


def rtstruct() -> Dataset:
    """Return an RTSTRUCT of three ROIs."""
    structures = _instance("rtstruct", RTStructureSetStorage, "RTSTRUCT")
    structures.StructureSetLabel, structures.StructureSetDate, structures.StructureSetTime = "PLAN", "20240715", "11"
    structures.StructureSetROISequence = Sequence(
        [_item(ROINumber=number, ROIName=name) for number, name in enumerate(("GTV-1", "Cord", "a,b"), start=1)]
    )
    return structures


def sr() -> Dataset:
    """Return a structured report: a tree of text and numbers."""
    report = _instance("sr", ComprehensiveSRStorage, "SR")
    report.ContentDate, report.ContentTime = "20240715", "130000"
    report.ValueType, report.ContinuityOfContent = "CONTAINER", "SEPARATE"
    report.CompletionFlag, report.VerificationFlag = "COMPLETE", "UNVERIFIED"
    report.ConceptNameCodeSequence = Sequence([_code("126000", "DCM", "Imaging Measurement Report")])
    number = _item(ValueType="NUM", RelationshipType="CONTAINS")
    number.MeasuredValueSequence = Sequence([_item(NumericValue="12.5", FloatingPointValue=12.5)])
    report.ContentSequence = Sequence([number])
    return report


def enhanced_mr() -> Dataset:
    """Return an enhanced multi-frame MR with shared and per-frame groups."""
    image = _instance("enhanced", EnhancedMRImageStorage, "MR")
    image.ImageType, image.NumberOfFrames = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], 2
    image.AcquisitionDateTime, image.AcquisitionDuration = "20240715101500", 12.5
    shared = _item(PixelMeasuresSequence=Sequence([_item(PixelSpacing=[0.9, 0.8], SliceThickness=2)]))
    image.SharedFunctionalGroupsSequence = Sequence([shared])
    image.PerFrameFunctionalGroupsSequence = Sequence(
        [_item(PlanePositionSequence=Sequence([_item(ImagePositionPatient=[0, 0, z])])) for z in range(2)]
    )
    image.DimensionIndexSequence = Sequence(
        [_item(DimensionIndexPointer=0x00209057, FunctionalGroupPointer=0x00209111)]
    )
    return _image(image, frames=2)


def private_tags() -> Dataset:
    """Return a CT with private attributes: one that the platform's dictionary names, others that it does not."""
    image = _instance("private", CTImageStorage, "CT")
    image.add_new(0x00090010, "LO", "GEMS_IDEN_01")
    image.add_new(0x00091031, "LO", "room 5 ")
    image.add_new(0x00091077, "LO", "unnamed")
    image.add_new(0x00190010, "LO", "GEMS_ACQU_01")
    image.add_new(0x001910A7, "DS", "1.5")
    image.add_new(0x00430010, "LO", "GEMS_PARM_01")
    image.add_new(0x00431039, "IS", ["1000", "2", "3"])
    image.add_new(0x00451001, "UN", b"bytes")
    image.add_new(0x00990010, "LO", "SOMEBODY")
    image.add_new(0x00991001, "SQ", Sequence([_item(PatientID="inside")]))
    return _image(image)


CASES: dict[str, Callable[[], Dataset]] = {
    made.__name__: made
    for made in (ct, localizer, mr, pt, seg, seg_of_one, rtstruct, sr, enhanced_mr, private_tags)
}  # fmt: skip


def write_cases(folder: Path) -> None:
    """Write each case as ``<name>.dcm``; the same bytes every time."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in CASES.items():
        made().save_as(folder / f"{name}.dcm", enforce_file_format=True)
