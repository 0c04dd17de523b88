"""ODM files as a stream: metadata, groups, lines, namespaces, vendors."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from multimodal.tables.dictionary import Field
from multimodal.tables.errors import WrongFormatError
from multimodal.tables.guarded_xml import attribute
from multimodal.tables.odm_document import NOWHERE, Group, OdmDocument

ODM_1_3 = 'xmlns="http://www.cdisc.org/ns/odm/v1.3"'
METADATA = """<Study OID="S.1">
 <BasicDefinitions>
  <MeasurementUnit OID="MU.1" Name="Millimetre of mercury">
   <Symbol><TranslatedText>mm[Hg]</TranslatedText></Symbol></MeasurementUnit>
  <MeasurementUnit OID="MU.g/dL" Name="unit"><Symbol><TranslatedText>unit</TranslatedText></Symbol></MeasurementUnit>
  <MeasurementUnit OID="MU.mg" Name="unit"><Symbol><TranslatedText>unit</TranslatedText></Symbol></MeasurementUnit>
 </BasicDefinitions>
 <MetaDataVersion OID="v1" Name="one" v:Extra="kept" xmlns:v="urn:v">
  <StudyEventDef OID="SE.1" Name="Baseline" Type="Scheduled" Repeating="No"><FormRef FormOID="F.1"/></StudyEventDef>
  <FormDef OID="F.1" Name="Vital signs" Repeating="Yes"><ItemGroupRef ItemGroupOID="IG.1"/></FormDef>
  <ItemGroupDef OID="IG.1" Name="VS" Repeating="No"><ItemRef ItemOID="I.SYS"/><ItemRef ItemOID="I.SEX"/></ItemGroupDef>
  <ItemDef OID="I.SYS" Name="SYSBP" DataType="float">
   <Question><TranslatedText xml:lang="en"> Systolic
     pressure </TranslatedText></Question>
   <Description><TranslatedText>sitting</TranslatedText></Description>
   <MeasurementUnitRef MeasurementUnitOID="MU.1"/>
   <RangeCheck Comparator="GE" SoftHard="Soft"><CheckValue>60</CheckValue></RangeCheck>
   <RangeCheck Comparator="LE" SoftHard="Soft"><CheckValue>260</CheckValue></RangeCheck>
  </ItemDef>
  <ItemDef OID="I.SEX" Name="SEX" DataType="text"><CodeListRef CodeListOID="CL.SEX"/></ItemDef>
  <ItemDef OID="I.AE" Name="AE" DataType="text"><CodeListRef CodeListOID="CL.MEDDRA"/></ItemDef>
  <CodeList OID="CL.SEX" Name="Sex" DataType="text">
   <CodeListItem CodedValue="M"><Decode><TranslatedText>male</TranslatedText></Decode></CodeListItem>
   <EnumeratedItem CodedValue="U"/>
  </CodeList>
  <CodeList OID="CL.MEDDRA" Name="AE" DataType="text"><ExternalCodeList Dictionary="MedDRA" Version="21.0"/></CodeList>
 </MetaDataVersion>
</Study>"""


def odm(tmp_path: Path, body: str, head: str = ODM_1_3) -> OdmDocument:
    path = tmp_path / "trial.xml"
    path.write_text(f'<ODM {head} FileType="Snapshot" ODMVersion="1.3.2">\n{body}\n</ODM>', encoding="utf-8")
    return OdmDocument(path)


def clinical(items: str) -> str:
    return f"""<ClinicalData StudyOID="S.1" MetaDataVersionOID="v1">
