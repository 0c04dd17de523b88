"""ODM files as tables: keys, units, repeats, transactions, vendors."""

from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.tables.errors import EmptyTableError, HeaderError, TableError
from multimodal.tables.read import read_tables
from multimodal.tables.rows import Place, Row, SourceSpec, Table

SPEC = SourceSpec("odm")


def tables(tmp_path: Path, body: str, *, file_type: str = "Snapshot", spec: SourceSpec = SPEC) -> dict[str, Table]:
    path = tmp_path / "trial.xml"
    path.write_text(
        f'<ODM xmlns="http://www.cdisc.org/ns/odm/v1.3" FileType="{file_type}" ODMVersion="1.3.2" '
        f'xmlns:oc="http://www.openclinica.org/ns/odm_ext_v130/v3.1">\n{body}\n</ODM>',
        encoding="utf-8",
    )
    return {table.sheet: table for table in read_tables(path, spec)}


def group(items: str, *, subject: str = "1", form: str = "IG.1", attributes: str = "", above: str = "") -> str:
    """Return clinical data of one item group; `attributes` are the group's, `above` the subject's."""
    return f"""<ClinicalData StudyOID="S.1" MetaDataVersionOID="v1">
<SubjectData SubjectKey="{subject}" {above}><StudyEventData StudyEventOID="SE.1"><FormData FormOID="F.1">
<ItemGroupData ItemGroupOID="{form}" {attributes}>
{items}
</ItemGroupData></FormData></StudyEventData></SubjectData></ClinicalData>
"""


def value(oid: str, text: str, more: str = "") -> str:
    return f'<ItemData ItemOID="{oid}" Value="{text}" {more}/>'


def items_of(row: Row) -> dict[str, str]:
    return {header: text for header, text in row.values.items() if header.startswith("I.") and text}


def test_a_table_for_each_item_group_with_keys_and_places(tmp_path: Path) -> None:
    body = """<ClinicalData StudyOID="S.1"><SubjectData SubjectKey="007">
<StudyEventData StudyEventOID="SE.V" StudyEventRepeatKey="2"><FormData FormOID="F" FormRepeatKey="-1">
<ItemGroupData ItemGroupOID="IG.A" ItemGroupRepeatKey="3">
<ItemData ItemOID="I.1" Value="a"/>
<ItemData ItemOID="I.2" Value="b"/>
</ItemGroupData><ItemGroupData ItemGroupOID="IG.B"><ItemData ItemOID="I.3" Value="c"/></ItemGroupData>
</FormData></StudyEventData></SubjectData></ClinicalData>"""
    found = tables(tmp_path, body)
    assert list(found) == ["IG.A", "IG.B"]
    (row,) = found["IG.A"].rows
    assert row.key == ("007", "SE.V", "2", "F", "", "3")
    assert row.visit == ("007", "SE.V", "2")
    assert (row.number, row.record, row.event, row.instance) == (4, "007", "SE.V [2]", "3")
    assert (row.places["I.2"], row.places.get("SubjectKey")) == (Place(6, "I.2"), None)
    assert row.values["SubjectKey"] == "007"
    assert found["IG.A"].given >= {"SubjectKey", "StudyEventOID", "StudyOID"}
    assert found["IG.A"].headers[-2:] == ("I.1", "I.2")
    assert found["IG.A"].found["rows"] == "lines of the XML file"
    assert any("no metadata" in note for note in found["IG.A"].notes)


def test_units_beside_values_and_in_the_metadata(tmp_path: Path) -> None:
    metadata = """<Study OID="S.1"><BasicDefinitions>
    <MeasurementUnit OID="MU.1" Name="kg"><Symbol><TranslatedText>kg</TranslatedText></Symbol></MeasurementUnit>
    <MeasurementUnit OID="MU.2" Name="lb"><Symbol><TranslatedText>lb</TranslatedText></Symbol></MeasurementUnit>
    </BasicDefinitions><MetaDataVersion OID="v1" Name="v1">
    <ItemGroupDef OID="IG.1" Name="x" Repeating="No"><ItemRef ItemOID="I.W"/><ItemRef ItemOID="I.H"/></ItemGroupDef>
    <ItemDef OID="I.W" Name="Weight" DataType="float"><MeasurementUnitRef MeasurementUnitOID="MU.1"/></ItemDef>
    <ItemDef OID="I.H" Name="Height" DataType="float"/></MetaDataVersion></Study>"""
    own = '<ItemData ItemOID="I.W" Value="150"><MeasurementUnitRef MeasurementUnitOID="MU.2"/></ItemData>'
    odd = '<ItemData ItemOID="I.H" Value="1"><MeasurementUnitRef MeasurementUnitOID="MU.m"/></ItemData>'
    body = metadata + group(value("I.W", "70")) + group(own, subject="2") + group(odd, subject="3")
    table = tables(tmp_path, body)["IG.1"]
    rows = list(table.rows)
    assert [row.values["I.W.unit"] for row in rows] == ["kg", "lb", ""]
    assert [row.values["I.H.unit"] for row in rows] == ["", "", "m"]
    assert {"I.W.unit", "I.H.unit"} <= table.given
    assert (table.dictionary.fields["I.W"].unit, table.dictionary.fields["I.W"].type) == ("kg", "number")


