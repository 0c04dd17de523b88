"""A load that is killed at any moment and started again ends as an undisturbed one."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from multimodal.bucket import FolderBucket
from multimodal.fhirstore import FhirServer, Group, NdjsonFolder, NotUndoableError, undo
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store
from multimodal.workflows.manifests import manifest_in
from tests.fakes.counting_proxy import CountingProxy
from tests.fhirstore.conftest import Study

LOADING = """
import sys
from pathlib import Path
from multimodal.bucket import FolderBucket
from multimodal.fhirstore import FhirServer, Group, NdjsonFolder, NotUndoableError, undo
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store
from multimodal.workflows.manifests import manifest_in
from tests.fhirstore.conftest import Study

url, folder, source, rows = sys.argv[1:]
study = Study()
study.source, study.system = source, "urn:" + source
bucket = FolderBucket(Path(folder))
with HttpSession(Store("clinical", "fhir", url=url)) as session, manifest_in(bucket, source) as manifest:
    study.load(FhirServer(session), manifest, study.groups(int(rows)))
"""
ROWS = 150


def content(server: FhirServer, study: Study) -> dict[str, Any]:
    found = {}
    for resource in server.of_source(study.source):
        del resource["meta"]
        found[resource["id"]] = resource
    return found


@pytest.mark.parametrize("bundle", [1, 2, 4])
def test_killed_in_mid_load(hapi: Store, study: Study, tmp_path: Path, bundle: int) -> None:
    transactions, reached = [0], threading.Event()
    with CountingProxy(hapi) as proxy:

        def stop_at(method: str, path: str, body: bytes) -> None:
            transactions[0] += b'"transaction"' in body
            if transactions[0] >= bundle:
                reached.set()  # this bundle passes, and nobody hears its answer

        proxy.fault = stop_at
        arguments = [proxy.store.url, str(tmp_path / "bucket"), study.source, str(ROWS)]
        with subprocess.Popen([sys.executable, "-c", LOADING, *arguments], cwd=Path(__file__).parents[2]) as process:
            assert reached.wait(60)
            process.kill()
            assert process.wait() == -9
    bucket = FolderBucket(tmp_path / "bucket")
    with HttpSession(hapi) as session:
        server = FhirServer(session)
        # Two rows less than the killed load had: what it stored of them must not be forgotten.
        rows = study.groups(ROWS - 2)
        with manifest_in(bucket, study.source) as manifest:
            study.load(server, manifest, rows, deletes="delete")
        undisturbed = {resource["id"]: resource for group in rows for resource in group.resources}
        found = content(server, study)
        extra = set(found) - set(undisturbed)
        assert all(found[name]["resourceType"] == "Patient" for name in extra)
        assert {name: found[name] for name in undisturbed} == undisturbed
        with manifest_in(bucket, study.source) as manifest:
            assert study.load(server, manifest, rows, deletes="delete").total == 0


FOLDER = """
import os, sys
from pathlib import Path
from multimodal.bucket import FolderBucket
from multimodal.fhirstore import NdjsonFolder, undo
from multimodal.workflows.manifests import manifest_in
from tests.fhirstore.conftest import Study
from tests.fhirstore.test_kill import second

source, place, what, moment = sys.argv[1:]
study = Study()
study.source, study.system = source, "urn:" + source
moves, replace = [0], os.replace


def stop_at(*names):
    moves[0] += 1
    if moves[0] == int(moment):
        print("here", flush=True)
        sys.stdin.read()
    replace(*names)


folder, bucket = NdjsonFolder(Path(place, "out")), FolderBucket(Path(place, "bucket"))
with manifest_in(bucket, source, run="" if what == "undo" else "second") as manifest:
    os.replace = stop_at
    if what == "undo":
        undo(folder, manifest, source=source, run="second")
    else:
        study.load(folder, manifest, second(study), run="second", deletes="delete")
"""


def second(study: Study) -> list[Group]:
    """The table after a month: five rows changed, three gone, four new."""
    return [*(study.group(number, value=8.5) for number in range(5)), *study.groups(34)[8:]]


def files(place: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((place / "out").glob("*.ndjson"))}


@pytest.mark.parametrize("moment", [1, 2, 4, 6])
@pytest.mark.parametrize("what", ["load", "undo"])
def test_killed_between_two_files_of_a_folder(study: Study, tmp_path: Path, what: str, moment: int) -> None:
    folder, bucket = NdjsonFolder(tmp_path / "out"), FolderBucket(tmp_path / "bucket")

    def load(groups: list[Group], run: str) -> None:
        with manifest_in(bucket, study.source, run=run) as manifest:
            study.load(folder, manifest, groups, run=run, deletes="delete")

    def take_back(run: str) -> None:
        with manifest_in(bucket, study.source) as manifest:
            undo(folder, manifest, source=study.source, run=run)

    load(study.groups(30), "first")
    before = files(tmp_path)
    load(second(study), "second")
    after = files(tmp_path)
    if what == "load":
        take_back("second")
        assert files(tmp_path) == before
    arguments = [study.source, str(tmp_path), what, str(moment)]
    with subprocess.Popen(
        [sys.executable, "-c", FOLDER, *arguments], cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        process.kill()
    if what == "undo":
        take_back("second")
        assert files(tmp_path) == before
        return
    load(second(study), "third")
    assert files(tmp_path) == after
    with pytest.raises(NotUndoableError, match=r"completed by third|not known here"):
        take_back("second")
    take_back("third")
    assert files(tmp_path) == before, "the run that completed it takes back what both did"
