"""A workflow's form: one file, read as Kaapana's ``ui_forms`` and as plain Airflow's params.

``forms/<dag_id>.json`` is written as Kaapana reads it (JSON schema, ``required`` at the property). Two additions
are taken out before Kaapana sees them: ``x-suggest`` names a list of suggestions known on this machine, and
``x-kaapana-only`` marks what only Kaapana can do.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from multimodal_operators.airflow_names import Param

HERE = Path(__file__).parent

# param of plain Airflow -> where Kaapana's picker puts the same in conf.json
PICKERS = {"identifiers": ("data_form", "identifiers"), "files": ("backend_form", "selectedFilesAndFolders")}
_PICKER_PARAMS = {
    "identifiers": ("Series", "Series Instance UIDs; none means all that the workflow can use"),
    "files": ("Files", "Keys of files or folders in the project's bucket, e.g. tables/patients.xlsx"),
}


def kaapana_forms(dag_id: str) -> dict[str, Any]:
    """Return the form as Kaapana's ``ui_forms``."""
    definition = _read(dag_id)
    for field in definition["workflow_form"]["properties"].values():
        _suggest(field)
        field.pop("x-kaapana-only", None)
    return definition


def plain_params(dag_id: str) -> dict[str, Param]:
    """Return the form as plain Airflow's params.

    Nothing is required here: a run started with a conf in Kaapana's form leaves them all unset, and the task
    itself says in one line what is missing.
    """
    definition = _read(dag_id)
    params = {}
    for name, field in definition["workflow_form"]["properties"].items():
        if field.pop("x-kaapana-only", False):
            continue
        _suggest(field)
        field.pop("required", None)
        default = field.pop("default", None)
        if default is None:
            field["type"] = ["null", field["type"]]
        params[name] = Param(default, **field)
    # No data_form at all: Kaapana shows its own picker of datasets; an empty one: the workflow takes no series.
    if "data_form" not in definition:
        params["identifiers"] = _picker("identifiers")
    if "backend_form" in definition:
        params["files"] = _picker("files")
    return params


def mappings_folder() -> Path | None:
    """Return the folder of mapping files on this machine: installed beside the operators, or in a checkout."""
    named = os.environ.get("MULTIMODAL_MAPPINGS")
    places = [Path(named)] if named else [HERE / "mappings", HERE.parent / "mappings", HERE.parents[1] / "mappings"]
    return next((place for place in places if place.is_dir()), None)


def _read(dag_id: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((HERE / "forms" / f"{dag_id}.json").read_text(encoding="utf-8"))
    return content


def _suggest(field: dict[str, Any]) -> None:
    if field.pop("x-suggest", None) == "mappings":
        folder = mappings_folder()
        names = sorted(path.stem for path in folder.glob("*.yaml")) if folder else []
        if names:
            field["examples"] = names


def _picker(param: str) -> Param:
    title, description = _PICKER_PARAMS[param]
    return Param([], type=["array", "null"], items={"type": "string"}, title=title, description=description)