def test_vendor_attributes_become_columns(tmp_path: Path) -> None:
    body = group(value("I.1", "a"), above='oc:StudySubjectID="S-001"').replace(
        'StudyEventOID="SE.1"', 'StudyEventOID="SE.1" oc:StartDate="2020-01-02"'
    )
    table = tables(tmp_path, body)["IG.1"]
    (row,) = table.rows
    assert row.values["StudySubjectID"] == "S-001"
    assert row.values["StudyEventData.StartDate"] == "2020-01-02"
    assert {"StudySubjectID", "StudyEventData.StartDate"} <= table.given


def test_a_form_without_rows_has_the_columns_of_vendors_too(tmp_path: Path) -> None:
    metadata = """<Study OID="S.1"><MetaDataVersion OID="v1" Name="v1"><ItemGroupDef OID="IG.2" Name="x" Repeating="No">
    <ItemRef ItemOID="I.1"/></ItemGroupDef></MetaDataVersion></Study>"""
    found = tables(tmp_path, metadata + group(value("I.1", "a"), above='oc:StudySubjectID="S-001"'))
    assert "StudySubjectID" in found["IG.2"].headers
    assert list(found["IG.2"].rows) == []


def test_nulls_count_as_answers_and_empty_groups_not(tmp_path: Path) -> None:
    body = group('<ItemData ItemOID="I.1" Value="7" IsNull="Yes"/>') + group("", subject="2")
    (row,) = tables(tmp_path, body)["IG.1"].rows
    assert (row.values["SubjectKey"], row.values["I.1"]) == ("1", "")


def test_the_second_of_two_values_of_one_item_is_told(tmp_path: Path) -> None:
    table = tables(tmp_path, group(value("I.1", "a") + "\n" + value("I.1", "b")))["IG.1"]
    (row,) = table.rows
    assert items_of(row) == {"I.1": "a"}
    (issue,) = row.problems
    assert (issue.code, issue.row, issue.column, issue.value) == ("E507", 6, "I.1", "b")
    assert table.issues == [issue]


def test_items_and_groups_that_the_metadata_does_not_know(tmp_path: Path) -> None:
    metadata = """<Study OID="S.1"><MetaDataVersion OID="v1" Name="v1"><ItemGroupDef OID="IG.1" Name="x" Repeating="No">
    <ItemRef ItemOID="I.1"/></ItemGroupDef><ItemDef OID="I.1" Name="x" DataType="text"/></MetaDataVersion></Study>"""
    body = metadata + group(value("I.9", "a")) + group(value("I.1", "a"), form="IG.9")
    found = tables(tmp_path, body)
    assert any("not in the file's metadata: I.9" in note for note in found["IG.1"].notes)
    assert any("IG.9 is not in the file's metadata" in note for note in found["IG.9"].notes)
    assert found["IG.1"].headers[-2:] == ("I.1", "I.9")


def test_snapshot_rows_that_are_removed_say_so(tmp_path: Path) -> None:
    body = group(value("I.1", "a"), attributes='TransactionType="Remove"') + group(
        value("I.1", "b"), subject="2", above='TransactionType="Remove"'
    )
    assert [row.removed for row in tables(tmp_path, body)["IG.1"].rows] == [True, True]


UPDATE, REMOVE, UPSERT = (f'TransactionType="{name}"' for name in ("Update", "Remove", "Upsert"))
INSERT, CONTEXT = 'TransactionType="Insert"', 'TransactionType="Context"'
BEGIN = group(value("I.1", "a") + value("I.2", "b"), above=INSERT)

