"""Follows docs/tutorials/table-source.md: its code is installed as it stands there, and its file imported."""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/tutorials/table-source.md"
_BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def blocks() -> dict[str, str]:
    return dict(_BLOCK.findall(PAGE.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, blocks: dict[str, str]) -> Path:
    """Return a folder with the files of the page and, as `pip install` would, the metadata of its package."""
    folder = tmp_path_factory.mktemp("tutorial")
    for name, content in blocks.items():
        if "." in name:
            (folder / name).write_text(content, encoding="utf-8")
    project = tomllib.loads(blocks["pyproject.toml"])["project"]
    metadata = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items())
        for group, points in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(groups))
    return folder


def test_the_page_leads_to_the_import_that_it_shows(folder: Path, blocks: dict[str, str]) -> None:
    expected = list(csv.DictReader((folder / "errors.csv").read_text(encoding="utf-8").splitlines()))
    program, *arguments = shlex.split(blocks["run"])
    assert program == "multimodal"
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    with (folder / "report/errors.csv").open(encoding="utf-8-sig", newline="") as file:
        found = [{name: line[name] for name in expected[0]} for line in csv.DictReader(file)]
    assert found == expected
    counts = {file.stem: len(file.read_text().splitlines()) for file in (folder / "fhir").glob("*.ndjson")}
    assert (counts["Patient"], counts["Observation"]) == (3, 4)


def test_the_source_is_about_as_short_as_the_page_says(blocks: dict[str, str]) -> None:
    lines = [line for line in blocks["lab_lines.py"].splitlines() if line and not line.startswith(("import", "from"))]
    assert len(lines) <= 40
