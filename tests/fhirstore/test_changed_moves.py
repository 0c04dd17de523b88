"""A PatientID corrected together with other cells moves its data, or is asked about; it never stays unnoticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from multimodal.fhirstore import Group, LoadReport, NdjsonFolder
from tests.fhirstore.conftest import Study

PARTS = 5


def row(study: Study, number: int, *, key: int | None = None, at: int | None = None, **changed: float) -> Group:
    """The row of a patient; `key` is the identity under which it stands, `changed` the parts with other values."""
    key = number if key is None else key
    made = [study.observation(key, part, changed.get(f"part{part}", number + part + 0.25)) for part in range(PARTS)]
    return Group(
        [study.patient(key, gender="female"), *made], origin=f"P{key}", row=number + 2 if at is None else at
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> NdjsonFolder:
    return NdjsonFolder(tmp_path / "out")


def codes(report: LoadReport) -> list[str]:
    return [issue.code for issue in report.doubts]


def observations(folder: NdjsonFolder, study: Study, number: int) -> list[dict[str, Any]]:
    patient = f"Patient/{study.patient(number)['id']}"
    return [
        found
        for found in folder.resources("Observation")
        if found["subject"]["reference"] == patient and found["status"] != "entered-in-error"
    ]


@pytest.mark.parametrize("deletes", ["keep", "entered-in-error", "delete"])
def test_a_corrected_id_and_two_corrected_cells(
    deletes: str, folder: NdjsonFolder, study: Study, manifest: Path
) -> None:
    study.load(folder, manifest, [row(study, number) for number in range(6)])
    corrected = [row(study, number) for number in range(5)]
    corrected.append(row(study, 5, key=50, part0=99.0, part4=98.0))
    report = study.load(folder, manifest, corrected, deletes=deletes)
    assert any("its 5 resources were moved, though some of them changed" in told for told in report.warnings)
    assert codes(report) == []
    assert report.absent.total() == 0
    assert observations(folder, study, 5) == []
    assert len(observations(folder, study, 50)) == PARTS
    again = study.load(folder, manifest, corrected, deletes=deletes)
    assert (again.total, codes(again)) == (0, [])


def test_two_numbers_corrected_at_once(folder: NdjsonFolder, study: Study, manifest: Path) -> None:
    study.load(folder, manifest, [row(study, number) for number in range(6)])
    corrected = [row(study, number) for number in range(4)]
    corrected += [row(study, number, key=10 * number, part1=77.0) for number in (4, 5)]
    report = study.load(folder, manifest, corrected)
    assert [told for told in report.warnings if "were moved, though" in told] != []
    assert observations(folder, study, 4) == observations(folder, study, 5) == []


def another_row(study: Study) -> list[Group]:
    return [row(study, 5, key=50, at=40, part0=99.0)]


def most_values(study: Study) -> list[Group]:
    return [row(study, 5, key=50, part0=99.0, part1=98.0, part2=97.0)]


def somebody_else(study: Study) -> list[Group]:
    return [row(study, 5, key=50, **{f"part{part}": 90.0 + part for part in range(PARTS)})]


def another_sex(study: Study) -> list[Group]:
    group = row(study, 5, key=50, part0=99.0)
    group.resources[0]["gender"] = "male"  # type: ignore[index]
    return [group]


def a_known_patient(study: Study) -> list[Group]:
    """The row now says the number of another patient, who stands in the tables too."""
    return [Group([*row(study, 5, key=50, part0=99.0).resources[1:], study.patient(0, gender="female")], "P0", 7)]


def two_who_fit(study: Study) -> list[Group]:
    return [row(study, 5, key=50, part0=99.0), row(study, 5, key=51, part1=99.0)]


@pytest.mark.parametrize(
    "replaced", [another_row, most_values, somebody_else, another_sex, a_known_patient, two_who_fit]
)
def test_what_could_be_somebody_else_is_kept_and_asked_about(
    replaced: Any, folder: NdjsonFolder, study: Study, manifest: Path
) -> None:
    """The doubt comes again until somebody decides it."""
    study.load(folder, manifest, [row(study, number) for number in range(6)])
    others = [row(study, number) for number in range(5)]
    if replaced is a_known_patient:
        changed = replaced(study)
        for resource in changed[0].resources[:-1]:
            resource["subject"] = {"reference": f"Patient/{study.patient(0)['id']}"}
    else:
        changed = replaced(study)
    for run in range(2):
        report = study.load(folder, manifest, [*others, *changed], dry_run=False)
        assert set(codes(report)) == {"E702"}, run
        assert report.doubts[0].record == "P5"
        assert report.absent == {"Observation": PARTS}
        assert len(observations(folder, study, 5)) == PARTS
    decided = study.load(folder, manifest, [*others, *changed], deletes="delete", most_deletes=1.0)
    assert decided.deleted["Observation"] == PARTS
    assert codes(study.load(folder, manifest, [*others, *changed])) == []


def test_somebody_who_came_back_ends_the_doubt(folder: NdjsonFolder, study: Study, manifest: Path) -> None:
    everybody = [row(study, number) for number in range(6)]
    study.load(folder, manifest, everybody)
    assert codes(study.load(folder, manifest, [*everybody[:5], *somebody_else(study)])) == ["E702"]
    back = study.load(folder, manifest, [*everybody, row(study, 90, key=50)])
    assert codes(back) == []
    assert codes(study.load(folder, manifest, everybody[:5])) == [], "he is only absent now"


@pytest.mark.parametrize("what", ["removed", "replaced elsewhere", "another table", "common values"])
def test_what_is_no_correction_raises_no_doubt(what: str, folder: NdjsonFolder, study: Study, manifest: Path) -> None:
    values = {f"part{part}": 1.0 for part in range(PARTS)} if what == "common values" else {}
    first = [row(study, number, **values) for number in range(6)]
    later = {
        "removed": first[:5],
        "replaced elsewhere": [*first[:5], row(study, 60, key=60)],
        "another table": [row(study, 60 + number, at=number + 2) for number in range(6)],
        "common values": [*first[:5], row(study, 60, key=60, **values)],
    }[what]
    study.load(folder, manifest, first)
    report = study.load(folder, manifest, later)
    assert codes(report) == []
    assert not [told for told in report.warnings if "moved" in told]
    assert report.deleted.total() == 0
    assert report.absent["Observation"] >= PARTS


def test_all_numbers_get_another_form_and_one_row_is_corrected_too(
    folder: NdjsonFolder, study: Study, manifest: Path
) -> None:
    """Those that moved as they were do not make it another table."""
    study.load(folder, manifest, [row(study, number) for number in range(6)])
    renamed = [row(study, number, key=100 + number) for number in range(5)]
    report = study.load(folder, manifest, [*renamed, row(study, 5, key=105, part0=99.0)])
    assert len([told for told in report.warnings if "were moved" in told]) == 6
    assert codes(report) == []


def test_what_many_say_names_no_candidates(folder: NdjsonFolder, study: Study, manifest: Path) -> None:
    """Forty who come and fifteen who go, all with the same values: no pair of them is looked at."""
    common = {f"part{part}": 1.0 for part in range(PARTS)}
    first = [row(study, number, **common) for number in range(40)]
    study.load(folder, manifest, first)
    new = [row(study, 100 + number, at=100 + number, **common) for number in range(40)]
    report = study.load(folder, manifest, [*first[:25], *new])
    assert codes(report) == []
    assert report.absent == {"Observation": 15 * PARTS}
