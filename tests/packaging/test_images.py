"""The folders from which Kaapana builds the images: filled by `make stage`, complete, and pinned."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema_rs
import pytest

from local.airflow import ROOT
from multimodal.tasks import TASKS

CONTEXTS = [
    ROOT / "processing-containers/multimodal",
    ROOT / "processing-containers/multimodal-radiomics",
    ROOT / "extension-chart/installer",
]
# What Kaapana's task API demands of the file, in our own words (kaapana lib/task_api, pc_models.py).
CHANNEL = {
    "type": "object",
    "required": ["name", "mounted_path"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "mounted_path": {"type": "string", "pattern": "^/"},
        "description": {"type": "string"},
        "scale_rule": {
            "type": "object",
            "required": ["scale_factor", "type", "mode"],
            "properties": {
                "scale_factor": {"type": "integer"},
                "type": {"enum": ["limit", "request"]},
                "mode": {"enum": ["sum", "max_file_size", "max_item_sum"]},
            },
        },
    },
}
MEMORY = {"type": "object", "properties": {"memory": {"type": "string", "pattern": "^[0-9]+(Mi|Gi)$"}}}
PROCESSING_CONTAINER = {
    "type": "object",
    "required": ["name", "description", "templates"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "description": {"type": "string"},
        "api_version": {"const": 1},
        "templates": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["identifier", "description", "inputs", "outputs", "env"],
                "additionalProperties": False,
                "properties": {
                    "identifier": {"type": "string"},
                    "description": {"type": "string"},
                    "inputs": {"type": "array", "items": CHANNEL},
                    "outputs": {"type": "array", "items": CHANNEL},
                    "env": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["name", "value"],
                            "additionalProperties": False,
                            "properties": {
                                "name": {"type": "string"},
                                "value": {"type": "string"},
                                "choices": {"type": "array", "items": {"type": "string"}},
                                "description": {"type": "string"},
                            },
                        },
                    },
                    "command": {"type": "array", "items": {"type": "string"}},
                    "resources": {"type": "object", "properties": {"limits": MEMORY, "requests": MEMORY}},
                },
            },
        },
    },
}


@pytest.fixture(scope="session")
def staged() -> None:
    environment = {
        **os.environ,
        "UV": str(Path(sys.executable).with_name("uv")),
        "PYTHON_OF_ENV": sys.executable,
    }
    script = ROOT / "extension-chart/stage.sh"
    done = subprocess.run(["bash", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def instructions(context: Path) -> list[list[str]]:
    text = (context / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in text.splitlines() if line.strip() and line[0] != "#"]


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.name)
def test_everything_an_image_copies_is_in_its_context(context: Path, staged: None) -> None:
    copies = [words[1:-1] for words in instructions(context) if words[0] == "COPY" and "--from=build" not in words]
    assert copies
    for sources in copies:
        for source in sources:
            assert (context / source).exists(), source
            assert not (context / source).is_dir() or any((context / source).iterdir()), f"{source} is empty"


@pytest.mark.parametrize("context", CONTEXTS[:2], ids=lambda context: context.name)
def test_an_image_starts_the_task(context: Path) -> None:
    words = instructions(context)
    assert ["CMD", "[multimodal,", "task]"] in words
    assert not [line for line in words if line[0] in {"ENTRYPOINT", "ADD"}]
    assert ["LABEL", f"IMAGE={context.name}"] in words


def test_base_image() -> None:
    assert instructions(CONTEXTS[0])[0] == ["FROM", "python:3.11-slim"]


def test_the_wheel_holds_package_operators_and_data(staged: None) -> None:
    (wheel,) = (CONTEXTS[0] / "stage/wheel").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "processing-containers/multimodal/src"
    kept = {path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {str(path.relative_to(source)) for path in kept} <= names
    assert "multimodal_operators/forms/import-clinical.json" in names, "the tasks hold a form to its schema"


@pytest.mark.parametrize("context", CONTEXTS[:2], ids=lambda context: context.name)
def test_libraries_are_those_of_the_lock(context: Path, staged: None) -> None:
    locked = set(re.findall(r"^(\S+==\S+)", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.M))
    text = (context / "stage/requirements.txt").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^(\S+==\S+)", text, re.M))
    assert pinned <= locked
    assert "://" not in text
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in block for block in blocks)
    assert not [pin for pin in pinned if pin.startswith("apache-airflow")]


def test_the_radiomics_image_adds_only_the_engine(staged: None) -> None:
    names = [
        set(re.findall(r"^(\S+)==", (context / "stage/requirements.txt").read_text(encoding="utf-8"), re.M))
        for context in CONTEXTS[:2]
    ]
    assert not names[0] & names[1]
    assert {"pyradiomics", "simpleitk"} <= names[1]


def test_processing_containers_name_every_task() -> None:
    found = []
    for context in CONTEXTS[:2]:
        content = json.loads((context / "processing-container.json").read_text(encoding="utf-8"))
        assert not [error.message for error in jsonschema_rs.validator_for(PROCESSING_CONTAINER).iter_errors(content)]
        assert content["name"] == context.name
        for template in content["templates"]:
            assert template["command"] == ["multimodal", "task", template["identifier"]]
            found.append(template["identifier"])
    assert sorted(found) == sorted(TASKS)
