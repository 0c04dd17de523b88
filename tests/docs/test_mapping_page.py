"""docs/mapping.md keeps its word: its table and its mapping, followed step by step."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from multimodal.fhirstore import NdjsonFolder

DOCS = Path(__file__).parents[2] / "docs"
PROGRAM = Path(sys.executable).parent / "multimodal"
TEXT = (DOCS / "mapping.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the page's two files, as the reader saved them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "visits.csv").write_text(TEXT.split("```csv\n")[1].split("```")[0], encoding="utf-8")
    study = TEXT.split("<!-- file: study.yaml -->\n```yaml\n")[1].split("```")[0]
    (tmp_path / "study.yaml").write_text(study, encoding="utf-8")
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    ended = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout + ended.stderr


def test_draft_leaves_to_the_reader_what_the_page_says(folder: Path) -> None:
    code, _ = run("mapping", "suggest", "visits.csv", "-o", "draft.yaml")
    draft = (folder / "draft.yaml").read_text(encoding="utf-8")
    todo = [line for line in draft.splitlines() if "'TODO" in line]
    assert code == 0
    assert len(todo) == 2
    assert todo[0].strip().startswith("system:")
    assert "often" in todo[1]


def test_check_and_preview_store_nothing(folder: Path) -> None:
    assert run("mapping", "check", "study.yaml", "visits.csv")[0] == 0
    code, shown = run("mapping", "preview", "study.yaml", "visits.csv")
    assert code == 0
    assert "Body weight = 64.5 kg" in shown
    assert sorted(file.name for file in folder.iterdir()) == ["study.yaml", "visits.csv"]


def test_mistake_in_the_mapping_is_told_as_quoted(folder: Path) -> None:
    text = (folder / "study.yaml").read_text(encoding="utf-8")
    (folder / "study.yaml").write_text(text.replace("unit: kg", "unti: kg"), encoding="utf-8")
    code, told = run("mapping", "check", "study.yaml", "visits.csv")
    quoted = re.search(r"`(study\.yaml:\d+:\d+: unknown key 'unti'[^`]*)`", TEXT)
    assert code == 2
    assert quoted
    assert quoted[1] in told


def test_import_gives_the_resources_and_the_reports_of_the_page(folder: Path) -> None:
    code, _ = run("import", "visits.csv", "--mapping", "study.yaml", "--to", "out", "--report", "report")
    assert code == 0
    with (folder / "report" / "errors.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [(row["row"], row["column"], row["value"], row["code"]) for row in csv.DictReader(file)] == [
            ("4", "smoker", "often", "E201")
        ]
    named = set(
        re.findall(r"`([a-z-]+\.(?:csv|html|json|xlsx))`", TEXT.split("In `report/`:")[1].split("In this table")[0])
    )
    assert named <= {file.name for file in (folder / "report").iterdir()}
    made = list(NdjsonFolder(folder / "out").resources("Observation"))
    weights = {one["valueQuantity"]["value"]: one["valueQuantity"] for one in made if "kg" in str(one)}
    assert weights[40]["comparator"] == "<"
    assert [one["dataAbsentReason"]["coding"][0]["code"] for one in made if "dataAbsentReason" in one] == ["unknown"]
    assert {one.get("birthDate") for one in NdjsonFolder(folder / "out").resources("Patient")} >= {"1958"}


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: str(page.relative_to(DOCS)))
def test_links_of_the_documentation_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
    anchors = {_anchor(title) for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    anchors |= set(re.findall(r'<a id="([^"]+)">', text))
    for target in re.findall(r"\]\(#([^)\s]+)\)", text):
        assert target in anchors, f"{page.name} links to #{target}"


def _anchor(title: str) -> str:
    """Return the anchor that a heading gets on the usual forges."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
