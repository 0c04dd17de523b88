"""The features of IBSI-1 as the reference manual (arXiv:1612.07003) defines them, from image processing to value."""

from multimodal.radiomics.ibsi.families import AGGREGATION_NAMES, FAMILIES, features_of, ibsi_values
from multimodal.radiomics.ibsi.filters import filtered
from multimodal.radiomics.ibsi.region import ProcessedRegion, processed

__all__ = ["AGGREGATION_NAMES", "FAMILIES", "ProcessedRegion", "features_of", "filtered", "ibsi_values", "processed"]
