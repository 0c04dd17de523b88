"""Numbers and dates: what is read is exactly what is written, everything else is refused."""

from __future__ import annotations

import datetime as dt
import math
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimodal.mapping import months
from multimodal.mapping.cells import Measured, MeasuredRange, NumberReader, read_boolean, read_key, read_text
from multimodal.mapping.dates import DateFormatError, DateReader, compile_format, date_reader, days_after
from multimodal.mapping.decimals import UNSURE, decided, signs_said
from multimodal.mapping.errors import CellError
from multimodal.resources.checks import is_date_time
from multimodal.tables.rows import NumberText, Row

POINT, COMMA = NumberReader("."), NumberReader(",")


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        (POINT, "1.54", 1.54), (COMMA, "1,54", 1.54), (POINT, "-3", -3), (POINT, "+3", 3), (POINT, ".5", 0.5),
        (POINT, "5.", 5.0), (POINT, "1e5", 1e5), (POINT, "2.5E-3", 0.0025), (COMMA, "7", 7),
        (NumberReader(",", thousands="."), "1.234,5", 1234.5), (NumberReader(".", thousands=","), "12,345", 12345),
        (NumberReader(".", whole=True), "7.0", 7), (NumberReader(",", percent=True), "45,5 %", 45.5),
    ],
)  # fmt: skip
def test_a_number_is_read(reader: NumberReader, text: str, value: float) -> None:
    assert reader.number(text) == value


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (POINT, "1,54"), (COMMA, "1.54"), (POINT, "n/a"), (POINT, "1 000"), (POINT, "1.2.3"), (POINT, "NaN"),
        (POINT, "inf"), (POINT, "1e999"), (POINT, "0x10"), (POINT, "1_000"), (POINT, "٣"), (POINT, "--1"), (POINT, ""),
        (POINT, "5 kg"), (NumberReader(".", thousands=","), "1,23"), (NumberReader(".", whole=True), "7.5"),
        (POINT, "99999999999999999"), (POINT, "20-10x"), (POINT, "5%"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused(reader: NumberReader, text: str) -> None:
    with pytest.raises(CellError) as caught:
        reader.number(text)
    assert caught.value.code.code == "E101"


def test_limits_and_mixed_signs_have_their_own_codes() -> None:
    with pytest.raises(CellError) as caught:
        NumberReader(limits=(2, 25)).number("131")
    assert caught.value.code.code == "E102"
    with pytest.raises(CellError) as caught:
        NumberReader(mixed=True).number("1.54")
    assert caught.value.code.code == "E105"
    assert NumberReader(mixed=True).number("2") == 2


@pytest.mark.parametrize(
    ("text", "measured"),
    [
        ("<5", Measured(5, "<")), ("<= 0.5", Measured(0.5, "<=")), ("≥3", Measured(3, ">=")), ("7", Measured(7)),
        ("10-20", MeasuredRange(10, 20)), ("1.5 – 2.5", MeasuredRange(1.5, 2.5)), ("-5", Measured(-5)),
        ("1e-5", Measured(1e-5)),
    ],
)  # fmt: skip
def test_comparators_and_ranges_are_read(text: str, measured: Measured | MeasuredRange) -> None:
    assert POINT.measured(text) == measured


@pytest.mark.parametrize("text", ["20-10", "<", "<<5", "5<", "10-", "< n/a"])
def test_broken_comparators_and_ranges_are_refused(text: str) -> None:
    with pytest.raises(CellError):
        POINT.measured(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_written_out_is_read_back(value: float) -> None:
    text = repr(value)
    assert POINT.number(text) == value
    assert COMMA.number(text.replace(".", ",")) == value


@given(
    st.integers(-(10**12), 10**12),
    st.integers(0, 99),
    st.sampled_from([(".", ","), (",", "."), (" ", ","), ("'", ".")]),
)
def test_groups_of_digits_are_read_back(whole: int, cents: int, signs: tuple[str, str]) -> None:
    thousands, decimal = signs
    reader = NumberReader(decimal, thousands)
    text = f"{whole:,}".replace(",", thousands)
    assert reader.number(text) == whole
    assert reader.number(f"{text}{decimal}{cents:02}") == pytest.approx(float(f"{whole}.{cents:02}"))


NNBSP, NBSP, THIN, QUOTE = (
    "\N{NARROW NO-BREAK SPACE}",
    "\N{NO-BREAK SPACE}",
    "\N{THIN SPACE}",
    "\N{RIGHT SINGLE QUOTATION MARK}",
)
GERMAN_NUMBERS, FRENCH = NumberReader(",", thousands="."), NumberReader(",", thousands=" ")
SWISS = NumberReader(".", thousands="'")


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        (GERMAN_NUMBERS, "1.234.567,5", 1234567.5), (GERMAN_NUMBERS, "-1.234,5", -1234.5),
        (FRENCH, "1 234,5", 1234.5), (FRENCH, f"1{NNBSP}234{NNBSP}567,5", 1234567.5), (FRENCH, f"1{NBSP}234", 1234),
        (FRENCH, f"12{THIN}345,25", 12345.25), (SWISS, "1'234'567.5", 1234567.5), (SWISS, f"1{QUOTE}234.5", 1234.5),
        (GERMAN_NUMBERS, "1.234", 1234), (NumberReader(".", thousands=QUOTE), "1'234.5", 1234.5),
        (NumberReader(".", thousands=","), "12,345.6", 12345.6),
    ],
)  # fmt: skip
def test_german_french_and_swiss_numbers(reader: NumberReader, text: str, value: float) -> None:
    assert reader.number(text) == value
    assert reader.measured(f"< {text}") == Measured(value, "<")


