from __future__ import annotations

import csv
import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from multimodal.bucket import FolderBucket
from multimodal.model.errors import ConfigurationError
from multimodal.model.issues import Issue
from multimodal.workflows.findings import (
    FINDINGS_COLUMNS,
    Findings,
    State,
    compare,
    remember,
    state_key,
    write_findings,
    write_ledger_lines,
)
from multimodal.workflows.ledger import Ledger, ledger_key, read_ledger

ID = "study"
MARCH, APRIL = dt.date(2026, 3, 1), dt.date(2026, 4, 1)
SEX = Issue("E201", "'X' is not in the table", row=3, record="P2", column="sex", value="X", suggestion="add it")
HB = Issue("E101", "'n/a' is not a number", row=4, record="P3", column="hb", value="n/a")
DATE = Issue("E301", "m", row=5, sheet="Visits", record="P4", event="v1", instance="2", column="d", value="=1+1")
NO_KEY = Issue("E504", "the row has no key", row=6, column="pid")


def imported(bucket: FolderBucket, issues: list[Issue], today: dt.date, *, dry_run: bool = False) -> Findings:
    ledger = read_ledger(bucket, ID, today=today)
    findings = compare(issues, bucket, ID, ledger, dry_run=dry_run, today=today)
    if not dry_run:
        remember(findings, bucket, ID, today=today)
    return findings


def states(findings: Findings) -> list[tuple[str, str, str]]:
    return [(found.issue.code, found.state.value, found.since) for found in findings.all]


def ledger(bucket: FolderBucket, text: str) -> None:
    bucket.write(ledger_key(ID), text.encode())


HEADER = "code,sheet,record,event,instance,column,value,decision,who,why,until\n"


def test_findings_are_new_then_persisting_then_fixed(bucket: FolderBucket) -> None:
    first = imported(bucket, [SEX, HB], MARCH)
    assert first.before == ""
    assert states(first) == [("E201", "new", "2026-03-01"), ("E101", "new", "2026-03-01")]
    moved = replace(SEX, row=17, message="said otherwise", suggestion="")
    second = imported(bucket, [DATE, moved], APRIL)
    assert second.before == "2026-03-01"
    assert states(second) == [
        ("E301", "new", "2026-04-01"), ("E201", "persisting", "2026-03-01"), ("E101", "fixed", "2026-03-01"),
    ]  # fmt: skip
    assert second.counts == {State.NEW: 1, State.PERSISTING: 1, State.FIXED: 1}
    assert second.open == 2
    (gone,) = second.of(State.FIXED)
    assert (gone.issue.message, gone.issue.record, gone.issue.column) == (HB.message, "P3", "hb")
    third = imported(bucket, [DATE, SEX], APRIL)
    assert {found.state for found in third.all} == {State.PERSISTING}, "a fixed one is told once"


@pytest.mark.parametrize("field", ["code", "sheet", "record", "event", "instance", "column", "value"])
def test_a_finding_elsewhere_is_another_one(bucket: FolderBucket, field: str) -> None:
    imported(bucket, [DATE], MARCH)
    other = imported(bucket, [replace(DATE, **{field: "other"})], APRIL)
    assert [found.state.value for found in other.all] == ["new", "fixed"]


def test_equal_findings_are_counted(bucket: FolderBucket) -> None:
    imported(bucket, [NO_KEY], MARCH)
    findings = imported(bucket, [replace(NO_KEY, row=row) for row in (3, 6, 9)], APRIL)
    assert findings.counts == {State.PERSISTING: 1, State.NEW: 2}


def test_an_import_without_findings_is_one_too(bucket: FolderBucket) -> None:
    assert imported(bucket, [], MARCH).before == ""
    assert imported(bucket, [SEX], APRIL).before == "2026-03-01"


def test_a_dry_run_changes_nothing_and_does_not_speak_for_the_server(bucket: FolderBucket) -> None:
    refused = Issue("E602", "the server refused it", record="P1")
    imported(bucket, [refused, SEX], MARCH)
    kept = bucket.read(state_key(ID))
    dry = imported(bucket, [HB], APRIL, dry_run=True)
    assert states(dry) == [("E101", "new", "2026-04-01"), ("E201", "fixed", "2026-03-01")]
    assert bucket.read(state_key(ID)) == kept


def test_an_accepted_finding_stays_accepted_wherever_its_row_moves(bucket: FolderBucket) -> None:
    imported(bucket, [SEX, HB], MARCH)
    ledger(bucket, HEADER + "E201,,P2,,,sex,X,accepted,Ada,unknown for good,\n")
    findings = imported(bucket, [replace(SEX, row=99), HB], APRIL)
    assert findings.counts == {State.ACCEPTED: 1, State.PERSISTING: 1}
    assert findings.open == 1
    accepted = findings.all[0]
    assert (accepted.who, accepted.why, accepted.since) == ("Ada", "unknown for good", "2026-03-01")
    assert findings.notes == []
    assert imported(bucket, [], APRIL).notes == ["study.ledger.csv: line 2 accepts nothing that was found; "
                                                 "correct or remove it"]  # fmt: skip


