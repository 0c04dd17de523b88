"""What people write otherwise than YAML and the schema want, told in plain words and with its place."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import openpyxl
import pytest

from multimodal.mapping import MappingError, load_mapping, run_mapping
from multimodal.tables.errors import MissingFileError, WrongFormatError
from multimodal.tables.read import read_tables
from multimodal.tables.rows import SourceSpec
from tests.mapping.made import HEAD, dicts, mapping_of, of_type

COLUMNS = "columns:\n  pid: {patient: id}\n"
NUMBER = COLUMNS + "  w: {observation: {text: x}, type: number, range: RANGE}\n"
NBSP = "\u00a0"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEAD + NUMBER.replace("RANGE", "20-300"), ":7:52: range: write the lowest and the highest value"),
        (HEAD + NUMBER.replace("RANGE", "[20,0, 300,0]"), ":7:52: range: 4 numbers in place of two; .*decimal commas"),
        (HEAD + NUMBER.replace("RANGE", "['20', '300']"), r":7:53: range: .*range: \[20, 300\]"),
        (HEAD.replace("csv}", "csv, missing: [n/a]}"), ':3:30: missing: .*missing: {"n/a": unknown}'),
        (HEAD.replace("csv}", "csv, missing: n/a}"), ':3:30: missing: .*missing: {"n/a": unknown}'),
        (HEAD.replace("csv}", "csv, missing: {n/a}}"), ':3:34: missing: say why .*{"n/a": unknown}'),
        (HEAD.replace("made", "Meine Größe", 1), ":2:5: id: 'Meine Größe' is none; .*e.g. meine-groesse"),
        (HEAD.replace("id: made", "id: 12", 1), ":2:5: id: 12 is none; .*e.g. study-12"),
        (HEAD + COLUMNS + "   w: {ignore: x}\n", ":7:4: not YAML: the indentation is wrong"),
        (HEAD + "columns:\n\tpid: {patient: id}\n", ":6:1: not YAML: a tab stands in it; indent with blanks"),
        (HEAD + COLUMNS + f"{NBSP * 2}w: {{ignore: x}}\n", ":7:1: a no-break space stands where a blank is needed"),
        (HEAD + f"columns:\n  pid:{NBSP}{{patient: id}}\n", ":6:7: a no-break space stands where"),
        (HEAD + COLUMNS + "  @w: {ignore: x}\n", ":7:3: not YAML: a text cannot begin with @"),
        (HEAD + COLUMNS + "  w: {ignore: 'x}\n", ":7:15: not YAML: the quotation mark of line 7 is not closed"),
        (HEAD + COLUMNS.replace("}", "") + "  w: {ignore: x}\n", "7:4: not YAML: the { of line 6 is not closed"),
        (HEAD + COLUMNS + "  w: x: y\n", "7:7: not YAML: a colon where none can be"),
        (HEAD + COLUMNS + "  d: {condition: {COPD: ICD10GM#J44,9}}\n", ":7:38: .*write ICD10GM#J44.9"),
        (
            HEAD + COLUMNS + "  d: {condition: ICD10GM#J44,9}\n",
            ":7:30: .*.*write ICD10GM#J44.9",
        ),
        (
            HEAD + COLUMNS + "  w: {ignore: one, two}\n",
            "cuts 'one, two' in two; a text with a comma needs quotation marks",
        ),
    ],
)
def test_a_slip_is_told_in_plain_words(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "made.yaml"
    file.write_text(text if "columns" in text else text + COLUMNS, encoding="utf-8")
    with pytest.raises(MappingError, match=told):
        load_mapping(file)


def test_a_no_break_space_inside_a_text_stays(tmp_path: Path) -> None:
    text = f"columns:\n  pid: {{patient: id}} # note:{NBSP}x\n  w: {{ignore: 'a:{NBSP}b'}}\n"
    assert mapping_of(tmp_path, text).columns["w"].reason == f"a:{NBSP}b"


def test_another_encoding_is_named_with_the_line(tmp_path: Path) -> None:
    file = tmp_path / "made.yaml"
    file.write_bytes((HEAD + COLUMNS + "  Größe: {ignore: x}\n").encode("cp1252"))
    with pytest.raises(MappingError, match=r"made.yaml:7: the mapping is not UTF-8 .*Größe.*; save it as UTF-8"):
        load_mapping(file)
    file.write_bytes(HEAD.encode("utf-16"))
    with pytest.raises(MappingError, match="UTF-16; save it as UTF-8"):
        load_mapping(file)


def test_what_is_no_file_of_its_kind_is_told(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="this is a folder; give the mapping file in it"):
        load_mapping(tmp_path)
    with pytest.raises(MissingFileError, match="is a folder; give the table file in it"):
        read_tables(tmp_path, SourceSpec("csv"))
    lock = tmp_path / "~$cohort.xlsx"
    lock.write_bytes(b"\x05admin")
    with pytest.raises(WrongFormatError, match=r"is Excel's lock file: close the workbook, and give cohort\.xlsx"):
        read_tables(lock, SourceSpec("xlsx"))
    openpyxl.Workbook().save(tmp_path / "cut.xlsx")
    whole = (tmp_path / "cut.xlsx").read_bytes()
    (tmp_path / "cut.xlsx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WrongFormatError, match=r"is damaged, or was not copied whole .*copy it again"):
        read_tables(tmp_path / "cut.xlsx", SourceSpec("xlsx"))


@pytest.mark.parametrize(("mapping_form", "file_form"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_an_umlaut_is_one_whatever_its_form(tmp_path: Path, mapping_form: str, file_form: str) -> None:
    """macOS writes ä as a and two dots, Windows as one character: https://unicode.org/reports/tr15/."""
    header = "Größe"
    columns = "columns: {pid: {patient: id}, Größe: {observation: {text: x}, type: number}}\nunmapped: error\n"
    forms = {"NFC": lambda text: unicodedata.normalize("NFC", text), "NFD": lambda t: unicodedata.normalize("NFD", t)}
    mapping = mapping_of(tmp_path, forms[mapping_form](columns))
    file = tmp_path / "made.csv"
    file.write_text(f"pid,{forms[file_form](header)}\nP1,180\n", encoding="utf-8")
    run = run_mapping(mapping, [file])
    assert of_type(dicts(run), "Observation")[0]["valueQuantity"]["value"] == 180
    assert run.coverage.mapped == ["pid", forms[file_form](header)]
