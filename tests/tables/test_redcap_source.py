"""REDCap exports: which rows a form has, what identifies them, and that all exports of a project say the same."""

from __future__ import annotations

import csv
import io
import random
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from multimodal.tables.errors import EmptyTableError, HeaderError, MissingFileError, TableError, WrongFormatError
from multimodal.tables.read import read_tables
from multimodal.tables.rows import Place, Row, SourceSpec, Table
from tests.tables.redcap_made import (
    DICTIONARY,
    FORMS,
    LABELS,
    RAW,
    RECORDS_XML,
    XML,
    comparable,
    rows_by_form,
    tables_of,
)

REPEATING = {"repeating": "lab_values"}


def keys(rows: list[Row]) -> list[tuple[str, ...]]:
    return [row.key for row in rows]


def edited(rows: Mapping[int, Mapping[str, str]], content: str = RAW) -> str:
    """Return an export with some cells changed: row (from 0) to header to text."""
    lines = list(csv.DictReader(io.StringIO(content, newline="")))
    for number, cells in rows.items():
        lines[number].update(cells)
    return written(lines)


def written(lines: list[dict[str, str]], columns: list[str] | None = None) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns or list(lines[0]), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def test_records_become_rows_of_their_forms(tmp_path: Path) -> None:
    tables = tables_of(tmp_path, RAW)
    assert [table.sheet for table in tables] == list(FORMS)
    rows = rows_by_form(tables)
    assert keys(rows["baseline"]) == [("P-1", "base_arm_1", "", ""), ("P-2", "base_arm_1", "", "")]
    assert keys(rows["visit"]) == [("P-1", "visit_arm_1", "", "1"), ("P-1", "visit_arm_1", "", "2")]
    assert keys(rows["lab_values"]) == [
        ("P-1", "base_arm_1", "lab_values", "1"), ("P-1", "base_arm_1", "lab_values", "2"),
    ]  # fmt: skip
    assert [row.visit for row in rows["visit"]] == [("P-1", "visit_arm_1", "1"), ("P-1", "visit_arm_1", "2")]
    assert {row.visit for row in rows["lab_values"]} == {("P-1", "base_arm_1", "")}
    assert [row.status for row in rows["visit"]] == ["unverified", "complete"]
    assert [row.number for row in rows["lab_values"]] == [5, 6]
    first = rows["baseline"][0]
    assert (first.record, first.event, first.instance, first.sheet) == ("P-1", "base_arm_1", "", "baseline")
    assert first.values["illness___1"] == "1"
    assert first.values["name"] == "Анна К."
    assert set(tables[1].headers) - tables[1].given == {"visited", "weight", "form_code", "visit_complete"}
    assert tables[1].given <= set(rows["visit"][0].values)
    assert tables[0].dictionary.option_of["illness____1"] == ("illness", "-1")
    assert tables[0].found == {"encoding": "utf-8", "delimiter": ",", "dictionary": "dictionary.csv"}


@pytest.mark.parametrize(
    ("content", "dictionary", "labels", "options"),
    [
        (RAW, XML, False, {}),
        (LABELS, DICTIONARY, True, {}),
        (XML, None, False, {}),
        (XML, DICTIONARY, False, {}),
        (RECORDS_XML, DICTIONARY, False, REPEATING),
        (RECORDS_XML, XML, False, {}),
        (RAW.replace(",", "\t").replace('"70\t5"', '"70,5"').replace('"71\t5"', '"71,5"'), DICTIONARY, False, {}),
    ],
    ids=["dictionary in xml", "labels", "xml", "xml and csv", "records in xml", "both in xml", "tabs"],
)
def test_all_exports_of_a_project_say_the_same(
    tmp_path: Path, content: str, dictionary: str | None, labels: bool, options: dict[str, str]
) -> None:
    expected = comparable(tables_of(tmp_path, RAW))
    found = comparable(tables_of(tmp_path, content, dictionary=dictionary, labels=labels, options=options))
    if content == RECORDS_XML and dictionary == DICTIONARY:
        # Without metadata nothing says that a form with values but no status is incomplete.
        key = ("baseline", ("P-2", "base_arm_1", "", ""))
        assert found.pop(key) != expected.pop(key)
    assert found == expected


