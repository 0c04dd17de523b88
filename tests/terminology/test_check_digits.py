"""Codes prove themselves: a slipped digit is found where it is written, and nothing that is shipped has one."""

from __future__ import annotations

import csv
import re
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimodal.mapping import MappingError, load_mapping
from multimodal.model.errors import ConfigurationError
from multimodal.terminology.check_digits import LOINC, SNOMED, code_problem, loinc_check_digit, verhoeff
from multimodal.terminology.concepts import ConceptError, is_concept, parse_concept
from multimodal.terminology.translation import read_table_file

ROOT = Path(__file__).parents[2]
MAPPINGS = sorted((ROOT / "mappings").glob("*.yaml"))
CODE = re.compile(r"\b(LNC|SCT)(?:\|[\w.:/]+)?#([\w-]+)")
CODING = re.compile(r"(http://loinc\.org|http://snomed\.info/sct)\\?\"?,\s*\"?code\"?:\s*['\"]([^'\"]+)['\"]")


@pytest.mark.parametrize("code", ["718-7", "4548-4", "8302-2", "3150-0", "LA6576-8", "LP14559-6"])
def test_a_code_of_loinc_is_right(code: str) -> None:
    assert code_problem(LOINC, code) == ""


@pytest.mark.parametrize("code", ["195967001", "8517006", "1119349007", "449868002", "128045006:363698007=56459004"])
def test_a_code_of_snomed_is_right(code: str) -> None:
    assert code_problem(SNOMED, code) == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("LNC#718-8", "LNC#718-8 is no LOINC code: its check digit is wrong"),
        ("LNC#7187", "LNC#7187 is no LOINC code: one is written as 718-7"),
        ("SCT#195967002", "SCT#195967002 is no SNOMED CT code: its check digit is wrong"),
        ("SCT#J44.9", "SCT#J44.9 is no SNOMED CT code: one has digits only"),
        ("SCT#12345", "SCT#12345 is no SNOMED CT code: one has 6 to 18 digits"),
        ("SCT#301485011", "it is the number of a description or relationship, not of a concept"),
        ("http://loinc.org#718-8", "its check digit is wrong"),
        ("ICD10GM#J44,9", "ICD10GM#J44,9 is no ICD-10-GM code: a comma stands in it; write J44.9"),
        ('SCT#195967001 "Asthma', "its quotation mark is not closed"),
        ("SCT#195967001 Asthma", "its name stands without quotation marks"),
        ("SCT#195967001 „Asthma“", "its name stands in typographic quotation marks"),
        ('SCT #195967001 "Asthma"', "is no concept"),
    ],
)
def test_a_slip_is_named(text: str, problem: str) -> None:
    assert is_concept(text)
    with pytest.raises(ConceptError) as caught:
        parse_concept(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize("text", ["J44.9", "Grade #2 fever", "COPD", "room #4"])
def test_a_text_stays_a_text(text: str) -> None:
    assert not is_concept(text)


@given(st.integers(1, 9_999_999))
def test_a_slipped_digit_of_loinc_is_found(number: int) -> None:
    digits = str(number)
    check = loinc_check_digit(digits)
    for position, digit in enumerate(digits):
        other = digits[:position] + str((int(digit) + 1) % 10) + digits[position + 1 :]
        assert loinc_check_digit(other) != check


@given(st.integers(10_000, 10**17 - 1), st.data())
def test_slipped_and_exchanged_digits_of_snomed_are_found(number: int, data: st.DataObject) -> None:
    code = next(f"{number}{check}" for check in range(10) if verhoeff(f"{number}{check}"))
    at = data.draw(st.integers(0, len(code) - 2))
    assert not verhoeff(code[:at] + str((int(code[at]) + 3) % 10) + code[at + 1 :])
    if code[at] != code[at + 1]:
        assert not verhoeff(code[:at] + code[at + 1] + code[at] + code[at + 2 :])


@pytest.mark.parametrize("file", MAPPINGS, ids=lambda file: file.stem)
def test_all_codes_of_a_shipped_mapping_are_right(file: Path) -> None:
    load_mapping(file)
    wrong_codes(file.read_text(encoding="utf-8"))


def test_all_codes_of_the_packages_data_are_right() -> None:
    package = files("multimodal")
    found = 0
    for part in ("drafting/data", "terminology/data", "resources", "resources/profiles", "radiomics"):
        for file in package.joinpath(part).iterdir():
            if file.is_file() and Path(file.name).suffix in (".csv", ".toml", ".json", ".py"):
                found += wrong_codes(file.read_text(encoding="utf-8"))
    assert found > 100


def wrong_codes(text: str) -> int:
    """Hold all codes in `text` to their code systems; return how many there are."""
    codes = [({"LNC": LOINC, "SCT": SNOMED}[system], code) for system, code in CODE.findall(text)]
    codes += CODING.findall(text)
    assert {code: problem for system, code in codes if (problem := code_problem(system, code))} == {}
    return len(codes)


def test_profile_data_holds_right_codes() -> None:
    for file in (ROOT / "mappings" / "tables").glob("*.csv"):
        for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines()):
            systems = {"SCT": SNOMED, "LNC": LOINC}
            assert code_problem(systems.get(row["system"], row["system"]), row["code"]) == ""


def test_a_wrong_code_stops_the_mapping_where_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "made.yaml"
    head = "fhirmap: 1\nid: made\nsource: {type: csv}\nsubject: {id: pid, system: urn:made}\ncolumns:\n"
    file.write_text(head + "  pid: {patient: id}\n  hb: {observation: 'LNC#718-8', unit: g/dL}\n")
    with pytest.raises(MappingError, match=r"made.yaml:7:21: LNC#718-8 is no LOINC code: its check digit is wrong"):
        load_mapping(file)
    file.write_text(head + "  pid: {patient: id}\n  d: {condition: {Asthma: 'SCT#195967001 \"Asthma'}}\n")
    with pytest.raises(MappingError, match=r"made.yaml:7:27: .*its quotation mark is not closed"):
        load_mapping(file)
    coding = "{system: http://loinc.org, code: '718-8'}"
    template = f"resources:\n  hb: {{resourceType: Observation, code: {{coding: [{coding}]}}, valueString: x}}\n"
    file.write_text(head + "  pid: {patient: id}\n" + template)
    with pytest.raises(MappingError, match=r"made.yaml:8:.*718-8 is no LOINC code"):
        load_mapping(file)


def test_a_wrong_code_of_a_table_file_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("source,system,code,display,equivalence,comment\na,LNC,718-8,Hb,,\n")
    with pytest.raises(ConfigurationError, match=r"t.csv:2: 718-8 is no LOINC code: its check digit is wrong"):
        read_table_file(file)
