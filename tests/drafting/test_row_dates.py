"""The dates of rows: what tells them apart, and what is the date of a form's values."""

from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.drafting.facts import facts_of
from multimodal.drafting.proposals import TODO, date_format
from multimodal.workflows.suggest_mapping import suggest_mapping

HEADER = '"Variable / Field Name","Form Name","Field Type","Field Label","Choices, Calculations, OR Slider Labels",'
HEADER += '"Field Note","Text Validation Type OR Show Slider Number","Text Validation Min","Text Validation Max"\n'


def drafted(folder: Path, table: str) -> str:
    (folder / "table.csv").write_text(table, encoding="utf-8")
    return suggest_mapping([folder / "table.csv"], system="urn:test:pid").text


def test_a_date_that_nobody_recognised_tells_the_rows_apart(tmp_path: Path) -> None:
    text = drafted(tmp_path, "pid;datum;crp (mg/L)\nA1;2024-01-02;3,5\nA1;2024-02-02;4\nA2;2024-01-02;8\n")
    assert "  key: [pid, datum]\n" in text
    assert "  datum: {helper: date of the values, type: date}\n" in text
    assert "defaults: {effective: datum}\n" in text


def test_a_date_that_does_not_is_left_to_decide(tmp_path: Path) -> None:
    text = drafted(tmp_path, "pid;datum;crp (mg/L)\nA1;2024-01-02;3,5\nA1;2024-01-02;4\nA2;2024-01-02;8\n")
    assert "TODO: which column tells the rows of a patient apart?" in text
    assert "  datum: {ignore: 'TODO:" in text


def project(folder: Path, more: str = "sent,base,file,Letter,,,,,\n") -> str:
    (folder / "dictionary.csv").write_text(
        HEADER + "record_id,base,text,Record ID,,,,,\nbirth,base,text,Date of birth,,,date_dmy,,\n"
        "weight,base,text,Weight,,kg,number,20,300\n"
        f'drawn,labs,text,Drawn on,,,date_dmy,,\ncrp,labs,text,CRP,,mg/L,number,0,"500,5"\n{more}',
        encoding="utf-8",
    )
    (folder / "records.csv").write_text(
        "record_id,birth,weight,drawn,crp,sent\n1,1950-02-01,80,2024-05-04,3,2024-05-05\n"
    )
    return suggest_mapping([folder / "dictionary.csv", folder / "records.csv"]).text


def test_the_only_date_of_a_form_is_that_of_its_values(tmp_path: Path) -> None:
    text = project(tmp_path)
    assert "  drawn: {helper: date of the values, type: date}\n" in text
    assert text.count("effective: drawn") == 1  # of crp: weight stands in another form
    assert "defaults:" not in text


def test_of_two_dates_a_person_decides(tmp_path: Path) -> None:
    text = project(tmp_path, "sent,labs,text,Sent on,,,date_dmy,,\n")
    assert "effective:" not in text
    assert "  drawn: {ignore: 'TODO:" in text


def test_limits_of_the_dictionary_become_the_range(tmp_path: Path) -> None:
    text = project(tmp_path)
    assert "    range: [0, 500.5]\n" in text
    assert "range: [20, 300]" in text


@pytest.mark.parametrize(
    ("dates", "format_"),
    [
        (["01.02.2020", "13.02.2020", "2020-02-14"], "%d.%m.%Y"),
        (["2020-01-02", "2020-02-03"], ""),
        ([*(f"{day}/02/2020" for day in range(13, 29)), *(f"{day}/03/2020" for day in range(13, 29)), "02/13/2020"],
         "%d/%m/%Y"),
        (["13/02/2020", "02/13/2020"], f"{TODO}: %d/%m/%Y or %m/%d/%Y"),
        (["03/04/2020", "05/06/2021"], f"{TODO}: %d/%m/%Y or %m/%d/%Y"),
        (["13/02/2020", "31/02/2020", "99/99/2020"], "%d/%m/%Y"),
    ],
)  # fmt: skip
def test_a_slip_does_not_open_the_format(dates: list[str], format_: str) -> None:
    assert date_format(facts_of(dates)) == format_
