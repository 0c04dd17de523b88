"""Named DICOMweb stores to verified instances on disk, and back."""
