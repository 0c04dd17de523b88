"""The data files of the drafting room are right in themselves."""

from __future__ import annotations

import pytest

from multimodal.drafting.answers import meant, targets
from multimodal.drafting.lexicon import COLUMNS, Entry, data_rows, lexicon
from multimodal.drafting.units import known_unit
from multimodal.drafting.words import fold, pattern_words, words
from multimodal.mapping.schema import schema
from multimodal.terminology.concepts import is_concept, parse_concept
from multimodal.terminology.units import UnknownUnitError, unit

VERBS = {
    "patient:id", "patient:gender", "patient:birthDate", "patient:deceased", "observation", "condition", "helper",
    "ignore",
}  # fmt: skip


def test_the_lexicon_has_its_columns_and_no_entry_twice() -> None:
    rows = data_rows("lexicon.csv")
    assert tuple(rows[0]) == COLUMNS
    assert len({row["id"] for row in rows}) == len(rows) > 150
    assert all(None not in row and None not in row.values() for row in rows)


@pytest.mark.parametrize("entry", lexicon(), ids=lambda entry: entry.id)
def test_an_entry_can_be_proposed(entry: Entry) -> None:
    assert entry.verb in VERBS
    assert entry.type in {"number", "integer", "code", "text", "date"}
    for concept in (entry.concept, entry.molar):
        if concept:
            assert is_concept(concept)
            assert parse_concept(concept).display, "a draft shows what its codes mean"
    assert not entry.concept or entry.verb in {"observation", "condition"}
    assert entry.verb != "condition" or (entry.concept and entry.answers == "yes-no")
    assert bool(entry.molar) == bool(entry.molar_units)
    assert entry.type not in {"number", "integer"} or entry.limits, "plausible values are its evidence"
    assert not entry.answers or entry.answers in {row["kind"] for row in data_rows("answers.csv")} | {
        "tnm-t", "tnm-n", "tnm-m", "stage"
    }  # fmt: skip
    assert entry.phrases or entry.names


@pytest.mark.parametrize("entry", [entry for entry in lexicon() if entry.units], ids=lambda entry: entry.id)
def test_its_units_are_ucum(entry: Entry) -> None:
    for code in (*entry.units, *entry.molar_units):
        try:
            assert unit(code).code == code
        except UnknownUnitError:  # annotations beside a unit: UCUM allows them, the parser does not
            assert "{" in code or code == "[pH]", code


def test_no_phrase_belongs_to_two_entries() -> None:
    owners: dict[tuple[str, ...], set[str]] = {}
    for entry in lexicon():
        for phrase in entry.phrases:
            owners.setdefault(phrase, set()).add(entry.id)
    assert {" ".join(phrase): ids for phrase, ids in owners.items() if len(ids) > 1} == {}


def test_missing_texts_have_reasons_the_language_knows() -> None:
    known = schema()["$defs"]["missing"]["additionalProperties"]["enum"]
    assert {row["reason"] for row in data_rows("missing.csv")} <= set(known)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("birthDate", ("birth", "date")),
        ("PatientID", ("patient", "id")),
        ("HbA1c", ("hba1c",)),
        ("SpO2 (%)", ("spo2",)),
        ("Körpergröße", ("korpergrosse",)),
        ("KOERPERGROESSE", ("korpergrosse",)),
        ("date d'examen", ("date", "d", "examen")),
        ("<b>Leidet der / die Patient*in</b>", ("leidet", "der", "die", "patient", "in")),
    ],
)
def test_names_become_words(name: str, expected: tuple[str, ...]) -> None:
    assert words(name) == expected


def test_umlauts_are_one_however_they_are_written() -> None:
    assert fold("Größe") == fold("Groesse")
    assert pattern_words("kopfschmerz*") == ("kopfschmerz*",)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("kg", "kg"),
        ("mg/dl", "mg/dL"),
        ("µmol/l", "umol/L"),
        ("years", "a"),
        ("mmHg", "mm[Hg]"),
        ("10^9/L", "10*9/L"),
        ("pH", ""),
        ("TP", ""),
        ("Typ 1", ""),
        ("", ""),
    ],
)
def test_units_as_people_write_them(text: str, code: str) -> None:
    assert known_unit(text) == code


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("gender", ["m", "w", "d"], {"m": "male", "w": "female", "d": "other"}),
        ("gender", ["h", "m"], {"h": "male", "m": "female"}),  # hombre, mujer
        ("gender", ["M", "F"], {"M": "male", "F": "female"}),
        ("gender", ["m"], {}),
        ("gender", ["1", "2"], {}),
        ("gender", ["Männlich", "Weiblich"], {"Männlich": "male", "Weiblich": "female"}),
        ("yes-no", ["Sí", "No"], {"Sí": "yes", "No": "no"}),
        ("yes-no", ["Ja", "Nein", "Unbekannt"], {"Ja": "yes", "Nein": "no", "Unbekannt": "unknown"}),
        ("smoking", ["Exraucher", "nie"], {"Exraucher": "former", "nie": "never"}),
    ],
)
def test_answers_in_five_languages(kind: str, values: list[str], expected: dict[str, str]) -> None:
    assert meant(kind, values) == expected
    assert set(expected.values()) <= set(targets(kind))
