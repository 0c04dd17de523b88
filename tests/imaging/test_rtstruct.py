"""RTSTRUCT -> voxels, against an oracle that asks every voxel centre by itself."""

from __future__ import annotations

import math
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from multimodal.imaging import FailureReason, MaskError, MaskFault, Roi, Volume, read_rois, read_volume
from multimodal.imaging.rasterise import fill
from multimodal.model.ids import hash_uid
from tests.imaging.made import ct_images, rtstruct, write

Points = NDArray[np.float64]
SHAPE = (6, 30, 34)


def oracle(contours: list[Points]) -> NDArray[np.bool_]:
    """Even-odd by a ray along the rows' axis, edge by edge: shares neither loop nor axis with the rasteriser."""
    row, column = np.indices(SHAPE[1:], dtype=np.float64)
    inside = np.zeros(SHAPE[1:], dtype=bool)
    for contour in contours:
        for (r0, c0), (r1, c1) in zip(contour, np.roll(contour, -1, axis=0), strict=True):
            if c0 != c1:
                crossed = (c0 > column) != (c1 > column)
                inside ^= crossed & (r0 + (column - c0) / (c1 - c0) * (r1 - r0) > row)
    return inside


def star(rng: np.random.Generator, centre: tuple[float, float], radius: float) -> Points:
    """Return a polygon of random corners around `centre`."""
    angles = np.sort(rng.uniform(0, 2 * math.pi, rng.integers(5, 40)))
    radii = rng.uniform(0.5, 1.0, angles.size) * radius
    return np.stack([centre[0] + radii * np.sin(angles), centre[1] + radii * np.cos(angles)], axis=1)


def drawing(rng: np.random.Generator, kind: int) -> list[Points]:
    """Return a plain outline, one with a hole, a keyhole, or one that reaches beyond the image."""
    centre = (rng.uniform(12, 18), rng.uniform(14, 20))
    outer, inner = star(rng, centre, 12), star(rng, centre, 5)
    if kind == 0:
        return [outer]
    if kind == 1:
        return [outer, inner]
    if kind == 2:  # to the inner outline and back over the same bridge
        return [np.concatenate([outer, outer[:1], inner, inner[:1]])]
    return [star(rng, (rng.uniform(-4, 34), rng.uniform(-4, 38)), 12)]


def rotation(rng: np.random.Generator) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    turned, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    row, column = (tuple(float(v) for v in turned[:, axis]) for axis in (0, 1))
    return row, column  # type: ignore[return-value]


def volume_at(folder: Path, **grid: object) -> Volume:
    stored = np.zeros(SHAPE, dtype=np.int16)
    return read_volume(write(folder, ct_images(stored, **grid)))  # type: ignore[arg-type]


def read(folder: Path, volume: Volume, regions: dict[str, list[Points]], **kwargs: str) -> list[Roi]:
    file = folder / "rtstruct.dcm"
    rtstruct(regions, **kwargs).save_as(file, enforce_file_format=True)
    return read_rois(file, volume)


def in_patient(volume: Volume, plane: float, contour: Points) -> Points:
    return volume.to_patient(np.column_stack([np.full(len(contour), plane), contour]))


