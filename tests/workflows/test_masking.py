from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.mapping import load_mapping
from multimodal.model.issues import Issue
from multimodal.tables.dictionary import Dictionary, Field
from multimodal.workflows.masking import MASK, Masking, masking_of, without_patient_ids

MAPPING = """\
fhirmap: 1
id: masked
source: {type: csv, key: [pid, visit]}
subject: {id: pid, system: "urn:masked"}
columns:
  pid: {patient: id, was: [patient_no]}
  name: {patient: name}
  insurance: {patient: identifier, system: "urn:insurance"}
  birth: {patient: birthDate}
  sex: {patient: gender, table: {f: female}}
  visit: {helper: number of the visit}
"""


def test_identifying_columns_are_known_from_mapping_and_dictionary(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(MAPPING)
    fields = {"phone": Field("phone", "Telephone", identifier=True), "hb": Field("hb", "Hemoglobin"), "": Field("")}
    dictionary = Dictionary({**fields, "pid": Field("pid", "Patient number")})
    masking = masking_of(load_mapping(tmp_path / "m.yaml"), [dictionary])
    assert masking.columns == {
        "pid", "patient_no", "name", "insurance", "birth", "phone", "Telephone", "Patient number",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("issue", "shown"),
    [
        (
            Issue("E502", "the id 'P 17' is not right", row=3, record="P 17", column="pid", value="P 17"),
            Issue("E502", f"the id '{MASK}' is not right", row=3, record=MASK, column="pid", value=MASK),
        ),
        (
            Issue("E501", "row 2 has the same key", record="P1 / 3", column="pid, visit", value="P1 / 3"),
            Issue("E501", "row 2 has the same key", record=MASK, column="pid, visit", value=MASK),
        ),
        (
            Issue("E602", "Patient of Miller-1 is refused: Miller-12", record="Miller-1"),
            Issue("E602", f"Patient of {MASK} is refused: Miller-12", record=MASK),
        ),
        (
            Issue("E101", "'1' is not 1 of 3", record="1", column="hb", value="1"),
            Issue("E101", f"'{MASK}' is not 1 of 3", record=MASK, column="hb", value="1"),
        ),
        (
            Issue("E605", "'Miller' is not a number; give its column a type", column="pid, hb"),
            Issue("E605", f"'{MASK}' is not a number; give its column a type", column="pid, hb"),
        ),
        (
            Issue("E605", "'Miller' is not a number", column="pid, hb", value="Miller, 12"),
            Issue("E605", f"'{MASK}' is not a number", column="pid, hb", value=MASK),
        ),
        (
            Issue("E503", "the row has 5 cells", column="hb", value="P1;Miller;5"),
            Issue("E503", "the row has 5 cells", column="hb", value=MASK),
        ),
        (
            Issue("E201", "m", column="sex", value="x", suggestion="s", sheet="a", event="e", instance="i"),
            Issue("E201", "m", column="sex", value="x", suggestion="s", sheet="a", event="e", instance="i"),
        ),
    ],
)
def test_an_issue_loses_what_identifies_and_nothing_else(issue: Issue, shown: Issue) -> None:
    assert Masking(frozenset({"pid"})).issue(issue) == shown


def test_values_of_an_identifying_column_are_one() -> None:
    values = {"pid": {"text": {"P1": 2, "P2": 3}}, "sex": {"inexact": {"x": 1}}}
    assert Masking(frozenset({"pid"})).values(values) == {
        "pid": {"text": {MASK: 5}}, "sex": {"inexact": {"x": 1}},
    }  # fmt: skip


@pytest.mark.parametrize(
    "issue",
    [
        Issue("J101", "no series of Patient/p0 in the index", record="LUNG1-001"),
        Issue("J102", "2 series of LUNG1-001 without clinical data", record="LUNG1-001"),
        Issue("S101", "who issued 'LUNG1-001' is not known", record="1.2.3", column="PatientID", value="LUNG1-001"),
    ],
)
def test_what_a_join_or_a_sync_prints_names_no_patient_id(issue: Issue) -> None:
    shown = without_patient_ids(issue)
    assert "LUNG1-001" not in f"{shown.record}{shown.value}{shown.message}"
    assert (shown.code, MASK in (shown.record, shown.value)) == (issue.code, True)


def test_what_a_join_prints_of_a_series_is_as_it_is() -> None:
    issue = Issue("J201", "refused", record="1.2.3", value="4")
    assert without_patient_ids(issue) == issue
