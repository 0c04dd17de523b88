"""Holds docs/errors.md to the codes: each has its section, and no section is of a code that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import ERRORS_CSV_COLUMNS
from multimodal.workflows.checked_workbook import MOST_COPIED, MOST_LOADED, MOST_MARKED
from multimodal.workflows.ledger import LEDGER_COLUMNS

PAGE = (Path(__file__).parents[1] / "docs/errors.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r'<a id="(\w+)"></a>\n## (.+?)\n\n', PAGE))


def test_every_code_has_a_section_and_every_section_a_code() -> None:
    assert {code.code.lower(): f"{code.code} {code.title}" for code in IssueCode} == SECTIONS


def test_sections_stand_in_order() -> None:
    assert list(SECTIONS) == sorted(SECTIONS)


@pytest.mark.parametrize("anchor", SECTIONS)
def test_every_section_says_what_to_do_and_where_it_comes_from(anchor: str) -> None:
    section = PAGE.split(f'<a id="{anchor}"></a>')[1].split("<a id=")[0]
    assert "**What to do:**" in section
    assert "**From:**" in section


def test_links_of_the_page_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in re.findall(r"^#+ (.+)$", PAGE, re.M)
    }
    for target in re.findall(r"\]\(#([\w-]+)\)", PAGE):
        assert target in SECTIONS or target in headings


def test_it_names_the_columns_and_limits_as_they_are() -> None:
    assert f"`{', '.join(ERRORS_CSV_COLUMNS)}`" in PAGE
    assert f"\n{','.join(LEDGER_COLUMNS)}\n" in PAGE
    assert f"workbook of more than {MOST_LOADED:,} cells" in PAGE
    assert f"table of more than {MOST_COPIED:,}" in PAGE
    assert f"{MOST_MARKED:,} findings" in PAGE
