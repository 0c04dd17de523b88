"""Pseudonyms: the same for everybody with the key, and useless to everybody without it."""

import hmac
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimodal.privacy.keys import PrivacyKey, PrivacyKeyError, read_key
from multimodal.privacy.pseudonyms import Pseudonyms, ctp_lines

KEY = PrivacyKey(b"a key of the project, 32 bytes..")
HERE = Pseudonyms(KEY, "urn:hospital:pid")


def test_pseudonym_is_the_hmac_of_system_and_value() -> None:
    digest = hmac.digest(KEY.content, b"patient\x1furn:hospital:pid\x1fP-1", "sha256")
    assert int.from_bytes(digest, "big") >> (256 - 130) == _base32(HERE.patient("P-1"))


def _base32(text: str) -> int:
    number = 0
    for letter in text:
        number = number * 32 + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".index(letter)
    return number


@given(st.text(), st.text())
def test_two_identifiers_have_two_pseudonyms(one: str, other: str) -> None:
    assert (HERE.patient(one) == HERE.patient(other)) == (one == other)
    assert re.fullmatch("[A-Z2-7]{26}", HERE.patient(one))


def test_pseudonyms_differ_between_keys_and_systems() -> None:
    other_key = Pseudonyms(PrivacyKey(b"another key of the project......"), "urn:hospital:pid")
    other_system = Pseudonyms(KEY, "urn:elsewhere:pid")
    assert len({one.patient("P-1") for one in (HERE, other_key, other_system)}) == 3


def test_system_of_the_pseudonyms_is_another_one() -> None:
    assert HERE.system == "urn:hospital:pid:pseudonym"
    assert Pseudonyms(KEY, "https://pacs.example.org/pid").system == "https://pacs.example.org/pid/pseudonym"


@given(st.text(), st.integers(1, 4000))
def test_shift_stays_within_its_limits_and_is_never_none(value: str, most: int) -> None:
    shift = HERE.shift(value, most)
    assert -most <= shift <= most
    assert shift != 0
    assert shift == Pseudonyms(KEY, "urn:hospital:pid").shift(value, most)


def test_all_shifts_occur() -> None:
    assert {HERE.shift(str(number), 2) for number in range(200)} == {-2, -1, 1, 2}


def test_shift_of_no_days_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one day"):
        HERE.shift("P-1", 0)


def test_row_keys_cannot_be_tried_out() -> None:
    assert HERE.row("7") != Pseudonyms(PrivacyKey(b"another key of the project......"), "urn:hospital:pid").row("7")


def test_ctp_gets_the_same_pseudonyms() -> None:
    assert ctp_lines(HERE, ["P-1"], 100) == [
        f"ptid/P-1={HERE.patient('P-1')}",
        f"dateinc/P-1={HERE.shift('P-1', 100)}",
    ]


def test_key_is_read_from_the_environment() -> None:
    assert read_key("PSEUDONYM_KEY", {"PSEUDONYM_KEY": " 0123456789abcdef\n"}).content == b"0123456789abcdef"


@pytest.mark.parametrize("text", ["", "short"])
def test_missing_or_short_key_is_refused(text: str) -> None:
    with pytest.raises(PrivacyKeyError, match="PSEUDONYM_KEY") as refused:
        read_key("PSEUDONYM_KEY", {"PSEUDONYM_KEY": text})
    assert not text or text not in str(refused.value).replace("is shorter", "")


def test_variable_name_is_no_key() -> None:
    with pytest.raises(PrivacyKeyError, match="capitals"):
        read_key("c2VjcmV0", {})


def test_key_does_not_show() -> None:
    assert "project" not in repr(KEY)
