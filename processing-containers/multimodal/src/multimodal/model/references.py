"""References to the things that are joined."""

from __future__ import annotations

from dataclasses import dataclass

from multimodal.model.ids import check_uid, patient_id, resource_id


@dataclass(frozen=True, slots=True)
class PatientRef:
    """A patient as one system names them.

    Parameters
    ----------
    system : str
        URI of the identifier system (``Patient.identifier.system``). For DICOM, the store's ``patient_system``.
    value : str
        The identifier in that system, e.g. the DICOM Patient ID (0010,0020).
    """

    system: str
    value: str

    @property
    def id(self) -> str:
        """Id of the FHIR Patient."""
        return patient_id(self.system, self.value)

    @property
    def reference(self) -> str:
        """FHIR reference, ``Patient/<id>``."""
        return f"Patient/{self.id}"


@dataclass(frozen=True, slots=True)
class SeriesRef:
    """A DICOM series in a named store; its UIDs are checked when it is made."""

    study_uid: str
    series_uid: str
    store: str = ""

    def __post_init__(self) -> None:
        check_uid(self.study_uid)
        check_uid(self.series_uid)


def imaging_study_id(study_uid: str) -> str:
    """Return the id of the FHIR ImagingStudy of a DICOM study (by its Study Instance UID alone)."""
    return resource_id("ImagingStudy", study_uid)
