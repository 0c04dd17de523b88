"""A load that is killed at any moment and started again ends as an undisturbed one."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from multimodal.bucket import FolderBucket
from multimodal.fhirstore import FhirServer
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store
from multimodal.workflows.manifests import manifest_in
from tests.fakes.counting_proxy import CountingProxy
from tests.fhirstore.conftest import Study

LOADING = """
import sys
from pathlib import Path
from multimodal.bucket import FolderBucket
from multimodal.fhirstore import FhirServer
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