TRANSACTIONS = {
    "update replaces what it names": (BEGIN + group(value("I.1", "c"), above=UPDATE), [{"I.1": "c", "I.2": "b"}]),
    "upsert adds": (BEGIN + group(value("I.3", "c"), attributes=UPSERT), [{"I.1": "a", "I.2": "b", "I.3": "c"}]),
    "remove of an item": (BEGIN + group(value("I.1", "", REMOVE), attributes=UPDATE), [{"I.2": "b"}]),
    "null is a value": (BEGIN + group('<ItemData ItemOID="I.1" IsNull="Yes"/>', above=UPDATE), [{"I.2": "b"}]),
    "remove of a row": (BEGIN + group("", attributes=REMOVE, above=CONTEXT), ["removed"]),
    "remove of a subject": (
        BEGIN
        + f'<ClinicalData><SubjectData SubjectKey="1" {REMOVE}/></ClinicalData>'
        + group(value("I.1", "x"), subject="2"),
        ["removed", {"I.1": "x"}],
    ),
    "remove of another event": (
        BEGIN
        + f'<ClinicalData><SubjectData SubjectKey="1"><StudyEventData StudyEventOID="SE.2" {REMOVE}/></SubjectData>'
        + "</ClinicalData>",
        [{"I.1": "a", "I.2": "b"}],
    ),
    "insert after remove": (
        BEGIN + group("", attributes=REMOVE) + group(value("I.2", "n"), above=INSERT),
        [{"I.2": "n"}],
    ),
    "context of a value": (BEGIN + group(value("I.1", "old", CONTEXT), attributes=UPDATE), [{"I.1": "a", "I.2": "b"}]),
    "insert of what is there": (
        BEGIN + group(value("I.1", "z"), above=INSERT),
        [{"I.1": "a", "I.2": "b"}, {"I.1": "z"}],
    ),
    "all items removed": (BEGIN + group(value("I.1", "", REMOVE) + value("I.2", "", REMOVE), attributes=UPDATE), []),
    "the last of two values": (group(value("I.1", "a") + value("I.1", "b")), [{"I.1": "b"}]),
}


@pytest.mark.parametrize("name", TRANSACTIONS)
def test_transactions_apply_in_the_order_of_the_file(tmp_path: Path, name: str) -> None:
    body, expected = TRANSACTIONS[name]
    rows = tables(tmp_path, body, file_type="Transactional")["IG.1"].rows
    assert ["removed" if row.removed else items_of(row) for row in rows] == expected


def test_a_transactional_file_says_what_that_means(tmp_path: Path) -> None:
    body = BEGIN + f'<ClinicalData><SubjectData SubjectKey="9" {REMOVE}/></ClinicalData>'
    notes = " ".join(tables(tmp_path, body, file_type="Transactional")["IG.1"].notes)
    assert "counts as gone" in notes
    assert "1 removals" in notes


def test_several_studies_are_told_and_one_can_be_chosen(tmp_path: Path) -> None:
    body = group(value("I.1", "a")) + group(value("I.1", "b")).replace('"S.1"', '"S.2"')
    both = tables(tmp_path, body)["IG.1"]
    assert any("several studies (S.1, S.2)" in note for note in both.notes)
    assert [row.values["StudyOID"] for row in both.rows] == ["S.1", "S.2"]
    one = tables(tmp_path, body, spec=SourceSpec("odm", options={"study": "S.2"}))["IG.1"]
    assert [items_of(row) for row in one.rows] == [{"I.1": "b"}]
    with pytest.raises(TableError, match=r"S\.3"):
        tables(tmp_path, body, spec=SourceSpec("odm", options={"study": "S.3"}))


def test_reference_data_is_named_and_left(tmp_path: Path) -> None:
    labs = '<ItemGroupData ItemGroupOID="LABS"><ItemData ItemOID="I" Value="1"/></ItemGroupData>'
    found = tables(tmp_path, f"<ReferenceData>{labs}</ReferenceData>" + group(value("I.1", "a")))
    assert list(found) == ["IG.1"]
    assert any("LABS" in note for note in found["IG.1"].notes)


def test_an_item_called_as_a_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeaderError, match="SubjectKey"):
        tables(tmp_path, group(value("SubjectKey", "a")))


def test_a_file_without_any_group_is_empty(tmp_path: Path) -> None:
    with pytest.raises(EmptyTableError, match="no item group"):
        tables(tmp_path, "<AdminData/>")


def test_the_public_snapshot(public_data: Path) -> None:
    found = {table.sheet: table for table in read_tables(public_data / "odm/odm-data-snapshot.xml", SPEC)}
    rows = {name: list(table.rows) for name, table in found.items()}
    assert {name: len(of) for name, of in rows.items() if of} == {
        "IG.AE": 1, "IG.AE.AE_ARRAY1": 20, "IG.DS": 1, "IG.LB.LB_ARRAY1": 18, "IG.EC": 1, "IG.EC.EC_ARRAY1": 8,
        "IG.DM": 2, "IG.VS": 2, "IG.CM": 2,
    }  # fmt: skip
    assert found["IG.DM"].dictionary.fields["IT.SEX"].label == "Gender:"
    first = rows["IG.DM"][0]
    assert (first.values["IT.SEX"], first.places["IT.SEX"].row) == ("Male", 865)