def test_the_order_of_records_changes_nothing(tmp_path: Path) -> None:
    expected = comparable(tables_of(tmp_path, RAW))
    lines = list(csv.DictReader(io.StringIO(RAW, newline="")))
    for seed in range(5):
        random.Random(seed).shuffle(lines)
        columns = ["record_id", *random.Random(seed).sample(sorted(set(lines[0]) - {"record_id"}), len(lines[0]) - 1)]
        assert comparable(tables_of(tmp_path, written(lines, columns))) == expected


def test_a_form_that_nobody_opened_is_no_row(tmp_path: Path) -> None:
    """Without "blank for gray" REDCap writes 0 for such a form, and 0 for each option of its checkboxes."""
    rows = rows_by_form(tables_of(tmp_path, edited({6: {"baseline_complete": "0"}})))
    assert keys(rows["baseline"])[-1] == ("P-2", "base_arm_1", "", "")
    rows = rows_by_form(tables_of(tmp_path, edited({6: {"baseline_complete": "1"}})))
    assert (rows["baseline"][-1].key[0], rows["baseline"][-1].status) == ("P-3", "unverified")
    rows = rows_by_form(tables_of(tmp_path, edited({6: {"illness____1": "1"}})))
    assert (rows["baseline"][-1].key[0], rows["baseline"][-1].status) == ("P-3", "incomplete")


def test_a_record_without_events_is_a_row_of_its_first_form(tmp_path: Path) -> None:
    rows = rows_by_form(tables_of(tmp_path, "record_id,sex,baseline_complete,hb,lab_values_complete\n7,,,,\n8,,0,,0\n"))
    assert keys(rows["baseline"]) == [("7", "", "", ""), ("8", "", "", "")]
    assert [row.status for row in rows["baseline"]] == ["", "incomplete"]
    assert [row.visit for row in rows["baseline"]] == [(), ()]
    assert rows["lab_values"] == []


def test_an_export_of_some_forms_has_only_them(tmp_path: Path) -> None:
    tables = tables_of(tmp_path, "record_id,visited,visit_complete\n1,2024-01-01,2\n")
    assert [table.sheet for table in tables] == ["baseline", "visit"]
    assert tables[0].notes == ["records.csv has no columns of the forms lab_values"]
    assert [row.values["visited"] for row in tables[1].rows] == ["2024-01-01"]


def test_a_column_that_the_dictionary_lacks_is_kept_and_told(tmp_path: Path) -> None:
    tables = tables_of(tmp_path, "record_id,visited,added_later,visit_complete\n1,,x,\n")
    assert "added_later" in tables[1].headers
    assert [row.values["added_later"] for row in tables[1].rows] == ["x"]
    assert any("does not know the columns added_later" in note for note in tables[0].notes)


def test_without_forms_there_is_one_table_of_all_records(tmp_path: Path) -> None:
    expected = [
        ("P-1", "base_arm_1", "", ""), ("P-1", "visit_arm_1", "", "1"), ("P-1", "visit_arm_1", "", "2"),
        ("P-1", "base_arm_1", "lab_values", "1"), ("P-1", "base_arm_1", "lab_values", "2"),
        ("P-2", "base_arm_1", "", ""), ("P-3", "base_arm_1", "", ""),
    ]  # fmt: skip
    for content, dictionary in ((RAW, DICTIONARY), (RAW, None), (XML, None)):
        (table,) = tables_of(tmp_path, content, dictionary=dictionary, forms=())
        rows = list(table.rows)
        assert sorted(keys(rows)) == sorted(expected)
        assert table.sheet == ""
        assert {row.instance for row in rows} == {"", "1", "2", "lab_values 1", "lab_values 2"}


