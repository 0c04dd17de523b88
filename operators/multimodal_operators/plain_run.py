"""What a plain Airflow lacks and Kaapana has: a run's folder, its conf.json, the program in place of an image."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from multimodal_operators import forms

FORMS = ("project_form", "data_form", "workflow_form", "backend_form", "form_data")
_LONGEST_NAME = 120


def safe_run_id(dag_id: str, run_id: str) -> str:
    """Return a folder name for a run, one for one: Airflow's run ids carry colons and are unique only in their DAG."""
    full = run_id if run_id.startswith(f"{dag_id}-") else f"{dag_id}-{run_id}"
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", full).lstrip(".")
    if name == run_id and len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:_LONGEST_NAME]}-{hashlib.sha256(full.encode()).hexdigest()[:8]}"


def run_folder(dag_id: str, run_id: str) -> Path:
    """Return the folder of a run below ``MULTIMODAL_DATA`` (default ``$AIRFLOW_HOME/multimodal``).

    With several workers it must lie on storage that all of them share.
    """
    home = os.environ.get("AIRFLOW_HOME", os.path.expanduser("~/airflow"))
    root = Path(os.environ.get("MULTIMODAL_DATA") or Path(home) / "multimodal")
    return root.absolute() / safe_run_id(dag_id, run_id)


def run_conf(conf: Mapping[str, Any] | None, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the conf.json of a run.

    A conf with a form in it, as Kaapana writes it, is taken as it is. Else Airflow's params are the form; those
    that stand for Kaapana's pickers (series, files) go where the pickers would put them.
    """
    given = {key: value for key, value in (conf or {}).items() if value is not None}
    made: dict[str, Any] = {"project_form": _default_project(), "data_form": {}, "backend_form": {}}
    if "workflow_form" in given or "form_data" in given:
        return made | given
    form = {key: value for key, value in params.items() if value is not None and key not in FORMS}
    for param, (part, key) in forms.PICKERS.items():
        if picked := form.pop(param, None):
            made[part] = {key: picked}
    return made | {"workflow_form": form} | {key: given[key] for key in FORMS if key in given}


def write_conf(folder: Path, conf: Mapping[str, Any]) -> Path:
    """Write ``<folder>/conf/conf.json``, whole or not at all: tasks of one run may start at once."""
    target = folder / "conf" / "conf.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"conf.json.{os.getpid()}.part")
    part.write_text(json.dumps(conf, indent=2, sort_keys=True), encoding="utf-8")
    part.replace(target)
    return target


def find_program() -> str:
    """Return the program ``multimodal``: ``MULTIMODAL_PROGRAM``, else beside the interpreter, else on PATH.

    Raises
    ------
    FileNotFoundError
        If it is nowhere.
    """
    named = os.environ.get("MULTIMODAL_PROGRAM")
    beside = Path(sys.executable).with_name("multimodal")
    found = shutil.which(named) if named else str(beside) if beside.exists() else shutil.which("multimodal")
    if found is None:
        raise FileNotFoundError(
            f"no program {named or 'multimodal'!r}; install the package on this worker or set MULTIMODAL_PROGRAM"
        )
    return found


def inherited_environment() -> dict[str, str]:
    """Return the worker's environment without Airflow's own settings, which hold its database's password."""
    kept = {key: value for key, value in os.environ.items() if not key.lstrip("_").startswith("AIRFLOW")}
    kept["PYTHONUNBUFFERED"] = "1"
    if (mappings := forms.mappings_folder()) is not None:
        kept.setdefault("MULTIMODAL_MAPPINGS", str(mappings))
    return kept


def _default_project() -> dict[str, Any]:
    name = os.environ.get("MULTIMODAL_PROJECT", "default")
    return {
        "id": name,
        "name": name,
        "kubernetes_namespace": None,
        "s3_bucket": f"project-{name}",
        "opensearch_index": f"project_{name}",
    }
