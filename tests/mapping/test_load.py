"""A wrong mapping stops before any row is read, and says where in the file it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.mapping import MappingError, load_mapping
from multimodal.model.exit_codes import ExitCode
from tests.mapping.made import HEAD, mapping_of

ID = "  pid: {patient: id}\n"
COLUMN = "columns:\n" + ID  # lines 5 and 6 of the file; what a test adds begins in line 7
RESOURCE = COLUMN + "resources:\n  cancer:\n    resourceType: Condition\n"  # lines 7 to 9


@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        (COLUMN + "colunms: {}\n", 7, 1, "unknown key 'colunms' in the mapping; did you mean 'columns'[?]$"),
        (COLUMN + "  x: {observation: 'DCM#1', unti: kg}\n", 7, 29, "'unti' in columns.x; did you mean 'unit'[?]$"),
        (COLUMN + "  x: {observation: 'DCM#1', type: nmuber}\n", 7, 35, "'nmuber' is none of .* mean 'number'[?]$"),
        (COLUMN + "  x: {observation: 'DCM#1', unit: 5}\n", 7, 35, "5 is not of type \"string\""),
        (COLUMN + "  x: {obsrevation: 'DCM#1'}\n", 7, 3, "exactly one of .* did you mean 'observation'"),
        (COLUMN + "  x: {observation: 'DCM#1', type: text, table: {a: b}}\n", 7, 48, "type text takes no table"),
        (COLUMN + "  x: {observation: 'DCM#1', unit: kg, unit_column: pid}\n", 7, 35, "either unit or unit_column"),
        (COLUMN + "  x: {observation: 'DCM#1', type: number, convert_to: kg}\n", 7, 55, "needs a unit"),
        (COLUMN + "  x: {observation: 'DCM#1', method: 'FOO#1'}\n", 7, 37, "unknown code system"),
        (COLUMN + "  x: {observation: 'DCM#1', effective: 2012-13}\n", 7, 40, "no day of the calendar"),
        (COLUMN + "  x: {patient: identifier}\n", 7, 3, "needs its `system`"),
        (COLUMN + "  x: {patient: birthDate, table: {a: b}}\n", 7, 34, "takes no table"),
        (COLUMN + "  x: {helper: a, was: [pid]}\n", 7, 3, "belongs to another column too"),
        (COLUMN + "tables: {t: {map: {a: b}, otherwise: 'FOO#1'}}\n", 7, 38, "unknown code system"),
        (COLUMN + "tables: {t: {map: {a: b}, otherwise: {text: a}}}\n", 7, 38, "takes a concept or a list"),
        (COLUMN + "forms: {a: {columns: {}}}\n", 7, 8, "not both"),
        (RESOURCE + "    $when: 'col(\"y\")'\n", 10, 12, "unknown column 'y'"),
        (RESOURCE + "    $if: x\n", 10, 5, r"unknown directive '\$if'"),
        (COLUMN + "  x: {into: p.code}\nresources:\n  p: {resourceType: Patient}\n", 9, 21, "the verb patient"),
        (COLUMN + "  x: {into: p.a-b}\nresources:\n  p: {resourceType: Condition}\n", 7, 13, "does not match"),
        (COLUMN + "  x: {into: p.onsetAge, type: age, unit: kg}\nresources:\n  p: {resourceType: Condition}\n",
         7, 3, "unit of time: a, mo"),
        (COLUMN + "  x: {into: p.code, type: code}\nresources:\n  p: {resourceType: Condition}\n",
         7, 3, "needs a table"),
        (COLUMN + "title: [.nan]\n", 7, 9, "no number a mapping can use"),
        (COLUMN + "  x: {ignore: free text, names}\n", 7, 26, "unknown key 'names' .* comma needs quotation marks"),
        (COLUMN + "  x: {ignore: why, helper: what}\n", 7, 3, "exactly one of .* helper and ignore"),
        (COLUMN + "  x: {observation: 'FOO#1', type: number}\n", 7, 20, "unknown code system 'FOO'"),
        (COLUMN + "  x: {observation: 718-7, type: number}\n", 7, 20, "does not fit"),
        (COLUMN + "  x: {observation: 'DCM#1', type: number, unit: mg per dl}\n", 7, 49, "unknown unit 'mg per dl'"),
        (COLUMN + "  x: {observation: 'DCM#1', unit: kg, convert_to: m}\n", 7, 51, "kg cannot be converted to m"),
        (COLUMN + "  x: {observation: 'DCM#1', type: code, table: t}\n", 7, 48, "'t'; known: none; declare it"),
        (COLUMN + "  x: {observation: 'DCM#1', type: code}\n", 7, 3, "needs a table"),
        (COLUMN + "  x: {observation: 'DCM#1', table: {a: 'FOO#1'}}\n", 7, 40, "unknown code system 'FOO'"),
        (COLUMN + "  x: {observation: 'DCM#1', focus: cancer}\n", 7, 36, "unknown resource 'cancer'"),
        (COLUMN + "  x: {observation: 'DCM#1', member_of: group}\n", 7, 40, "unknown resource 'group'"),
        (COLUMN + "  x: {observation: 'DCM#1', unit_column: u}\n", 7, 42, "unknown column 'u'"),
        (COLUMN + "  x: {observation: 'DCM#1', effective: day}\n", 7, 40, "'day' is neither a column nor a date"),
        (COLUMN + "  x: {observation: 'DCM#1', type: date, format: '%d.%m.%y'}\n", 7, 49, "%y .* century"),
        (COLUMN + "  x: {observation: 'DCM#1', range: [9, 1]}\n", 7, 36, "ends before it begins"),
        (COLUMN + "  x: {observation: 'DCM#1', when: 'col(\"y\") > 1'}\n", 7, 35, "unknown column 'y'"),
        (COLUMN + "  x: {patient: gender, table: {m: mann}}\n", 7, 35, "'mann' is no gender"),
        (COLUMN + "  x: {into: cancer.code, type: text}\n", 7, 13, "unknown resource 'cancer'; known: none"),
        (COLUMN + ID, 7, 3, "'pid' stands twice"),
        (COLUMN + "tables: {t: {file: none.csv}}\n", 7, 20, "cannot read the translation table"),
        (COLUMN + "tables: {t: {file: ../../etc/passwd}}\n", 7, 20, "in the folder of its mapping"),
        (COLUMN + "tables: {t: {map: {a: 'FOO#1'}}}\n", 7, 23, "unknown code system 'FOO'"),
        (COLUMN + "tables: [1]\n", 7, 9, "is not of type \"object\""),
        (RESOURCE + "    code: '{{ concpet(\"DCM#1\") }}'\n", 10, 11, r"unknown function concpet\(\)"),
        (RESOURCE + "    code: '{{ concept(\"FOO#1\") }}'\n", 10, 11, "unknown code system 'FOO'"),
        (RESOURCE + "    code: {text: '{{ col(\"y\") }}'}\n", 10, 18, "unknown column 'y'"),
        (RESOURCE + "    stage: [{assessment: ['{{ ref(\"x\") }}']}]\n", 10, 27, "unknown resource 'x'; known: cancer"),
        (RESOURCE + "    code: {text: '{{ lookup(\"t\", \"a\") }}'}\n", 10, 18, "table 't'; known: none; declare"),
        (RESOURCE + "    id: mine\n", 10, 5, "the id is made by the engine"),
        (COLUMN + "resources:\n  x: {resourceType: Medication}\n", 8, 21, "no resource .* mean .MedicationStatement"),
        (COLUMN + "resources:\n  pid: {resourceType: Condition}\n", 8, 3, "both called 'pid'"),
        ("columns: {\n", 6, 1, "not YAML"),
        ("columns: {pid: !!python/object:os.system {patient: id}}\n", 5, 16, "tag .* is not supported"),
        ("columns: {x: {helper: x}}\n", 5, 1, "column 'pid' of subject.id is not among the columns"),
        ("", 1, 1, "the mapping has no columns"),
    ],
)  # fmt: skip
def test_a_mistake_has_file_line_and_column(tmp_path: Path, text: str, line: int, column: int, problem: str) -> None:
    with pytest.raises(MappingError, match=problem) as caught:
        mapping_of(tmp_path, text)
    error = caught.value
    assert (error.line, error.column) == (line, column), str(error)
    assert str(error).startswith(f"{tmp_path / 'made.yaml'}:{line}:{column}: ")
    assert error.exit_code is ExitCode.CONFIGURATION


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("fhir: 5.0.0\n" + COLUMN, "fhir"),
    ],
)
def test_what_is_not_built_yet_is_refused_by_name(tmp_path: Path, text: str, name: str) -> None:
    with pytest.raises(MappingError, match=rf"made\.yaml:\d+:\d+: {name}.* is not supported yet"):
        mapping_of(tmp_path, text)


@pytest.mark.parametrize(
    ("source", "subject", "problem"),
    [
        ("{type: csv, timezone: Mars/Olympus}", "{id: pid, system: u:u}", r":3:31: unknown zone"),
        ("{type: csv, dates: ['%d.%m']}", "{id: pid, system: u:u}", r":3:28: .*must name a year"),
        ("{type: csv, key: [pid, visit]}", "{id: pid, system: u:u}", r":3:32: unknown key column 'visit'"),
        ("{type: csv, decimal: ',', thousands: ','}", "{id: pid, system: u:u}", r":3:46: .* the same sign"),
        ("{type: csv}", "{id: pid, system: u:u, pattern: '(a'}", r":4:42: no regular expression"),
        ("{type: csv}", "{id: pid, system: u:u, pattern: '(?=a)b'}", r":4:42: no regular expression"),
    ],
)
def test_mistakes_in_source_and_subject(tmp_path: Path, source: str, subject: str, problem: str) -> None:
    head = f"fhirmap: 1\nid: made\nsource: {source}\nsubject: {subject}\n"
    with pytest.raises(MappingError, match=problem):
        mapping_of(tmp_path, COLUMN + "  x: {helper: y, type: date}\n", head)


def test_keys_stay_what_is_written(tmp_path: Path) -> None:
    """YAML 1.1 would turn no and yes into booleans, and 01 into 1."""
    mapping = mapping_of(tmp_path, COLUMN + "  x: {observation: 'DCM#1', table: {no: N, yes: Y, 01: one, null: nil}}\n")
    table = mapping.columns["x"].table
    assert table is not None
    assert list(table.entries) == ["no", "yes", "01", "null"]


def test_a_mapping_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="cannot read the mapping"):
        load_mapping(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MappingError, match="not UTF-8"):
        load_mapping(tmp_path / "binary.yaml")


def test_tags_and_merge_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="tag"):
        mapping_of(tmp_path, COLUMN + "title: !!binary aGk=\n")
    with pytest.raises(MappingError, match="merge keys"):
        mapping_of(tmp_path, COLUMN + "defaults: {<<: {focus: x}}\n")


def test_aliases_that_unfold_without_end_are_refused(tmp_path: Path) -> None:
    levels = "".join(f"  x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 8))
    with pytest.raises(MappingError, match="unfolds"):
        mapping_of(tmp_path, COLUMN + "defaults:\n  x0: &x0 [a]\n" + levels)


def test_the_hash_covers_the_tables(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    text = COLUMN + "tables: {t: {file: t.csv}}\n"
    table.write_text("source,system,code,display,equivalence,comment\n1,OPS,11,One,,\n")
    first = mapping_of(tmp_path, text)
    assert mapping_of(tmp_path, text).sha256 == first.sha256
    table.write_text("source,system,code,display,equivalence,comment\n1,OPS,12,One,,\n")
    assert mapping_of(tmp_path, text).sha256 != first.sha256


def test_a_mapping_shows_what_the_loader_needs(tmp_path: Path) -> None:
    mapping = mapping_of(tmp_path, COLUMN + "deletes: delete\n")
    assert (mapping.id, mapping.deletes, mapping.meta_source) == ("made", "delete", "urn:multimodal:made")
    assert mapping.source.type == "csv"
    assert list(mapping.columns) == ["pid"]
    assert HEAD.startswith("fhirmap: 1")
