"""What a radiomics measurement was made on: the words that every builder of it shares."""

from __future__ import annotations

from dataclasses import dataclass

from multimodal.model.ids import check_uid, resource_id
from multimodal.model.references import PatientRef, imaging_study_id


@dataclass(frozen=True, slots=True)
class MeasuredRoi:
    """One ROI of one mask instance, on one image series, under one set of settings.

    Parameters
    ----------
    patient : PatientRef
        Whose images these are.
    study_uid, series_uid : str
        Study and series of the images that were measured.
    mask_series_uid, mask_sop_uid : str
        Series and instance of the SEG or RTSTRUCT.
    segment : int
        Segment Number (0062,0004) or ROI Number (3006,0022).
    name : str
        Segment label or ROI name.
    tracking_id, tracking_uid : str
        Tracking identifiers (0062,0020), (0062,0021); empty where the mask has none.
    settings_sha256 : str
        Hash of the settings.
    device : str
        Id of the Device that measured.
    effective : str or None
        When the images were acquired, as FHIR dateTime; None where the DICOM has no date.
    finding : tuple of str, optional
        System, code and display of what the segment shows (Segmented Property Type, 0062,000F).
    """

    patient: PatientRef
    study_uid: str
    series_uid: str
    mask_series_uid: str
    mask_sop_uid: str
    segment: int
    name: str
    settings_sha256: str
    device: str
    tracking_id: str = ""
    tracking_uid: str = ""
    effective: str | None = None
    finding: tuple[str, str, str] | None = None

    def __post_init__(self) -> None:
        for uid in (self.study_uid, self.series_uid, self.mask_series_uid, self.mask_sop_uid):
            check_uid(uid)

    @property
    def imaging_study(self) -> str:
        """Id of the ImagingStudy."""
        return imaging_study_id(self.study_uid)

    def observation_id(self, feature: str = "") -> str:
        """Return the id of the Observation of `feature`, or without one of the group.

        Made of where the value was measured and how, never of the value: a re-run replaces, and other
        settings stand beside.
        """
        origin = ("radiomics", self.series_uid, self.mask_sop_uid, str(self.segment), self.settings_sha256)
        return resource_id("Observation", *origin, feature)
