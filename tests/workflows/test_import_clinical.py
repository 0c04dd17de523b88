from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from multimodal.bucket import FolderBucket, LockedError
from multimodal.fhirstore import FhirServer, NdjsonFolder
from multimodal.mapping import MappingError
from multimodal.model.errors import DataRefusedError, RemoteError
from multimodal.model.references import PatientRef
from multimodal.model.results import Status, WorkflowResult
from multimodal.transport.session import HttpSession, LoginRefusedError
from multimodal.transport.stores import Auth, Store
from multimodal.workflows.import_clinical import NothingUsableError, import_clinical
from tests.fakes.counting_proxy import CountingProxy
from tests.workflows.clinical import SmallStudy

MAPPINGS = Path(__file__).parents[2] / "mappings"
# An unchanged import sends nothing; it looks once whether the server still has what it had.
PROBE = [("POST", "/fhir")]
LUNG1_SYSTEM = "https://www.cancerimagingarchive.net/collection/nsclc-radiomics"


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return SmallStudy(tmp_path)


@pytest.fixture
def proxy(hapi: Store) -> Iterator[CountingProxy]:
    with CountingProxy(hapi) as proxy:
        yield proxy


@pytest.fixture
def server(proxy: CountingProxy) -> Iterator[FhirServer]:
    with HttpSession(proxy.store) as session:
        yield FhirServer(session)


def run(study: SmallStudy, target: Any, bucket: FolderBucket, **options: Any) -> WorkflowResult:
    options = {"report_dir": None, "run_id": "r1", **options}
    return import_clinical([study.table], study.mapping, target=target, bucket=bucket, **options)


