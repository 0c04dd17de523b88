"""Level 2: one resource for each item of a list, and identities that are not the row's."""

from __future__ import annotations

from pathlib import Path

from tests.mapping.made import mapped, of_type, places

PID = "columns:\n  pid: {patient: id}\n"
DRUGS = (
    PID
    + """\
  drugs: {helper: list}
  dose: {helper: first dose, type: number}
resources:
  drug:
    $each: 'split(col("drugs"), ";")'
    resourceType: MedicationStatement
    status: '{{ "active" if item() != "bad" else "wrong" }}'
    medicationCodeableConcept: {text: '{{ item() }}'}
  treated:
    resourceType: Condition
    code: {text: treated}
    evidence: [{detail: ['{{ ref("drug") }}']}]
"""
)


def test_each_item_of_a_cell_is_a_resource(tmp_path: Path) -> None:
    made, _ = mapped(tmp_path, DRUGS, "pid,drugs,dose\nA,ASS; Ibu ;,1\nB,,1\n")
    drugs = of_type(made, "MedicationStatement")
    assert [one["medicationCodeableConcept"]["text"] for one in drugs] == ["ASS", "Ibu"]
    assert len({one["id"] for one in drugs}) == 2
    assert {one["subject"]["reference"] for one in drugs} == {f"Patient/{of_type(made, 'Patient')[0]['id']}"}


def test_the_ids_do_not_depend_on_what_the_items_are(tmp_path: Path) -> None:
    text = DRUGS.split("  treated:")[0]
    first, second = (
        [
            one["id"]
            for one in of_type(mapped(tmp_path, text, f"pid,drugs,dose\nA,{cell},1\n")[0], "MedicationStatement")
        ]
        for cell in ("ASS;Ibu", "Para;Ibu;x")
    )
    assert first == second[:2]


def test_an_item_that_fails_costs_only_itself(tmp_path: Path) -> None:
    made, issues = mapped(tmp_path, DRUGS, "pid,drugs,dose\nA,ASS;bad;Ibu,1\nB,bad,1\n")
    drugs = of_type(made, "MedicationStatement")
    assert [one["medicationCodeableConcept"]["text"] for one in drugs] == ["ASS", "Ibu"]
    evidence = [one.get("evidence") for one in of_type(made, "Condition")]
    assert evidence == [[{"detail": [{"reference": f"MedicationStatement/{one['id']}"} for one in drugs]}], None]
    assert [(issue.row, issue.code) for issue in issues] == [(2, "E601"), (3, "E601")]


def test_a_condition_chooses_among_the_items(tmp_path: Path) -> None:
    text = DRUGS.split("  treated:")[0].replace("    $each", "    $when: 'item() != \"none\"'\n    $each")
    made, issues = mapped(tmp_path, text, "pid,drugs,dose\nA,none;Ibu,1\nB,none,1\n")
    assert issues == []
    assert [one["medicationCodeableConcept"]["text"] for one in of_type(made, "MedicationStatement")] == ["Ibu"]


VISITS = (
    """\
source: {type: csv, key: [pid, n]}
subject: {id: pid, system: urn:made}
"""
    + PID
    + """\
  n: {helper: number}
  stay: {helper: number of the stay}
  ward: {helper: where}
resources:
  episode:
    $key: ['{{ col("pid") }}', col("stay")]
    resourceType: EpisodeOfCare
    status: finished
    type: [{text: '{{ col("ward") }}'}]
"""
)
HEAD = "fhirmap: 1\nid: made\n"


def test_rows_with_one_key_mean_one_resource(tmp_path: Path) -> None:
    table = "pid,n,stay,ward\nA,1,7,x\nA,2,7,x\nA,3,8,x\nB,1,7,x\n"
    made, issues = mapped(tmp_path, VISITS, table, HEAD)
    assert issues == []
    assert len(of_type(made, "EpisodeOfCare")) == 3


def test_rows_that_disagree_on_one_resource_are_reported(tmp_path: Path) -> None:
    made, issues = mapped(tmp_path, VISITS, "pid,n,stay,ward\nA,1,7,x\nA,2,7,y\n", HEAD)
    assert [one["type"][0]["text"] for one in of_type(made, "EpisodeOfCare")] == ["x"]
    assert [(issue.row, issue.code) for issue in issues] == [(3, "E603")]


def test_a_resource_without_its_key_is_reported(tmp_path: Path) -> None:
    made, issues = mapped(tmp_path, VISITS, "pid,n,stay,ward\nA,1,,x\n", HEAD)
    assert of_type(made, "EpisodeOfCare") == []
    assert places(issues) == [(2, "pid, stay", "", "E504")]