def test_a_label_that_is_unknown_stays_for_the_engine_to_report(tmp_path: Path) -> None:
    changed = LABELS.replace("female", "divers").replace("13.1", "n/a")
    rows = rows_by_form(tables_of(tmp_path, changed, labels=True))
    assert rows["baseline"][0].values["sex"] == "divers"
    assert rows["lab_values"][0].values["hb"] == "n/a"
    assert rows["baseline"][0].places["sex"] == Place(2, "Sex")
    assert rows["baseline"][0].places["illness___1"] == Place(2, "Has had 'now' (choice=cough)")
    assert rows["baseline"][0].places["baseline_complete"] == Place(2, "Complete?")


def test_labels_of_events_forms_and_missing_codes_are_turned_back(tmp_path: Path) -> None:
    changed = LABELS.replace("base_arm_1", "Base (Arm 1: A)").replace("visit_arm_1", "Visit").replace("UNK", "unknown")
    found = comparable(tables_of(tmp_path, changed, labels=True, dictionary=XML))
    assert found == comparable(tables_of(tmp_path, RAW, dictionary=XML))


@pytest.mark.parametrize(
    ("content", "dictionary", "options"),
    [
        (RAW.replace("illness___a2", "illness___unk"), DICTIONARY, {}),
        (RAW.replace("illness___a2", "illness___unk"), XML, {}),
        (LABELS.replace("(choice=fever & chills)", "(choice=unknown)"), XML, {}),
        (XML.replace('"illness___a2" Value', '"illness___unk" Value'), None, {}),
        (RECORDS_XML.replace('"illness___a2" Value', '"illness___unk" Value'), DICTIONARY, REPEATING),
    ],
    ids=["raw", "raw, codes in xml", "labels", "xml", "records in xml"],
)
def test_a_missing_data_code_is_an_option_of_each_checkbox(
    tmp_path: Path, content: str, dictionary: str | None, options: dict[str, str]
) -> None:
    labels = content.startswith("Record ID")
    (table, *_) = tables_of(tmp_path, content, dictionary=dictionary, labels=labels, options=options)
    assert table.dictionary.option_of["illness___unk"] == ("illness", "unk")
    assert "illness___unk" in table.headers
    assert next(table.rows).values["illness___unk"] == "0"


def test_a_label_of_two_codes_is_told(tmp_path: Path) -> None:
    dictionary = DICTIONARY.replace("1, male | 2, female", "1, yes | 2, yes")
    tables = tables_of(tmp_path, LABELS.replace("female", "yes"), labels=True, dictionary=dictionary)
    assert tables[0].notes[0] == "sex: the label 'yes' stands for several codes; it was kept as text"
    assert next(tables[0].rows).values["sex"] == "yes"


def test_a_short_record_is_told_once_and_kept(tmp_path: Path) -> None:
    tables = tables_of(tmp_path, "record_id,visited,visit_complete,hb,lab_values_complete\n1,2024-01-01\n2,,,7,1,9\n")
    rows = rows_by_form(tables)
    problems = [(row.number, row.usable, [issue.code for issue in row.problems]) for row in rows["baseline"]]
    assert problems == [(2, True, ["E503"]), (3, False, ["E503"])]
    assert [row.values["visited"] for row in rows["visit"]] == ["2024-01-01"]
    assert [row.problems for row in rows["visit"]] == [()]
    assert rows["lab_values"] == []


def test_a_record_of_an_unknown_form_is_told(tmp_path: Path) -> None:
    rows = rows_by_form(tables_of(tmp_path, edited({3: {"redcap_repeat_instrument": "labs"}})))
    (bad,) = [row for row in rows["baseline"] if row.problems]
    issue = bad.problems[0]
    assert (issue.code, issue.row, issue.record, issue.column, issue.value) == (
        "E508", 5, "P-1", "redcap_repeat_instrument", "labs",
    )  # fmt: skip
    assert not bad.usable
    assert keys(rows["lab_values"]) == [("P-1", "base_arm_1", "lab_values", "2")]