@pytest.mark.parametrize(
    ("reader", "text", "low", "high"),
    [
        (GERMAN_NUMBERS, "1.200-1.500,5", 1200, 1500.5), (FRENCH, f"1{NNBSP}200 - 1{NNBSP}500", 1200, 1500),
        (FRENCH, "1 200-1 500", 1200, 1500), (SWISS, "1'200-1'500.5", 1200, 1500.5),
    ],
)  # fmt: skip
def test_ranges_of_large_numbers(reader: NumberReader, text: str, low: float, high: float) -> None:
    assert reader.measured(text) == MeasuredRange(low, high)


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (FRENCH, "1 23"), (FRENCH, f"1 234{NNBSP}567"), (FRENCH, "120 80"), (SWISS, "12'34"), (GERMAN_NUMBERS, "1.23"),
        (GERMAN_NUMBERS, "1.2345,6"), (FRENCH, " "),
    ],
)  # fmt: skip
def test_what_is_no_group_is_no_number(reader: NumberReader, text: str) -> None:
    """Two numbers in one cell (a blood pressure) are never read as one."""
    with pytest.raises(CellError) as caught:
        reader.number(text)
    assert caught.value.code.code == "E101"


@pytest.mark.parametrize(
    ("text", "sign"),
    [("1.234,5", "."), ("1,234.5", ","), ("1.234.567", "."), ("1 234,5", " "), (f"1{NNBSP}234", " "), ("1'234.5", "'")],
)
def test_the_sign_to_declare_is_told(text: str, sign: str) -> None:
    with pytest.raises(CellError) as caught:
        POINT.number(text)
    assert f'`thousands: "{sign}"`' in caught.value.suggestion


def _decided(rows: list[Row], thousands: str = "") -> dict[str, str]:
    return {header: decided(said) for header, said in signs_said(rows, [("x", "x")], {"x": thousands}).items()}


@given(st.lists(st.sampled_from(["1", "2.5", "3,5", "<4", "5-6", "x", "", "7.5-8", "<0,1"]), max_size=8))
def test_both_decimal_signs_are_never_decided_for_one(cells: list[str]) -> None:
    rows = [Row(number, {"x": cell}) for number, cell in enumerate(cells, start=2)]
    sign = _decided(rows).get("x")
    signs = {"." if "." in cell else "," for cell in cells if set(cell) & set(".,")}
    assert sign == (None if not signs else "mixed" if len(signs) > 1 else signs.pop())


@given(st.text())
def test_any_text_is_a_finite_number_or_refused(text: str) -> None:
    for reader in (POINT, COMMA, NumberReader(whole=True), NumberReader(thousands=",")):
        try:
            measured = reader.measured(text)
        except CellError:
            continue
        for value in (measured.low, measured.high) if isinstance(measured, MeasuredRange) else (measured.value,):
            assert math.isfinite(value)


@pytest.mark.parametrize(
    ("cells", "sign"),
    [
        (["1.5", "2"], "."), (["1,5", "2"], ","), (["1,5", "1.5"], "mixed"), (["<1,5", "10,5-20"], ","),
        (["1", "2"], None), (["45,5 %", "3"], ","), (["7-7,5"], ","), (["7,5-8"], ","), ([".", ",", "-"], None),
        (["a.b", "1,5", "see 1.5"], ","), (["1.234,5", "2,5"], ","),
        (["150.000", "98"], UNSURE), (["1,234"], UNSURE), (["<150.000", "100.000-200.000", "-1.234"], UNSURE),
        (["150.000", "0.125"], "."), (["150.000", "1234.567"], "."), (["1.234", "1.5"], "."), (["1,234", "1,23"], ","),
        (["0.500"], "."), (["1.234", "1,234"], "mixed"), (["1.2345"], "."), ([NumberText("150.125")], None),
    ],
)  # fmt: skip
def test_the_decimal_sign_is_decided_for_the_column(cells: list[str], sign: str | None) -> None:
    rows = [Row(number, {"x": cell}) for number, cell in enumerate(cells, start=2)]
    assert _decided(rows).get("x") == sign


