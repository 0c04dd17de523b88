"""A table of broken mappings: each file says in its first line where it is broken, and what a person is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal.mapping import MappingError, load_mapping
from multimodal.mapping.document import Document
from multimodal.model.exit_codes import ExitCode

BROKEN = Path(__file__).parent / "broken"
MAPPINGS = Path(__file__).parents[2] / "mappings"
SHIPPED = [MAPPINGS / f"{name}.yaml" for name in ("excel-cohort", "nsclc-radiomics-lung1", "redcap-registry")]


@pytest.mark.parametrize("file", sorted(BROKEN.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_broken_mapping_is_told_with_file_line_and_column(file: Path) -> None:
    expected = file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    with pytest.raises(MappingError) as caught:
        load_mapping(file)
    assert str(caught.value).replace(f"{BROKEN}/", "") == f"{file.name}:{expected}"
    assert caught.value.exit_code is ExitCode.CONFIGURATION


KEYS = st.text(alphabet="abcXYZ012.-_#[]{}:,&*!|>%@ äß€", max_size=6)
PLAIN = st.recursive(
    KEYS | st.integers(-9, 99) | st.booleans(),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(KEYS, part, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(KEYS, PLAIN, max_size=4))
def test_every_part_of_a_file_knows_where_it_stands(tmp_path_factory: pytest.TempPathFactory, content: object) -> None:
    file = tmp_path_factory.mktemp("document") / "any.yaml"
    file.write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding="utf-8")  # which is YAML too
    document = Document(file)
    lines = file.read_text(encoding="utf-8").splitlines()
    for place, (line, column) in document._keys.items():
        assert lines[line - 1][column - 1 :].lstrip("?'\" ").startswith(str(place[-1]).lstrip(" "))


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(SHIPPED), st.integers(0, 10_000), st.sampled_from(["", "x", ":", "{", "\t", "'", "\n", "- ", "#"])
)
def test_a_slip_of_the_pen_is_a_mapping_or_an_error_with_its_place(
    tmp_path_factory: pytest.TempPathFactory, shipped: Path, at: int, typed: str
) -> None:
    """A character too few or too many somewhere in a real mapping: never a crash, never an error without a line."""
    text = shipped.read_text(encoding="utf-8")
    at %= len(text)
    file = tmp_path_factory.mktemp("slip") / shipped.name
    for table in (shipped.parent / "tables").glob("*"):
        (file.parent / "tables").mkdir(exist_ok=True)
        (file.parent / "tables" / table.name).write_bytes(table.read_bytes())
    file.write_text(text[:at] + typed + text[at + (not typed) :], encoding="utf-8")
    error = mistake_in(file)
    if error is not None:
        assert error.line is not None, error
        assert str(error).startswith(f"{file}:{error.line}:{error.column}: ")


def mistake_in(file: Path) -> MappingError | None:
    try:
        load_mapping(file)
    except MappingError as error:
        return error
    return None
