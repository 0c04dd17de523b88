"""Holds the directions in which rooms may import each other (docs/architecture.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "processing-containers/multimodal/src/multimodal"

# room -> the rooms it may import; what those may import is allowed too
MAY_IMPORT = {
    "model": (),
    "terminology": ("model",),
    "transport": ("model",),
    "privacy": ("model",),
    "tables": ("model", "transport"),
    "resources": ("model", "terminology"),
    "mapping": ("tables", "resources", "terminology", "privacy"),
    "drafting": ("mapping",),
    "fhirstore": ("resources", "transport"),
    "dicomweb": ("model", "transport"),
    "imaging": ("model",),
    "radiomics": ("imaging", "terminology"),
    "bucket": ("transport",),
    "index": ("model", "transport"),
    "workflows": (
        "mapping",
        "drafting",
        "fhirstore",
        "dicomweb",
        "radiomics",
        "bucket",
        "index",
    ),
    "host": ("workflows",),
    "tasks": ("host", "workflows"),
    "cli": ("tasks", "host", "workflows"),
}


def allowed(room: str) -> set[str]:
    """Return all rooms that `room` may import, itself included."""
    found = {room}
    for other in MAY_IMPORT[room]:
        found |= allowed(other)
    return found


def imported_modules(file: Path) -> set[str]:
    """Return every module that `file` imports, wherever in it."""
    modules = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            modules.add(node.module or "")
    return modules


def rooms_of(file: Path) -> set[str]:
    return {name.split(".")[1] for name in imported_modules(file) if name.startswith("multimodal.")}


def test_every_room_is_in_the_table() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms == set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_one_way(room: str) -> None:
    for file in (PACKAGE / room).rglob("*.py"):
        wrong = rooms_of(file) - allowed(room)
        assert not wrong, f"{file.relative_to(PACKAGE)} may not import {wrong}"


def test_the_package_knows_no_host() -> None:
    for file in PACKAGE.rglob("*.py"):
        roots = {name.split(".")[0] for name in imported_modules(file)}
        assert not roots & {"airflow", "kaapana", "kaapanapy", "multimodal_operators"}, file


def test_operators_do_not_import_the_package() -> None:
    """A DAG file must load where the package is not installed: Kaapana's scheduler has only the operators."""
    for file in (ROOT / "operators").rglob("*.py"):
        assert "multimodal" not in {name.split(".")[0] for name in imported_modules(file)}, file
