"""Expressions compute values from their row, and can do nothing else."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from multimodal.mapping.errors import CellError
from multimodal.mapping.expressions import compile_condition, compile_text
from multimodal.mapping.functions import FUNCTIONS
from multimodal.mapping.patterns import Capture, PatternError
from multimodal.mapping.scope import ExpressionError, Scope
from multimodal.terminology.translation import TranslationTable, inline_table

STAGES = inline_table([("I", "one"), ("c", 'OPS#1 "One"')], name="stage")
SCOPE = Scope({"a": "a", "b": "b", "no": "no"}, frozenset({"cancer"}), {"stage": STAGES})


class Cells:
    """A row made by hand."""

    def __init__(self, **values: Any) -> None:
        self.values = values
        self.subject = {"reference": "Patient/p1"}
        self.item = "item"
        self.notes: list[tuple[str, str, str]] = []

    def typed(self, column: str) -> Any:
        return self.values.get(column)

    def note(self, what: str, kind: str, value: str) -> None:
        self.notes.append((what, kind, value))

    def reference(self, name: str) -> dict[str, Any] | None:
        return {"reference": f"Condition/{name}"}

    def member_references(self, name: str) -> list[dict[str, Any]]:
        return []

    def lookup(self, table: TranslationTable, text: str) -> Any:
        return table.get(text)


def value_of(text: str, **values: Any) -> Any:
    return compile_text(text, SCOPE).evaluate(Cells(**values))


@pytest.mark.parametrize(
    ("text", "values", "value"),
    [
        ("plain", {}, "plain"),
        ("{{ 1 + 2 * 3 }}", {}, 7),
        ("{{ col('a') }}", {"a": 5}, 5),
        ("{{ col('a') }}", {}, None),
        ("a is {{ col('a') }}", {"a": 5.0}, "a is 5"),
        ("a is {{ col('a') }}", {}, None),
        ("{{ 'Stage ' ~ col('a') }}", {"a": "I"}, "Stage I"),
        ("{{ col('a') * 2 }}", {}, None),
        ("{{ -col('a') }}", {"a": 2}, -2),
        ("{{ 'x' if col('a') > 1 else 'y' }}", {"a": 2}, "x"),
        ("{{ 'x' if col('a') is none else 'y' }}", {}, "x"),
        ("{{ col('a') is not none and not false }}", {"a": 1}, True),
        ("{{ col('a') in ['x', 'y'] }}", {"a": "x"}, True),
        ("{{ 1 < col('a') <= 3 }}", {"a": 3}, True),
        ("{{ coalesce(col('no'), col('a'), 1) }}", {"a": 3}, 3),
        ("{{ lookup('stage', col('a')) }}", {"a": "I"}, "one"),
        ("{{ lookup('stage', col('a')) }}", {}, None),
        ("{{ subject }}", {}, {"reference": "Patient/p1"}),
        ("{{ ref('cancer') }}", {}, {"reference": "Condition/cancer"}),
        ("{{ members('cancer') }}", {}, None),
        ("{{ round(col('a'), 1) }}", {"a": 2.25}, 2.2),
        ("{{ round(col('a')) }}", {"a": 2.6}, 3),
        ("{{ lower(strip(col('a'))) }}", {"a": " X "}, "x"),
        ("{{ concat(col('a'), '-', col('no')) }}", {"a": "x"}, "x-"),
        ("{{ split(col('a'), ';') }}", {"a": "x; y ;;z"}, ["x", "y", "z"]),
        ("{{ split(col('a'), ';') }}", {"a": " ; "}, None),
        ("{{ split(col('a'), '/', 1) }}", {"a": "120 / 80"}, "80"),
        ("{{ split(col('a'), '/', 2) }}", {"a": "120/80"}, None),
        ("{{ split(col('a'), '/') }}", {}, None),
        ("{{ regex(col('a'), '([0-9]+) *mg') }}", {"a": "ASS 100 mg"}, "100"),
        ("{{ regex(col('a'), '[0-9]+') }}", {"a": "ASS 100 mg"}, "100"),
        ("{{ regex(col('a'), '(a)|(b)', 2) }}", {"a": "a"}, None),
        ("{{ regex(col('a'), '(.)(.)', 2) }}", {"a": "äöü"}, "ö"),
        ("{{ regex(col('a'), 'x') }}", {"a": "abc"}, None),
        ("{{ date('2012-07') }}", {}, "2012-07"),
        ("{{ date(col('a'), '%d.%m.%Y') }}", {"a": "1.2.2003"}, "2003-02-01"),
        ("{{ add_days(col('a'), 30) }}", {"a": "2012-07-21"}, "2012-08-20"),
        ("{{ years_between(col('a'), col('b')) }}", {"a": "1950-06-01", "b": "2000-05-31"}, 49),
        ("{{ identifier('urn:x', col('a')) }}", {"a": 7}, {"system": "urn:x", "value": "7"}),
        (
            "{{ quantity(split(col('a'), '/', 1), 'kg') }}",
            {"a": "1/ <7.5"},
            {"value": 7.5, "comparator": "<", "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
        ),
        (
            "{{ quantity(col('a'), 'kg') }}",
            {"a": 7},
            {"value": 7, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
        ),
    ],
)
def test_an_expression_has_a_typed_value(text: str, values: dict[str, Any], value: Any) -> None:
    assert value_of(text, **values) == value


def test_a_concept_is_made_when_the_mapping_is_loaded() -> None:
    coding = {"system": "http://loinc.org", "code": "718-7", "display": "Hb"}
    assert value_of("{{ concept('LNC#718-7 \"Hb\"') }}") == {"coding": [coding], "text": "Hb"}
    assert value_of("{{ lookup('stage', 'c') }}")["coding"][0]["code"] == "1"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{{ ''.__class__ }}", "attribute"),
        ("{{ col('a').upper() }}", "only the functions of the list"),
        ("{{ subject['reference'] }}", "subscript"),
        ("{{ col('a') | upper }}", "filter"),
        ("{{ 9 ** 9 }}", r"\*\*"),
        ("{{ open('x') }}", "unknown function open"),
        ("{{ range(9) }}", "unknown function range"),
        ("{{ self }}", "unknown name 'self'"),
        ("{{ a }}", "unknown name 'a'; a column is col"),
        ("{% for x in [1] %}x{% endfor %}", "statements"),
        ("{% set x = 1 %}", "statements"),
        ("{{ 1 is defined }}", "is defined"),
        ("{{ {'a': 1} }}", "dict is not allowed"),
        ("{{ col(*['a']) }}", "by position"),
        ("{{ col(name='a') }}", "by position"),
        ("{{ col('a', 'b') }}", "takes 1 arguments"),
        ("{{ col(col('a')) }}", "needs a fixed text"),
        ("{{ col('x') }}", "unknown column 'x'"),
        ("{{ ref('x') }}", "unknown resource 'x'"),
        ("{{ lookup('x', 'a') }}", "unknown table 'x'"),
        ("{{ quantity(1, 'foo') }}", "unknown unit 'foo'"),
        ("{{ date('1', '%y') }}", "century"),
        ("{{ round(1, 99) }}", "digits"),
        ("{{ regex('a', '(?=a)b') }}", "look-around"),
        ("{{ regex('a', '(a)', 2) }}", "has 1 groups, not 2"),
        ("{{ regex('a', '(a)', 'x') }}", "number of a group"),
        ("{{ regex('a', col('a')) }}", "needs a fixed text"),
        ("{{ split('a', '') }}", "needs a separator"),
        ("{{ split('a', ',', -1) }}", "counted from 0"),
        ("{{ item() }}", "item of \\$each"),
        ("{{ 1 + }}", "cannot read the expression"),
        ("{{ 1", "cannot read the expression"),
        ("{{ " + "1+" * 900 + "1 }}", "nested too deeply"),
        ("{{ " + "1+" * 1900 + "1 }}", "at most 2000"),
    ],
)
def test_everything_else_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ExpressionError, match=problem):
        compile_text(text, SCOPE)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("{{ col('a') + 1 }}", {"a": "x"}),
        ("{{ col('a') > 1 }}", {"a": "x"}),
        ("{{ 'x' * 1000000000 }}", {}),
        ("{{ col('a') / 0 }}", {"a": 1}),
        ("{{ 1e300 * 1e300 }}", {}),
        ("{{ add_days('2012-07', 1) }}", {}),
        ("{{ add_days('9999-12-31', 5) }}", {}),
        ("{{ concat(split(col('a'), ';'), 'x') }}", {"a": "a;b"}),
        ("{{ quantity(col('a'), 'kg') }}", {"a": "7,5"}),
        ("{{ quantity(col('a'), 'kg') }}", {"a": "7-8"}),
        ("x {{ split(col('a'), ';') }}", {"a": "a;b"}),
    ],
)
def test_a_wrong_type_is_an_error_of_the_row(text: str, values: dict[str, Any]) -> None:
    with pytest.raises(CellError):
        value_of(text, **values)


def test_an_item_is_known_where_each_is() -> None:
    expression = compile_text("{{ lower(item()) ~ '!' }}", dataclasses.replace(SCOPE, each=True))
    assert expression.evaluate(Cells()) == "item!"


def test_a_text_that_a_pattern_does_not_fit_is_counted() -> None:
    row = Cells(a="abc")
    assert compile_text("{{ regex(col('a'), '[0-9]+') }}", SCOPE).evaluate(row) is None
    assert row.notes == [("regex [0-9]+", "no match", "")]


def test_no_pattern_stalls() -> None:
    """A backtracking engine would take longer than the age of the universe."""
    started = time.process_time()
    assert value_of("{{ regex(col('a'), '^(a+)+$') }}", a="a" * 9_000 + "b") is None
    assert time.process_time() - started < 1


def test_parentheses_without_end_do_not_break_the_parser() -> None:
    with pytest.raises(ExpressionError, match="nested too deeply"):
        compile_text("{{ " + "(" * 950 + "1" + ")" * 950 + " }}", SCOPE)


def test_a_condition_may_leave_out_its_braces() -> None:
    assert compile_condition("col('a') == 1", SCOPE).evaluate(Cells(a=1)) is True
    assert compile_condition("{{ col('a') == 1 }}", SCOPE).columns == ("a",)


WORDS = st.sampled_from(
    ["split", "regex", "item", "col", "'a'", "(", ")", ".", "__class__",
     "[", "]", "|", "{{", "}}", "{%", "%}", "+", "~", "1", "is", "none", ",",
     "subject", "lookup", "'stage'", "ref", "'cancer'", "if", "else", "not", "import", "self", "**", "'I'", " "]
)  # fmt: skip


@given(st.lists(WORDS, max_size=12))
def test_any_words_give_a_plain_value_or_a_named_error(words: list[str]) -> None:
    """Whatever somebody writes, what comes out is data: never a function, a class or a module."""
    try:
        value = value_of("{{ " + " ".join(words) + " }}", a="I")
    except (ExpressionError, CellError):
        return
    assert value is None or isinstance(value, (str, int, float, bool, list, dict))


def test_the_function_list_is_the_documented_one() -> None:
    assert " ".join(sorted(FUNCTIONS)) == (
        "add_days coalesce col concat concept date identifier item lookup lower members quantity ref regex round "
        "split strip years_between"
    )


@given(st.integers(1, 400), st.sampled_from([("(", ")"), ("-", ""), ("not ", ""), ("lower(", ")"), ("[", "]")]))
def test_nesting_of_any_depth_is_compiled_or_refused(depth: int, marks: tuple[str, str]) -> None:
    try:
        compile_text("{{ " + marks[0] * depth + "1" + marks[1] * depth + " }}", SCOPE)
    except ExpressionError as error:
        assert "nested too deeply" in str(error) or "at most" in str(error)  # noqa: PT017 - or it compiles


@given(st.text(max_size=3000))
@example("{#")
@example("{# a note #}")
def test_any_text_is_compiled_or_refused(text: str) -> None:
    for written in (text, "{{" + text + "}}"):
        try:
            compiled = compile_text(written, SCOPE)
        except ExpressionError as error:
            assert str(error)  # noqa: PT017 - or it compiles
            continue
        assert callable(compiled.evaluate)


@given(st.text(max_size=30), st.text(max_size=60))
def test_any_pattern_is_refused_or_gives_a_part_of_the_text(pattern: str, text: str) -> None:
    try:
        found = Capture(pattern).of(text)
    except PatternError:
        return
    assert found is None or found in text
