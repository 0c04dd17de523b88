"""How a load arranges what it sends, and what it takes for changed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal.fhirstore import FhirServer, Group, NdjsonFolder, sending
from multimodal.fhirstore.ordering import split
from multimodal.fhirstore.sending import Limits
from multimodal.fhirstore.writes import Write
from multimodal.resources.serialised import serialised
from tests.fakes.counting_proxy import CountingProxy
from tests.fhirstore.conftest import Study


@pytest.fixture
def bundles(proxy: CountingProxy) -> list[list[str]]:
    """The references that each transaction puts, in order."""
    seen: list[list[str]] = []

    def look(method: str, path: str, body: bytes) -> None:
        if b'"type":"transaction"' in body:
            seen.append([entry["request"]["url"] for entry in orjson.loads(body)["entry"]])

    proxy.fault = look
    return seen


def test_all_of_a_patient_in_one_transaction_the_patient_first(
    proxied: FhirServer, bundles: list[list[str]], study: Study, manifest: Path
) -> None:
    """Rows of one patient may lie far apart."""
    count = 60
    late = []
    for number in range(count):
        made = [study.observation(number, part, 1.0) for part in range(20, 23)]
        late.append(Group([serialised(each) for each in made], row=1000 + number, patient=study.patient(number)["id"]))
    study.load(proxied, manifest, [*study.groups(count), *late])
    patients = sending.limits().entries // 8  # each has 8 resources, and is not divided
    assert len(bundles) == -(-count // patients)
    where = {reference: place for place, bundle in enumerate(bundles) for reference in bundle}
    for number in range(count):
        ids = {study.observation_id(number, part) for part in (0, 1, 2, 20, 21, 22)}
        names = {f"Patient/{study.patient(number)['id']}", f"Condition/{study.condition(number)['id']}"}
        names |= {f"Observation/{each}" for each in ids}
        (place,) = {where[name] for name in names}
        bundle = [name for name in bundles[place] if name in names]
        assert bundle[0].startswith("Patient/")
    assert all(len(bundle) <= sending.limits().entries for bundle in bundles)


def test_a_patient_too_large_for_one_transaction(
    proxied: FhirServer,
    bundles: list[list[str]],
    study: Study,
    manifest: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "limits", lambda: Limits(entries=10, most_entries=12, connections=2))
    parts = [study.observation(0, part, 1.0) for part in range(40)]
    for part in parts:
        del part["focus"]
    for number, part in enumerate(parts[:-1]):
        part["hasMember"] = [{"reference": f"Observation/{parts[number + 1]['id']}"}]  # each refers to a later one
    report = study.load(proxied, manifest, [Group([study.patient(0), study.condition(0), *parts])])
    assert report.created == {"Patient": 1, "Condition": 1, "Observation": 40}
    assert not report.refused
    assert len(bundles) > 3
    assert bundles[0][0].startswith("Patient/")


def write(name: int, *targets: int) -> Write:
    body = orjson.dumps({"focus": [{"reference": f"Observation/o{target}"} for target in targets]})
    return Write("Observation", f"o{name}", body, b"")


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 25), st.lists(st.tuples(st.integers(0, 24), st.integers(0, 24))), st.integers(1, 9))
def test_no_part_refers_to_a_later_one(count: int, edges: list[tuple[int, int]], most: int) -> None:
    group = [write(name, *(to for start, to in edges if start == name)) for name in range(count)]
    parts = list(split(group, most))
    assert sorted(w.resource_id for part in parts for w in part) == sorted(w.resource_id for w in group)
    place = {w.resource_id: number for number, part in enumerate(parts) for w in part}
    for start, to in edges:
        if start < count and to < count:
            assert place[f"o{to}"] <= place[f"o{start}"]
    if not edges:
        assert all(len(part) <= most for part in parts)


def test_a_new_profile_is_an_update_and_the_same_again_is_not(server: FhirServer, study: Study, manifest: Path) -> None:
    study.load(server, manifest, study.groups(2))

    def profiled() -> list[Group]:
        groups = study.groups(2)
        for group in groups:
            group.resources[0]["meta"] = {"profile": ["http://example.org/patient"]}  # type: ignore[index]
            group.resources[2]["meta"] = {"profile": ["http://example.org/part"]}  # type: ignore[index]
        return groups

    report = study.load(server, manifest, profiled())
    assert report.updated == {"Patient": 2, "Observation": 2}
    stored = server.read("Observation", study.observation_id(0, 0))
    assert stored is not None
    assert stored["meta"]["profile"] == ["http://example.org/part"]
    assert study.load(server, manifest, profiled()).total == 0
    manifest.unlink()
    assert study.load(server, manifest, profiled()).total == 0, "the rebuilt manifest knows profiles"


@pytest.mark.parametrize("target", ["server", "folder"])
def test_a_target_that_was_emptied_behind_our_back_is_noticed(
    target: str, study: Study, manifest: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store: Any = request.getfixturevalue("server") if target == "server" else NdjsonFolder(tmp_path / "out")
    study.load(store, manifest, study.groups(3))
    if target == "server":
        names = [f"{r['resourceType']}/{r['id']}" for r in store.of_source(study.source)]
        store.transaction([{"request": {"method": "DELETE", "url": name}} for name in names])
    else:
        for file in (tmp_path / "out").glob("*.ndjson"):
            file.unlink()
    said = study.load(store, manifest, study.groups(3), dry_run=True)
    report = study.load(store, manifest, study.groups(3))
    assert said.created == report.created == {"Patient": 3, "Condition": 3, "Observation": 9}
    assert "was it emptied" in report.warnings[0]
    assert study.load(store, manifest, study.groups(3)).total == 0


def test_each_change_is_listed(study: Study, manifest: Path, tmp_path: Path) -> None:
    folder, diff = NdjsonFolder(tmp_path / "out"), tmp_path / "diff.csv"
    study.load(folder, manifest, study.groups(10))
    groups = [study.group(0, value=3.5), *study.groups(11)[2:]]

    def listed(**options: Any) -> dict[tuple[str, str], str]:
        study.load(folder, manifest, groups, deletes="delete", diff=diff, **options)
        with diff.open(encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        assert {line["row"] for line in lines if line["change"] == "created"} == {"12"}
        return {(line["type"], line["id"]): line["change"] for line in lines}

    said = listed(dry_run=True)
    assert sorted(said.values()).count("unchanged") == 10 * 5 - 5 - 3
    assert said["Observation", study.observation_id(0, 0)] == "updated"
    assert said["Observation", study.observation_id(1, 0)] == "deleted"
    assert said["Patient", study.patient(10)["id"]] == "created"
    assert listed() == {name: change for name, change in said.items() if change != "unchanged"}


def test_resources_as_bytes_are_the_same_as_dicts(study: Study, tmp_path: Path) -> None:
    groups = study.groups(20)
    as_bytes = [
        Group([serialised(each) for each in group.resources], group.origin, group.row, patient=study.patient(n)["id"])  # type: ignore[arg-type]
        for n, group in enumerate(groups)
    ]
    study.load(NdjsonFolder(tmp_path / "a"), tmp_path / "a.sqlite", groups)
    report = study.load(NdjsonFolder(tmp_path / "a"), tmp_path / "a.sqlite", as_bytes)
    assert report.total == 0
    assert report.unchanged.total() == 100
