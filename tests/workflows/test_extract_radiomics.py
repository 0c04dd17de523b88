"""Masks to features, everywhere they belong: what fails, what a re-run replaces, what stands side by side."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import orjson
import pydicom
import pytest

from multimodal.bucket import FolderBucket
from multimodal.fhirstore import NdjsonFolder
from multimodal.model.errors import ConfigurationError
from multimodal.model.references import PatientRef
from multimodal.model.results import Status, WorkflowResult
from multimodal.radiomics import Profile, load_profile
from multimodal.workflows import measure_series
from multimodal.workflows.extract_radiomics import SeriesFolders, extract_radiomics
from multimodal.workflows.measure_rois import Measured, measure_rois
from multimodal.workflows.scanned_patients import ScannedPatients

SYSTEM = "urn:test:extract"
PROFILE = """\
radiomics: 1
name: width-{width}
discretisation: {{method: fixed-bin-width, width: {width}}}
images: [original]
classes: [shape, firstorder]
kurtosis: excess
"""


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return profile_of(tmp_path, 25)


def profile_of(folder: Path, width: int) -> Profile:
    file = folder / f"width-{width}.yaml"
    file.write_text(PROFILE.format(width=width))
    return load_profile(file)


def folders_of(cohort: Path, patient: str) -> SeriesFolders:
    folder = cohort / "dicom" / patient
    (masks,) = [path for path in folder.iterdir() if path.name != "CT"]
    return SeriesFolders(folder / "CT", masks)


@pytest.fixture
def rtstruct(cohort: Path, tmp_path: Path) -> SeriesFolders:
    """A copy, to be changed, of the first patient with an RTSTRUCT."""
    patient = next(path for path in sorted((cohort / "dicom").iterdir()) if (path / "RTSTRUCT").is_dir())
    shutil.copytree(patient, tmp_path / "copy")
    return SeriesFolders(tmp_path / "copy/CT", tmp_path / "copy/RTSTRUCT")


def change(folder: Path, **attributes: Any) -> None:
    for file in folder.glob("*.dcm"):
        dataset = pydicom.dcmread(file)
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        dataset.save_as(file)


def observations(target: NdjsonFolder) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in target.resources("Observation")}


def written_in(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_without_any_server_the_folder_has_it_all(rtstruct: SeriesFolders, profile: Profile, tmp_path: Path) -> None:
    result = extract_radiomics([rtstruct], profile=profile, out_dir=tmp_path / "out")
    assert result.status is Status.DONE
    assert result.versions == {"pyradiomics": "3.0.1"}
    assert result.hashes == {"settings": profile.sha256}
    mask = pydicom.dcmread(rtstruct.masks / "0001.dcm", stop_before_pixels=True)
    found = sorted(path.name for path in (tmp_path / "out" / mask.SeriesInstanceUID).iterdir())
    assert found == [f"{mask.SOPInstanceUID}.seg.dcm", f"{mask.SOPInstanceUID}.sr.dcm", "features.csv"]


def test_our_own_segmentation_is_no_input(rtstruct: SeriesFolders, profile: Profile, tmp_path: Path) -> None:
    extract_radiomics([rtstruct], profile=profile, out_dir=tmp_path / "out")
    (derived,) = (tmp_path / "out").rglob("*.seg.dcm")
    again = extract_radiomics([SeriesFolders(rtstruct.image, derived)], profile=profile, out_dir=tmp_path / "again")
    assert again.status is Status.NOTHING
    assert not list((tmp_path / "again").rglob("*.csv"))


def test_a_bad_series_or_mask_does_not_hold_up_the_others(
    cohort: Path, rtstruct: SeriesFolders, profile: Profile, tmp_path: Path
) -> None:
    (tmp_path / "no-images").mkdir()
    good = folders_of(cohort, "DEMO-001")
    other = folders_of(cohort, "DEMO-002")
    pairs = [SeriesFolders(tmp_path / "no-images", good.masks), SeriesFolders(good.image, other.masks), good]
    result = extract_radiomics(pairs, profile=profile, out_dir=tmp_path / "out")
    assert result.status is Status.PARTIAL
    assert [issue.code for issue in result.issues] == ["R101", "R102"]
    assert "another patient" in result.issues[1].message
    assert result.counts["series"] == 1


def test_series_side_by_side_give_the_same_bytes(cohort: Path, profile: Profile, tmp_path: Path) -> None:
    (tmp_path / "no-images").mkdir()
    good = folders_of(cohort, "DEMO-001")
    pairs = [SeriesFolders(tmp_path / "no-images", good.masks), good, folders_of(cohort, "DEMO-002")]
    told: list[tuple[str, int, int | None]] = []
    one = extract_radiomics(pairs, profile=profile, out_dir=tmp_path / "one")
    two = extract_radiomics(
        pairs, profile=profile, out_dir=tmp_path / "two", processes=2, progress=lambda *now: told.append(now)
    )
    assert two == one
    assert one.counts["series"] == 2
    assert told == [("series", n, 3) for n in (1, 2, 3)]
    files = written_in(tmp_path / "one")
    assert written_in(tmp_path / "two") == files
    assert {path.suffix for path in files} == {".csv", ".dcm"}


def test_a_dying_process_fails_one_series(
    cohort: Path, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deadly(image: Path, *args: Any, **settings: Any) -> Measured:
        return os._exit(9) if "DEMO-002" in str(image) else measure_rois(image, *args, **settings)

    monkeypatch.setattr(measure_series, "measure_rois", deadly)
    pairs = [folders_of(cohort, f"DEMO-00{number}") for number in (1, 2, 3)]
    result = extract_radiomics(pairs, profile=profile, out_dir=tmp_path / "out", processes=2)
    assert result.counts["series"] == 2
    [died] = [issue for issue in result.issues if issue.code == "R101"]
    assert died.message.startswith("the process that measured it died")


def test_a_failed_roi_is_told_everywhere_and_never_a_number(
    cohort: Path, profile: Profile, target: NdjsonFolder, tmp_path: Path
) -> None:
    planted = orjson.loads((cohort / "planted.json").read_bytes())["rois"][0]
    result = extract_radiomics(
        [folders_of(cohort, planted["patient"])],
        profile=profile,
        out_dir=tmp_path / "out",
        fhir=target,
        patients=ScannedPatients(SYSTEM),
    )
    (issue,) = result.issues
    assert (issue.code, issue.value) == ("R111", planted["name"])
    (group,) = [one for one in observations(target).values() if one["status"] == "cancelled"]
    assert planted["name"] in group["note"][0]["text"]
    (outcome,) = (tmp_path / "out").rglob("outcome.json")
    assert "R111" in orjson.loads(outcome.read_bytes())["issue"][0]["details"]["text"]
    (table,) = (tmp_path / "out").rglob("features.csv")
    assert planted["name"] not in table.read_text()


def test_resources_hang_together(
    rtstruct: SeriesFolders, profile: Profile, target: NdjsonFolder, tmp_path: Path
) -> None:
    extract_radiomics(
        [rtstruct], profile=profile, out_dir=tmp_path / "out", fhir=target, patients=ScannedPatients(SYSTEM)
    )
    patient_id = str(pydicom.dcmread(rtstruct.masks / "0001.dcm", stop_before_pixels=True).PatientID)
    patient = PatientRef(SYSTEM, patient_id)
    assert target.read("Patient", patient.id)
    found = observations(target)
    for one in found.values():
        assert one["subject"]["reference"] == patient.reference
        assert target.read(*one["derivedFrom"][0]["reference"].split("/"))
        assert target.read(*one["device"]["reference"].split("/"))
        assert target.read(*one["bodySite"]["extension"][0]["valueReference"]["reference"].split("/"))
    groups = [one for one in found.values() if "hasMember" in one]
    members = {member["reference"].split("/")[1] for group in groups for member in group["hasMember"]}
    assert members == found.keys() - {group["id"] for group in groups}


def run(pair: SeriesFolders, profile: Profile, target: NdjsonFolder, bucket: FolderBucket, out: Path) -> WorkflowResult:
    return extract_radiomics(
        [pair], profile=profile, out_dir=out, fhir=target, bucket=bucket, patients=ScannedPatients(SYSTEM)
    )


def test_a_second_run_changes_nothing(
    rtstruct: SeriesFolders, profile: Profile, target: NdjsonFolder, bucket: FolderBucket, tmp_path: Path
) -> None:
    run(rtstruct, profile, target, bucket, tmp_path / "first")
    before = {path: path.read_bytes() for path in target.path.iterdir()}
    again = run(rtstruct, profile, target, bucket, tmp_path / "second")
    assert again.counts["resources sent"] == 0
    assert "feature tables written" not in again.counts
    assert {path: path.read_bytes() for path in target.path.iterdir()} == before
    for file in (path for path in (tmp_path / "first").rglob("*") if path.is_file()):
        assert (tmp_path / "second" / file.relative_to(tmp_path / "first")).read_bytes() == file.read_bytes()


def test_other_settings_stand_beside(
    rtstruct: SeriesFolders, profile: Profile, target: NdjsonFolder, bucket: FolderBucket, tmp_path: Path
) -> None:
    run(rtstruct, profile, target, bucket, tmp_path / "out")
    first = observations(target)
    run(rtstruct, profile_of(tmp_path, 50), target, bucket, tmp_path / "out")
    both = observations(target)
    assert len(both) == 2 * len(first)
    assert {key: both[key] for key in first} == first
    assert len(list(target.resources("Device"))) == 2
    assert sorted(key[-4:] for key in bucket.list("features/")) == [".csv", ".csv", "quet", "quet"]


def test_a_rerun_replaces_and_leaves_no_stale_value(
    rtstruct: SeriesFolders, profile: Profile, target: NdjsonFolder, bucket: FolderBucket, tmp_path: Path
) -> None:
    run(rtstruct, profile, target, bucket, tmp_path / "first")
    before = observations(target)
    file = rtstruct.masks / "0001.dcm"
    dataset = pydicom.dcmread(file)
    number = dataset.ROIContourSequence[0].ReferencedROINumber
    del dataset.ROIContourSequence[0].ContourSequence  # the same mask, of which one ROI was emptied
    dataset.save_as(file)
    result = run(rtstruct, profile, target, bucket, tmp_path / "second")
    after = observations(target)
    assert result.counts["Observation deleted"] == len(before) - len(after) > 0
    assert after.keys() < before.keys()
    (cancelled,) = [one for one in after.values() if one["status"] == "cancelled"]
    assert {"url": cancelled["extension"][2]["url"], "valueUnsignedInt": number} in cancelled["extension"]


def test_images_without_patient_id_are_measured_and_not_loaded(
    rtstruct: SeriesFolders, profile: Profile, target: NdjsonFolder, bucket: FolderBucket, tmp_path: Path
) -> None:
    for folder in (rtstruct.image, rtstruct.masks):
        change(folder, PatientID="")
    result = run(rtstruct, profile, target, bucket, tmp_path / "out")
    assert [issue.code for issue in result.issues] == ["R103"]
    assert observations(target) == {}
    assert sorted(key[-4:] for key in bucket.list("features/")) == [".csv", "quet"]


def test_fhir_needs_to_know_whose_ids_these_are(profile: Profile, target: NdjsonFolder, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="patient_system"):
        extract_radiomics([], profile=profile, out_dir=tmp_path, fhir=target)


def test_no_pairs_are_nothing_to_do(profile: Profile, tmp_path: Path) -> None:
    assert extract_radiomics([], profile=profile, out_dir=tmp_path).status is Status.NOTHING
