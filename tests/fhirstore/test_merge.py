from __future__ import annotations

from typing import Any

import pytest

from multimodal.fhirstore.merge import merge

SERIES = {"uid": "1.2", "modality": {"code": "CT"}}


@pytest.mark.parametrize(
    ("current", "ours", "before", "merged", "kept"),
    [
        ({}, {"a": 1}, None, {"a": 1}, []),
        ({"a": 1}, {"a": 1}, None, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, None, {"a": 1}, ["a"]),
        ({"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}, []),
        ({"a": 3}, {"a": 2}, {"a": 1}, {"a": 3}, ["a"]),
        ({"a": 1, "b": 2}, {"b": 2}, {"a": 1, "b": 2}, {"b": 2}, []),
        ({"a": 9, "b": 2}, {"b": 2}, {"a": 1, "b": 2}, {"a": 9, "b": 2}, []),
        ({"x": {"a": 1}}, {"x": {"b": 2}}, None, {"x": {"a": 1, "b": 2}}, []),
        ({"x": {"a": 1}}, {"x": {"a": 2}}, None, {"x": {"a": 1}}, ["x.a"]),
        ({"l": [1]}, {"l": [2]}, None, {"l": [1, 2]}, []),
        ({"l": [1, 2]}, {"l": [3]}, {"l": [2]}, {"l": [1, 3]}, []),
        ({"l": [1]}, {}, {"l": [1]}, {}, []),
        ({"l": [1, 2]}, {}, {"l": [1]}, {"l": [2]}, []),
        ({"deceasedAge": 7}, {"deceasedBoolean": True}, None, {"deceasedAge": 7}, ["deceasedAge"]),
        (
            {"identifier": [{"system": "s", "value": "1"}]},
            {"identifier": [{"system": "s", "value": "1", "use": "usual"}, {"system": "t", "value": "1"}]},
            None,
            {"identifier": [{"system": "s", "value": "1", "use": "usual"}, {"system": "t", "value": "1"}]},
            [],
        ),
        (
            {"series": [SERIES]},
            {"series": [{**SERIES, "description": "axial"}, {"uid": "1.3"}]},
            {"series": [SERIES, {"uid": "1.9"}]},
            {"series": [{**SERIES, "description": "axial"}, {"uid": "1.3"}]},
            [],
        ),
    ],
)  # fmt: skip
def test_merge(current: Any, ours: Any, before: Any, merged: Any, kept: list[str]) -> None:
    copies = [repr(part) for part in (current, ours, before)]
    assert merge(current, ours, before) == (merged, kept)
    assert [repr(part) for part in (current, ours, before)] == copies, "the inputs are left as they are"
    assert merge(merged, ours, ours) == (merged, kept), "a second merge changes nothing"
