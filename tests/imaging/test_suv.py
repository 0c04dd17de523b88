"""PET becomes SUV by the header's own numbers, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from multimodal.imaging import Reading, VolumeError, VolumeFault, read_volume
from tests.imaging.made import ct_images, write

Images = list[Dataset]
HALF_LIFE = 6586.2
STORED = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6) * 100


@pytest.fixture
def images() -> Images:
    """Return FDG images: 70 kg, 350 MBq, injected one hour before the scan."""
    made = ct_images(STORED, slope=2.0, intercept=0.0)
    for image in made:
        image.Modality, image.Units, image.DecayCorrection = "PT", "BQML", "START"
        image.CorrectedImage = ["ATTN", "DECY", "SCAT"]
        image.PatientWeight = 70
        image.SeriesDate = image.AcquisitionDate = "20200102"
        image.SeriesTime, image.AcquisitionTime = "120000", "120500"
        drug = Dataset()
        drug.RadionuclideTotalDose, drug.RadionuclideHalfLife = 350e6, HALF_LIFE
        drug.RadiopharmaceuticalStartTime = "110000"
        image.RadiopharmaceuticalInformationSequence = [drug]
    return made


def after(seconds: float) -> float:
    return float(70_000 / (350e6 * 2 ** (-seconds / HALF_LIFE)))


def as_is(images: Images) -> None:
    pass


def to_injection(images: Images) -> None:
    for image in images:
        image.DecayCorrection = "ADMIN"


def past_midnight(images: Images) -> None:
    for image in images:
        image.SeriesTime, image.AcquisitionTime = "003000", "003500"
        image.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartTime = "233000"


def dated(images: Images) -> None:
    for image in images:
        image.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime = "20200102103000.00"


def made_anew(images: Images) -> None:
    """Series Time is that of a later reconstruction: the earliest acquisition counts."""
    for index, image in enumerate(images):
        image.SeriesTime, image.AcquisitionTime = "150000", f"12{index:02}00"


def as_suv(images: Images) -> None:
    for image in images:
        image.Units = "GML"


def philips(images: Images) -> None:
    for image in images:
        image.Units = "CNTS"
        image.private_block(0x7053, "Philips PET Private Group", create=True).add_new(0x00, "DS", "0.00025")


def philips_activity(images: Images) -> None:
    for image in images:
        image.Units = "CNTS"
        block = image.private_block(0x7053, "Philips PET Private Group", create=True)
        block.add_new(0x00, "DS", "0")
        block.add_new(0x09, "DS", "1.5")


@pytest.mark.parametrize(
    ("change", "factor"),
    [
        (as_is, after(3600)),
        (to_injection, 70_000 / 350e6),
        (past_midnight, after(3600)),
        (dated, after(5400)),
        (made_anew, after(3600)),
        (as_suv, 1.0),
        (philips, 0.00025),
        (philips_activity, 1.5 * after(3600)),
    ],
)
def test_activity_becomes_suv(tmp_path: Path, images: Images, change: Callable[[Images], None], factor: float) -> None:
    change(images)
    volume = read_volume(write(tmp_path, images))
    assert np.allclose(volume.array, STORED * 2.0 * factor, rtol=1e-6)
    assert volume.suv
    assert volume.intensity_unit == "g/ml{SUVbw}"
    assert volume.warnings[0].startswith("PET intensities are SUV by body weight: ")


def weightless(images: Images) -> None:
    del images[0].PatientWeight


def undosed(images: Images) -> None:
    images[0].RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose = 0


def uninjected(images: Images) -> None:
    del images[0].RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartTime


def drugless(images: Images) -> None:
    del images[0].RadiopharmaceuticalInformationSequence


def other_day(images: Images) -> None:
    images[0].RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime = "20191231103000"


def uncorrected(images: Images) -> None:
    images[0].DecayCorrection = "NONE"


def unattenuated(images: Images) -> None:
    images[0].CorrectedImage = ["DECY"]


def counts(images: Images) -> None:
    for image in images:
        image.Units = "CNTS"


def mixed(images: Images) -> None:
    images[1].Units = "GML"


def lean(images: Images) -> None:
    for image in images:
        image.Units, image.SUVType = "GML", "LBM"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (weightless, "PatientWeight"),
        (undosed, "RadionuclideTotalDose"),
        (uninjected, "time of injection"),
        (drugless, "RadionuclideTotalDose"),
        (other_day, "dates or times are wrong"),
        (uncorrected, "decay correction is NONE"),
        (unattenuated, "not corrected for ATTN"),
        (counts, "Philips' scale factor"),
        (mixed, "several units"),
        (lean, "type LBM"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, images: Images, spoil: Callable[[Images], None], words: str) -> None:
    spoil(images)
    with pytest.raises(VolumeError, match=words) as caught:
        read_volume(write(tmp_path, images))
    assert caught.value.fault is VolumeFault.SUV
    stored = read_volume(tmp_path, Reading(suv=False))
    assert np.allclose(stored.array, STORED * 2.0)
    assert not stored.suv
