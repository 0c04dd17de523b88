"""Which Patient the Patient ID of a scan means, and when its scans were made as far as may be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from multimodal.model.references import PatientRef
from multimodal.privacy.dates import shifted
from multimodal.privacy.keys import read_key
from multimodal.privacy.pseudonyms import SECURITY, Pseudonyms
from multimodal.resources.serialised import Serialised
from multimodal.transport.stores import Store

_ISSUER = "{issuer}"
_DATES = ("started", "effectiveDateTime")


@dataclass(frozen=True, slots=True)
class ScannedPatients:
    """Patient IDs (0010,0020) of one image store.

    Parameters
    ----------
    system : str
        Identifier system of the Patient IDs, the store's ``patient_system``; empty where nobody said.
    pseudonyms : Pseudonyms, optional
        What stands for the Patient IDs in FHIR. With the key of the mapping's ``privacy`` section, rows and scans meet
        in one pseudonymous Patient.
    date_shift_days : int
        Most days by which the dates of a patient are shifted; 0 leaves them.
    """

    system: str
    pseudonyms: Pseudonyms | None = None
    date_shift_days: int = 0

    @classmethod
    def of(cls, store: Store) -> ScannedPatients:
        """Return the patients of `store`.

        Raises
        ------
        PrivacyKeyError
            If the store names a key (``pseudonyms.key_env``) that is not there.
        """
        if not store.pseudonym_key_env:
            return cls(store.patient_system)
        pseudonyms = Pseudonyms(read_key(store.pseudonym_key_env), store.patient_system)
        return cls(store.patient_system, pseudonyms, store.date_shift_days)

    def issued_by(self, issuer: str) -> ScannedPatients | None:
        """Return the patients of one issuer of Patient IDs; None where it has to be known and is not.

        Notes
        -----
        It has to be where the store's ``patient_system`` has ``{issuer}`` in it: then the same Patient ID of two
        issuers, e.g. two collections of IDC, means two patients.
        """
        if _ISSUER not in self.system:
            return self
        if not issuer:
            return None
        system = self.system.replace(_ISSUER, quote(issuer, safe=""))
        pseudonyms = self.pseudonyms.of_system(system) if self.pseudonyms is not None else None
        return replace(self, system=system, pseudonyms=pseudonyms)

    def ref(self, patient_id: str) -> PatientRef:
        """Return the Patient of a Patient ID."""
        if self.pseudonyms is None:
            return PatientRef(self.system, patient_id)
        return PatientRef(self.pseudonyms.system, self.pseudonyms.patient(patient_id))

    def told(self, patient_id: str, resource: Mapping[str, Any] | Serialised) -> dict[str, Any]:
        """Return a resource about this patient as it may be told: dates shifted, marked as pseudonymous.

        The UIDs of its scans stay: they lead to the images, whose store guards them.
        """
        if isinstance(resource, Serialised):
            resource = resource.resource()
        if self.pseudonyms is None:
            return dict(resource)
        days = self.pseudonyms.shift(patient_id, self.date_shift_days) if self.date_shift_days else 0
        made = _moved(resource, days)
        made["meta"] = {**made.get("meta", {}), "security": [SECURITY]}
        return made


def _moved(part: Mapping[str, Any], days: int) -> dict[str, Any]:
    made = dict(part)
    for name in _DATES:
        if days and name in made:
            made[name] = shifted(made[name], days)
    if "series" in made:
        made["series"] = [_moved(series, days) for series in made["series"]]
    return made
