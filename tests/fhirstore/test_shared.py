from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from multimodal.fhirstore import FhirServer, Group, NdjsonFolder
from multimodal.fhirstore.bodies import writers_of
from tests.fakes.counting_proxy import CountingProxy
from tests.fhirstore.conftest import Study


class Writer(Study):
    """Another source that writes the same patients."""

    def __init__(self, of: Study) -> None:
        super().__init__()
        self.system = of.system


def read(server: FhirServer, study: Study) -> dict[str, Any]:
    patient = server.read("Patient", study.patient(0)["id"])
    assert patient is not None
    return patient


def test_a_second_writer_adds_and_does_not_overwrite(server: FhirServer, study: Study, tmp_path: Path) -> None:
    sync = Writer(study)
    study.load(server, tmp_path / "a", [Group([study.patient(0, gender="female", birthDate="1950")])])
    report = sync.load(server, tmp_path / "b", [Group([study.patient(0, gender="male", deceasedBoolean=True)])])
    assert report.updated == {"Patient": 1}
    assert report.warnings == [f"Patient/{study.patient(0)['id']}: gender of another writer was kept"]
    patient = read(server, study)
    assert (patient["gender"], patient["birthDate"], patient["deceasedBoolean"]) == ("female", "1950", True)
    assert len(patient["identifier"]) == 1
    assert writers_of(patient) == {study.source, sync.source}
    assert patient["meta"]["source"].startswith(f"urn:multimodal:{study.source}")


def test_a_minimal_patient_changes_only_the_tag_and_nothing_the_second_time(
    proxy: CountingProxy, proxied: FhirServer, study: Study, tmp_path: Path
) -> None:
    sync = Writer(study)
    study.load(proxied, tmp_path / "a", [Group([study.patient(0, gender="female")])])
    sync.load(proxied, tmp_path / "b", [Group([study.patient(0)])])
    assert read(proxied, study)["gender"] == "female"
    proxy.requests.clear()
    assert sync.load(proxied, tmp_path / "b", [Group([study.patient(0)])]).total == 0
    assert study.load(proxied, tmp_path / "a", [Group([study.patient(0, gender="female")])]).total == 0
    assert proxy.bundles == 2, "each looks once whether the server has what it had"


def test_our_own_earlier_value_is_replaced_beside_another_writer(
    server: FhirServer, study: Study, tmp_path: Path
) -> None:
    sync = Writer(study)
    study.load(server, tmp_path / "a", [Group([study.patient(0, gender="female", birthDate="1950")])])
    sync.load(server, tmp_path / "b", [Group([study.patient(0, deceasedBoolean=True)])])
    study.load(server, tmp_path / "a", [Group([study.patient(0, gender="male")])])
    patient = read(server, study)
    assert patient["gender"] == "male"
    assert "birthDate" not in patient
    assert patient["deceasedBoolean"] is True


def test_with_both_manifests_lost_nothing_is_written(server: FhirServer, study: Study, tmp_path: Path) -> None:
    sync = Writer(study)
    study.load(server, tmp_path / "a", [Group([study.patient(0, gender="female")])])
    sync.load(server, tmp_path / "b", [Group([study.patient(0, deceasedBoolean=True)])])
    version = read(server, study)["meta"]["versionId"]
    for file in ("a", "b"):
        (tmp_path / file).unlink()
    assert study.load(server, tmp_path / "a", [Group([study.patient(0, gender="female")])]).total == 0
    assert sync.load(server, tmp_path / "b", [Group([study.patient(0, deceasedBoolean=True)])]).total == 0
    assert read(server, study)["meta"]["versionId"] == version


def test_rows_of_one_patient_are_united_and_disagreement_is_reported(
    server: FhirServer, study: Study, manifest: Path
) -> None:
    groups = [
        Group([study.patient(0, gender="female")], row=2),
        Group([study.patient(0, birthDate="1950")], row=3),
        Group([study.patient(0, gender="male")], row=4),
    ]
    report = study.load(server, manifest, groups)
    assert report.created == {"Patient": 1}
    assert [(issue.code, issue.row) for issue in report.refused] == [("E506", 4)]
    patient = read(server, study)
    assert (patient["gender"], patient["birthDate"]) == ("female", "1950")
    assert patient["meta"]["versionId"] == "1"


