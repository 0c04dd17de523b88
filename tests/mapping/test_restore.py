"""Values of FHIR in the spelling of their table, and what counts as the same."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from multimodal.mapping.dates import DateReader, compile_format
from multimodal.mapping.plan import Column
from multimodal.mapping.restore import Values, restorer, written_date
from multimodal.mapping.sameness import sameness
from multimodal.terminology.concepts import Concept
from multimodal.terminology.translation import Translation, TranslationTable
from multimodal.terminology.units import unit

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("date", "formats", "text"),
    [
        ("2020-02-03", ["%d.%m.%Y"], "03.02.2020"),
        ("2020-02-03", ["%m/%Y", "%b %d, %Y"], "Feb 03, 2020"),
        ("2020-02", ["%d.%m.%Y", "%m/%Y"], "02/2020"),
        ("2020", ["%d.%m.%Y"], "2020"),
        ("2020-02-03", [], "2020-02-03"),
        ("2020-02-03T10:20:00+01:00", ["%d.%m.%Y %H:%M"], "03.02.2020 10:20"),
        ("2020-02-03T10:20:00+01:00", ["%d.%m.%Y"], "2020-02-03T10:20:00"),
        ("2020-02-03T10:20:00+09:00", ["%d.%m.%Y %H:%M"], "2020-02-03T10:20:00+09:00"),
        ("2020-03-04", ["%d.%m.%Y (approx.)"], "04.03.2020 (approx.)"),
        ("", ["%Y"], ""),
    ],
)
def test_dates_in_the_first_format_with_their_parts(date: str, formats: list[str], text: str) -> None:
    reader = DateReader(tuple(compile_format(one) for one in formats), BERLIN)
    assert written_date(date, reader) == text


TABLE = TranslationTable(
    "t",
    {
        "maybe": Translation(Concept("urn:s", "1"), "inexact"),
        "one": Translation(Concept("urn:s", "1")),
        "uno": Translation(Concept("urn:s", "1")),
        "plain": Translation("two"),
    },
    otherwise="text",
)


def column(**parts: object) -> Column:
    return Column(header="c", aliases=(), identity="c", **{"verb": "observation", **parts})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "values", "text"),
    [
        (column(type="code", table=TABLE), {"system": "urn:s", "code": "1", "text": "One"}, "one"),
        (column(type="code", table=TABLE), {"system": "urn:s", "code": "7", "text": "Seven"}, "Seven"),
        (column(type="code", table=TABLE), {"text": "two"}, "plain"),
        (column(type="code", table=TABLE), {"text": "kept"}, "kept"),
        (column(type="number"), {"value": 1e-7}, "1e-07"),
        (column(type="number"), {"value": 12.5, "comparator": ">="}, ">=12,5"),
        (column(type="number"), {"low": 1, "high": 2.5}, "1-2,5"),
        (column(type="number", unit=unit("[lb_av]"), convert_to=unit("kg")), {"value": 69.85322498}, "154"),
        (column(type="number", unit=unit("mmol/L"), convert_to=unit("mg/dL"), factor=18.016), {"value": 99.088}, "5,5"),
        (column(type="integer"), {"integer": 0}, "0"),
        (column(type="boolean"), {"value": False}, "false"),
        (column(missing={"": "unknown", "NA": "unknown", "x": "drop"}), {"absent": "unknown"}, "NA"),
        (column(missing={"": "drop"}), {"absent": "masked"}, ""),
        (column(), {"value": None}, ""),
        (column(verb="patient", element="gender"), {"value": "male"}, "male"),
        (column(verb="patient", element="deceased"), {"value": True, "date": None}, "true"),
        (column(verb="patient", element="deceased"), {"value": None, "date": "2020"}, "2020"),
    ],
)
def test_values_in_the_spelling_of_the_column(made: Column, values: Values, text: str) -> None:
    assert restorer(made, ",")(values) == text


@pytest.mark.parametrize(
    ("made", "given", "back", "same"),
    [
        (column(type="number"), "50,0", "50", True),
        (column(type="number"), "50,0", "51", False),
        (column(type="number"), "50", "", False),
        (column(type="number"), "", "50", False),
        (column(type="code", table=TABLE), "uno", "one", True),
        (column(type="code", table=TABLE), "uno", "plain", False),
        (column(type="boolean"), "Ja", "true", True),
        (column(verb="condition", type="code", table=TABLE, missing={"NK": "unknown"}), "NK", "", True),
        (column(verb="condition", type="code", table=TABLE, missing={"NK": "unknown"}), "NK", "one", False),
        (column(verb="checkbox"), "Checked", "1", True),
        (column(verb="checkbox"), "1", "0", False),
        (column(verb="patient", element="birthDate"), "2020-01", "2020-01", True),
        (column(verb="patient", element="birthDate"), "2020-01", "2020-02", False),
        (column(verb="patient", element="deceased"), "yes", "true", True),
        (column(verb="patient", element="name"), "A", "B", False),
    ],
)
def test_what_counts_as_the_same(made: Column, given: str, back: str, same: bool) -> None:
    assert sameness(made, ",")(given, back, "") is same
