"""Volume, masks and a profile -> features with codes; tables, DICOM SR and SEG."""

from multimodal.imaging import FailureReason, RoiFailure
from multimodal.radiomics.extraction import extract
from multimodal.radiomics.profile import DEFAULT_PROFILE, Profile, load_profile, profile_names
from multimodal.radiomics.report import measurement_report
from multimodal.radiomics.results import RoiResult, engine_version
from multimodal.radiomics.segmentation import segment_numbers, segmentation
from multimodal.radiomics.table import FEATURES_CSV_COLUMNS, write_features_csv
from multimodal.radiomics.written import is_derived_by_us

__all__ = [
    "DEFAULT_PROFILE",
    "FEATURES_CSV_COLUMNS",
    "FailureReason",
    "Profile",
    "RoiFailure",
    "RoiResult",
    "engine_version",
    "extract",
    "is_derived_by_us",
    "load_profile",
    "measurement_report",
    "profile_names",
    "segment_numbers",
    "segmentation",
    "write_features_csv",
]
