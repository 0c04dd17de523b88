"""One import can be taken back: the target is as if it had not been."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from multimodal.fhirstore import FhirServer, Group, NdjsonFolder, NotUndoableError, undo
from multimodal.fhirstore.bodies import unversioned
from tests.fakes.counting_proxy import CountingProxy
from tests.fhirstore.conftest import Study


@pytest.fixture(params=["server", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return request.getfixturevalue("server") if request.param == "server" else NdjsonFolder(tmp_path / "out")


def content(store: Any, study: Study) -> dict[str, Any]:
    """All that the study has on the target, versions and the order of tags apart."""
    found = {}
    for resource in store.of_source(study.source):
        plain = unversioned(resource)
        plain["meta"]["source"] = plain["meta"]["source"].partition("#")[0]
        found[f"{resource['resourceType']}/{resource['id']}"] = plain
    return found


def changed(study: Study) -> list[Group]:
    """A second table: two rows changed, one new, two gone."""
    groups = [study.group(0), study.group(1, value=7.5), study.group(2, value=7.5)]
    groups.append(Group([study.patient(3, gender="male"), *study.group(3).resources[1:]], origin="P3", row=5))
    return [*groups, study.group(9)]


@pytest.mark.parametrize(
    ("store", "deletes"),
    [("server", "delete"), ("server", "entered-in-error"), ("folder", "keep"), ("folder", "delete")],
    indirect=["store"],
)
def test_an_import_is_taken_back(deletes: Any, store: Any, study: Study, manifest: Path) -> None:
    study.load(store, manifest, study.groups(6), run="first")
    before = content(store, study)
    options = {"deletes": deletes, "most_deletes": 1.0}
    done = study.load(store, manifest, changed(study), run="second", **options)
    after = content(store, study)
    assert after != before
    report = undo(store, manifest, source=study.source, run="second")
    assert content(store, study) == before
    assert not report.refused
    assert report.deleted == {"Patient": 1, "Condition": 1, "Observation": 3}
    # The same import again does the same again.
    again = study.load(store, manifest, changed(study), run="third", **options)
    assert again.counts() == done.counts()
    assert content(store, study) == after
    undo(store, manifest, source=study.source, run="third")
    undo(store, manifest, source=study.source, run="first")
    assert content(store, study) == {}
    assert store.read("Observation", study.observation_id(0, 0)) is None


def test_a_later_run_on_top_must_go_first(store: Any, study: Study, manifest: Path) -> None:
    study.load(store, manifest, study.groups(3), run="first")
    study.load(store, manifest, [study.group(0, value=2.5), *study.groups(3)[1:]], run="second")
    study.load(store, manifest, [study.group(0, value=2.5), *study.groups(4)[1:]], run="third")
    before = content(store, study)
    with pytest.raises(NotUndoableError, match=r"undo these first, in this order: second$") as error:
        undo(store, manifest, source=study.source, run="first")
    assert error.value.exit_code == 2
    assert content(store, study) == before
    undo(store, manifest, source=study.source, run="second")  # the third wrote other resources
    undo(store, manifest, source=study.source, run="first")
    assert {key for key in content(store, study) if key.startswith("Patient")} == {f"Patient/{study.patient(3)['id']}"}
    with pytest.raises(NotUndoableError, match=r"not known here.*these are: third$"):
        undo(store, manifest, source=study.source, run="first")


def test_of_a_shared_patient_only_our_part_is_taken_back(
    store: Any, study: Study, manifest: Path, tmp_path: Path
) -> None:
    other = Study()
    other.system = study.system
    other.load(store, tmp_path / "other", [Group([study.patient(0, birthDate="1950")])])
    before = content(store, other)
    study.load(store, manifest, study.groups(2), run="first")
    assert store.read("Patient", study.patient(0)["id"])["gender"] == "female"
    report = undo(store, manifest, source=study.source, run="first")
    assert content(store, other) == before
    assert report.updated == {"Patient": 1}
    assert store.read("Patient", study.patient(1)["id"]) is None


def test_what_somebody_else_changed_since_is_left_alone(server: FhirServer, study: Study, manifest: Path) -> None:
    study.load(server, manifest, study.groups(2), run="first")
    mine = study.observation(0, 1, 55.0)
    server.transaction([{"resource": mine, "request": {"method": "PUT", "url": f"Observation/{mine['id']}"}}])
    report = undo(server, manifest, source=study.source, run="first")
    assert {issue.code for issue in report.refused} == {"E606"}
    assert study.patient(0)["id"] in report.warnings[0], "its Patient is still referred to"
    stored = server.read("Observation", mine["id"])
    assert stored is not None
    assert stored["valueQuantity"]["value"] == 55.0
    assert server.read("Patient", study.patient(1)["id"]) is None


def test_an_undo_that_fails_midway_is_completed(
    proxy: CountingProxy, proxied: FhirServer, study: Study, manifest: Path
) -> None:
    study.load(proxied, manifest, study.groups(120), run="first")
    before = content(proxied, study)
    study.load(
        proxied, manifest, [*(study.group(n, value=9.5) for n in range(60)), *study.groups(180)[60:]], run="second"
    )
    transactions = [0]

    def fail(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes] | None:
        transactions[0] += b'"transaction"' in body
        return (401, {}, b"") if transactions[0] > 1 and b'"transaction"' in body else None

    proxy.fault = fail
    with pytest.raises(Exception, match="login"):
        undo(proxied, manifest, source=study.source, run="second")
    proxy.fault = lambda method, path, body: None
    undo(proxied, manifest, source=study.source, run="second")
    assert content(proxied, study) == before


def test_a_run_without_a_name_cannot_be_undone(study: Study, manifest: Path, tmp_path: Path) -> None:
    folder = NdjsonFolder(tmp_path / "out")
    study.load(folder, manifest, study.groups(2))
    with pytest.raises(NotUndoableError, match="none is"):
        undo(folder, manifest, source=study.source, run="")