def problems_of(tables: list[Table]) -> list[tuple[str, int | None, str, str, str]]:
    return [
        (issue.code, issue.row, issue.record, issue.column, issue.value)
        for table in tables
        for row in table.rows
        for issue in row.problems
    ]


def test_a_value_in_the_row_of_another_form_is_told(tmp_path: Path) -> None:
    """A shifted cell: REDCap leaves all columns of other forms empty in the row of a repeating one."""
    changed = edited(
        {3: {"weight": "70", "form_code": "0", "illness___1": "0", "visit_complete": "0"}, 1: {"hb": "13"}}
    )
    assert problems_of(tables_of(tmp_path, changed)) == [
        ("E503", 5, "P-1", "weight", "70"), ("E503", 5, "P-1", "form_code", "0"),
    ]  # fmt: skip
    told = tables_of(tmp_path, changed, forms=("lab_values",))
    assert [bool(table.notes or problems_of([table])) for table in told] == [False, False, True]


def test_a_record_of_an_unknown_event_is_told(tmp_path: Path) -> None:
    changed = edited({0: {"redcap_event_name": "bas_arm_1"}})
    assert problems_of(tables_of(tmp_path, changed, dictionary=XML)) == [
        ("E508", 2, "P-1", "redcap_event_name", "bas_arm_1")
    ]
    assert problems_of(tables_of(tmp_path, changed)) == []


def test_a_status_that_is_none_is_told(tmp_path: Path) -> None:
    tables = tables_of(tmp_path, edited({1: {"visit_complete": "3"}}))
    assert problems_of(tables) == [("E201", 3, "P-1", "visit_complete", "3")]
    changed = XML.replace('"visit_complete" Value="1"', '"visit_complete" Value="x"')
    line = next(number for number, text in enumerate(changed.splitlines(), 1) if '"visit_complete" Value="x"' in text)
    assert problems_of(tables_of(tmp_path, changed)) == [("E201", line, "P-1", "visit_complete", "x")]


def test_cells_of_a_project_xml_have_their_lines(tmp_path: Path) -> None:
    lines = XML.splitlines()
    tables = tables_of(tmp_path, XML, dictionary=None)
    assert tables[0].found["rows"] == "lines of the XML file"
    for table in tables:
        for row in table.rows:
            assert "<FormData" in lines[row.number - 1]
            for header, place in row.places.items():
                assert f'ItemOID="{header}"' in lines[place.row - 1]
                assert place.column == header


def test_what_repeats_is_seen_in_the_records_where_nothing_says_it(tmp_path: Path) -> None:
    tables = tables_of(tmp_path, RECORDS_XML, dictionary=None)
    rows = rows_by_form(tables)
    assert keys(rows["lab_values"]) == [
        ("P-1", "base_arm_1", "lab_values", "1"), ("P-1", "base_arm_1", "lab_values", "2"),
    ]  # fmt: skip
    assert keys(rows["visit"]) == [("P-1", "visit_arm_1", "", "1"), ("P-1", "visit_arm_1", "", "2")]
    assert "lab_values, visit_arm_1: taken for repeating" in tables[0].notes[0]


