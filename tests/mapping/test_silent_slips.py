"""Slips of a new data manager that passed silently once: wrong keys, thousands, dates, ids, units, texts for codes."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from multimodal.mapping import MappingError, load_mapping, run_mapping
from tests.mapping.made import HEAD, dicts, mapped, mapping_of, of_type, places, run_of

LAB = """
    columns:
      pid: {patient: id}
      day: {helper: day of the visit, type: date}
      hb: {observation: 'LNC#718-7 "Hb"', type: number, unit: g/dL, effective: day}
"""


def workbook(folder: Path, name: str, rows: list[list[object]], sheet: str = "Lab") -> Path:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.title = sheet
    for row in rows:
        page.append(row)
    file = folder / name
    book.save(file)
    return file


def test_the_key_of_the_only_sheet_is_the_key_of_the_form(tmp_path: Path) -> None:
    head = HEAD.replace("{type: csv}", "{type: xlsx, sheets: {Lab: {key: [pid, day]}}}")
    mapping = mapping_of(tmp_path, LAB, head)
    assert mapping.forms[0].key == ("pid", "day")
    ids = []
    for month in ("02", "03"):
        file = workbook(tmp_path, f"{month}.xlsx", [["pid", "day", "hb"], ["P1", f"2024-{month}-01", 12.5]])
        ids += [made["id"] for made in of_type(dicts(run_mapping(mapping, [file])), "Observation")]
    assert len(set(ids)) == 2
    with pytest.raises(MappingError, match=r"3:\d+: unknown key column 'visit'"):
        mapping_of(tmp_path, LAB, head.replace("[pid, day]", "[pid, visit]"))


def test_sheets_of_one_form_have_one_key(tmp_path: Path) -> None:
    head = HEAD.replace("{type: csv}", "{type: xlsx, sheets: {A: {key: [pid, day]}, B: {key: [pid]}}}")
    with pytest.raises(MappingError, match="the sheets have different keys"):
        mapping_of(tmp_path, LAB, head)


def test_what_could_be_thousands_is_not_used(tmp_path: Path) -> None:
    columns = """
        columns:
          pid: {patient: id}
          thr: {observation: {text: Platelets}, type: number, unit: "/uL"}
    """
    table = "pid;thr\nP1;150.000\nP2;98.000\nP3;90\n"
    run = run_of(tmp_path, columns, table)
    results = list(run)
    issues = [issue for result in results for issue in result.issues]
    assert places(issues) == [(2, "thr", "150.000", "E105"), (3, "thr", "98.000", "E105")]
    assert issues[0].message == "'150.000' could be 150.000 or 150000"
    told = 'declare `decimal: "."` if it is 150.000, or `thousands: "."` if it is 150000'
    assert issues[0].suggestion.startswith(told)
    assert [made["valueQuantity"]["value"] for made in of_type(dicts(results), "Observation")] == [90]
    assert sum("could be thousands" in note for note in run.notes) == 1
    assert run.decimals == {"thr": "unsure"}
    for declared, value in (('decimal: "."', 150), ('thousands: "."', 150_000)):
        of_column = columns.replace("type: number", f"type: number, {declared}")
        for said in ((columns, HEAD.replace("type: csv", f"type: csv, {declared}")), (of_column, HEAD)):
            made, issues = mapped(tmp_path, said[0], table, said[1])
            assert (of_type(made, "Observation")[0]["valueQuantity"]["value"], issues) == (value, [])


def test_one_column_has_thousands_and_its_neighbour_decimals(tmp_path: Path) -> None:
    columns = """
        columns:
          pid: {patient: id}
          thr: {observation: {text: Platelets}, type: number, unit: "/uL", thousands: "."}
          crp: {observation: {text: CRP}, type: number, unit: "mg/L", thousands: ""}
    """
    table = "pid;thr;crp\nP1;150.000;1.125\nP2;98.000;0.5\n"
    for head in (HEAD, HEAD.replace("type: csv", 'type: csv, thousands: "\'"')):
        made, issues = mapped(tmp_path, columns, table, head)
        assert issues == []
        assert [one["valueQuantity"]["value"] for one in of_type(made, "Observation")] == [150_000, 1.125, 98_000, 0.5]


def test_a_column_whose_two_signs_are_the_same_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="thousands and decimal are the same sign"):
        mapped(tmp_path, LAB.replace("type: number", 'type: number, decimal: "."'), "pid,day,hb\n",
               HEAD.replace("type: csv", 'type: csv, thousands: "."'))  # fmt: skip


def test_numbers_across_parts_of_a_file_are_found(tmp_path: Path) -> None:
    columns = "columns: {pid: {patient: id}, x: {observation: {text: x}, type: number}, y: {ignore: filler}}"
    for missing in range(14):
        table = "pid;x;y\nP1;" + "1.234;" + "y" * ((1 << 20) - 14 - missing) + "\nP2;5.678;\n"
        assert run_of(tmp_path, columns, table).decimals == {"x": "unsure"}


def test_a_leading_zero_settles_the_sign(tmp_path: Path) -> None:
    columns = "columns: {pid: {patient: id}, x: {observation: {text: x}, type: number}}"
    run = run_of(tmp_path, columns, "pid;x\n1;0.125\n2;150.000\n")
    assert (run.decimals, run.notes) == ({"x": "."}, [])


@pytest.mark.parametrize(("unit", "wanted"), [("mmol/mol", '"%"'), ("mg/g", "mL/L"), ('"{score}"', '"%"')])
def test_numbers_of_another_kind_are_not_converted(tmp_path: Path, unit: str, wanted: str) -> None:
    column = f"columns: {{pid: {{patient: id}}, x: {{observation: {{text: x}}, unit: {unit}, convert_to: {wanted}"
    with pytest.raises(MappingError, match=r"cannot be converted to .*keep the unit, or say with `factor:`"):
        mapping_of(tmp_path, column + "}}")
    assert mapping_of(tmp_path, column + ", factor: 0.5}}").columns["x"].factor == 0.5


def test_a_unit_of_another_kind_in_a_row_is_an_issue(tmp_path: Path) -> None:
    columns = """
        columns:
          pid: {patient: id}
          a1c: {observation: 'LNC#4548-4 "HbA1c"', type: number, unit_column: unit, convert_to: "%"}
          unit: {helper: unit of a1c}
    """
    made, issues = mapped(tmp_path, columns, "pid,a1c,unit\nP1,65,mmol/mol\nP2,6.5,%\nP3,0.5,1\nP4,7,\n")
    assert places(issues) == [(2, "unit", "mmol/mol", "E402"), (5, "unit", "", "E401")]
    assert "HbA1c: IFCC to NGSP needs an offset" in issues[0].message
    assert issues[1].message == "the unit cell is empty"
    assert [one["valueQuantity"]["value"] for one in of_type(made, "Observation")] == [6.5, 50]


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        (HEAD.replace("urn:made", "Klinik Pid"), "4:28", "'Klinik Pid' is no URI .it holds a blank."),
        (HEAD.replace("urn:made", "klinik"), "4:28", "'klinik' is no URI; write e.g. urn:my-hospital:pid"),
        (HEAD + "systems: {MINE: my codes}\n", "5:17", "'my codes' is no URI"),
    ],
)
def test_a_system_is_a_uri(tmp_path: Path, text: str, place: str, problem: str) -> None:
    with pytest.raises(MappingError, match=f":{place}: {problem}"):
        mapping_of(tmp_path, "columns: {pid: {patient: id}}", text)


def test_the_system_of_an_identifier_is_a_uri(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="5:67: 'case no' is no URI"):
        mapping_of(tmp_path, "columns: {pid: {patient: id}, case: {patient: identifier, system: case no}}")


def test_values_without_a_code_are_told(tmp_path: Path) -> None:
    columns = """
        columns:
          pid: {patient: id}
          diagnosis: {condition: {COPD: J44.9, Asthma: 'SCT#195967001 "Asthma"', Flu: J11}}
    """
    assert mapping_of(tmp_path, columns).notes == ("2 of 3 values of 'diagnosis' have no code and are kept as text",)
    assert run_of(tmp_path, columns, "pid,diagnosis\n1,Flu\n").notes == list(mapping_of(tmp_path, columns).notes)


def test_damaged_ids_are_refused(tmp_path: Path) -> None:
    columns = "columns: {pid: {patient: id}, v: {observation: {text: v}, type: number}}"
    ids = ["1,23E+05", "1.23E+05", "#NAME?", "#N/A", "#WERT!", "#NV", "########", "pid", "1E5", "0012", "#17", "E+05"]
    made, issues = mapped(tmp_path, columns, "pid;v\n" + "".join(f"{one};1\n" for one in ids))
    assert [(issue.value, issue.code) for issue in issues] == [(one, "E502") for one in ids[:8]]
    assert issues[0].message.startswith("the id is a rounded number")
    assert issues[2].message.startswith("the id is the error of a formula")
    assert issues[7].message.startswith("the row repeats the header")
    assert len(of_type(made, "Patient")) == 4


def test_damage_in_another_key_column_is_refused_whatever_the_pattern(tmp_path: Path) -> None:
    head = HEAD.replace("type: csv", "type: csv, key: [pid, lesion]").replace("urn:made", 'urn:made, pattern: ".*"')
    columns = "columns: {pid: {patient: id}, lesion: {helper: number}, v: {observation: {text: v}}}"
    _, issues = mapped(tmp_path, columns, "pid;lesion;v\nP1;#REF!;1\nP2;1;1\n", head)
    assert places(issues) == [(2, "lesion", "#REF!", "E502")]


@pytest.mark.parametrize(("day", "year"), [("0024-05-01", 24), ("9999-12-31", 9999), ("1799-12-31", 1799)])
def test_a_year_that_cannot_be_is_refused(tmp_path: Path, day: str, year: int) -> None:
    columns = LAB.replace("pid: {patient: id}", "pid: {patient: id}\n      born: {patient: birthDate}")
    made, issues = mapped(tmp_path, columns, f"pid,born,day,hb\nP1,{day},{day},12\nP2,1800,2150-12-31,13\n")
    assert sorted(places(issues)) == [(2, "born", day, "E301"), (2, "day", day, "E301")]
    assert {issue.message for issue in issues} == {f"the year {year} is not plausible"}
    assert "birthDate" not in of_type(made, "Patient")[0]
    missing = HEAD.replace("type: csv", f'type: csv, missing: {{"{day}": unknown}}')
    assert mapped(tmp_path, columns, f"pid,born,day,hb\nP1,{day},{day},12\n", missing)[1] == []


def test_the_plausible_years_are_the_mappings_to_say(tmp_path: Path) -> None:
    head = HEAD.replace("type: csv", "type: csv, years: [1600, 2026]")
    made, issues = mapped(tmp_path, LAB, "pid,day,hb\nP1,1699-12-31,12\nP2,2027,13\nP3,1599,13\n", head)
    assert sorted(places(issues)) == [(3, "day", "2027", "E301"), (4, "day", "1599", "E301")]
    assert "other plausible years than 1600 to 2026 under `source.years`" in issues[0].suggestion
    assert of_type(made, "Observation")[0]["effectiveDateTime"] == "1699-12-31"


@pytest.mark.parametrize("expression", ["date(col('born'))", "date(col('born'), '%d.%m.%Y')"])
def test_expressions_know_the_plausible_years(tmp_path: Path, expression: str) -> None:
    columns = f"""\