@pytest.mark.parametrize("seed", range(60))
def test_random_outlines_on_oblique_grids(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    row, column = rotation(rng)
    spacing = (float(rng.uniform(0.6, 6)), float(rng.uniform(0.3, 2)), float(rng.uniform(0.3, 2)))
    volume = volume_at(tmp_path / "ct", rows_along=row, columns_along=column, spacing=spacing)
    planes = {int(p): drawing(rng, seed % 4) for p in rng.choice(SHAPE[0], 3, replace=False)}
    contours = [in_patient(volume, plane, c) for plane, drawn in planes.items() for c in drawn]
    [roi] = read(tmp_path, volume, {"A": contours})
    expected = np.zeros(SHAPE, dtype=bool)
    for plane, drawn in planes.items():
        expected[plane] = oracle(drawn)
    assert np.array_equal(roi.in_full(SHAPE) if roi.mask.size else np.zeros(SHAPE, dtype=bool), expected)


def test_the_ibsi_phantom_has_no_voxel_else(public_data: Path) -> None:
    phantom = public_data / "ibsi/ibsi_1_ct_radiomics_phantom"
    volume = read_volume(phantom / "dicom/image")
    [roi] = read_rois(next((phantom / "dicom/mask").glob("*.dcm")), volume)
    reference = np.asarray(nibabel.load(phantom / "nifti/mask/mask.nii.gz").dataobj).transpose(2, 1, 0)
    assert int((reference.astype(bool) != roi.in_full(volume.shape)).sum()) == 0
    assert roi.voxels == 125256
    assert roi.mask.size < 0.15 * reference.size
    image = np.asarray(nibabel.load(phantom / "nifti/image/phantom.nii.gz").dataobj).transpose(2, 1, 0)
    assert np.array_equal(image.astype(np.float32), volume.array)


def test_neighbours_share_an_edge_and_no_voxel() -> None:
    """Vertices on voxel centres: each centre on the common edge belongs to exactly one of the two."""
    left = np.array([[2, 2], [2, 6], [8, 6], [8, 2]], dtype=float)
    right = np.array([[2, 6], [2, 9], [8, 9], [8, 6]], dtype=float)
    planes = [fill([contour], 12, 12).astype(int) for contour in (left, right)]
    both = np.array([[2, 2], [2, 9], [8, 9], [8, 2]], dtype=float)
    assert np.array_equal(planes[0] + planes[1], fill([both], 12, 12).astype(int))
    assert planes[0].sum() == 6 * 4


def test_vertices_are_not_rounded() -> None:
    contour = np.array([[0.5, 0.51], [0.5, 3.49], [2.5, 3.49], [2.5, 0.51]])
    assert fill([contour], 4, 5)[1].tolist() == [False, True, True, True, False]
    assert fill([contour + np.array([0, 0.5 - 1e-9])], 4, 5)[1].tolist() == [False, False, True, True, False]


def test_outlines_off_their_slice_are_counted(tmp_path: Path) -> None:
    volume = volume_at(tmp_path / "ct")
    square = np.array([[4.5, 4.5], [4.5, 19.5], [19.5, 19.5], [19.5, 4.5]])
    # 1.4 and 0.8 are two outlines of slice 1; only the nearer one fills it, not their difference
    drawn = [in_patient(volume, plane, square) for plane in (0.0, 0.8, 1.4, 2.3)]
    [roi] = read(tmp_path, volume, {"A": drawn})
    assert [int(plane.sum()) for plane in roi.mask] == [225, 225, 225]
    assert roi.flags == ("touches the image border", "2 contour(s) more than a quarter slice off their slice")


def test_what_cannot_be_measured_is_said_and_the_others_go_on(tmp_path: Path) -> None:
    volume = volume_at(tmp_path / "ct")
    square = np.array([[5, 5], [5, 20], [20, 20], [20, 5]], dtype=float)
    regions = {
        "good": [in_patient(volume, 2, square)],
        "above": [in_patient(volume, 9, square)],
        "beside": [in_patient(volume, 2, square + 100)],
        "speck": [in_patient(volume, 2, square * 0.02 + 0.3)],
        "empty": [],
        "across": [volume.to_patient(np.array([[0, 5, 5], [4, 5, 9], [4, 20, 9]], dtype=float))],
        "partly": [in_patient(volume, 2, square + 15), in_patient(volume, 7, square)],
    }
    rois = {roi.name: roi for roi in read(tmp_path, volume, regions)}
    reasons = {name: roi.failure.reason if roi.failure else None for name, roi in rois.items()}
    assert reasons == {
        "good": None,
        "above": FailureReason.OUTSIDE,
        "beside": FailureReason.OUTSIDE,
        "speck": FailureReason.EMPTY,
        "empty": FailureReason.EMPTY,
        "across": FailureReason.CONTOURS,
        "partly": None,
    }
    assert rois["partly"].flags == ("touches the image border", "1 contour(s) outside the image")
    assert all(roi.mask.size == 0 for name, roi in rois.items() if reasons[name])


def test_open_contours_are_no_area(tmp_path: Path) -> None:
    volume = volume_at(tmp_path / "ct")
    line = in_patient(volume, 1, np.array([[3.0, 3.0], [9.0, 9.0]]))
    [roi] = read(tmp_path, volume, {"A": [line]}, kind="OPEN_PLANAR")
    assert roi.failure is not None
    assert roi.failure.reason is FailureReason.CONTOURS


def test_another_frame_of_reference_is_refused(tmp_path: Path) -> None:
    volume = volume_at(tmp_path / "ct")
    other = hash_uid("elsewhere")
    with pytest.raises(MaskError, match="frame of reference") as caught:
        read(tmp_path, volume, {"A": [in_patient(volume, 1, np.eye(3, 2) * 9)]}, frame=other)
    assert caught.value.fault is MaskFault.FRAME_OF_REFERENCE
    assert other in str(caught.value)


def test_one_region_in_another_frame_fails_alone(tmp_path: Path) -> None:
    volume = volume_at(tmp_path / "ct")
    square = in_patient(volume, 2, np.array([[5, 5], [5, 20], [20, 20], [20, 5]], dtype=float))
    structures = rtstruct({"here": [square], "there": [square]})
    structures.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = hash_uid("elsewhere")
    structures.save_as(tmp_path / "r.dcm", enforce_file_format=True)
    here, there = read_rois(tmp_path / "r.dcm", volume)
    assert here.failure is None
    assert there.failure is not None
    assert there.failure.reason is FailureReason.FRAME_OF_REFERENCE


def test_another_patient_and_other_files_are_refused(tmp_path: Path) -> None:
    volume = volume_at(tmp_path / "ct")
    structures = rtstruct({"A": []})
    structures.PatientID = "P2"
    structures.save_as(tmp_path / "r.dcm", enforce_file_format=True)
    with pytest.raises(MaskError, match="another patient") as caught:
        read_rois(tmp_path / "r.dcm", volume)
    assert caught.value.fault is MaskFault.PATIENT
    with pytest.raises(MaskError, match="neither SEG nor RTSTRUCT"):
        read_rois(next((tmp_path / "ct").iterdir()), volume)
    (tmp_path / "x.dcm").write_bytes(b"nonsense")
    with pytest.raises(MaskError, match="is no DICOM file; give a SEG or an RTSTRUCT"):
        read_rois(tmp_path / "x.dcm", volume)


def test_a_contour_of_nonsense_is_refused(tmp_path: Path) -> None:
    volume = volume_at(tmp_path / "ct")
    structures = rtstruct({"A": [np.zeros((4, 3))]})
    structures.ROIContourSequence[0].ContourSequence[0].ContourData = [1.0, 2.0]
    structures.save_as(tmp_path / "r.dcm", enforce_file_format=True)
    with pytest.raises(MaskError, match="ROI 1"):
        read_rois(tmp_path / "r.dcm", volume)