def test_removed_data_is_a_removed_row(tmp_path: Path) -> None:
    changed = XML.replace('<SubjectData SubjectKey="P-2"', '<SubjectData SubjectKey="P-2" TransactionType="Remove"')
    rows = rows_by_form(tables_of(tmp_path, changed, dictionary=None))
    assert [row.removed for row in rows["baseline"]] == [False, True]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty: REDCap exports a project without records so"),
        ("\n", "is empty: REDCap exports a project without records so"),
        ("id,sex\n1,2\n", "no column 'record_id', which is the record id of the data dictionary; export"),
        (LABELS, "it looks like an export of labels: say `labels: true`"),
        ("record_id,sex,sex\n1,2,2\n", "'sex' stands in columns 2 and 3"),
        (XML.replace("<ODM", "<!DOCTYPE x [<!ENTITY e 'y'>]><ODM", 1), "document type or entity declaration"),
        (XML[:5000], "is cut short"),
        ("<?xml version='1.0'?><html></html>", "not ODM"),
        ("<?xml version='1.0'?><ODM xmlns='http://www.cdisc.org/ns/odm/v1.3'></ODM>", "neither metadata nor records"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, content: str, says: str) -> None:
    dictionary = None if content.startswith("<") else DICTIONARY
    with pytest.raises((EmptyTableError, HeaderError, WrongFormatError, TableError), match=says):
        rows_by_form(tables_of(tmp_path, content, dictionary=dictionary))


def test_a_project_without_records_has_tables_without_rows(tmp_path: Path) -> None:
    empty = XML[: XML.index("<ClinicalData")] + "</ODM>"
    assert rows_by_form(tables_of(tmp_path, empty, dictionary=None)) == {form: [] for form in FORMS}


def test_records_in_csv_need_a_dictionary_for_their_forms(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"give the data dictionary as `source\.dictionary`"):
        tables_of(tmp_path, RAW, dictionary=None)
    with pytest.raises(TableError, match="labels needs the data dictionary"):
        tables_of(tmp_path, LABELS, dictionary=None, forms=(), labels=True)
    file = tmp_path / "records.csv"
    with pytest.raises(MissingFileError, match=r"none\.csv: no such file in .*data dictionary"):
        read_tables(file, SourceSpec("redcap", dictionary=tmp_path / "none.csv"))
    with pytest.raises(TableError, match="has no metadata"):
        tables_of(tmp_path, RAW, dictionary=RECORDS_XML)


def test_a_dictionary_given_as_records_is_said(tmp_path: Path) -> None:
    file = tmp_path / "dictionary.json"
    file.write_text("{}")
    with pytest.raises(TableError, match=r"name it as `source\.dictionary`, and give its records"):
        read_tables(file, SourceSpec("redcap"))


def test_a_form_that_the_project_does_not_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="the project has no form labs; it has: baseline, visit, lab_values"):
        tables_of(tmp_path, RAW, forms=("baseline", "labs"))
    with pytest.raises(TableError, match="the project has no form labs; it has: baseline, visit, lab_values"):
        tables_of(tmp_path, XML, forms=("baseline", "labs"), dictionary=None)


TEXTS = st.text(st.characters(categories=["L", "N", "P", "Zs"], include_characters="\n\t<>&"), max_size=8)
INSTANCES = st.lists(st.integers(1, 99), max_size=3, unique=True)


@st.composite
def projects(draw: st.DrawFn) -> list[tuple[str, str, str, str, dict[str, str]]]:
    """Return made-up rows: record, event, instrument, instance, cells."""
    rows = []
    for record in draw(st.lists(st.from_regex(r"[A-Za-z0-9-]{1,5}", fullmatch=True), max_size=4, unique=True)):
        ticked = draw(st.sampled_from([("1", "0"), ("0", "1"), ("0", "0")]))
        base = {"name": draw(TEXTS), "sex": draw(st.sampled_from(["", "1", "2"])), "baseline_complete": "2"}
        rows.append(
            (record, "base_arm_1", "", "", base | dict(zip(("illness___1", "illness____1"), ticked, strict=True)))
        )
        for number in draw(INSTANCES):
            cells = {"hb": draw(TEXTS), "lab_values_complete": draw(st.sampled_from(["0", "1", "2"]))}
            rows.append((record, "base_arm_1", "lab_values", str(number), cells))
        for number in draw(INSTANCES):
            rows.append((record, "visit_arm_1", "", str(number), {"weight": draw(TEXTS), "visit_complete": "1"}))
    return rows


