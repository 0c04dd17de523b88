from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimodal.model.issues import Issue
from multimodal.tables.rows import Place, Row
from multimodal.workflows.refused import Refused, spooled_issues
from multimodal.workflows.spool import Spooled


@given(st.lists(st.text(st.characters(codec="utf-8"))), st.integers(0, 5), st.integers(-20, 20))
def test_it_is_the_list_that_was_put_in(texts: list[str], in_memory: int, place: int) -> None:
    spooled: Spooled[str] = Spooled(str, str, in_memory=in_memory)
    spooled.extend(texts)
    assert list(spooled) == texts
    assert list(spooled) == texts, "again"
    assert len(spooled) == len(texts)
    assert spooled[:3] == texts[:3]
    if -len(texts) <= place < len(texts):
        assert spooled[place] == texts[place]
    else:
        with pytest.raises(IndexError):
            spooled[place]


def test_entries_may_be_added_between_iterations() -> None:
    spooled: Spooled[str] = Spooled(str, str, in_memory=1)
    spooled.extend("abc")
    assert list(spooled) == ["a", "b", "c"]
    spooled.append("d")
    assert list(spooled) == ["a", "b", "c", "d"]


def test_issues_come_back_from_the_disk_as_they_were() -> None:
    issues = [Issue("E101", f"m{number}", row=number, column="ü", value='a,"b"\n') for number in range(6000)]
    issues.append(Issue("E505", "no row", sheet="s", suggestion="x"))
    assert list(spooled_issues(issues)) == issues


def test_a_broken_character_does_not_stop_the_report() -> None:
    issues = spooled_issues([Issue("E101", "m")] * 5000)
    issues.append(Issue("E104", "m", value="a\ud800"))
    assert issues[-1].value == "a\\ud800"


def test_a_refused_row_knows_which_of_its_cells_each_issue_means() -> None:
    refused = Refused()
    row = Row(7, {"Sex": "X", "hb": "n/a"}, places={"Sex": Place(7, "Geschlecht"), "hb": Place(9, "I.HB")})
    refused.add_row(row, [])
    refused.add_row(
        row,
        [
            Issue("E201", "m", row=7, column="Geschlecht"),
            Issue("E101", "m", row=9, column="I.HB"),
            Issue("E504", "m", row=7),
        ],
    )
    (kept,) = refused.rows
    assert (kept.number, kept.sheet, kept.cells) == (7, "", {"Sex": "X", "hb": "n/a"})
    assert list(kept.columns) == ["Sex", "hb", ""]
    assert len(refused.issues) == 3


def test_a_row_that_comes_again_is_kept_once() -> None:
    refused = Refused()
    row = Row(2, {"a": "x"}, "s")
    refused.add_row(row, [Issue("E101", "m", row=2)])
    for number in (2, 3, 3):
        refused.add_row(row._replace(number=number), [Issue("E601", "m", row=number)], again=True)
    assert [kept.number for kept in refused.rows] == [2, 3]
    assert len(refused.issues) == 4
