"""Who the patients are: everything about them that scan, mask and table must agree on."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np

from multimodal.model.ids import digest, hash_uid

PATIENTS = 12
NODE_PATIENTS = frozenset({1, 5, 9})  # their SEG has a second segment, a lymph node
SEPARATE_HOLE_PATIENT = 2  # RTSTRUCT: the core is a contour of its own
KEYHOLE_PATIENT = 4  # RTSTRUCT: outer and inner outline are one contour, joined by a cut
UNDATED_PATIENT = 6  # Study Date is empty, as hospitals deliver it
OUTSIDE_PATIENT = 8  # RTSTRUCT: a second ROI lies beside the image
EMPTY_ROI_PATIENT = 10  # RTSTRUCT: a second ROI has no contours
ROWLESS_PATIENT = 12  # has a scan, is not in the table

_CORE = 0.45


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """An ellipsoid along the axes of the patient coordinate system, in millimetres (x, y, z)."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]

    def scaled(self, factor: float) -> Ellipsoid:
        """Return it with the same centre and `factor` times its radii."""
        x, y, z = self.radii
        return Ellipsoid(self.centre, (factor * x, factor * y, factor * z))

    @property
    def volume(self) -> float:
        """Volume in cubic millimetres."""
        return float(4 / 3 * np.pi * np.prod(self.radii))


@dataclass(frozen=True, slots=True)
class Patient:
    """One patient.

    Parameters
    ----------
    number : int
        From 1 up.
    burden : float
        The planted effect, from 0 to 1: drives volume and texture of the lesion, the stage, the blood values
        and the survival.
    """

    number: int
    burden: float
    sex: str
    birth_date: datetime.date
    diagnosis_date: datetime.date
    survival_days: int
    scanned: bool
    lesion: Ellipsoid

    @property
    def id(self) -> str:
        """DICOM Patient ID, and the key of the table."""
        return f"DEMO-{self.number:03d}"

    @property
    def mask_kind(self) -> str:
        """SEG or RTSTRUCT; each half of the patients has one of them."""
        return "SEG" if self.number % 2 else "RTSTRUCT"

    @property
    def scan_time(self) -> datetime.datetime:
        """When the scan was taken."""
        return datetime.datetime.combine(self.diagnosis_date, datetime.time(8 + self.number % 9, 15))

    @property
    def core(self) -> Ellipsoid | None:
        """The dead centre of the lesion, which its ROI leaves out; most lesions have none."""
        return self.lesion.scaled(_CORE) if self.number in {SEPARATE_HOLE_PATIENT, KEYHOLE_PATIENT} else None

    @property
    def node(self) -> Ellipsoid | None:
        """A lymph node with a segment of its own; most patients have none."""
        return Ellipsoid((4.0, -30.0, self.lesion.centre[2]), (9.0, 8.0, 11.0)) if self.has_node else None

    @property
    def has_node(self) -> bool:
        """Whether the SEG has a second segment."""
        return self.number in NODE_PATIENTS

    @property
    def stage(self) -> str:
        """Overall stage, by the quarter of the burden."""
        return ("I", "II", "IIIA", "IIIB")[min(3, int(4 * self.burden))]

    @property
    def dead(self) -> bool:
        """Whether the patient died within the time of observation."""
        return self.burden > 0.4

    def age_at_diagnosis(self) -> float:
        """Age in years, with one decimal."""
        return round((self.diagnosis_date - self.birth_date).days / 365.25, 1)

    def uid(self, *what: str) -> str:
        """Return the UID of `what` of this patient, always the same."""
        return hash_uid("demo-cohort", self.id, *what)

    def random(self, what: str) -> np.random.Generator:
        """Return the generator of random numbers for `what` of this patient, always the same."""
        return np.random.default_rng(int(digest("demo-cohort", self.id, what)[:16], 16))


def draw_patients(scanned: int = PATIENTS) -> tuple[Patient, ...]:
    """Return `scanned` patients with a scan and one more without.

    Raises
    ------
    ValueError
        If there are too few for the planted defects.
    """
    if scanned < PATIENTS:
        raise ValueError(f"the planted defects need at least {PATIENTS} patients, not {scanned}")
    order = np.random.default_rng(20210301).permutation(scanned)
    burdens = [*((order + 0.5) / scanned), 0.3]
    return tuple(_draw(number, float(burden), number <= scanned) for number, burden in enumerate(burdens, start=1))


def _draw(number: int, burden: float, scanned: bool) -> Patient:
    random = np.random.default_rng([number, 7])
    diagnosis = datetime.date(2021, 1, 11) + datetime.timedelta(days=19 * number % 330)
    birth = datetime.date(1938, 3, 5) + datetime.timedelta(days=int(random.integers(0, 27 * 365)))
    radius = (8 + 15 * burden) * float(random.uniform(0.95, 1.05))
    side = -1 if number % 3 else 1  # x grows towards the patient's left (DICOM PS3.3 C.7.6.2.1.1)
    lesion = Ellipsoid(
        (side * float(random.uniform(70, 74)), float(random.uniform(-8, 8)), float(random.uniform(-10, 10))),
        (radius, radius * 1.15, radius * 1.3),
    )
    survival = round(90 + 1500 * (1 - burden) ** 1.3 + float(random.uniform(-40, 40)))
    sex = "F" if number % 5 in {0, 2} else "M"
    return Patient(number, burden, sex, birth, diagnosis, survival, scanned, lesion)
