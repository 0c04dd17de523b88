"""What a target lost, or somebody changed there, is found among all that was stored, told, and stored again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from multimodal.fhirstore import FhirServer, Group, NdjsonFolder
from tests.fakes.counting_proxy import CountingProxy
from tests.fhirstore.conftest import Study


def spoil_folder(folder: NdjsonFolder, study: Study) -> None:
    """One Observation in the middle is gone, another says something else, and a Patient lost what we said."""
    file = folder.path / "Observation.ndjson"
    lines = file.read_bytes().splitlines(keepends=True)
    changed = orjson.loads(lines[4])
    changed["valueQuantity"]["value"] = 99.5
    file.write_bytes(b"".join([*lines[:2], lines[3], orjson.dumps(changed) + b"\n", *lines[5:]]))
    file = folder.path / "Patient.ndjson"
    patients = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    patients[1].pop("gender")
    file.write_bytes(b"".join(orjson.dumps(patient) + b"\n" for patient in patients))


def spoil_server(server: FhirServer, study: Study) -> None:
    patient = dict(server.read("Patient", study.patient(1)["id"]) or {})
    patient.pop("gender")
    changed = dict(server.read("Observation", study.observation_id(2, 1)) or {})
    changed["valueQuantity"] = {**changed["valueQuantity"], "value": 99.5}
    server.transaction(
        [
            {"request": {"method": "DELETE", "url": f"Observation/{study.observation_id(1, 1)}"}},
            {"resource": patient, "request": {"method": "PUT", "url": f"Patient/{patient['id']}"}},
            {"resource": changed, "request": {"method": "PUT", "url": f"Observation/{changed['id']}"}},
        ]
    )  # fmt: skip


def content(store: Any, study: Study) -> dict[str, Any]:
    return {
        f"{found['resourceType']}/{found['id']}": {key: value for key, value in found.items() if key != "meta"}
        for found in store.of_source(study.source)
    }


@pytest.mark.parametrize("kind", ["folder", "server"])
def test_a_partial_loss_is_found_told_and_stored_again(
    kind: str, request: pytest.FixtureRequest, study: Study, manifest: Path, tmp_path: Path
) -> None:
    store = NdjsonFolder(tmp_path / "out") if kind == "folder" else request.getfixturevalue("server")
    study.load(store, manifest, study.groups(6))
    whole = content(store, study)
    (spoil_folder if kind == "folder" else spoil_server)(store, study)
    assert content(store, study) != whole
    assert study.load(store, manifest, study.groups(6)).total == 0, "first and last of each type are there"
    said = study.load(store, manifest, study.groups(6), verified=True, dry_run=True)
    report = study.load(store, manifest, study.groups(6), verified=True)
    for one in (said, report):
        assert one.created == {"Observation": 1}
        assert one.updated == {"Observation": 1, "Patient": 1}
        (told,) = one.warnings
        assert told.startswith("all 30 resources of earlier loads were looked at: 1 were gone from ")
        assert "2 were changed there; what the input has of them is stored again" in told
    assert content(store, study) == whole
    again = study.load(store, manifest, study.groups(6), verified=True)
    assert again.total == 0
    assert "has them as they were stored" in again.warnings[0]


def test_what_is_gone_and_not_in_the_tables_any_more_is_told(study: Study, manifest: Path, tmp_path: Path) -> None:
    folder = NdjsonFolder(tmp_path / "out")
    study.load(folder, manifest, study.groups(6))
    (folder.path / "Condition.ndjson").unlink()
    report = study.load(folder, manifest, study.groups(4), verified=True)
    assert report.created == {"Condition": 4}
    assert "6 were gone" in report.warnings[0]
    assert "2 of them are not in the input and stay gone" in report.warnings[0]


def test_what_others_say_of_a_patient_is_no_change_of_ours(
    server: FhirServer, study: Study, manifest: Path, tmp_path: Path
) -> None:
    study.load(server, manifest, study.groups(2))
    other = Study()
    other.system = study.system
    other.load(server, tmp_path / "other", [Group([study.patient(0, birthDate="1950")])])
    assert study.load(server, manifest, study.groups(2), verified=True).total == 0


def test_a_look_at_all_costs_a_request_for_each_hundred(
    proxy: CountingProxy, proxied: FhirServer, study: Study, manifest: Path
) -> None:
    study.load(proxied, manifest, study.groups(30))
    proxy.requests.clear()
    study.load(proxied, manifest, study.groups(30), verified=True)
    assert len(proxy.requests) == 2
