"""A translation table as a ConceptMap, and back: what a person wrote survives, and the resource is valid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal.model.errors import ConfigurationError
from multimodal.resources.checks import check_resource
from multimodal.resources.shapes import validate_fully
from multimodal.terminology.concept_maps import concept_map_of, read_concept_map
from multimodal.terminology.concepts import Concept
from multimodal.terminology.translation import EQUIVALENCES, WITHOUT_TARGET, Otherwise, Translation, TranslationTable

SCT = "http://snomed.info/sct"
MADE: dict[str, Any] = {
    "resourceType": "ConceptMap",
    "name": "Sex",
    "status": "active",
    "group": [
        {
            "source": "urn:local:sex",
            "target": SCT,
            "element": [
                {"code": "m", "target": [{"code": "248153007", "display": "Male", "equivalence": "equivalent"}]},
                {"code": "x", "target": [{"equivalence": "unmatched", "comment": "asked, not said"}]},
                {"code": "y"},
            ],
            "unmapped": {"mode": "fixed", "code": "261665006", "display": "Unknown"},
        },
        {
            "source": "urn:local:sex",
            "target": "urn:other",
            "element": [{"code": "m", "target": [{"code": "M", "equivalence": "inexact", "comment": "about"}]}],
        },
    ],
}


def read(folder: Path, content: Any) -> TranslationTable:
    file = folder / "map.json"
    file.write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))
    return read_concept_map(file)


def test_a_concept_map_is_read_with_all_its_codings(tmp_path: Path) -> None:
    table = read(tmp_path, MADE)
    assert (table.name, table.source_system) == ("Sex", "urn:local:sex")
    meant = table.entries["m"]
    assert [coding["code"] for coding in meant.codeable["coding"]] == ["248153007", "M"]
    assert (meant.text, meant.inexact) == ("248153007", "inexact")
    assert table.unmatched == {"x": "asked, not said", "y": ""}
    assert table.otherwise == (Concept(SCT, "261665006", "Unknown"),)
    assert table.get("x") is None


def group(**changes: Any) -> dict[str, Any]:
    return {**MADE, "group": [{**MADE["group"][0], **changes}]}


def element(*targets: dict[str, Any]) -> dict[str, Any]:
    return group(element=[{"code": "a", "target": list(targets)}])


EXACT = {"code": "248153007", "equivalence": "equal"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "is no JSON"),
        (b"[]", "is no FHIR ConceptMap"),
        ({"resourceType": "ValueSet"}, "is no FHIR ConceptMap"),
        (group(unmapped={"mode": "other-map", "url": "urn:x"}), "another map"),
        (element({"code": "1", "equivalence": "same"}), "'same' is none of"),
        (element({"equivalence": "equal"}), "a target has no code"),
        (element(EXACT, {"code": "248152002", "equivalence": "wider"}), "two targets in http://snomed.info/sct"),
        (element({**EXACT, "dependsOn": [{"property": "p", "value": "v"}]}), "depends on other values"),
        (group(element=[{"target": [EXACT]}]), "no ConceptMap of FHIR R4"),
        (group(element=3), "no ConceptMap of FHIR R4"),
    ],
)
def test_what_a_table_cannot_say_is_refused(tmp_path: Path, content: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(str(tmp_path / "map.json"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.json.*cannot read"):
        read_concept_map(tmp_path / "none.json")


def test_a_value_that_is_no_code_cannot_be_exported() -> None:
    with pytest.raises(ConfigurationError, match="'a  b' cannot stand in a ConceptMap"):
        concept_map_of(TranslationTable("t", {"a  b": Translation("x")}), mapping_id="study")


def test_the_same_table_gives_the_same_resource() -> None:
    table = TranslationTable("t", {"a": Translation(Concept(SCT, "1"), "inexact")}, "drop")
    first, second = (concept_map_of(table, mapping_id="study") for _ in range(2))
    assert first == second
    assert first["id"] != concept_map_of(table, mapping_id="other")["id"]


WORDS = st.from_regex(r"[A-Za-z0-9.<>+\-]{1,6}( [a-zäé]{1,4})?", fullmatch=True)
CODES = st.from_regex(r"[A-Za-z0-9.\-]{1,8}", fullmatch=True)
SYSTEMS = st.sampled_from(["http://www.whocc.no/atc", "http://x.org/cs", "urn:local"])
VERSIONS = st.sampled_from(["", "", "2024"])
CONCEPTS = st.builds(Concept, SYSTEMS, CODES, st.sampled_from(["", "Name", "Größe (cm)"]), VERSIONS)
EQUIVALENT = st.sampled_from([name for name in EQUIVALENCES if name not in WITHOUT_TARGET])
OTHERWISE: st.SearchStrategy[Otherwise] = st.sampled_from(["error", "text", "drop"]) | st.lists(
    CONCEPTS, min_size=1, max_size=2, unique_by=lambda concept: concept.system
).map(tuple)


@st.composite
def translations(draw: st.DrawFn) -> Translation:
    concepts = draw(st.lists(CONCEPTS, max_size=3, unique_by=lambda concept: concept.system))
    targets: list[Concept | str] = [*concepts] or [draw(WORDS | st.just(" odd  text"))]
    made = [Translation(target, draw(EQUIVALENT), draw(st.sampled_from(["", "why"]))) for target in targets]
    return replace(made[0], also=tuple(made[1:]))


@st.composite
def tables(draw: st.DrawFn) -> TranslationTable:
    sources = draw(st.lists(WORDS, max_size=5, unique=True))
    entries = {source: draw(translations()) for source in sources}
    unmatched = draw(st.dictionaries(WORDS.filter(lambda word: word not in entries), st.sampled_from(["", "why"])))
    return TranslationTable("t", entries, draw(OTHERWISE), draw(st.booleans()), unmatched)


def codings(table: TranslationTable) -> dict[str, set[Translation]]:
    """Return the meanings of each value; the order of its codings means nothing."""
    return {source: {replace(one, also=()) for one in (entry, *entry.also)} for source, entry in table.entries.items()}


@settings(max_examples=40, deadline=None)  # the model of the type is imported once
@given(tables())
def test_a_table_is_the_same_after_a_round_trip(
    tmp_path_factory: pytest.TempPathFactory, table: TranslationTable
) -> None:
    made = concept_map_of(table, mapping_id="study")
    assert check_resource(made) + validate_fully(made) == []
    file = tmp_path_factory.mktemp("map") / "t.json"
    file.write_bytes(orjson.dumps(made))
    back = read_concept_map(file, name="t")
    assert codings(back) == codings(table)
    assert (back.otherwise, back.ignore_case, back.unmatched) == (table.otherwise, table.ignore_case, table.unmatched)
