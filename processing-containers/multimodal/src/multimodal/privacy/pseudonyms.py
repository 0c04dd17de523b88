"""Pseudonyms of patients: an HMAC, since a bare hash of so few identifiers is undone by trying them all."""

from __future__ import annotations

import base64
import hmac
from hashlib import sha256
from typing import Self

from multimodal.privacy.keys import PrivacyKey

SECURITY = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "PSEUDED",
    "display": "pseudonymized",
}
"""``meta.security`` of pseudonymised resources (FHIR R4 Resource.meta, security labels)."""

_SEPARATOR = "\x1f"
_LENGTH = 26  # base32 digits: 130 bits, and short enough for DICOM's PatientID (PS3.5 6.2: LO, 64 characters)


class Pseudonyms:
    """Gives each identifier of one system its pseudonym (HMAC-SHA256, RFC 2104).

    Parameters
    ----------
    key : PrivacyKey
        The project's key. Tables and scans meet only where both use the same one.
    system : str
        Identifier system of the original identifiers; a PACS's ``patient_system``.
    """

    def __init__(self, key: PrivacyKey, system: str) -> None:
        self._key = key.content
        self._system = system

    def of_system(self, system: str) -> Self:
        """Return the pseudonyms of the identifiers of another system, with the same key."""
        other = type(self).__new__(type(self))
        other._key, other._system = self._key, system
        return other

    @property
    def system(self) -> str:
        """Identifier system of the pseudonyms: never that of the originals, whose values they are not."""
        return f"{self._system}{'/' if '://' in self._system else ':'}pseudonym"

    def patient(self, value: str) -> str:
        """Return the pseudonym of a patient: 26 capital letters and digits."""
        return base64.b32encode(self._digest("patient", value)).decode()[:_LENGTH]

    def row(self, key: str) -> str:
        """Return what stands for a row's key in resource ids: record numbers can be tried out as well."""
        return self._digest("row", key).hex()

    def shift(self, value: str, most: int) -> int:
        """Return by how many days the dates of a patient are shifted: -`most` to `most`, never 0.

        The same for all dates of the patient, so that the time between them stays, and for tables and scans.

        Raises
        ------
        ValueError
            If `most` is not at least 1.
        """
        if most < 1:
            raise ValueError("dates are shifted by up to at least one day")
        number = int.from_bytes(self._digest("shift", value), "big") % (2 * most)
        return number - most if number < most else number - most + 1

    def _digest(self, what: str, value: str) -> bytes:
        return hmac.digest(self._key, _SEPARATOR.join((what, self._system, value)).encode(), sha256)


def ctp_lines(pseudonyms: Pseudonyms, values: list[str], most: int = 0) -> list[str]:
    """Return lines of a lookup table with which RSNA's CTP gives scans the same pseudonyms and dates.

    ``ptid`` serves ``@lookup(PatientID,ptid)``, ``dateinc`` the days of ``@incrementdate``. The table undoes the
    pseudonyms: it belongs to who holds the key.

    Parameters
    ----------
    pseudonyms : Pseudonyms
        Of the PACS's identifier system.
    values : list of str
        Original PatientIDs.
    most : int
        Most days by which dates are shifted; 0 for no shift.
    """
    lines = [f"ptid/{value}={pseudonyms.patient(value)}" for value in values]
    if most:
        lines += [f"dateinc/{value}={pseudonyms.shift(value, most)}" for value in values]
    return lines
