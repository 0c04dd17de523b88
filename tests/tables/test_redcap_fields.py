"""The data dictionary: types, choices, units, headers of checkbox options, and what is no dictionary."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimodal.tables.errors import TableError
from multimodal.tables.redcap_fields import field_of, option_header, option_headers, parse_choices, plain
from multimodal.tables.redcap_project import Project
from multimodal.tables.redcap_source import read_project
from multimodal.tables.redcap_units import unit_in
from tests.tables.redcap_made import DICTIONARY, XML


def read(folder: Path, content: str, name: str = "dictionary.csv") -> Project:
    file = folder / name
    file.write_text(content, encoding="utf-8")
    return read_project(file)


@pytest.mark.parametrize(
    ("kind", "validation", "type_"),
    [
        ("text", "", "text"), ("text", "number", "number"), ("text", "number_2dp", "number"),
        ("text", "number_comma_decimal", "number"), ("text", "number_1dp_comma_decimal", "number"),
        ("text", "float", "number"), ("text", "integer", "integer"), ("text", "int", "integer"),
        ("text", "date_dmy", "date"), ("text", "datetime_mdy", "datetime"),
        ("text", "datetime_seconds_ymd", "datetime"), ("text", "time", "time"), ("text", "time_hh_mm_ss", "time"),
        ("text", "email", "text"), ("text", "zipcode", "text"), ("text", "autocomplete", "text"),
        ("notes", "", "text"), ("textarea", "", "text"), ("dropdown", "autocomplete", "code"), ("radio", "", "code"),
        ("select", "", "code"), ("sql", "", "code"), ("checkbox", "", "checkbox"), ("yesno", "", "boolean"),
        ("truefalse", "", "boolean"), ("calc", "", "calc"), ("slider", "number", "integer"), ("file", "", "file"),
        ("file", "signature", "file"), ("descriptive", "", "descriptive"), ("", "", ""),
    ],
)  # fmt: skip
def test_each_field_type_has_its_type(kind: str, validation: str, type_: str) -> None:
    line = {"field_name": "f", "field_type": kind, "text_validation_type_or_show_slider_number": validation}
    assert field_of(line).type == type_


def test_a_dictionary_is_read_whole(tmp_path: Path) -> None:
    project = read(tmp_path, DICTIONARY)
    fields = project.dictionary.fields
    assert list(project.form_labels) == ["baseline", "visit", "lab_values"]
    assert project.record == "record_id"
    assert fields["sex"].label == "Sex"
    assert fields["sex"].choices == {"1": "male", "2": "female"}
    assert fields["smoker"].choices == {"1": "Yes", "0": "No"}
    assert fields["weight"].limits == ("20", "300")
    assert {name: field.unit for name, field in fields.items() if field.unit} == {"weight": "kg", "hb": "g/dL"}
    assert [name for name, field in fields.items() if field.identifier] == ["name"]
    assert [name for name, field in fields.items() if field.hidden] == ["form_code"]
    assert project.dictionary.option_of["illness____1"] == ("illness", "-1")
    assert project.dictionary.option_of["illness___a2"] == ("illness", "A2")
    assert project.columns("visit") == ["visited", "weight", "form_code", "visit_complete"]


def test_the_same_project_is_found_in_xml(tmp_path: Path) -> None:
    from_csv, from_xml = read(tmp_path, DICTIONARY), read(tmp_path, XML, "project.xml")
    fields = {name: field for name, field in from_csv.dictionary.fields.items() if field.type != "descriptive"}
    assert from_xml.dictionary.fields == fields
    options = from_xml.dictionary.option_of
    assert {header: of for header, of in options.items() if of[1] not in ("unk", "nask")} == (
        from_csv.dictionary.option_of
    )
    assert options["illness___unk"] == ("illness", "unk")
    assert from_xml.dictionary.missing == {"UNK": "unknown", "NASK": "not asked"}
    assert {event.name: event.day_offset for event in from_xml.dictionary.events.values()} == {
        "base_arm_1": 0,
        "visit_arm_1": 30,
    }
    assert from_xml.repeats == {("base_arm_1", "lab_values"), ("visit_arm_1", "")}
    assert (from_xml.repeats_known, from_csv.repeats_known) == (True, False)


def test_the_names_of_the_api_are_read_too(tmp_path: Path) -> None:
    content = (
        '"field_name","form_name","section_header","field_type","field_label","select_choices_or_calculations"\n'
        '"record_id","a",NA,"text","Id",NA\n"x","a",NA,"radio","X","1, one | 0, none"\n'
    )
    fields = read(tmp_path, content).dictionary.fields
    assert fields["x"].choices == {"1": "one", "0": "none"}
    assert fields["record_id"].choices == {}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a,b\n1,2\n", "is no REDCap data dictionary: it has no column field_name, form_name, field_type"),
        ("field_name,form_name,field_type\n", "has no field"),
        ("field_name,form_name,field_type\nx,a,text\nx,a,text\n", "row 3 .* names the field 'x' again"),
        ("field_name,form_name,field_type\nx,,text\n", "row 2 .* names no field or no form"),
        ("field_name,form_name,field_type,Form Name\nx,a,text,b\n", "form_name.*stands in columns"),
        ("", "is empty"),
    ],
)
def test_what_is_no_dictionary_is_said(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(TableError, match=says):
        read(tmp_path, content)


@pytest.mark.parametrize("content", ["{", "[1", '{"metadata": 1}', '{"metadata": []}', "[]", "[3]"])
def test_a_damaged_answer_of_the_api_is_said(tmp_path: Path, content: str) -> None:
    with pytest.raises(TableError):
        read(tmp_path, content, "dictionary.json")


def test_a_classic_project_of_the_api_has_no_events(tmp_path: Path) -> None:
    answers = {
        "metadata": [{"field_name": "id", "form_name": "a", "field_type": "text"}],
        "project": {"is_longitudinal": 0},
        "events": [{"unique_event_name": "event_1_arm_1"}],
        "repeatingFormsEvents": [{"event_name": "event_1_arm_1", "form_name": "a"}],
    }
    project = read(tmp_path, orjson.dumps(answers).decode(), "dictionary.json")
    assert project.dictionary.events == {}
    assert project.repeats == {("", "a")}


CODES = st.from_regex(re.compile(r"-?[A-Za-z0-9_]{1,6}", re.ASCII), fullmatch=True)
LABELS = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="|<>&"), min_size=1, max_size=20)


@given(st.dictionaries(CODES, LABELS, min_size=1, max_size=8), st.sampled_from([" | ", "|", "\n", " \\n "]))
def test_choices_are_read_as_they_were_written(choices: dict[str, str], between: str) -> None:
    expected = {code: plain(label) for code, label in choices.items() if "\\n" not in label}
    text = between.join(f"{code}, {label}" for code, label in choices.items() if code in expected)
    assert parse_choices(text) == expected


@given(st.text(max_size=60))
def test_any_text_of_choices_is_read_without_an_error(text: str) -> None:
    assert all(code for code in parse_choices(text))


def test_a_choice_may_hold_commas_or_have_no_label() -> None:
    assert parse_choices("1,Ja, zugestimmt | 2") == {"1": "Ja, zugestimmt", "2": "2"}


@given(st.lists(CODES, min_size=1, max_size=10, unique_by=lambda code: code.lower().replace("-", "_")))
def test_each_header_of_an_option_leads_back_to_its_code(codes: list[str]) -> None:
    field = field_of(
        {
            "field_name": "f",
            "field_type": "checkbox",
            "select_choices_or_calculations": " | ".join(f"{code}, {code}" for code in codes),
        }
    )
    headers = option_headers([field], [])
    assert {header: code for header, (_, code) in headers.items()} == {option_header("f", code): code for code in codes}
    assert all(re.fullmatch(r"f___[a-z0-9_]+", header) for header in headers)


def test_a_negative_code_has_four_underscores() -> None:
    assert option_header("f", "-1") == "f____1"
    assert option_header("f", "1.5") == "f___15"


@pytest.mark.parametrize(
    ("label", "note", "type_", "unit"),
    [
        ("Hb [g/dL]", "", "number", "g/dL"), ("Height (cm)", "", "number", "cm"), ("Weight", "kg", "integer", "kg"),
        ("CRP", "Unit: mg/L", "number", "mg/L"), ("Größe", "Einheit: cm.", "text", "cm"),
        ("Temperature (°C)", "", "number", "°C"), ("BP (first) (mmHg)", "", "integer", "mmHg"),
        ("WBC (10^9/L)", "", "number", "10^9/L"), ("nPCR (g/kg/d)", "", "number", "g/kg/d"),
        ("Height (m, comma)", "", "number", ""), ("Date (DD-MM-YYYY)", "DD-MM-YYYY", "text", ""),
        ("Race (choice=White)", "", "number", ""), ("Sex (m/f)", "", "code", ""),
        ("Name (first)", "Include Area Code", "text", ""), ("SpO2 [%]", "", "integer", "%"),
    ],
)  # fmt: skip
def test_a_unit_is_taken_from_label_or_note(label: str, note: str, type_: str, unit: str) -> None:
    assert unit_in(label, note, type_) == unit