def test_each_line_accepts_one_of_equal_findings(bucket: FolderBucket) -> None:
    ledger(bucket, HEADER + "E504,,,,,pid,,accepted,Ada,the last row is a sum,\n")
    findings = imported(bucket, [NO_KEY, replace(NO_KEY, row=9)], MARCH)
    assert [found.state.value for found in findings.all] == ["accepted", "new"]


def test_an_acceptance_ends(bucket: FolderBucket) -> None:
    ledger(bucket, HEADER + "E201,,P2,,,sex,X,accepted,Ada,asked the site,2026-03-31\n")
    assert imported(bucket, [SEX], dt.date(2026, 3, 31)).counts == {State.ACCEPTED: 1}
    later = imported(bucket, [SEX], APRIL)
    assert later.counts == {State.PERSISTING: 1}
    assert later.notes == [
        "study.ledger.csv: line 2 is no longer accepted: the date under until is over; correct or remove it"
    ]


def test_the_offered_lines_are_a_ledger_once_they_are_complete(bucket: FolderBucket, tmp_path: Path) -> None:
    issues = [SEX, HB, DATE, NO_KEY, replace(NO_KEY, row=9), replace(SEX, record=" P5", value=" a\nb ")]
    write_ledger_lines(imported(bucket, issues, MARCH), tmp_path / "lines.csv")
    with (tmp_path / "lines.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    ledger_file = tmp_path / "ledger.csv"
    bucket.write(ledger_key(ID), (tmp_path / "lines.csv").read_bytes())
    with pytest.raises(ConfigurationError, match=r"study.ledger.csv:2: who and why must be filled in") as error:
        read_ledger(bucket, ID)
    assert error.value.exit_code == 2
    # As a German spreadsheet saves it.
    with ledger_file.open("w", encoding="cp1252", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), delimiter=";")
        writer.writeheader()
        writer.writerows({**line, "who": "Jürgen", "why": "so", "until": "31.12.2026"} for line in lines)
    bucket.write(ledger_key(ID), ledger_file.read_bytes())
    findings = imported(bucket, issues, APRIL)
    assert findings.counts == {State.ACCEPTED: 6}
    assert findings.notes == []
    assert findings.all[0].who == "Jürgen"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "ledger.csv: is empty"),
        ("code,record,column,value,decision,who\n", "ledger.csv:1: the ledger has no column why"),
        (HEADER.replace("why", "whi"), "ledger.csv:1: unknown column 'whi' in the ledger; did you mean 'why'"),
        (HEADER + "E201,,P2,,,sex,X,maybe,Ada,so,\n", "ledger.csv:2: unknown decision 'maybe'; write accepted"),
        (HEADER + "\nE201,,P2,,,sex,X,accepted,,so,\n", "ledger.csv:3: who must be filled in"),
        (HEADER + "E201,,P2,,,sex,X,Accepted,Ada, ,\n", "ledger.csv:2: why must be filled in"),
        (HEADER + ",,P2,,,sex,X,accepted,Ada,so,\n", "ledger.csv:2: code must be filled in"),
        (HEADER + "E201,,P2,,,sex,X,accepted,Ada,so,soon\n", "ledger.csv:2: 'soon' under until is not a date"),
        (HEADER + "E201,,P2,,,sex,X,accepted,Ada,so,2026-02-30\n", "is not a date"),
        (HEADER + "E201,,P2,,,sex,X,accepted,Ada,so,,more,cells\n", "ledger.csv:2: the row has 13 cells"),
        ("PK\x03\x04", "is named like a text table but is a workbook"),
    ],
)  # fmt: skip
def test_a_broken_ledger_is_refused_with_its_line(bucket: FolderBucket, text: str, said: str) -> None:
    ledger(bucket, text)
    with pytest.raises(ConfigurationError) as error:
        read_ledger(bucket, ID)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_findings_csv_begins_with_what_is_new(bucket: FolderBucket, tmp_path: Path) -> None:
    imported(bucket, [SEX, NO_KEY, HB], MARCH)
    ledger(bucket, HEADER + "E201,,P2,,,sex,X,accepted,Ada,so,\n")
    write_findings(imported(bucket, [SEX, NO_KEY, DATE], APRIL), tmp_path / "findings.csv")
    with (tmp_path / "findings.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == FINDINGS_COLUMNS
    assert [(line["state"], line["code"], line["row"], line["who"]) for line in lines] == [
        ("new", "E301", "5", ""), ("persisting", "E504", "6", ""), ("accepted", "E201", "3", "Ada"),
        ("fixed", "E101", "", ""),
    ]  # fmt: skip
    assert lines[0]["value"] == "'=1+1"


def test_no_ledger_accepts_nothing(bucket: FolderBucket) -> None:
    assert read_ledger(bucket, ID) == Ledger()
