import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from multimodal.index.errors import KeyCollisionError, KeyNameError
from multimodal.index.keys import Area, KeyRegister, Kind, is_own, own_key, shown_name
from multimodal.index.template import FIELD_TYPES

TYPES = {
    Kind.KEYWORD: None,
    Kind.INTEGER: "_integer",
    Kind.FLOAT: "_float",
    Kind.DATE: "_date",
    Kind.DATETIME: "_datetime",
    Kind.BOOLEAN: "_boolean",
}
names = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(["_date", "_time", "timestamp", "_array", "age", "1", "Ä", "_object", "_keyword", ".", " "]),
        max_size=6,
    ).map("".join),
)


def type_by_key(key: str) -> str | None:
    """The word by which the index finds the field's type: the first rule that matches, as OpenSearch does."""
    return next((word for word, _ in FIELD_TYPES if re.fullmatch(f"^.*{word}.*$", key)), None)


@given(st.sampled_from(Area), names, st.sampled_from(Kind))
def test_any_name_makes_a_key_under_all_rules_or_is_refused(area: Area, name: str, kind: Kind) -> None:
    try:
        key = own_key(area, name, kind)
    except KeyNameError:
        assert not any(sign.isalnum() for sign in name) or not name.isascii()
        return
    group, rest = key.split(" ")
    assert group == "00000000"
    assert rest.endswith(f"_{kind}")
    assert rest.count("_") == 1
    assert shown_name(key).isascii()
    assert shown_name(key).isalpha()
    assert "_array" not in key
    assert type_by_key(key) == TYPES[kind]
    assert is_own(key)


@given(names, names)
def test_two_names_never_share_a_shown_name_silently(first: str, second: str) -> None:
    register = KeyRegister()
    try:
        one = register.key(Area.CLINICAL, first, Kind.FLOAT)
        other = register.key(Area.CLINICAL, second, Kind.FLOAT)
    except (KeyCollisionError, KeyNameError):
        assume(False)
    assert (shown_name(one).casefold() == shown_name(other).casefold()) == (first == second)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("clinical.T.Stage", "ClinicalTStage"),
        ("Overall.Stage", "ClinicalOverallStage"),
        ("HbA1c (%)", "ClinicalHbAOneC"),
        ("größe", "ClinicalGroSharpSE"),
        ("β-HCG", "ClinicalBetaHCG"),
        ("clinical", "ClinicalClinical"),
        ("mytimestamp", "ClinicalMytimeStamp"),
        ("birth_date", "ClinicalBirthDate"),
    ],
)
def test_names_of_real_columns(name: str, key: str) -> None:
    assert own_key(Area.CLINICAL, name, Kind.KEYWORD) == f"00000000 {key}_keyword"


def test_a_name_without_letters_is_refused() -> None:
    with pytest.raises(KeyNameError, match="name:"):
        own_key(Area.CLINICAL, " %&_ ", Kind.FLOAT)


def test_the_same_call_gives_the_same_key() -> None:
    register = KeyRegister()
    first = register.key(Area.CLINICAL, "T stage", Kind.KEYWORD)
    assert register.key(Area.CLINICAL, "T stage", Kind.KEYWORD) == first


@pytest.mark.parametrize(
    ("second", "kind"),
    [
        ("age.at.scan", Kind.INTEGER),  # another column
        ("AGE at SCAN", Kind.INTEGER),  # nearly the same to a reader
        ("age at scan", Kind.FLOAT),  # the gallery does not show the kind
    ],
)
def test_a_second_meaning_is_refused(second: str, kind: Kind) -> None:
    register = KeyRegister()
    register.key(Area.CLINICAL, "age at scan", Kind.INTEGER)
    with pytest.raises(KeyCollisionError, match="age at scan"):
        register.key(Area.CLINICAL, second, kind)


def test_a_dicom_attribute_is_not_hidden() -> None:
    with pytest.raises(KeyCollisionError, match="DICOM attribute ClinicalTrialSiteName"):
        KeyRegister().key(Area.CLINICAL, "Trial Site Name", Kind.KEYWORD)


@pytest.mark.parametrize(
    "foreign",
    [
        "00120010 ClinicalTrialSponsorName_keyword",
        "00000000 Tags_keyword",
        "00000000 TimestampArrived_datetime",
        "00100020 PatientID_keyword",
        "00000000 Clinicalfoo_keyword",
    ],
)
def test_foreign_keys_are_not_ours(foreign: str) -> None:
    assert not is_own(foreign)
