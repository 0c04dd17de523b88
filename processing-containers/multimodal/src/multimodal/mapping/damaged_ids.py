"""Ids that a spreadsheet program damaged: what stands in the cell is no longer what somebody typed."""

from __future__ import annotations

import re

# A long number in a narrow column, saved as CSV: the digits behind are lost. 1E5 may be the name of a ward.
_SCIENTIFIC = re.compile(r"[+-]?\d+([.,]\d+)?E[+-]\d{2,3}", re.ASCII | re.IGNORECASE)
# Errors of formulas, in the languages of spreadsheet programs: #NAME?, #DIV/0!, #N/A, #NV, #WERT!, and ##### of Excel.
_ERROR = re.compile(r"#(?:\S*[!?]|N/?[ADV]|#+|GETTING_DATA|CALC|SPILL)|Err:\d{3}")


def damage(text: str) -> str:
    """Return what a spreadsheet program did to an id, in words; empty where it looks sound.

    Examples
    --------
    >>> damage("1,23E+05")
    'the id is a rounded number: a spreadsheet program has lost its other digits'
    >>> damage("P-017")
    ''
    """
    if _SCIENTIFIC.fullmatch(text):
        return "the id is a rounded number: a spreadsheet program has lost its other digits"
    if _ERROR.fullmatch(text):
        return "the id is the error of a formula"
    return ""
