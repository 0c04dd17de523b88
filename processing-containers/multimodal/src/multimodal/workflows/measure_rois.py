"""One image series and its masks -> features, a report per mask, a SEG per RTSTRUCT; needs no server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from multimodal.imaging import MaskError, MaskFault, Reading, Roi, Volume, read_rois, read_volume
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.model.results import Status, WorkflowResult
from multimodal.radiomics import (
    Profile,
    RoiResult,
    engine_version,
    extract,
    is_derived_by_us,
    measurement_report,
    segmentation,
    write_features_csv,
)
from multimodal.radiomics.suv_units import in_suv
from multimodal.radiomics.written import software_version

_USUAL = Reading()


@dataclass(frozen=True)
class MeasuredMask:
    """What came out of one SEG or RTSTRUCT.

    Parameters
    ----------
    file : Path
        The mask.
    results : tuple of RoiResult
        One for each region, in the file's order.
    report : Dataset or None
        TID 1500 SR; None where no region has features.
    derived : Dataset or None
        The voxels as SEG; only for an RTSTRUCT of which a region has features.
    """

    file: Path
    results: tuple[RoiResult, ...]
    report: Dataset | None = None
    derived: Dataset | None = None


@dataclass(frozen=True)
class Measured:
    """What came out of one image series and its masks."""

    volume: Volume
    masks: tuple[MeasuredMask, ...]
    issues: tuple[Issue, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def results(self) -> tuple[RoiResult, ...]:
        """The regions of all masks."""
        return tuple(result for mask in self.masks for result in mask.results)


@dataclass(slots=True)
class _Read:
    """The masks of a series as they could be read."""

    masks: list[tuple[Path, list[Roi]]] = field(default_factory=list)
    errors: list[MaskError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def with_reading(profile: Profile, reading: Reading) -> Profile:
    """Return the profile with what `reading` changes among its settings, and so in its hash."""
    if not (changed := reading.changed()):
        return profile
    content = json.dumps([profile.sha256, changed], sort_keys=True).encode()
    return replace(
        profile, settings={**profile.settings, "reading": changed}, sha256=hashlib.sha256(content).hexdigest()
    )


def measure_rois(
    image: Path,
    masks: Sequence[Path],
    *,
    profile: Profile,
    reading: Reading = _USUAL,
    processes: int = 1,
    progress: Progress = silent,
) -> Measured:
    """Measure every region of `masks` on the series in `image`.

    Parameters
    ----------
    image : Path
        Folder of one image series.
    masks : sequence of Path
        SEG or RTSTRUCT files, or folders of them. A SEG that we derived ourselves is passed over.
    profile : Profile
        The settings, those of `with_reading` where the reading is not the usual one.
    reading : Reading
        How series and masks become voxels.
    processes : int
        Worker processes over the regions.
    progress : Progress
        Told after each region.

    Raises
    ------
    VolumeError
        The series is not one regular volume.
    MaskError
        No mask can be used; where others can, it is an issue.
    """
    volume = read_volume(image, reading)
    read = _read_masks(masks, volume, reading)
    if read.errors and not read.masks:
        raise read.errors[0]
    rois = [roi for _, found in read.masks for roi in found]
    found_features = extract(volume, rois, profile, processes=processes, progress=progress)
    results = (in_suv(result, volume) for result in found_features)
    measured = tuple(
        _measured_mask(file, [next(results) for _ in found], volume, profile) for file, found in read.masks
    )
    issues = [_mask_issue(error, volume) for error in read.errors]
    issues += [_roi_issue(volume, r) for mask in measured for r in mask.results if r.failure]
    return Measured(volume, measured, tuple(issues), (*volume.warnings, *read.warnings, *_flagged(measured)))


def write_measured(measured: Measured, out: Path, profile: Profile) -> WorkflowResult:
    """Write ``features.csv``, ``sr.dcm`` and ``seg.dcm`` into `out` and return what was done.

    Notes
    -----
    With several masks the second one's files are ``sr-2.dcm`` and ``seg-2.dcm``, and so on.
    """
    out.mkdir(parents=True, exist_ok=True)
    lines = write_features_csv(out / "features.csv", measured.volume, measured.results, profile)
    for number, mask in enumerate(measured.masks, start=1):
        suffix = f"-{number}" if number > 1 else ""
        for name, dataset in (("sr", mask.report), ("seg", mask.derived)):
            if dataset is not None:
                dataset.save_as(out / f"{name}{suffix}.dcm", enforce_file_format=True)
    return summary(measured, profile, lines)


def summary(measured: Measured, profile: Profile, features: int) -> WorkflowResult:
    """Return the outcome as a workflow's result."""
    regions = len(measured.results)
    status = Status.PARTIAL if measured.issues else Status.DONE
    return WorkflowResult(
        status=status if regions or measured.issues else Status.NOTHING,
        counts={
            "series": 1,
            "masks": len(measured.masks),
            "ROIs": regions,
            "ROIs measured": sum(bool(result.features) for result in measured.results),
            "features": features,
        },
        warnings=measured.warnings,
        issues=measured.issues,
        versions={"engine": engine_version(profile), "multimodal": software_version()},
        hashes={f"profile {profile.name}": profile.sha256},
    )


def _read_masks(masks: Sequence[Path], volume: Volume, reading: Reading) -> _Read:
    read = _Read()
    for file in _files(masks):
        if _is_ours(file):
            read.warnings.append(f"{file.name} was derived by an earlier extraction and is passed over")
            continue
        try:
            read.masks.append((file, read_rois(file, volume, reading)))
        except MaskError as error:
            read.errors.append(error)
    return read


def _files(masks: Sequence[Path]) -> Iterator[Path]:
    for path in masks:
        if path.is_dir():
            yield from sorted(path.rglob("*.dcm"))
        elif path.is_file():
            yield path
        else:
            raise MaskError(path, MaskFault.NOT_A_MASK, f"there is no such file: {path}")


def _is_ours(file: Path) -> bool:
    try:
        return is_derived_by_us(pydicom.dcmread(file, stop_before_pixels=True))
    except (InvalidDicomError, EOFError, ValueError, KeyError, OSError):
        return False  # reading it as a mask will say what is wrong


def _measured_mask(file: Path, results: list[RoiResult], volume: Volume, profile: Profile) -> MeasuredMask:
    if not any(result.features for result in results):
        return MeasuredMask(file, tuple(results))
    rois = [result.roi for result in results]
    derived = segmentation(volume, rois) if rois[0].kind == "RTSTRUCT" else None
    return MeasuredMask(file, tuple(results), measurement_report(volume, results, profile, derived), derived)


def _mask_issue(error: MaskError, volume: Volume) -> Issue:
    code = IssueCode.MASK_UNUSABLE
    return Issue(
        code=code.code,
        message=str(error),
        sheet=error.file.name,
        record=volume.series_uid,
        suggestion=code.suggestion,
    )


def _roi_issue(volume: Volume, result: RoiResult) -> Issue:
    code, roi, failure = IssueCode.ROI_FAILED, result.roi, result.failure
    if failure is None:
        raise ValueError("an ROI without a failure is no issue")
    return Issue(
        code=code.code,
        message=f"{failure.reason.value}: {failure.message}",
        sheet=roi.mask_sop_uid,
        record=volume.series_uid,
        instance=str(roi.number),
        value=roi.name,
        suggestion=code.suggestion,
    )


def _flagged(masks: Sequence[MeasuredMask]) -> Iterator[str]:
    for mask in masks:
        for result in mask.results:
            yield from (f"ROI {result.roi.number} {result.roi.name!r}: {flag}" for flag in result.flags)
