"""Image series and their masks -> features: Observations in FHIR, a table in the bucket, SR and SEG in the store."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

import orjson

from multimodal.bucket import Bucket
from multimodal.dicomweb import DicomWeb
from multimodal.fhirstore import Target
from multimodal.imaging import Reading, Volume
from multimodal.model.errors import ConfigurationError
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.model.results import Status, WorkflowResult
from multimodal.radiomics import Profile, RoiResult, engine_version, write_features_csv
from multimodal.radiomics.wide import WideRow, parquet, wide_rows
from multimodal.resources.measurements import Layout
from multimodal.resources.outcomes import operation_outcome
from multimodal.workflows.loading import load_into
from multimodal.workflows.measure_rois import Measured, MeasuredMask, with_reading
from multimodal.workflows.measure_series import Refused, SeriesFolders, measure_series
from multimodal.workflows.measured_resources import measured_groups
from multimodal.workflows.scanned_patients import ScannedPatients
from multimodal.workflows.series_patients import SeriesPatients
from multimodal.workflows.sync_imaging import sync_imaging

__all__ = ["SOURCE", "SeriesFolders", "extract_radiomics"]

SOURCE = "extract-radiomics"
_USUAL = Reading()


def extract_radiomics(
    pairs: Sequence[SeriesFolders],
    *,
    profile: Profile,
    out_dir: Path,
    fhir: Target | None = None,
    bucket: Bucket | None = None,
    dicom: DicomWeb | None = None,
    patients: ScannedPatients | None = None,
    origins: SeriesPatients | None = None,
    reading: Reading = _USUAL,
    layout: Layout = "members",
    processes: int = 1,
    progress: Progress = silent,
) -> WorkflowResult:
    """Measure every ROI of every pair and bring the values to each place that is given.

    Parameters
    ----------
    pairs : sequence of SeriesFolders
        What to measure.
    profile : Profile
        Settings; their hash is part of the identity of all that is written.
    out_dir : Path
        Gets ``<mask series>/`` with ``features.csv``, an SR for each mask, a SEG where the mask was an
        RTSTRUCT, and an OperationOutcome where something failed.
    fhir, bucket, dicom : optional
        FHIR target, bucket (features, manifest) and image store (SR and SEG); left alone where not given.
    patients : ScannedPatients, optional
        Whom the images' Patient IDs mean; needed with `fhir`.
    origins : SeriesPatients, optional
        Whom they mean in series that are referenced in other stores; without it, `patients` says so of all.
    reading : Reading
        How series and masks become voxels; what differs from the usual is part of the settings' hash.
    layout : {'members', 'components'}
        One Observation for each feature, or one for each class of features.
    processes : int
        So many series are measured at once; with a single one, so many of its ROIs.

    Returns
    -------
    WorkflowResult
        ``partial`` with an issue (R1xx) for each series, mask or ROI that could not be measured.

    Notes
    -----
    The ids of all that is written are made of image series, mask, ROI and settings: a re-run replaces, other
    settings stand beside. A mask that this package itself derived is passed over, so that results never
    become input.
    """
    if fhir is not None and (patients is None or not patients.system):
        raise ConfigurationError("name the identifier system of the Patient IDs: patient_system of the image store")
    profile = with_reading(profile, reading)
    whose = patients or ScannedPatients("")
    run = _Run(profile, layout, out_dir, fhir, bucket, dicom, whose, origins)
    found = measure_series(pairs, profile=profile, reading=reading, processes=processes)
    for done, measured in enumerate(found, start=1):
        run.deliver(measured)
        progress("series", done, len(pairs))
    return run.result()


@dataclass
class _Run:
    """What one call shares between its pairs."""

    profile: Profile
    layout: Layout
    out_dir: Path
    fhir: Target | None
    bucket: Bucket | None
    dicom: DicomWeb | None
    patients: ScannedPatients
    origins: SeriesPatients | None
    counts: Counter[str] = field(default_factory=Counter)
    issues: list[Issue] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tables: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    wide: dict[str, list[WideRow]] = field(default_factory=lambda: defaultdict(list))

    def deliver(self, measured: Measured | Refused) -> None:
        """Bring one pair's results to where they belong; what could not be measured becomes an issue."""
        if isinstance(measured, Refused):
            self._refuse(measured.code, measured.problem, record=measured.record, sheet=measured.sheet)
            return
        self.issues += measured.issues
        self.warnings += [f"series {measured.volume.series_uid}: {line}" for line in measured.warnings]
        masks = sorted((mask for mask in measured.masks if mask.results), key=_series_of)
        self.counts["series"] += bool(masks)
        for mask_series, found in groupby(masks, key=_series_of):
            self._deliver(measured.volume, mask_series, list(found))

    def result(self) -> WorkflowResult:
        """Return what became of all pairs."""
        measured = self.counts["series"] > 0 or bool(self.issues)
        engine, version = engine_version(self.profile).rsplit(" ", 1)
        return WorkflowResult(
            Status.PARTIAL if self.issues else Status.DONE if measured else Status.NOTHING,
            dict(self.counts),
            warnings=self.warnings,
            issues=self.issues,
            versions={engine: version},
            hashes={"settings": self.profile.sha256},
        )

    def _deliver(self, volume: Volume, mask_series: str, masks: list[MeasuredMask]) -> None:
        results = [result for mask in masks for result in mask.results]
        self.counts["masks"] += len(masks)
        self.counts["ROIs"] += len(results)
        self.counts["ROIs failed"] += sum(result.failure is not None for result in results)
        self.counts["features"] += sum(len(result.features) for result in results)
        folder = self.out_dir / mask_series
        folder.mkdir(parents=True, exist_ok=True)
        if failed := [issue for issue in self.issues if issue.sheet in {r.roi.mask_sop_uid for r in results}]:
            (folder / "outcome.json").write_bytes(orjson.dumps(operation_outcome(failed), option=orjson.OPT_INDENT_2))
        self._write_table(folder, mask_series, volume, results)
        self._write_resources(volume, mask_series, results)
        self._write_dicom(folder, volume, masks)

    def _write_table(self, folder: Path, mask_series: str, volume: Volume, results: list[RoiResult]) -> None:
        file = folder / "features.csv"
        write_features_csv(file, volume, results, self.profile)
        header, *lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        self.tables[mask_series] += lines  # a mask series may have been drawn on several image series
        content = "".join([header, *self.tables[mask_series]]).encode()
        file.write_bytes(content)
        self.wide[mask_series] += wide_rows(volume, results, self.profile)
        if self.bucket is None:
            return
        wide = parquet(self.wide[mask_series]) if self.wide[mask_series] else b""
        for suffix, table in (("csv", content), ("parquet", wide)):
            key = f"features/{mask_series}/{self.profile.sha256}.{suffix}"
            if table and not (self.bucket.exists(key) and self.bucket.read(key) == table):
                self.bucket.write(key, table)
                self.counts["feature tables written"] += suffix == "csv"

    def _write_resources(self, volume: Volume, mask_series: str, results: list[RoiResult]) -> None:
        if self.fhir is None:
            return
        if not volume.patient_id:
            problem = "the images have no Patient ID; no resource was written"
            self._refuse(IssueCode.SERIES_WITHOUT_PATIENT, problem, record=volume.series_uid)
            return
        patients = self.patients if self.origins is None else self.origins.of(volume.series_uid, mask_series)
        if patients is None:
            problem = "nobody says who issued the Patient ID, which the patient_system of the images' store needs"
            self._refuse(IssueCode.SERIES_WITHOUT_PATIENT, problem, record=volume.series_uid)
            return
        patient = patients.ref(volume.patient_id)
        groups = (
            replace(group, resources=[patients.told(volume.patient_id, resource) for resource in group.resources])
            for group in measured_groups(volume, results, self.profile, patient, self.layout)
        )
        # A value that this run could not measure any more must not stay beside the others.
        scope = f"{volume.series_uid}/{mask_series}/{self.profile.sha256}"
        report = load_into(
            self.fhir, self.bucket, groups, source=SOURCE, scope=scope, deletes="delete", most_deletes=1.0
        )
        self.counts.update(report.counts())
        self.counts["resources sent"] += report.total
        self.warnings += report.warnings
        self.issues += report.refused

    def _write_dicom(self, folder: Path, volume: Volume, masks: list[MeasuredMask]) -> None:
        files = []
        for mask in masks:
            sop_uid = mask.results[0].roi.mask_sop_uid
            for kind, dataset in (("seg", mask.derived), ("sr", mask.report)):
                if dataset is not None:
                    files.append(folder / f"{sop_uid}.{kind}.dcm")
                    dataset.save_as(files[-1], enforce_file_format=True)
        if self.dicom is None or not files:
            return
        report = self.dicom.push(files)
        if report.stored and self.fhir is not None:
            # The study has new series now; left to the next synchronisation, FHIR would not know of them till then.
            study = {"StudyInstanceUID": volume.study_uid}
            self.issues += sync_imaging(self.dicom, fhir=self.fhir, bucket=self.bucket, filters=study).issues
        self.counts["SR and SEG stored"] += len(report.stored)
        self.counts["SR and SEG there before"] += len(report.already)
        for lost in report.failed:
            self._refuse(IssueCode.RESULT_NOT_STORED, lost.reason, record=volume.series_uid, instance=lost.sop_uid)

    def _refuse(self, code: IssueCode, message: str, *, record: str, instance: str = "", sheet: str = "") -> None:
        self.issues.append(
            Issue(code.code, message, sheet=sheet, record=record, instance=instance, suggestion=code.suggestion)
        )


def _series_of(mask: MeasuredMask) -> str:
    return mask.results[0].roi.mask_series_uid
