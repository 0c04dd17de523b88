"""What is a volume, and what is refused: each fault that readers tend to pass over in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from multimodal.imaging import MaskError, Reading, VolumeError, VolumeFault, read_rois, read_volume
from multimodal.imaging.geometry import regular_stack
from multimodal.model.exit_codes import ExitCode
from multimodal.model.ids import hash_uid
from tests.imaging.made import SERIES, ct_images, write

Images = list[Dataset]


@pytest.fixture
def stored() -> NDArray[np.int16]:
    return np.random.default_rng(1).integers(0, 2000, (8, 12, 15), dtype=np.int16)


def test_slices_are_sorted_and_rescaled(tmp_path: Path, stored: NDArray[np.int16]) -> None:
    volume = read_volume(write(tmp_path, ct_images(stored)[::-1]))
    assert np.array_equal(volume.array, stored.astype(np.float32) - 1000)
    assert volume.spacing == (3.0, 0.9, 0.8)
    assert (volume.series_uid, volume.patient_id, volume.started) == (SERIES, "P1", "20200102030405")
    assert volume.sop_uids == tuple(hash_uid("image", str(i)) for i in range(8))
    assert volume.warnings == ()
    assert all("PixelData" not in header for header in volume.headers)


def test_an_oblique_series_keeps_its_place(tmp_path: Path, stored: NDArray[np.int16]) -> None:
    row, column = (0.8, 0.6, 0.0), (-0.36, 0.48, 0.8)
    volume = read_volume(write(tmp_path, ct_images(stored, rows_along=row, columns_along=column)))
    index = np.array([[0, 0, 0], [7, 11, 14], [2.5, 3.25, 4.75]])
    assert np.allclose(volume.to_index(volume.to_patient(index)), index, atol=1e-9)
    assert np.array_equal(volume.array, stored.astype(np.float32) - 1000)


def test_every_slice_has_its_own_rescaling(tmp_path: Path, stored: NDArray[np.int16]) -> None:
    images = ct_images(stored)
    for index, image in enumerate(images):
        image.RescaleSlope, image.RescaleIntercept = 0.5 + index, -index
    volume = read_volume(write(tmp_path, images))
    slopes = 0.5 + np.arange(8, dtype=np.float32)[:, None, None]
    assert np.allclose(volume.array, stored * slopes - np.arange(8)[:, None, None], rtol=1e-6)


def test_a_localizer_is_left_out_and_said(tmp_path: Path, stored: NDArray[np.int16]) -> None:
    images = ct_images(stored)
    scout = ct_images(np.zeros((1, 30, 40), dtype=np.int16), columns_along=(0.0, 0.0, -1.0))[0]
    scout.SOPInstanceUID, scout.ImageType = hash_uid("scout"), ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    volume = read_volume(write(tmp_path, [scout, *images]))
    assert volume.shape == stored.shape
    assert volume.warnings == ("left out 1 localizer image(s) that lie across the stack",)


def test_an_exact_copy_is_left_out_and_said(tmp_path: Path, stored: NDArray[np.int16]) -> None:
    images = ct_images(stored)
    copy = ct_images(stored)[3]
    copy.SOPInstanceUID = hash_uid("copy")
    volume = read_volume(write(tmp_path, [*images, copy]))
    assert np.array_equal(volume.array, stored.astype(np.float32) - 1000)
    assert volume.warnings == ("left out 1 exact duplicate image(s)",)


def scattered(images: Images) -> None:
    for index in (2, 3, 6):
        images[index].ImagePositionPatient[2] += 0.05  # 1.7 % of the slice distance


def doubled(images: Images) -> None:
    images.append(ct_images(np.ones((8, 12, 15), dtype=np.int16))[3])
    images[-1].SOPInstanceUID = hash_uid("other")


def tilted(images: Images) -> None:
    for index, image in enumerate(images):
        image.ImagePositionPatient[1] += index * 0.8  # 15 degrees


def turned(images: Images) -> None:
    images[2].ImageOrientationPatient = [0.99985, 0.01745, 0, -0.01745, 0.99985, 0]  # 1 degree


def cropped(images: Images) -> None:
    images[2].Rows = 11
    images[2].PixelData = images[2].PixelData[: 11 * 15 * 2]


def other_frame(images: Images) -> None:
    images[2].FrameOfReferenceUID = hash_uid("another frame")


def placeless(images: Images) -> None:
    del images[2].ImagePositionPatient


def truncated(images: Images) -> None:
    images[2].PixelData = images[2].PixelData[:100]


def coloured(images: Images) -> None:
    images[2].SamplesPerPixel = 3


def alone(images: Images) -> None:
    del images[1:]


def multi_frame(images: Images) -> None:
    images[0].NumberOfFrames = 8


def mixed(images: Images) -> None:
    images[2].SeriesInstanceUID = hash_uid("another series")


@pytest.mark.parametrize(
    ("fault", "spoil"),
    [
        (VolumeFault.GAP, scattered),
        (VolumeFault.DUPLICATE, doubled),
        (VolumeFault.TILT, tilted),
        (VolumeFault.ORIENTATION, turned),
        (VolumeFault.MATRIX, cropped),
        (VolumeFault.FRAME_OF_REFERENCE, other_frame),
        (VolumeFault.NO_GEOMETRY, placeless),
        (VolumeFault.PIXELS, truncated),
        (VolumeFault.UNSUPPORTED, coloured),
        (VolumeFault.UNSUPPORTED, multi_frame),
        (VolumeFault.ONE_SLICE, alone),
    ],
)
def test_a_fault_is_named(
    tmp_path: Path, stored: NDArray[np.int16], fault: VolumeFault, spoil: Callable[[Images], None]
) -> None:
    images = ct_images(stored)
    spoil(images)
    with pytest.raises(VolumeError) as caught:
        read_volume(write(tmp_path, images))
    assert caught.value.fault is fault
    assert caught.value.series_uid == SERIES
    assert SERIES in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code is ExitCode.REFUSED


def test_a_folder_of_two_series_is_refused(tmp_path: Path, stored: NDArray[np.int16]) -> None:
    images = ct_images(stored)
    mixed(images)
    with pytest.raises(VolumeError, match="2 series"):
        read_volume(write(tmp_path, images))


def test_an_empty_folder_and_nonsense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="no DICOM images"):
        read_volume(tmp_path)
    (tmp_path / "x.dcm").write_bytes(b"no DICOM" * 1000)
    with pytest.raises(VolumeError, match=r"x\.dcm is not a DICOM file"):
        read_volume(tmp_path)


def test_pet_says_that_it_is_not_suv(tmp_path: Path, stored: NDArray[np.int16]) -> None:
    images = ct_images(stored)
    for image in images:
        image.Modality, image.Units = "PT", "BQML"
    assert read_volume(write(tmp_path, images), Reading(suv=False)).warnings == (
        "PET intensities are measured as stored (BQML), not as SUV",
    )


@pytest.mark.parametrize("modality", ["SEG", "RTSTRUCT", "SR"])
def test_what_is_drawn_on_an_image_is_none(tmp_path: Path, stored: NDArray[np.int16], modality: str) -> None:
    images = ct_images(stored)[:1]
    images[0].Modality, images[0].NumberOfFrames = modality, 8
    if modality != "SEG":
        del images[0].PixelData, images[0].Rows
    with pytest.raises(
        VolumeError, match=f"it is a {modality}, not an image; .*--image and --mask.* swapped"
    ) as raised:
        read_volume(write(tmp_path, images))
    assert raised.value.fault is VolumeFault.NO_IMAGES


def test_two_gigabytes_of_nonsense_are_refused_unread(tmp_path: Path, stored: NDArray[np.int16]) -> None:
    volume = read_volume(write(tmp_path / "ct", ct_images(stored)))
    (tmp_path / "large").mkdir()
    file = tmp_path / "large/x.dcm"
    with file.open("wb") as sparse:
        sparse.truncate(2 * 1024**3)
    with pytest.raises(VolumeError, match=r"x\.dcm is not a DICOM file"):
        read_volume(tmp_path / "large")
    with pytest.raises(MaskError, match=r"x\.dcm: is no DICOM file"):
        read_rois(file, volume)


def direction(turn: list[float]) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    turned, _ = np.linalg.qr(np.asarray(turn).reshape(3, 3) + 2 * np.eye(3))
    row, column = (tuple(float(v) for v in turned[:, axis]) for axis in (0, 1))
    return row, column  # type: ignore[return-value]


@given(
    turn=st.lists(st.floats(-1, 1), min_size=9, max_size=9),
    spacing=st.tuples(st.floats(0.5, 6), st.floats(0.3, 2), st.floats(0.3, 2)),
    order=st.permutations(range(6)),
    copies=st.lists(st.integers(0, 5), max_size=3),
)
@settings(max_examples=30, deadline=None)
def test_order_copies_and_direction_make_no_difference(
    turn: list[float], spacing: tuple[float, float, float], order: list[int], copies: list[int]
) -> None:
    row, column = direction(turn)
    planes = np.arange(6 * 4 * 5, dtype=np.int16).reshape(6, 4, 5)
    images = ct_images(planes, rows_along=row, columns_along=column, spacing=spacing)
    stack = regular_stack([images[i] for i in (*order, *copies)], SERIES)
    assert [s.image.SOPInstanceUID for s in stack.slices] == [hash_uid("image", str(i)) for i in range(6)]
    assert stack.spacing == pytest.approx(spacing, abs=1e-5)
    assert np.allclose(stack.direction.T @ stack.direction, np.eye(3), atol=1e-12)
    assert bool(stack.warnings) == bool(copies)
    assert (stack.even, stack.cut) == (True, ())


@given(lost=st.integers(1, 8))
@settings(max_examples=8, deadline=None)
def test_a_lost_slice_never_moves_another(lost: int) -> None:
    images = ct_images(np.zeros((10, 4, 5), dtype=np.int16))
    del images[lost]
    stack = regular_stack(images, SERIES)
    kept = [float(s.position[2]) for s in stack.slices]
    assert np.allclose(np.diff(kept), 3.0)
    assert len(kept) + len(stack.cut) == 9
    assert len(kept) == max(lost, 9 - lost)
