"""Translation tables, from CSV and from the mapping."""

from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.model.errors import ConfigurationError
from multimodal.terminology.concepts import Concept, ConceptError
from multimodal.terminology.translation import inline_table, read_table_file

HEADER = "source,system,code,display,equivalence,comment\n"


def write(folder: Path, text: str) -> Path:
    file = folder / "t.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_table_file_is_a_concept_map(tmp_path: Path) -> None:
    table = read_table_file(write(tmp_path, HEADER + "1,SCT,248153007,One,,\n5,http://x.org,55,Five,inexact,confirm\n"))
    one, five = table.get("1"), table.get("5")
    assert one is not None
    assert one.target == Concept("http://snomed.info/sct", "248153007", "One")
    assert one.equivalence == "equivalent"
    assert five is not None
    assert five.equivalence == "inexact"
    assert table.get("2") is None


def test_unmatched_lines_have_no_meaning(tmp_path: Path) -> None:
    assert read_table_file(write(tmp_path, HEADER + "9,,,,unmatched,\n")).get("9") is None


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a,b\n", 1, "header must be"),
        (HEADER + "1,SCT,11,One,sideways,\n", 2, "'sideways' is none of"),
        (HEADER + "1,SCT,248153007,One,,\n1,SCT,248152002,Two,,\n", 3, "stands twice"),
        (HEADER + "1,FOO,11,One,,\n", 2, "unknown code system 'FOO'"),
        (HEADER + "1,SCT,,One,,\n", 2, "code is missing"),
        (HEADER + "1,SCT,11\n", 2, "does not have 6 cells"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, line: int, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        read_table_file(write(tmp_path, text))
    assert caught.value.line == line


def test_a_missing_table_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read the translation table"):
        read_table_file(tmp_path / "none.csv")


def test_an_inline_table_takes_codes_and_concepts() -> None:
    table = inline_table([("m", "male"), ("d", 'OPS#1 "One"')], ignore_case=True)
    assert table.get("M") is not None
    assert table.get("M").text == "male"  # type: ignore[union-attr]
    with pytest.raises(ConceptError):
        inline_table([("m", "FOO#1")])


@pytest.mark.parametrize(
    ("value", "proposed"),
    [
        ("c34.3", "C34.3"), ("Large  Cell", "large cell"), ("C34 .3", "C34.3"), ("C34.9", ""), ("C343", ""),
        ("adenocarzinoma", ""), ("M", ""),
    ],
)  # fmt: skip
def test_only_a_value_that_is_equal_but_for_case_and_blanks_is_proposed(value: str, proposed: str) -> None:
    table = inline_table([(source, "x") for source in ("C34.3", "large cell", "adenocarcinoma", "m ", "m")])
    assert table.same_but_case(value) == proposed


def test_a_second_line_into_another_system_is_another_coding(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    head = "source,system,code,display,equivalence,comment\n"
    file.write_text(head + "c,OPS,1,One,,\nc,ICD10,C34,,wider,about\nu,,,,unmatched,never seen\n")
    table = read_table_file(file)
    assert [coding["code"] for coding in table.entries["c"].codeable["coding"]] == ["1", "C34"]
    assert (table.entries["c"].inexact, table.unmatched) == ("wider", {"u": "never seen"})
    file.write_text(head + "c,OPS,1,One,,\nc,OPS,2,,,\n")
    with pytest.raises(ConfigurationError, match=r"t\.csv:3: .*'c' stands twice"):
        read_table_file(file)


def test_an_inline_value_may_have_several_codings() -> None:
    table = inline_table([("c", ['OPS#1 "One"', "ICD10#C34"])])
    assert [coding["code"] for coding in table.entries["c"].codeable["coding"]] == ["1", "C34"]
