"""A stencil filled with the values of a resource gives that resource's canonical bytes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal.mapping.stencil import Stencil
from multimodal.resources.serialised import serialised

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(['"', "%", "%b", "%%", "\\"])
VALUE = st.recursive(
    TEXT | st.integers(0, 9) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
CONSTANTS = st.dictionaries(st.sampled_from(["category", "code", "note", "status", "zzz"]), VALUE)
SLOTS = ("effectiveDateTime", "encounter", "id", "subject", "value")


@st.composite
def pairs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return two resources that differ in their slots only."""
    constant = {"resourceType": "Observation", "meta": {"source": "urn:x"}, **draw(CONSTANTS)}
    present = draw(st.sets(st.sampled_from(["effectiveDateTime", "encounter", "subject", "valueString"])))
    return tuple(  # type: ignore[return-value]
        {"id": draw(st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)), **constant}
        | {name: draw(VALUE) for name in sorted(present)}
        for _ in range(2)
    )


@settings(max_examples=50, deadline=None)
@given(pairs())
def test_filled_is_serialised(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    first, second = both
    stencil = Stencil(first, SLOTS)
    values = []
    for slot in SLOTS:
        name = "valueString" if slot == "value" else slot
        json = orjson.dumps(second[name], option=orjson.OPT_SORT_KEYS) if name in second else b""
        values.append(second["id"].encode() if slot == "id" else json)
    assert stencil.body % tuple(values) == serialised(second).body
    assert stencil.meta == serialised(second).meta


def test_slots_in_the_wrong_order_are_a_mistake_of_the_program() -> None:
    made = {"resourceType": "Observation", "id": "o1", "subject": {"reference": "Patient/p"}}
    with pytest.raises(AssertionError, match="does not give its bytes"):
        Stencil(made, ("subject", "id"))