columns: {{pid: {{patient: id}}, born: {{helper: for the template}}}}
resources:
  was: {{resourceType: Condition, subject: '{{{{ subject }}}}', recordedDate: "{{{{ {expression} }}}}"}}"""
    text = "pid;born\nP1;31.12.1699\n"
    assert [issue.code for issue in mapped(tmp_path, columns, text)[1]] == ["E301"]
    made, issues = mapped(tmp_path, columns, text, HEAD.replace("type: csv", "type: csv, years: [1600, 2026]"))
    assert issues == []
    assert of_type(made, "Condition")[0]["recordedDate"] == "1699-12-31"


def test_years_in_the_wrong_order_are_a_mistake_of_the_mapping(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="the first plausible year 2150 is after the last 1800"):
        mapped(tmp_path, LAB, "pid,day,hb\n", HEAD.replace("type: csv", "type: csv, years: [2150, 1800]"))


def test_a_serial_number_of_a_far_year_is_refused(tmp_path: Path) -> None:
    head = HEAD.replace("type: csv", "type: csv, dates: [excel]")
    _, issues = mapped(tmp_path, LAB, "pid,day,hb\nP1,2958465,12\nP2,41111,12\n", head)
    assert [(issue.value, issue.message) for issue in issues] == [("2958465", "the year 9999 is not plausible")]


def test_a_date_that_nothing_reads_is_told(tmp_path: Path) -> None:
    told = "the date column 'day' is read by nothing: the values have no date; declare `effective: day`"
    assert mapping_of(tmp_path, LAB.replace(", effective: day", "")).notes == (told,)
    assert mapping_of(tmp_path, LAB).notes == ()
    read_otherwise = LAB.replace("effective: day", 'when: \'col("day") > "2020"\'')
    assert mapping_of(tmp_path, read_otherwise).notes == ()
    defaults = "\ndefaults: {effective: 2012-07}\n" + LAB.replace(", effective: day", "")
    file = tmp_path / "made.yaml"
    file.write_text(HEAD + defaults.replace("\n    ", "\n"))
    assert load_mapping(file).notes == ()
