"""The workflows on a bucket of an object store: the same as on a folder, also when a run is killed."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from PIL import Image

from multimodal.bucket import Bucket, ChangedMeanwhileError, FolderBucket, LockedError, open_bucket
from multimodal.dicomweb import open_dicomweb
from multimodal.fhirstore import NdjsonFolder
from multimodal.model.references import SeriesRef
from multimodal.model.results import Status, WorkflowResult
from multimodal.transport.stores import Store
from multimodal.workflows.import_clinical import import_clinical
from multimodal.workflows.manifests import FOLDER, manifest_in
from multimodal.workflows.thumbnails import rendering, store_thumbnail, thumbnail_key
from multimodal.workflows.undo_import import undo_import
from tests.fakes.dicom_files import write_series
from tests.fakes.dicomweb_server import DicomWebServer
from tests.workflows.clinical import SmallStudy


@pytest.fixture
def bucket(s3_store: Store) -> Bucket:
    return open_bucket(s3_store)


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return SmallStudy(tmp_path, "delete")


def run(study: SmallStudy, target: NdjsonFolder, bucket: Bucket, run_id: str) -> WorkflowResult:
    return import_clinical([study.table], study.mapping, target=target, bucket=bucket, report_dir=None, run_id=run_id)


def month_later(study: SmallStudy) -> None:
    study.write([(f"P{number}", "f", "12.5" if number == 2 else str(10 + number / 10)) for number in range(7)])


def lines(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.glob("*.ndjson"))}


def test_an_import_again_changes_nothing_and_is_taken_back(
    study: SmallStudy, target: NdjsonFolder, bucket: Bucket
) -> None:
    assert run(study, target, bucket, "r1").status is Status.DONE
    before = lines(target.path)
    again = run(study, target, bucket, "r2")
    assert not {name for name in again.counts if name.split()[-1] in {"created", "updated", "deleted"}}, again.counts
    assert lines(target.path) == before
    month_later(study)
    run(study, target, bucket, "r3")
    assert lines(target.path) != before
    assert b"deleted,Observation," in bucket.read("reports/r3/diff.csv")
    undo_import("r3", study.mapping, target=target, bucket=bucket)
    assert lines(target.path) == before
    assert {key.split("/")[0] for key in bucket.list()} == {"reports", "state"}
    assert not bucket.exists(f"{FOLDER}/{study.id}.open")


KILLED = """
import os, sys
from pathlib import Path
from multimodal.bucket import open_bucket
from multimodal.fhirstore import NdjsonFolder
from multimodal.transport.stores import Auth, Store
from multimodal.workflows.import_clinical import import_clinical

url, name, mapping, table, out, moment = sys.argv[1:]
moves, replace = [0], os.replace


def stop_at(*names):
    moves[0] += 1
    if moves[0] == int(moment):
        print("here", flush=True)
        sys.stdin.read()
    replace(*names)


os.replace = stop_at
auth = Auth("keys", "S3_SECRET", "env", user_reference="S3_KEY")
bucket = open_bucket(Store("bucket", "s3", url=url, bucket=name, auth=auth))
import_clinical(
    [Path(table)], Path(mapping), target=NdjsonFolder(Path(out)), bucket=bucket, report_dir=None, run_id="killed"
)
"""


@pytest.mark.parametrize("moment", [1, 3])
def test_a_killed_import_ends_as_an_undisturbed_one(
    study: SmallStudy, target: NdjsonFolder, bucket: Bucket, s3_store: Store, tmp_path: Path, moment: int
) -> None:
    undisturbed, folder = NdjsonFolder(tmp_path / "undisturbed"), FolderBucket(tmp_path / "bucket")
    run(study, target, bucket, "r1")
    run(study, undisturbed, folder, "r1")
    before = lines(target.path)
    month_later(study)
    run(study, undisturbed, folder, "r3")
    arguments = [s3_store.url, s3_store.bucket, *map(str, (study.mapping, study.table, target.path, moment))]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        with pytest.raises(LockedError, match="run killed"):
            run(study, target, bucket, "r2")
        process.kill()
    assert bucket.read(f"{FOLDER}/{study.id}.open") == b"killed"
    run(study, target, bucket, "r3")
    after = lines(target.path)
    assert after == lines(undisturbed.path)
    undo_import("r3", study.mapping, target=target, bucket=bucket)
    assert lines(target.path) == before, "r3 takes back what the killed run did too"
    run(study, target, bucket, "r4")
    assert lines(target.path) == after


def test_a_run_that_was_taken_for_dead_spoils_no_manifest(s3_store: Store, study: SmallStudy) -> None:
    key = f"{FOLDER}/{study.id}.sqlite"
    bucket, other = open_bucket(s3_store), open_bucket(s3_store)

    def paused() -> None:
        with manifest_in(bucket, study.id, run="paused") as manifest:
            manifest.write_bytes(b"what the paused run knows")
            other.write(key, b"what the other one knows")
            other.delete(f"{FOLDER}/{study.id}.open")

    with pytest.raises(ChangedMeanwhileError, match="another run changed state/manifests/"):
        paused()
    assert other.read(key) == b"what the other one knows"
    assert other.read(f"{FOLDER}/{study.id}.open") == b"paused", "so that the next run asks the target"


def test_a_thumbnail_is_a_picture_for_browsers(tmp_path: Path, bucket: Bucket, s3_store: Store) -> None:
    from multimodal.bucket.s3_objects import Objects

    files = write_series(tmp_path / "dicom", "drawn", 3, size=64)
    instances = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    ref = SeriesRef(str(instances[0].StudyInstanceUID), str(instances[0].SeriesInstanceUID))
    with (
        DicomWebServer(tmp_path / "dicom") as server,
        open_dicomweb(server.store()) as dicom,
        rendering(dicom) as session,
    ):
        assert store_thumbnail(dicom, bucket, ref, [instance.to_json_dict() for instance in instances], session)
    key = thumbnail_key(ref.series_uid)
    with Image.open(BytesIO(bucket.read(key))) as picture:
        assert picture.size == (300, 300)
    assert Objects(s3_store).client.stat_object(s3_store.bucket, key).content_type == "image/png"