def test_a_writer_that_comes_between_read_and_write_loses_nothing(
    proxy: CountingProxy, proxied: FhirServer, server: FhirServer, study: Study, tmp_path: Path
) -> None:
    """The patient is there, and is changed after we read it: our write has the wrong version."""
    sync = Writer(study)
    study.load(server, tmp_path / "a", [Group([study.patient(0)])])
    interrupt_with(proxy, lambda: study.load(server, tmp_path / "a", [Group([study.patient(0, gender="female")])]))
    sync.load(proxied, tmp_path / "b", [Group([study.patient(0, birthDate="1950")])])
    patient = read(server, study)
    assert (patient["gender"], patient["birthDate"]) == ("female", "1950")


def test_a_writer_that_creates_it_between_read_and_write_loses_nothing(
    proxy: CountingProxy, proxied: FhirServer, server: FhirServer, study: Study, tmp_path: Path
) -> None:
    """The patient was not there when we read it: no version can be asked for when we write."""
    sync = Writer(study)
    interrupt_with(proxy, lambda: study.load(server, tmp_path / "a", [Group([study.patient(0, gender="female")])]))
    sync.load(proxied, tmp_path / "b", [Group([study.patient(0, birthDate="1950")])])
    patient = read(server, study)
    assert (patient["gender"], patient["birthDate"]) == ("female", "1950")
    assert writers_of(patient) == {study.source, sync.source}


def interrupt_with(proxy: CountingProxy, act: Any) -> None:
    """Let `act` happen once, just before the first transaction passes."""
    lock, acts = threading.Lock(), [act]

    def fault(method: str, path: str, body: bytes) -> None:
        with lock:
            if b'"transaction"' in body and acts:
                acts.pop()()

    proxy.fault = fault


def test_a_folder_merges_too(study: Study, tmp_path: Path) -> None:
    folder, sync = NdjsonFolder(tmp_path / "out"), Writer(study)
    study.load(folder, tmp_path / "a", [Group([study.patient(0, gender="female")])])
    sync.load(folder, tmp_path / "b", [Group([study.patient(0, birthDate="1950")])])
    (patient,) = folder.resources("Patient")
    assert (patient["gender"], patient["birthDate"]) == ("female", "1950")


def test_a_patient_who_is_there_is_left_untouched_where_it_is_to_be(
    server: FhirServer, study: Study, manifest: Path, tmp_path: Path
) -> None:
    """Neither somebody else's nor our own of an earlier load is written, whatever the input says of them."""
    other = Study()
    other.system = study.system
    other.load(server, tmp_path / "other", [Group([study.patient(1, birthDate="1950")])])

    def group(number: int, value: float, gender: str) -> Group:
        made = [study.condition(number), study.observation(number, 0, value)]
        return Group([study.patient(number, gender=gender), *made])

    groups = [group(1, 1.5, "male"), group(2, 1.5, "male")]
    theirs = server.read("Patient", study.patient(1)["id"])
    report = study.load(server, manifest, groups, leave=["Patient"])
    assert report.created == {"Patient": 1, "Condition": 2, "Observation": 2}
    assert report.unchanged == {"Patient": 1}
    assert server.read("Patient", study.patient(1)["id"]) == theirs
    ours = server.read("Patient", study.patient(2)["id"])
    before = manifest.read_bytes()
    assert study.load(server, manifest, groups, leave=["Patient"]).total == 0
    assert manifest.read_bytes() == before, "what was spared is remembered"
    report = study.load(server, manifest, [groups[0], group(2, 2.5, "female")], leave=["Patient"])
    assert (report.created.total(), report.updated) == (0, {"Observation": 1})
    assert server.read("Patient", study.patient(2)["id"]) == ours


def test_whom_a_load_left_untouched_it_does_not_ask_for_again(
    proxy: CountingProxy, proxied: FhirServer, study: Study, manifest: Path, tmp_path: Path
) -> None:
    other = Study()
    other.system = study.system
    other.load(proxied, tmp_path / "other", [Group([study.patient(1)])])
    groups = [Group([study.patient(1, gender="male"), study.patient(2, gender="male")])]
    study.load(proxied, manifest, groups, leave=["Patient"])
    for verified, requests in ((False, 1), (True, 2)):
        proxy.requests.clear()
        study.load(proxied, manifest, groups, leave=["Patient"], verified=verified)
        assert len(proxy.requests) == requests
    assert study.load(proxied, manifest, groups).updated == {"Patient": 1}, "no longer spared"
