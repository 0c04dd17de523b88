"""Codes that prove themselves: the check digits of LOINC and SNOMED CT, and slips that no code can hold.

A slipped digit makes most often no code at all, and now and then another one; the check digit finds all single wrong
digits, and nearly all neighbours that changed places.
"""

from __future__ import annotations

import re

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"

# Parts, answers, lists and groups of LOINC end in a digit too, which their letters take part in; it is not checked.
_LOINC = re.compile(r"(?:(?P<digits>\d{1,7})-(?P<check>\d)|(?:LP|LA|LL|LG)\d+-\d)", re.ASCII)
_EXPRESSION = re.compile(r"[\d\s:+=,{}()]+", re.ASCII)
_NUMBER = re.compile(r"\d+", re.ASCII)
# A concept of the international release or of an extension; others are descriptions and relationships.
_CONCEPT_PARTITIONS = ("00", "10")
_ICD = re.compile(r"icd-?(?:10|11|9|o)", re.IGNORECASE)
_D5 = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def code_problem(system: str, code: str) -> str:
    """Return why `code` can be no code of the code system `system`; empty where nothing speaks against it.

    Parameters
    ----------
    system : str
        URI of the code system; of LOINC, SNOMED CT and ICD something is known.
    code : str
        The code, or an expression of SNOMED CT.

    Notes
    -----
    LOINC: modulus 10 (LOINC Users' Guide, appendix on the check digit). SNOMED CT: Verhoeff's scheme over a dihedral
    group, 6 to 18 digits, partition 00 or 10 for concepts (SNOMED CT Release File Specification, 2.6 SCTIDs).
    """
    if system == LOINC:
        return _loinc_problem(code)
    if system == SNOMED:
        return _snomed_problem(code)
    if "," in code and _ICD.search(system):
        return f"a comma stands in it; write {code.replace(',', '.')}"
    return ""


def _loinc_problem(code: str) -> str:
    match = _LOINC.fullmatch(code)
    if match is None:
        return "one is written as 718-7"
    if match["digits"] and loinc_check_digit(match["digits"]) != int(match["check"]):
        return "its check digit is wrong"
    return ""


def _snomed_problem(code: str) -> str:
    if not _EXPRESSION.fullmatch(code):
        return "one has digits only"
    for number in _NUMBER.findall(code):
        if not 6 <= len(number) <= 18 or number.startswith("0"):
            return "one has 6 to 18 digits"
        if not verhoeff(number):
            return "its check digit is wrong"
        if number[-3:-1] not in _CONCEPT_PARTITIONS:
            return "it is the number of a description or relationship, not of a concept"
    return ""


def loinc_check_digit(digits: str) -> int:
    """Return the modulus 10 check digit: from the right, every other digit counts twice."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 if position % 2 == 0 else 1)
        total += number // 10 + number % 10
    return -total % 10


def verhoeff(number: str) -> bool:
    """Return whether the last digit of `number` is its check digit (Verhoeff 1969)."""
    check = 0
    for position, digit in enumerate(reversed(number)):
        moved = int(digit)
        for _ in range(position % 8):
            moved = _D5[moved]
        check = _product(check, moved)
    return check == 0


def _product(first: int, second: int) -> int:
    """Return the product in the dihedral group of order 10."""
    if first < 5:
        return (first + second) % 5 + (0 if second < 5 else 5)
    turned = (first - second) % 5
    return turned + (5 if second < 5 else 0)
