"""One measured value and all that is needed to read it right."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Feature:
    """One radiomics feature of one ROI.

    Parameters
    ----------
    name : str
        Full engine name, unique within one configuration, e.g. ``original_glcm_JointEntropy``.
    value : float
        Finite. A feature without a value is not a Feature.
    unit : str
        UCUM code, ``1`` where there is none.
    ibsi_code : str or None
        Code of the IBSI reference manual, e.g. ``TU9B``; None where IBSI has no such feature.
    display : str
        Readable name.
    aggregation : str or None
        IBSI code of the aggregation (e.g. ``IAZD``), for texture features.
    discretisation : str
        How intensities became the grey levels that the value is of, e.g. ``FBS 25``; empty where they play no part.
    alternative : tuple of str or None
        DICOM coding scheme and code of a value measured elsewhere, where the tables of features do not know it.
    """

    name: str
    value: float
    unit: str
    ibsi_code: str | None
    display: str
    aggregation: str | None = None
    discretisation: str = ""
    alternative: tuple[str, str] | None = None
