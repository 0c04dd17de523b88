"""A cohort of made-up patients: CT series with masks and a clinical table that belongs to them."""

from pathlib import Path


def generate(folder: Path, patients: int = 12) -> None:
    """Write the cohort into `folder`."""
    raise NotImplementedError
