from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from multimodal.fhirstore import FhirServer, Group, NdjsonFolder, TooManyDeletesError, mark_interrupted
from multimodal.model.errors import RemoteError
from tests.fakes.counting_proxy import CountingProxy
from tests.fhirstore.conftest import Study


def versions(server: FhirServer, study: Study) -> dict[str, str]:
    """Return reference -> version of all that the study has on the server."""
    return {
        f"{resource['resourceType']}/{resource['id']}": resource["meta"]["versionId"]
        for resource in server.of_source(study.source)
    }


def test_the_second_load_sends_nothing(proxy: CountingProxy, proxied: FhirServer, study: Study, manifest: Path) -> None:
    first = study.load(proxied, manifest, study.groups(60))
    assert first.created == {"Patient": 60, "Condition": 60, "Observation": 180}
    assert first.counts() == {"Condition created": 60, "Observation created": 180, "Patient created": 60}
    assert proxied.count("Observation", {"_source": f"urn:multimodal:{study.source}"}) == 180
    proxy.requests.clear()
    before = manifest.read_bytes()
    second = study.load(proxied, manifest, study.groups(60))
    assert proxy.bundles == 1, "one look whether the server still has what it had"
    assert second.total == 0
    assert second.unchanged.total() == 300
    assert manifest.read_bytes() == before


def test_only_what_changed_is_updated(server: FhirServer, study: Study, manifest: Path) -> None:
    study.load(server, manifest, study.groups(10))
    before = versions(server, study)
    report = study.load(server, manifest, [*study.groups(9), study.group(9, value=2.5)])
    assert report.updated == {"Observation": 3}
    after = versions(server, study)
    assert {name for name in after if after[name] != before[name]} == {
        f"Observation/{study.observation_id(9, part)}" for part in range(3)
    }


def test_a_dry_run_says_the_same_and_writes_nothing(
    proxy: CountingProxy, proxied: FhirServer, study: Study, manifest: Path
) -> None:
    said = study.load(proxied, manifest, study.groups(5), dry_run=True)
    assert not manifest.exists()
    assert versions(proxied, study) == {}
    done = study.load(proxied, manifest, study.groups(5))
    assert said.counts() == done.counts()
    proxy.requests.clear()
    said = study.load(proxied, manifest, [study.group(1, value=9.0)], dry_run=True, deletes="delete", most_deletes=1)
    assert proxy.bundles == 1
    assert said.counts() == {
        "Observation updated": 3, "Condition unchanged": 1, "Patient unchanged": 1,
        "Condition deleted": 4, "Observation deleted": 12,
    }  # fmt: skip


def test_a_lost_manifest_is_rebuilt_from_the_server(server: FhirServer, study: Study, manifest: Path) -> None:
    study.load(server, manifest, study.groups(30))
    before = versions(server, study)
    manifest.unlink()
    report = study.load(server, manifest, study.groups(30))
    assert report.total == 0
    assert report.unchanged.total() == 150
    assert versions(server, study) == before
    manifest.write_bytes(b"not a database, however long it may be" * 100)
    assert study.load(server, manifest, study.groups(29), deletes="delete").deleted == {
        "Condition": 1,
        "Observation": 3,
    }