def test_a_declared_sign_between_thousands_is_no_decimal_sign() -> None:
    rows = [Row(2, {"x": "1.234,5"}), Row(3, {"x": "1.000"})]
    assert _decided(rows, ".") == {"x": ","}


BERLIN = ZoneInfo("Europe/Berlin")
GERMAN = date_reader(["%d.%m.%Y", "%m.%Y"], BERLIN)


@pytest.mark.parametrize(
    ("reader", "text", "date"),
    [
        (DateReader(), "2012", "2012"), (DateReader(), "2012-07", "2012-07"),
        (DateReader(), "2012-07-21", "2012-07-21"), (GERMAN, "1850-01-21 08:30", "1850-01-21T08:30:00+00:53"),
        (DateReader(), "2012-07-21T08:30:00Z", "2012-07-21T08:30:00Z"), (DateReader(), "21.07.2012", "2012-07-21"),
        (DateReader(), "7/21/2012", "2012-07-21"), (DateReader(), "05.05.2012", "2012-05-05"),
        (GERMAN, "3.4.2012", "2012-04-03"), (GERMAN, "07.2012", "2012-07"), (GERMAN, "2012-07-21", "2012-07-21"),
        (GERMAN, "2012-07-21 08:30", "2012-07-21T08:30:00+02:00"),
        (GERMAN, "2012-01-21 08:30", "2012-01-21T08:30:00+01:00"),
        (DateReader((compile_format("%d %b %Y"),)), "21 Jul 2012", "2012-07-21"),
    ],
)  # fmt: skip
def test_a_date_is_read_and_kept_partial(reader: DateReader, text: str, date: str) -> None:
    assert reader.read(text) == date


@pytest.mark.parametrize(
    ("reader", "text", "code"),
    [
        (DateReader(), "03/04/2012", "E302"), (DateReader(), "3.4.2012", "E302"), (DateReader(), "2012-13-01", "E301"),
        (DateReader(), "2011-02-29", "E301"), (DateReader(), "21.07.12", "E301"), (DateReader(), "0000-01-01", "E301"),
        (DateReader(), "2012-07-21 08:30", "E301"), (GERMAN, "31.02.2012", "E301"), (GERMAN, "07/21/2012", "E301"),
        (GERMAN, "2012-07-21 25:00", "E301"), (DateReader(), "٢٠١٢", "E301"), (DateReader(), "", "E301"),
        (DateReader((compile_format("%d/%m/%Y"), compile_format("%m/%d/%Y"))), "03/04/2012", "E302"),
    ],
)  # fmt: skip
def test_what_is_no_clear_date_is_refused(reader: DateReader, text: str, code: str) -> None:
    with pytest.raises(CellError) as caught:
        reader.read(text)
    assert caught.value.code.code == code


@given(st.dates(dt.date(1800, 1, 1), dt.date(2150, 12, 31)))
def test_every_day_is_read_back(day: dt.date) -> None:
    assert DateReader().read(day.isoformat()) == day.isoformat()
    assert GERMAN.read(f"{day.day}.{day.month}.{day.year}") == day.isoformat()


@given(st.text(alphabet="0123456789-./: TZ+", max_size=20) | st.text())
def test_any_text_is_a_fhir_date_or_refused(text: str) -> None:
    for reader in (DateReader(), GERMAN, EXCEL, EXCEL_1904):
        try:
            date = reader.read(text)
        except CellError:
            continue
        assert is_date_time(date)


@pytest.mark.parametrize("text", ["%d.%m", "%d.%Y", "%Y-%m-%d :%M", "%y", "%Y %Y", "%Y%", "%Q"])
def test_a_date_format_with_gaps_is_refused(text: str) -> None:
    with pytest.raises(DateFormatError):
        compile_format(text)


EXCEL, EXCEL_1904 = date_reader(["excel"], BERLIN), date_reader(["excel-1904", "%d.%m.%Y"])


@pytest.mark.parametrize(
    ("reader", "text", "date"),
    [
        (EXCEL, "1", "1900-01-01"), (EXCEL, "59", "1900-02-28"), (EXCEL, "61", "1900-03-01"),
        (EXCEL, "41111", "2012-07-21"), (EXCEL, "41111.0", "2012-07-21"),
        (EXCEL, "41111,354166667", "2012-07-21T08:30:00+02:00"),
        (EXCEL, "91677", "2150-12-31"), (EXCEL_1904, "0", "1904-01-01"), (EXCEL_1904, "39649", "2012-07-21"),
        (EXCEL_1904, "21.7.2012", "2012-07-21"), (EXCEL, "2012-07-21", "2012-07-21"),
    ],
)  # fmt: skip
def test_serial_numbers_of_spreadsheets(reader: DateReader, text: str, date: str) -> None:
    """Microsoft's two date systems; the first one counts a 29 February 1900."""
    assert reader.read(text) == date


