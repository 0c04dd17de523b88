"""A PatientID corrected in the table moves its data, whatever `deletes` says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from multimodal.fhirstore import FhirServer, Group, NdjsonFolder
from tests.fhirstore.conftest import Study


def renamed(study: Study, number: int, other: int) -> Group:
    """The row of `number` under the identity of `other`: the key of a row holds the PatientID."""
    values = {f"part {part}": number + part + 0.25 for part in range(3)}
    made = [study.observation(other, part, values[f"part {part}"]) for part in range(3)]
    return Group([study.patient(other), study.condition(other), *made], origin=f"P{other}", row=number + 2)


def rows(study: Study, count: int) -> list[Group]:
    return [renamed(study, number, number) for number in range(count)]


@pytest.fixture(params=["server", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return request.getfixturevalue("server") if request.param == "server" else NdjsonFolder(tmp_path / "out")


@pytest.mark.parametrize(
    ("store", "deletes"),
    [
        ("server", "keep"),
        ("server", "delete"),
        ("folder", "keep"),
        ("folder", "entered-in-error"),
        ("folder", "delete"),
    ],
    indirect=["store"],
)
def test_a_corrected_id_in_the_key_of_the_row(deletes: str, store: Any, study: Study, manifest: Path) -> None:
    study.load(store, manifest, rows(study, 6))
    corrected = [*rows(study, 5), renamed(study, 5, 77)]
    report = study.load(store, manifest, corrected, deletes=deletes)
    assert report.created == {"Patient": 1, "Condition": 1, "Observation": 3}
    assert any("its 4 resources were moved" in warning for warning in report.warnings)
    old = store.read("Observation", study.observation_id(5, 0))
    patient = store.read("Patient", study.patient(5)["id"])
    if deletes == "delete":
        assert (old, patient) == (None, None), "nothing is left of the wrong patient"
        assert report.deleted == {"Condition": 1, "Observation": 3, "Patient": 1}
    else:
        assert old["status"] == "entered-in-error"
        assert report.deleted == {"Condition": 1, "Observation": 3}
        assert any(study.patient(5)["id"] in warning and "look at it" in warning for warning in report.warnings)
    assert study.load(store, manifest, corrected, deletes=deletes).total == 0


def test_a_corrected_id_beside_the_key(store: Any, study: Study, manifest: Path) -> None:
    """Ids stay and subjects change; the wrong Patient, ours alone and named by nothing, goes."""
    study.load(store, manifest, rows(study, 4))
    corrected = rows(study, 4)
    right = study.patient(88)
    moved = [
        {**resource, "subject": {"reference": f"Patient/{right['id']}"}}
        for resource in map(dict, corrected[3].resources)
        if resource["resourceType"] != "Patient"
    ]
    corrected[3] = Group([right, *moved], origin="P88", row=5)
    report = study.load(store, manifest, corrected)
    assert report.updated == {"Condition": 1, "Observation": 3}
    assert report.deleted == {"Patient": 1}
    assert store.read("Patient", study.patient(3)["id"]) is None
    assert store.read("Observation", study.observation_id(3, 0))["subject"]["reference"] == f"Patient/{right['id']}"
    assert study.load(store, manifest, corrected).total == 0


def test_a_wrong_patient_whom_others_know_stays(
    server: FhirServer, study: Study, manifest: Path, tmp_path: Path
) -> None:
    study.load(server, manifest, rows(study, 3))
    other = Study()
    other.system = study.system
    other.load(server, tmp_path / "other", [Group([study.patient(2, birthDate="1950")])])
    corrected = [*rows(study, 2), renamed(study, 2, 99)]
    report = study.load(server, manifest, corrected, deletes="delete")
    assert report.deleted == {"Condition": 1, "Observation": 3}
    assert server.read("Patient", study.patient(2)["id"]) is not None
    assert any("it was kept" in warning for warning in report.warnings)


@pytest.mark.parametrize("what", ["other values", "too little", "not rare", "two fit", "a part", "unknown"])
def test_what_only_looks_like_a_move_is_left_alone(what: str, study: Study, manifest: Path, tmp_path: Path) -> None:
    """Another patient goes and one comes: `keep` keeps."""
    folder = NdjsonFolder(tmp_path / "out")
    first, later = rows(study, 4), rows(study, 3)
    new = renamed(study, 3, 55)
    new = Group(new.resources, new.origin, row=40)  # another row of the table
    if what == "other values":
        new.resources[-1]["valueQuantity"]["value"] = 99.0
    elif what == "too little":
        first[3] = Group(first[3].resources[:3], first[3].origin, first[3].row)
        new = Group(new.resources[:3], new.origin, row=40)
    elif what == "not rare":
        twin = renamed(study, 3, 2)
        first[2] = later[2] = twin
    elif what == "two fit":
        second = renamed(study, 3, 56)
        later.append(Group(second.resources, second.origin, row=41))
    elif what == "a part":
        new = Group(new.resources[:-1], new.origin, row=40)
    elif what == "unknown":
        later.append(Group([], origin="P3", row=5, incomplete=True))
    study.load(folder, manifest, first)
    report = study.load(folder, manifest, [*later, new])
    assert report.deleted.total() == 0
    assert not [warning for warning in report.warnings if "moved" in warning]
    assert report.absent.total() == len(first[3].resources) - 1


def test_the_brake_does_not_hold_up_moves(study: Study, manifest: Path, tmp_path: Path) -> None:
    """All PatientIDs get another form: every row is found again."""
    folder = NdjsonFolder(tmp_path / "out")
    study.load(folder, manifest, rows(study, 5))
    report = study.load(folder, manifest, [renamed(study, n, 100 + n) for n in range(5)], deletes="delete")
    assert report.deleted == {"Patient": 5, "Condition": 5, "Observation": 15}
    assert len(list(folder.resources("Observation"))) == 15