def test_a_manifest_that_lost_power_in_mid_load_is_not_believed(study: Study, manifest: Path, tmp_path: Path) -> None:
    """Parts of the file were written and others not: only a look at all of it tells."""
    folder = NdjsonFolder(tmp_path / "out")
    study.load(folder, manifest, study.groups(200))
    mark_interrupted(manifest, "r1")
    content = bytearray(manifest.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = bytes(4096)
    manifest.write_bytes(content)
    report = study.load(folder, manifest, study.groups(200))
    assert (report.total, report.unchanged.total()) == (0, 1000)
    with closing(sqlite3.connect(manifest)) as database:
        assert database.execute("PRAGMA quick_check").fetchall() == [("ok",)]


def test_a_manifest_says_nothing_of_another_target(
    server: FhirServer, study: Study, manifest: Path, tmp_path: Path
) -> None:
    study.load(NdjsonFolder(tmp_path / "out"), manifest, study.groups(2))
    assert study.load(server, manifest, study.groups(2)).created.total() == 10


def test_one_bad_resource_does_not_hold_up_the_others(server: FhirServer, study: Study, manifest: Path) -> None:
    """What our own checks cannot know: the server misses what the resource refers to."""
    groups = study.groups(70)
    bad = study.observation(33, 7, 1.0)
    bad["derivedFrom"] = [{"reference": "Observation/there-is-none"}]
    panel = {**study.observation(33, 8, 1.0), "hasMember": [{"reference": f"Observation/{bad['id']}"}]}
    groups[33] = Group([*groups[33].resources, bad, panel], origin="P33", row=35)
    report = study.load(server, manifest, groups)
    assert [(issue.code, issue.row, issue.record) for issue in report.refused] == [("E602", 35, "P33")]
    assert "there-is-none" in report.refused[0].message
    assert report.created == {"Patient": 70, "Condition": 70, "Observation": 211}
    stored = server.read("Observation", panel["id"])
    assert stored is not None
    assert "hasMember" not in stored
    # Corrected, both it and the reference that was left out are stored.
    bad.pop("derivedFrom")
    again = study.load(server, manifest, groups)
    assert again.created == {"Observation": 1}
    assert again.updated == {"Observation": 1}
    assert not again.refused


def test_two_bad_resources_of_one_group_are_both_named(server: FhirServer, study: Study, manifest: Path) -> None:
    bad = [study.observation(0, part, 1.0) for part in (7, 8)]
    for observation in bad:
        observation["derivedFrom"] = [{"reference": "Observation/there-is-none"}]
    group = study.group(0)
    report = study.load(server, manifest, [Group([*group.resources, *bad], row=2)])
    assert {issue.message.partition(":")[0] for issue in report.refused} == {f"Observation/{o['id']}" for o in bad}
    assert report.created == {"Patient": 1, "Condition": 1, "Observation": 3}
    condition = server.read("Condition", study.condition(0)["id"])
    assert condition is not None
    assert condition["stage"] == study.condition(0)["stage"]
    assert study.load(server, manifest, [group]).total == 0


def test_what_our_checks_refuse_is_never_sent(server: FhirServer, study: Study, manifest: Path) -> None:
    group = study.group(0)
    del group.resources[2]["status"]
    report = study.load(server, manifest, [group])
    assert [(issue.code, issue.row) for issue in report.refused] == [("E601", 2)]
    assert server.read("Observation", study.observation_id(0, 0)) is None
    condition = server.read("Condition", study.condition(0)["id"])
    assert condition is not None
    assert "stage" not in condition


def test_the_same_id_twice_is_found_before_anything_is_sent(server: FhirServer, study: Study, manifest: Path) -> None:
    twice = Group([study.observation(0, 1, 9.9)], row=17)
    report = study.load(server, manifest, [study.group(0), twice])
    assert [(issue.code, issue.row) for issue in report.refused] == [("E603", 17)]
    assert "row 2" in report.refused[0].message
    stored = server.read("Observation", study.observation_id(0, 1))
    assert stored is not None
    assert stored["valueQuantity"]["value"] == 1.5


@pytest.mark.parametrize("target", ["server", "folder"])
def test_rows_that_vanish(
    target: str, study: Study, manifest: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store: Any = request.getfixturevalue("server") if target == "server" else NdjsonFolder(tmp_path / "out")
    study.load(store, manifest, study.groups(20))
    kept = study.load(store, manifest, study.groups(19))
    assert kept.absent == {"Condition": 1, "Observation": 3}
    assert kept.total == 0

    marked = study.load(store, manifest, study.groups(19), deletes="entered-in-error")
    assert marked.deleted == {"Condition": 1, "Observation": 3}
    observation = store.read("Observation", study.observation_id(19, 0))
    assert observation["status"] == "entered-in-error"
    condition = store.read("Condition", study.condition(19)["id"])
    assert condition["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert study.load(store, manifest, study.groups(19), deletes="entered-in-error").total == 0
    manifest.unlink()
    assert study.load(store, manifest, study.groups(19), deletes="entered-in-error").total == 0

    back = study.load(store, manifest, study.groups(20), deletes="entered-in-error")
    assert back.updated == {"Condition": 1, "Observation": 3}
    assert store.read("Observation", study.observation_id(19, 0))["status"] == "final"

    gone = study.load(store, manifest, study.groups(18), deletes="delete")
    assert gone.deleted == {"Condition": 2, "Observation": 6}
    assert store.read("Observation", study.observation_id(19, 0)) is None
    assert store.read("Patient", study.patient(19)["id"]) is not None


def test_a_truncated_table_deletes_nothing(
    proxy: CountingProxy, proxied: FhirServer, study: Study, manifest: Path
) -> None:
    study.load(proxied, manifest, study.groups(10))
    proxy.requests.clear()
    with pytest.raises(TooManyDeletesError, match="12 of 40") as error:
        study.load(proxied, manifest, study.groups(7), deletes="delete")
    assert error.value.exit_code == 3
    assert proxy.bundles == 1
    report = study.load(proxied, manifest, study.groups(7), deletes="delete", most_deletes=1.0)
    assert report.deleted.total() == 12


def test_what_others_refer_to_is_not_deleted(server: FhirServer, study: Study, manifest: Path, tmp_path: Path) -> None:
    study.load(server, manifest, study.groups(10))
    other = Study()
    panel = {
        **study.observation(9, 9, 1.0),
        "derivedFrom": [{"reference": f"Observation/{study.observation_id(9, 2)}"}],
    }
    panel["id"] = other.observation_id(0, 0)
    del panel["focus"]
    other.load(server, tmp_path / "other.sqlite", [Group([panel])])
    report = study.load(server, manifest, study.groups(9), deletes="delete")
    assert {issue.code for issue in report.refused} == {"E604"}
    assert server.read("Observation", study.observation_id(9, 2)) is not None
    assert server.read("Observation", study.observation_id(9, 1)) is None


def test_a_scope_replaces_only_its_own(server: FhirServer, study: Study, manifest: Path) -> None:
    patient = study.patient(0)

    def group(series: int, parts: int) -> list[Group]:
        made = [study.observation(series, part, 1.0) for part in range(parts)]
        for observation in made:
            observation["subject"] = {"reference": f"Patient/{patient['id']}"}
            del observation["focus"]
        return [Group([patient, *made])]

    options = {"deletes": "delete", "most_deletes": 1.0}
    study.load(server, manifest, group(1, 3), scope="series-1", **options)
    study.load(server, manifest, group(2, 3), scope="series-2", **options)
    manifest.unlink()
    report = study.load(server, manifest, group(1, 2), scope="series-1", **options)
    assert report.deleted == {"Observation": 1}
    assert server.count("Observation", {"_source": f"urn:multimodal:{study.source}"}) == 5


def test_a_reference_to_a_later_group_is_stored_too(server: FhirServer, study: Study, manifest: Path) -> None:
    early = study.observation(0, 9, 1.0)
    early["hasMember"] = [{"reference": f"Observation/{study.observation_id(250, 0)}"}]
    report = study.load(server, manifest, [Group([study.patient(0)]), Group([early]), *study.groups(251)])
    assert not report.refused or {issue.code for issue in report.refused} == {"E506"}
    stored = server.read("Observation", early["id"])
    assert stored is not None
    assert stored["hasMember"] == early["hasMember"]


def test_what_is_acknowledged_before_a_failure_is_remembered(
    proxy: CountingProxy, proxied: FhirServer, study: Study, manifest: Path
) -> None:
    def fail(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes] | None:
        writes = body.startswith(b'{"resourceType":"Bundle","type":"transaction"') and b'"Condition"' in body
        return (401, {}, b"") if writes and proxy.bundles > 3 else None

    proxy.fault = fail
    with pytest.raises(RemoteError):
        study.load(proxied, manifest, study.groups(200))
    proxy.fault = lambda method, path, body: None
    stored = len(versions(proxied, study))
    assert 0 < stored < 1000
    report = study.load(proxied, manifest, study.groups(200))
    assert report.recovered
    assert report.created.total() == 1000 - stored
    assert set(versions(proxied, study).values()) == {"1"}


def test_conflicts_with_other_writers_are_tried_again(
    proxy: CountingProxy, proxied: FhirServer, study: Study, manifest: Path
) -> None:
    outcome = orjson.dumps({"resourceType": "OperationOutcome", "issue": [{"diagnostics": "HAPI-0550: busy"}]})
    busy = [(409, {"Content-Type": "application/fhir+json"}, outcome)] * 3

    def conflict(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes] | None:
        return busy.pop() if busy and b'"PUT"' in body else None

    proxy.fault = conflict
    assert study.load(proxied, manifest, study.groups(3)).created.total() == 15
