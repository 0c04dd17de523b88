"""Units as people write them, in UCUM, and conversion."""

from __future__ import annotations

import csv
import re
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

import pytest
import ucumvert
from hypothesis import given, settings
from hypothesis import strategies as st
from ucumvert import PintUcumRegistry

from multimodal.terminology.units import DimensionError, UnknownUnitError, converter, unit


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("g/dL", "g/dL"), ("mmHg", "mm[Hg]"), ("x10^9/L", "10*9/L"), ("G/L", "10*9/L"), ("cells/uL", "/uL"),
        ("IU/L", "[iU]/L"), ("bpm", "/min"), ("lbs", "[lb_av]"), ("µg/L", "ug/L"), ("μg/L", "ug/L"),
        ("{score}", "{score}"), ("{visits}", "{visits}"), ("ng/dL", "ng/dL"), ("mm3.[hnsf'U]2", "mm3.[hnsf'U]2"),
    ],
)  # fmt: skip
def test_a_spelling_means_its_ucum_code(text: str, code: str) -> None:
    assert unit(text).code == code


def test_every_unit_of_ucum_is_read() -> None:
    """All atoms of UCUM's own table; the parser lacks [pH]."""
    table = next(Path(ucumvert.__file__).parent.rglob("ucum-essence.xml")).read_text(encoding="utf-8")
    codes = re.findall(r'<unit [^>]*?Code="([^"]+)"', table)
    assert len(codes) > 300
    # Of two codes for one unit we write one; and nobody measures patients in phot.
    alike = {"10^": "10*", "l": "L", "[IU]": "[iU]", "ph": "[pH]"}
    assert {code: unit(code).code for code in codes if unit(code).code != code} == alike
    assert unit("[pH]/h").code == "[pH]/h"


def test_ph_is_the_acidity_and_is_not_converted() -> None:
    """To UCUM, pH alone would be the picohenry."""
    assert (unit("pH").code, unit("PH").code, unit("[pH]").display) == ("[pH]", "[pH]", "pH")
    assert converter("[pH]", "[pH]")(7.4) == 7.4
    assert converter("[pH]/h", "[pH]/min")(60) == 1
    for other in ("1", "mol/L", "{pH}"):
        with pytest.raises(DimensionError):
            converter("[pH]", other)


@pytest.mark.parametrize("text", ["", "foo", "mg per dL", "{a b}", "g/dL;drop", "x" * 50, "12"])
def test_an_unknown_unit_is_refused(text: str) -> None:
    with pytest.raises(UnknownUnitError):
        unit(text)


def test_every_code_of_the_data_file_is_ucum() -> None:
    registry = PintUcumRegistry()
    text = files("multimodal.terminology").joinpath("data/units.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    assert len({row["spelling"] for row in rows}) == len(rows)
    for code in {row["ucum"] for row in rows} - {"{score}", "{PackYears}", "[pH]"}:
        registry.from_ucum(code)


@pytest.mark.parametrize(
    ("source", "target", "number", "expected"),
    [("g/L", "g/dL", 135, 13.5), ("[lb_av]", "kg", 100, 45.359237), ("Cel", "[degF]", 37, 98.6), ("a", "a", 1.5, 1.5)],
)
def test_equal_dimensions_are_converted(source: str, target: str, number: float, expected: float) -> None:
    assert converter(source, target)(number) == expected


@pytest.mark.parametrize("target", ["mg/dL", "m"])
def test_other_dimensions_are_refused(target: str) -> None:
    with pytest.raises(DimensionError, match="cannot be converted"):
        converter("mmol/L", target)


@pytest.mark.parametrize(
    ("source", "target", "molar"),
    [("mmol/L", "g/dL", True), ("mg/dL", "umol/L", True), ("g", "mol", True), ("kg", "m", False), ("g/L", "kg", False)],
)
def test_mass_and_amount_of_substance_need_the_molar_mass(source: str, target: str, molar: bool) -> None:
    with pytest.raises(DimensionError) as caught:
        converter(source, target)
    assert caught.value.molar is molar
    assert ("molar mass" in str(caught.value)) is molar


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("MG/DL", "mg/dL"), ("mg / dL", "mg/dL"), ("MMOL/L", "mmol/L"), ("Cells/uL", "/uL"), ("µmol/l", "umol/L"),
        ("μmol/L", "umol/L"), ("x10⁹/L", "10*9/L"), ("10⁹/L", "10*9/L"), ("x 10^9/L", "10*9/L"), ("G/l", "10*9/L"),
        ("g/l", "g/L"), ("mL/min/1.73m²", "mL/min/{1.73_m2}"), ("Jahre", "a"), ("días", "d"), ("MIN", "min"),
        ("Beats/min", "/min"), ("mIU/mL", "m[iU]/mL"), ("kg/m²", "kg/m2"), ("S", "S"),
    ],
)  # fmt: skip
def test_slips_of_case_micro_signs_and_raised_digits(text: str, code: str) -> None:
    """G/L and g/L differ; S is the UCUM code of siemens, and no second."""
    assert unit(text).code == code


@settings(deadline=None)
@given(st.text(max_size=12) | st.text(alphabet="gGlLmMdDuUµμ/10^*x²³ [](){}", max_size=12))
def test_any_text_is_a_ucum_code_or_refused(text: str) -> None:
    try:
        found = unit(text)
    except UnknownUnitError:
        return
    assert found.code.isascii()
    assert unit(found.code).code == found.code
    with suppress(DimensionError):
        assert isinstance(converter(found.code, "g/dL")(1.0), float)


def test_an_annotation_alone_is_the_unit_one() -> None:
    assert converter("{score}", "1")(0.5) == 0.5
    with pytest.raises(DimensionError):
        converter("{score}", "kg")
    with pytest.raises(UnknownUnitError):
        unit("{}")


@given(st.floats(min_value=1e-6, max_value=1e6), st.sampled_from([("g/L", "mg/dL"), ("kg", "[lb_av]"), ("a", "d")]))
def test_a_conversion_is_undone_by_its_reverse(number: float, units: tuple[str, str]) -> None:
    there, back = converter(*units), converter(units[1], units[0])
    assert back(there(number)) == pytest.approx(number, rel=1e-9)