def errors(bucket: FolderBucket, run_id: str = "r1") -> list[dict[str, str]]:
    text = bucket.read(f"reports/{run_id}/errors.csv").decode("utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


def test_a_table_goes_in_once(
    study: SmallStudy, server: FhirServer, bucket: FolderBucket, proxy: CountingProxy
) -> None:
    result = run(study, server, bucket)
    assert result.status is Status.DONE
    assert result.counts == {"rows": 8, "Observation created": 8, "Patient created": 8, "Provenance created": 1}
    assert server.count("Patient", {"identifier": f"{study.system}|"}) == 8
    (stated,) = server.search("Provenance", {"_source": f"urn:multimodal:{study.id}"})
    assert len(stated["target"]) == 16
    assert result.hashes["mapping"] in json.dumps(stated)
    proxy.requests.clear()
    again = run(study, server, bucket, run_id="r2")
    assert proxy.requests == PROBE
    assert again.counts == {"rows": 8, "Observation unchanged": 8, "Patient unchanged": 8}


def test_a_dry_run_stores_nothing_and_reports(study: SmallStudy, server: FhirServer, bucket: FolderBucket) -> None:
    result = run(study, server, bucket, dry_run=True)
    assert result.counts == {"rows": 8, "Observation created": 8, "Patient created": 8}
    assert "dry run" in result.warnings[0]
    assert server.count("Patient", {"identifier": f"{study.system}|"}) == 0
    assert not bucket.exists(f"state/manifests/{study.id}.sqlite")
    assert "Dry run" in bucket.read("reports/r1/report.html").decode()


def test_bad_cells_and_rows_are_named_and_the_rest_is_stored(
    study: SmallStudy, server: FhirServer, bucket: FolderBucket, tmp_path: Path
) -> None:
    study.write([("P1", "f", "12"), ("P2", "X", "13"), ("P3", "m", "n/a"), ("Q4", "m", "14"), ("P1", "f", "15")])
    result = run(study, server, bucket, report_dir=tmp_path / "report")
    assert result.status is Status.PARTIAL
    assert result.exit_code == 0
    found = [(line["row"], line["column"], line["value"], line["code"]) for line in errors(bucket)]
    assert found == [
        ("3", "sex", "X", "E201"),
        ("4", "hb", "n/a", "E101"),
        ("5", "pid", "Q4", "E502"),
        ("6", "pid", "P1", "E501"),
    ]
    assert server.count("Patient", {"identifier": f"{study.system}|"}) == 3
    assert server.count("Observation", {"_source": f"urn:multimodal:{study.id}"}) == 2
    lines = (tmp_path / "report/quarantine.csv").read_text(encoding="utf-8-sig").splitlines()
    assert lines == ["row,sheet,pid,sex,hb", "3,,P2,X,13", "4,,P3,m,n/a", "5,,Q4,m,14", "6,,P1,f,15"]


@pytest.mark.parametrize("deletes", ["delete", "entered-in-error"])
def test_a_typing_error_takes_nothing_away_that_was_stored(
    deletes: str, server: FhirServer, bucket: FolderBucket, tmp_path: Path
) -> None:
    """The value is unknown this month, which is not the same as gone; an emptied cell or a removed row is gone."""
    study = SmallStudy(tmp_path, deletes)
    run(study, server, bucket)
    rows = [(f"P{number}", "fm"[number % 2], str(10 + number / 10)) for number in range(8)]
    rows[3], rows[5] = ("P3", "m", "n/a"), ("P5", "m", "")
    study.write(rows)
    result = run(study, server, bucket, run_id="r2")
    assert result.counts["Observation deleted"] == 1
    assert result.counts["Observation absent, kept"] == 1
    kept = {
        found["subject"]["reference"]
        for found in server.search("Observation", {"_source": f"urn:multimodal:{study.id}"})
        if found["status"] != "entered-in-error"
    }
    assert PatientRef(study.system, "P3").reference in kept
    assert PatientRef(study.system, "P5").reference not in kept
    assert {issue.code for issue in result.issues} == {"E101"}, "no statement of origin holds the deleted back"
    assert run(study, server, bucket, run_id="r3").counts["Observation unchanged"] == 6


def test_when_no_row_can_be_used_nothing_is_stored(
    study: SmallStudy, server: FhirServer, bucket: FolderBucket, proxy: CountingProxy
) -> None:
    study.write([("Q1", "f", "12"), ("Q2", "m", "13")])
    with pytest.raises(NothingUsableError, match="none of the 2 rows") as error:
        run(study, server, bucket)
    assert error.value.exit_code == 3
    assert [line["code"] for line in errors(bucket)] == ["E502", "E502"]
    assert "refused" in bucket.read("reports/r1/report.html").decode()
    assert server.count("Patient", {"identifier": f"{study.system}|"}) == 0


@pytest.mark.parametrize("text", ["", "pid,sex,hb\n", "pid,sex,hb,more\nP1,f,12,1\n", "sex,hb\nf,12\n"])
def test_a_table_that_cannot_be_used_is_refused_before_anything_is_sent(
    study: SmallStudy, server: FhirServer, bucket: FolderBucket, proxy: CountingProxy, text: str
) -> None:
    study.table.write_text(text)
    sent: list[bytes] = []
    proxy.fault = lambda method, path, body: sent.append(body) if b'"transaction"' in body else None
    with pytest.raises(DataRefusedError) as error:
        run(study, server, bucket)
    assert error.value.exit_code == 3
    assert "\n" not in str(error.value)
    assert sent == []


def test_too_many_bad_rows_refuse_the_table_and_are_all_reported(
    study: SmallStudy, server: FhirServer, bucket: FolderBucket, proxy: CountingProxy
) -> None:
    text = study.mapping.read_text(encoding="utf-8")
    study.mapping.write_text(text + "quality: {max_row_errors: 10%}\n", encoding="utf-8")
    study.write([("P1", "f", "12"), ("P2", "X", "13"), ("P3", "m", "14")])
    with pytest.raises(DataRefusedError, match="10%"):
        run(study, server, bucket)
    assert [line["row"] for line in errors(bucket)] == ["3"]
    assert proxy.requests == []


def test_a_wrong_mapping_stops_before_anything(study: SmallStudy, bucket: FolderBucket, tmp_path: Path) -> None:
    text = study.mapping.read_text(encoding="utf-8")
    study.mapping.write_text(text.replace("unmapped: error", "unmaped: error"), encoding="utf-8")
    with pytest.raises(MappingError, match=r"mapping.yaml:\d+:\d+: .*unmaped") as error:
        run(study, NdjsonFolder(tmp_path / "out"), bucket)
    assert error.value.exit_code == 2


def test_a_server_that_is_down_and_comes_back(
    study: SmallStudy, server: FhirServer, bucket: FolderBucket, tmp_path: Path
) -> None:
    down = Store("clinical", "fhir", url="http://127.0.0.1:9/fhir", attempts=1)
    with HttpSession(down) as session, pytest.raises(RemoteError, match="clinical: no answer") as error:
        run(study, FhirServer(session), bucket)
    assert error.value.exit_code == 4
    assert run(study, server, bucket).counts["Patient created"] == 8


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_a_wrong_password(
    study: SmallStudy, bucket: FolderBucket, proxy: CountingProxy, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("WRONG_SECRET", "not-the-password")
    proxy.fault = lambda method, path, body: (401, {"WWW-Authenticate": scheme}, b"")
    store = Store("clinical", "fhir", url=proxy.store.url, auth=Auth(scheme, "WRONG_SECRET", "env", user="me"))
    with HttpSession(store) as session, pytest.raises(LoginRefusedError, match="clinical: login refused") as error:
        run(study, FhirServer(session), bucket)
    assert error.value.exit_code == 4
    assert "not-the-password" not in str(error.value)
    assert len(proxy.requests) == 1


def test_one_import_at_a_time(study: SmallStudy, bucket: FolderBucket, tmp_path: Path) -> None:
    with bucket.lock(f"manifest-{study.id}", run="the-other"), pytest.raises(LockedError, match="the-other"):
        run(study, NdjsonFolder(tmp_path / "out"), bucket)


def test_an_import_that_did_not_end_is_completed(
    study: SmallStudy, server: FhirServer, bucket: FolderBucket, proxy: CountingProxy
) -> None:
    proxy.fault = lambda method, path, body: (401, {}, b"") if b'"Provenance"' in body else None
    with pytest.raises(RemoteError):
        run(study, server, bucket)
    proxy.fault = lambda method, path, body: None
    result = run(study, server, bucket, run_id="r2")
    assert result.counts["Provenance created"] == 1
    (stated,) = server.search("Provenance", {"_source": f"urn:multimodal:{study.id}"})
    assert len(stated["target"]) == 16
    assert any("did not end" in warning for warning in result.warnings)


@pytest.fixture
def lung1(public_data: Path) -> Path:
    files = sorted((public_data / "nsclc-radiomics-lung1").glob("*.csv"))
    if not files:
        pytest.skip("the Lung1 table is missing from the public data")
    return files[0]


def test_lung1_end_to_end(
    lung1: Path, server: FhirServer, bucket: FolderBucket, proxy: CountingProxy, tmp_path: Path
) -> None:
    mapping = MAPPINGS / "nsclc-radiomics-lung1.yaml"

    def load(table: Path = lung1) -> WorkflowResult:
        return import_clinical([table], mapping, target=server, bucket=bucket, report_dir=None, run_id="r")

    warnings = load().warnings
    assert "clinical.T.Stage: '5' is mapped inexactly (2 times)" in warnings
    assert "Clinical.M.Stage: '3' is in no table and is kept as text (4 times)" in warnings
    source = {"_source": "urn:multimodal:nsclc-lung1"}
    assert server.count("Patient", {"identifier": f"{LUNG1_SYSTEM}|"}) == 422
    assert server.count("Condition", source) == 422
    assert server.count("Observation", source) == 2531
    unchanged = {"rows": 422, "Condition unchanged": 422, "Observation unchanged": 2531, "Patient unchanged": 422}
    proxy.requests.clear()
    assert load().counts == unchanged
    assert proxy.requests == PROBE

    bucket.delete("state/manifests/nsclc-lung1.sqlite")
    assert load().counts == unchanged

    rows = list(csv.reader(lung1.read_text(encoding="utf-8-sig").splitlines()))
    column = rows[0].index("Survival.time")
    for row in rows[10:15]:
        row[column] = str(int(row[column]) + 1)
    changed = tmp_path / "Lung1.clinical-changed.csv"
    with changed.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    try:
        counts = dict(load(changed).counts)
        counts.pop("Provenance created", None)  # there already, where the tests' server is kept between runs
        assert counts == {
            "rows": 422, "Observation updated": 5,
            "Condition unchanged": 422, "Observation unchanged": 2526, "Patient unchanged": 422,
        }  # fmt: skip
    finally:
        load()