<SubjectData SubjectKey="001"><StudyEventData StudyEventOID="SE.1" StudyEventRepeatKey="-1">
<FormData FormOID="F.1" FormRepeatKey="2">
<ItemGroupData ItemGroupOID="IG.1">
{items}
</ItemGroupData></FormData></StudyEventData></SubjectData></ClinicalData>"""


def only(document: OdmDocument) -> Group:
    (group,) = document.groups()
    return group


def test_metadata_describes_the_items(tmp_path: Path) -> None:
    found = odm(tmp_path, METADATA).definitions
    assert found.field_of("I.SYS", "IG.1") == Field(
        "I.SYS", "Systolic pressure", "number", "IG.1", unit="mm[Hg]", limits=("60", "260"), note="sitting"
    )
    assert found.field_of("I.SEX", "IG.1") == Field("I.SEX", "SEX", "code", "IG.1", choices={"M": "male", "U": ""})
    assert found.field_of("I.AE", "IG.1").note == "coded in MedDRA 21.0"
    assert found.field_of("I.OTHER", "IG.1") == Field("I.OTHER", form="IG.1")
    assert found.groups["IG.1"].refs == ("I.SYS", "I.SEX")
    assert found.forms["F.1"].repeating
    assert not found.events["SE.1"].repeating
    version = found.studies[0].first("MetaDataVersion")
    assert version is not None
    assert version.get("Extra") == "kept"


def test_a_unit_text_that_several_units_share_is_passed_over(tmp_path: Path) -> None:
    units = odm(tmp_path, METADATA).definitions.unit_texts
    assert units == {"MU.1": "mm[Hg]", "MU.g/dL": "g/dL", "MU.mg": "mg"}


def test_each_value_has_its_line_and_each_group_its_key(tmp_path: Path) -> None:
    group = only(odm(tmp_path, clinical('<ItemData ItemOID="I.SYS"\n Value="120"/>\n<ItemData ItemOID="I.SEX"/>')))
    assert group.key == ("001", "SE.1", "", "F.1", "2", "")
    assert [(item.oid, item.value, item.line) for item in group.items] == [("I.SYS", "120", 6), ("I.SEX", "", 8)]
    assert group.group.line == 5


def test_typed_values_units_and_nulls(tmp_path: Path) -> None:
    items = """<ItemDataFloat ItemOID="I.SYS">120.5<MeasurementUnitRef MeasurementUnitOID="MU.1"/></ItemDataFloat>
    <ItemDataString ItemOID="I.A"> a &lt; b </ItemDataString><ItemDataInteger ItemOID="I.B" IsNull="Yes"/>
    <ItemData ItemOID="I.C" Value="7" TransactionType="Remove"><Annotation SeqNum="1"><Comment>no</Comment></Annotation>
    </ItemData><ItemData ItemOID="I.D" Value="x"/>"""
    found = only(odm(tmp_path, clinical(items))).items
    assert [(item.value, item.unit) for item in found] == [
        ("120.5", "MU.1"),
        ("a < b", ""),
        ("", ""),
        ("7", ""),
        ("x", ""),
    ]
    assert [item.null for item in found] == [False, False, True, False, False]
    assert found[3].transaction == "Remove"


def test_a_unit_of_the_metadata_is_not_that_of_the_first_value(tmp_path: Path) -> None:
    body = METADATA + clinical('<ItemData ItemOID="I.SEX" Value="M"/>')
    assert only(odm(tmp_path, body)).items[0].unit == ""


def test_typed_values_with_units_as_attributes_and_annotations(tmp_path: Path) -> None:
    items = """<ItemDataFloat ItemOID="I.1" MeasurementUnitOID="MU.1">37<Annotation SeqNum="1"><Comment>ill</Comment>
    <Comment>really</Comment></Annotation>.5</ItemDataFloat>
    <ItemDataString ItemOID="I.2"><![CDATA[a & b]]></ItemDataString>
    <ItemData ItemOID="I.3" Value="x"><Annotation SeqNum="1"><Comment>y</Comment></Annotation></ItemData>"""
    found = only(odm(tmp_path, clinical(items))).items
    assert [item.value.replace(" ", "").replace("\n", "") for item in found] == ["37.5", "a&b", "x"]
    assert [item.unit for item in found] == ["MU.1", "", ""]


@pytest.mark.parametrize(
    "head",
    ["", 'xmlns="http://www.cdisc.org/ns/odm/v1.2"', 'xmlns="https://www.cdisc.org/ns/odm/v1.3"'],
)
def test_any_namespace_of_odm_1_or_none(tmp_path: Path, head: str) -> None:
    assert only(odm(tmp_path, clinical('<ItemData ItemOID="I.SYS" Value="1"/>'), head)).items[0].value == "1"


def test_prefixed_elements_and_vendors(tmp_path: Path) -> None:
    path = tmp_path / "prefixed.xml"
    path.write_text(
        """<o:ODM xmlns:o="http://www.cdisc.org/ns/odm/v1.3" xmlns:OpenClinica="http://www.openclinica.org/ns/odm_ext_v130/v3.1">
        <o:ClinicalData><o:SubjectData SubjectKey="SS_1" OpenClinica:StudySubjectID="001">
        <o:FormData><o:ItemGroupData ItemGroupOID="IG.1">
        <OpenClinica:ItemData ItemOID="not ours"/><o:ItemData ItemOID="I.1" Value="1"/>
        </o:ItemGroupData></o:FormData></o:SubjectData></o:ClinicalData></o:ODM>""",
        encoding="utf-8",
    )
    group = only(OdmDocument(path))
    assert [item.oid for item in group.items] == ["I.1"]
    assert attribute(group.subject.attributes, "StudySubjectID") == "001"
    assert group.event == NOWHERE
    assert group.key == ("SS_1", "", "", "", "", "")


def test_a_removed_subject_is_told_without_any_group(tmp_path: Path) -> None:
    body = '<ClinicalData><SubjectData SubjectKey="1" TransactionType="Remove"/></ClinicalData>'
    group = only(odm(tmp_path, body))
    assert group.subject.transaction == "Remove"
    assert (group.event, group.group, group.items) == (NOWHERE, NOWHERE, [])


def test_reference_data_has_no_subject(tmp_path: Path) -> None:
    labs = '<ItemGroupData ItemGroupOID="R"><ItemData ItemOID="I" Value="1"/></ItemGroupData>'
    body = f"<ReferenceData>{labs}</ReferenceData>"
    group = only(odm(tmp_path, body))
    assert (group.subject, group.group.get("ItemGroupOID")) == (NOWHERE, "R")


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("<html/>", "its root is <html>, not <ODM>"),
        ('<ODM xmlns="urn:other"/>', "not ODM"),
        ('<ODM xmlns="http://www.cdisc.org/ns/odm/v2.0"/>', "ODM 2"),
        ('<ODM ODMVersion="2.0"/>', "ODM 2"),
    ],
)
def test_what_is_not_odm_1_is_refused(tmp_path: Path, text: str, pattern: str) -> None:
    path = tmp_path / "other.xml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(WrongFormatError, match=pattern):
        OdmDocument(path)


def test_a_file_that_breaks_far_down_says_the_line(tmp_path: Path) -> None:
    document = odm(tmp_path, clinical("<ItemData ItemOID='a' Value='1'/>\n" * 3000 + "<ItemData <"))
    with pytest.raises(WrongFormatError, match="line 3006"):
        list(document.groups())


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(groups: int) -> int:
        one = '<ItemGroupData ItemGroupOID="IG"><ItemData ItemOID="I.1" Value="123456"/></ItemGroupData>'
        document = odm(
            tmp_path, f'<ClinicalData><SubjectData SubjectKey="1">{one * groups}</SubjectData></ClinicalData>'
        )
        tracemalloc.start()
        assert sum(1 for _ in document.groups()) == groups
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(20_000) < 1.5 * peak(2_000)


def test_the_public_snapshot(public_data: Path) -> None:
    document = OdmDocument(public_data / "odm/odm-data-snapshot.xml")
    groups = list(document.groups())
    assert (len(groups), sum(len(group.items) for group in groups)) == (60, 165)
    assert len(document.definitions.items) == 52
    assert document.definitions.unit_texts["MU.mg/dL"] == "mg/dL"


def test_the_public_redcap_project(public_data: Path) -> None:
    document = OdmDocument(public_data / "redcapr/longitudinal/project.xml")
    events = {attribute(group.event.attributes, "UniqueEventName") for group in document.groups()}
    assert "enrollment_arm_1" in events
    item = document.definitions.items["date_enrolled"].element
    assert item.get("Variable") == "date_enrolled"