@pytest.mark.parametrize("text", ["0", "60", "2958466", "9999999", "1.2.3", "-5", "2012.07.21", "3/4/2012", "41111.5"])
def test_what_is_no_serial_number_is_refused(text: str) -> None:
    with pytest.raises(CellError):
        date_reader(["excel"]).read(text)


def test_a_number_is_of_one_date_system() -> None:
    with pytest.raises(DateFormatError, match="not of both"):
        date_reader(["excel", "excel-1904"])


@pytest.mark.parametrize(
    "text",
    [
        "21 July 2012",
        "21 JUL 2012",
        "21 Juli 2012",
        "21 juillet 2012",
        "21 juil. 2012",
        "21 julio 2012",
        "21 lug. 2012",
    ],
)
def test_months_by_name_in_five_languages(text: str) -> None:
    for directive in "bB":
        assert date_reader([f"%d %{directive} %Y"]).read(text) == "2012-07-21"


def test_no_name_means_two_months() -> None:
    lines = [line.split() for line in months._NAMES.strip().splitlines()]
    assert len(lines) == 12
    names = [name for line in lines for name in line]
    assert len(set(names)) == len(names)
    with pytest.raises(CellError):
        date_reader(["%d %b %Y"]).read("21 Foo 2012")


def test_digits_without_signs_between_them_are_two_each() -> None:
    reader = date_reader(["%Y%m%d"])
    assert reader.read("20120721") == "2012-07-21"
    with pytest.raises(CellError):
        reader.read("2012111")


@pytest.mark.parametrize(
    ("text", "code", "why"),
    [("2012-03-25 02:30", "E301", "never showed"), ("2012-10-28 02:30", "E302", "showed twice")],
)
def test_a_time_that_the_clocks_skipped_or_repeated(text: str, code: str, why: str) -> None:
    with pytest.raises(CellError, match=why) as caught:
        GERMAN.read(text)
    assert caught.value.code.code == code
    assert "offset" in caught.value.suggestion
    assert GERMAN.read(text + "+01:00").endswith("+01:00")


@given(st.datetimes(min_value=dt.datetime(1900, 1, 1), max_value=dt.datetime(2037, 1, 1)))
def test_every_time_has_the_offset_of_its_zone_or_is_refused(moment: dt.datetime) -> None:
    moment = moment.replace(microsecond=0)
    try:
        read = dt.datetime.fromisoformat(GERMAN.read(moment.isoformat(" ")))
    except CellError:
        there = moment.replace(tzinfo=BERLIN).astimezone(dt.UTC).astimezone(BERLIN).replace(tzinfo=None)
        both = {moment.replace(tzinfo=BERLIN, fold=fold).utcoffset() for fold in (0, 1)}
        assert there != moment or len(both) == 2
        return
    assert read.replace(tzinfo=None) == moment


@given(st.dates(dt.date(1900, 3, 1), dt.date(2150, 12, 31)))
def test_every_serial_number_is_read_back(day: dt.date) -> None:
    assert EXCEL.read(str((day - dt.date(1899, 12, 30)).days)) == day.isoformat()


def test_days_after_a_date() -> None:
    assert days_after("2012-07-21T08:30:00Z", 11) == "2012-08-01"
    for date, days in [("2012-07", 1), ("2012-07-21", "x"), ("9999-12-31", 1), ("2012-07-21", 1.5)]:
        with pytest.raises(CellError):
            days_after(date, days)


@pytest.mark.parametrize("yes", ["Ja", "OUI", "sí", "sì", "Vero", "verdadero", "wahr", "Y", "1"])
def test_yes_in_five_languages(yes: str) -> None:
    assert read_boolean(yes) is True


@pytest.mark.parametrize("text", ["A\u200b1", "\ufeffA1", "A\u00ad1", "A\x1f1"])
def test_a_key_holds_nothing_that_nobody_sees(text: str) -> None:
    with pytest.raises(CellError) as caught:
        read_key(text)
    assert caught.value.code.code == "E104"
    assert read_key("Ä 1") == "Ä 1"


def test_truth_values_and_texts() -> None:
    assert read_boolean("Ja") is True
    assert read_boolean("0") is False
    for wrong in ("maybe", ""):
        with pytest.raises(CellError):
            read_boolean(wrong)
    with pytest.raises(CellError):
        read_text("a\x1fb")
    assert read_text("a\tb") == "a\tb"
