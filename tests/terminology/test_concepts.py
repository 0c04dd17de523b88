"""Concepts in FSH notation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal.resources.checks import check_resource
from multimodal.terminology.concepts import Concept, ConceptError, codeable, is_concept, parse_concept


def test_a_concept_has_system_code_and_display() -> None:
    concept = parse_concept('LNC#718-7 "Hemoglobin [Mass/volume] in Blood"')
    assert concept == Concept("http://loinc.org", "718-7", "Hemoglobin [Mass/volume] in Blood")
    assert concept.codeable == {
        "coding": [{"system": "http://loinc.org", "code": "718-7", "display": "Hemoglobin [Mass/volume] in Blood"}],
        "text": "Hemoglobin [Mass/volume] in Blood",
    }


def test_the_prefixes_of_the_mapping_come_first() -> None:
    assert parse_concept("LNC#1", {"LNC": "urn:mine"}).system == "urn:mine"


def test_a_uri_may_stand_in_place_of_the_prefix() -> None:
    assert parse_concept("http://example.org/cs#a").system == "http://example.org/cs"


@pytest.mark.parametrize("text", ["", "718-7", "LNC 718-7", "LNC#", "LNC#718-7 Hemoglobin", 'LNC# 718 "x"', "DCM#a#b"])
def test_what_is_no_concept_is_refused(text: str) -> None:
    with pytest.raises(ConceptError, match="is no concept"):
        parse_concept(text)


def test_an_unknown_system_is_named() -> None:
    with pytest.raises(ConceptError, match="unknown code system 'FOO'"):
        parse_concept("FOO#1")


@pytest.mark.parametrize(
    ("prefix", "meant"), [("LOINC", "LNC"), ("SNOMED", "SCT"), ("icd10gm", "ICD10GM"), ("LCN", "LNC"), ("MIEN", "MINE")]
)
def test_a_known_system_is_proposed(prefix: str, meant: str) -> None:
    with pytest.raises(ConceptError, match=f"did you mean '{meant}'. known: SCT, LNC, .*MINE; declare another"):
        parse_concept(f"{prefix}#1", {"MINE": "urn:mine"})


def test_several_codings_share_one_text() -> None:
    both = codeable(Concept("a", "1"), Concept("b", "2", "Two"), text="Mine")
    assert both["text"] == "Mine"
    assert [coding["code"] for coding in both["coding"]] == ["1", "2"]


def test_a_version_and_a_code_with_blanks() -> None:
    """FSH: SYSTEM|version#code, and a code with blanks in quotation marks."""
    concept = parse_concept('ICD10GM|2024#C34.1 "Oberlappen"')
    assert concept.coding == {
        "system": "http://fhir.de/CodeSystem/bfarm/icd-10-gm", "version": "2024", "code": "C34.1",
        "display": "Oberlappen",
    }  # fmt: skip
    assert parse_concept('http://x.org/cs|1.0#"two words"').code == "two words"
    for wrong in ('SCT#"a  b"', 'SCT#" a"', "SCT|#1", "SCT|1|2#1", 'SCT#""'):
        with pytest.raises(ConceptError):
            parse_concept(wrong)


CODES = st.from_regex(r"[^\s#\"]{1,8}", fullmatch=True)


@given(st.sampled_from(["DCM", "OPS", "urn:oid:1.2.3", "http://x.org/cs"]), CODES, st.text(max_size=10), st.booleans())
def test_what_is_written_is_read(system: str, code: str, display: str, versioned: bool) -> None:
    display = " ".join(display.split())
    concept = parse_concept(f"{system}{'|2' if versioned else ''}#{code}" + (f' "{display}"' if display else ""))
    assert (concept.code, concept.display, concept.version) == (code, display, "2" if versioned else "")


@settings(deadline=None)
@given(st.text(max_size=30) | st.text(alphabet='SCT#|"1 :x', max_size=12))
def test_any_text_is_a_concept_or_refused(text: str) -> None:
    try:
        concept = parse_concept(text)
    except ConceptError:
        return
    assert is_concept(text)
    assert check_resource({"resourceType": "Observation", "status": "final", "code": concept.codeable}) == []