def as_csv(rows: list[tuple[str, str, str, str, dict[str, str]]]) -> str:
    names = ("record_id", "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance")
    header = [
        *names,
        "name",
        "sex",
        "illness____1",
        "illness___1",
        "baseline_complete",
        "weight",
        "visit_complete",
        "hb",
    ]
    return written([dict(zip(names, row[:4], strict=True)) | row[4] for row in rows], [*header, "lab_values_complete"])


def as_xml(rows: list[tuple[str, str, str, str, dict[str, str]]]) -> str:
    parts = []
    for record, event, instrument, instance, cells in rows:
        form = instrument or ("visit" if "weight" in cells else "baseline")
        again = f'StudyEventRepeatKey="{instance if instance and not instrument else 1}"'
        items = "".join(f'<ItemData ItemOID="{name}" Value={quoteattr(text)}/>' for name, text in cells.items() if text)
        parts.append(
            f'<SubjectData SubjectKey="{record}" redcap:RecordIdField="record_id"><StudyEventData '
            f'StudyEventOID="Event.{event}" {again} redcap:UniqueEventName="{event}"><FormData FormOID="Form.{form}" '
            f'FormRepeatKey="{instance if instrument else 1}"><ItemGroupData ItemGroupOID="{form}.all">{items}'
            "</ItemGroupData></FormData></StudyEventData></SubjectData>"
        )
    before, after = XML[: XML.index("<SubjectData")], XML[XML.rindex("</ClinicalData>") :]
    return before + "".join(parts) + after


_BASE = {"name": "", "sex": "", "baseline_complete": "2", "illness___1": "1", "illness____1": "0"}


def says(name: str, text: str) -> bool:
    """Whether a cell makes its row one: 0 is a value, but of a box or a status it is what nobody filled in."""
    return bool(text.strip()) and (text != "0" or not ("___" in name or name.endswith("_complete")))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(projects())
@example(
    [
        ("0", "base_arm_1", "", "", _BASE),
        ("0", "base_arm_1", "lab_values", "1", {"hb": "\n", "lab_values_complete": "0"}),
    ]
)
@example(
    [
        ("0", "base_arm_1", "", "", _BASE),
        ("0", "base_arm_1", "lab_values", "1", {"hb": "0", "lab_values_complete": "0"}),
    ]
)
def test_any_project_says_the_same_in_csv_and_xml(
    tmp_path: Path, rows: list[tuple[str, str, str, str, dict[str, str]]]
) -> None:
    from_csv = comparable(tables_of(tmp_path, as_csv(rows), dictionary=XML))
    assert comparable(tables_of(tmp_path, as_xml(rows), dictionary=None)) == from_csv
    expected = {row[:4] for row in rows if any(says(name, text) for name, text in row[4].items())}
    assert {key for _, key in from_csv} == expected


def test_records_larger_than_memory_are_streamed(tmp_path: Path) -> None:
    """Read 20 MB under a limit of far less: each form reads the file anew, and holds only a part of it."""
    file = tmp_path / "records.csv"
    (tmp_path / "dictionary.csv").write_text(DICTIONARY, encoding="utf-8")
    with file.open("w", encoding="utf-8") as out:
        out.write("record_id,name,baseline_complete,hb,lab_values_complete\n")
        for number in range(20_000):
            out.write(f"{number},{'x' * 1000},2,13,2\n")
    spec = SourceSpec("redcap", forms=FORMS, dictionary=tmp_path / "dictionary.csv")
    tables = read_tables(file, spec)
    tracemalloc.start()
    try:
        counts = [sum(1 for _ in table.rows) for table in tables]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert counts == [20_000, 20_000]
    assert peak < 4_000_000
