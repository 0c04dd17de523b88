"""Volume, masks and a profile -> features with codes; tables, DICOM SR and SEG."""

from multimodal.imaging import FailureReason, RoiFailure
from multimodal.radiomics.extraction import extract
from multimodal.radiomics.profile import DEFAULT_PROFILE, Profile, load_profile, profile_names
from multimodal.radiomics.results import RoiResult, engine_version

__all__ = [
    "DEFAULT_PROFILE",
    "FailureReason",
    "Profile",
    "RoiFailure",
    "RoiResult",
    "engine_version",
    "extract",
    "load_profile",
    "profile_names",
]
