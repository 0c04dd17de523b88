"""What the user asked for: conf.json, unescaped and held to the form of its workflow."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson

from multimodal.model.errors import ConfigurationError
from multimodal.model.schema_words import did_you_mean

# Keys that Kaapana's backend adds to every form.
KAAPANA_KEYS = frozenset({
    "username", "workflow_id", "workflow_name", "involved_instances", "runner_instances", "single_execution",
})  # fmt: skip
_DAG_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class Conf:
    """The parts of conf.json that tasks read.

    Parameters
    ----------
    project_form : mapping
        The project the run belongs to; its ``name`` fills ``{project}`` in the stores file.
    data_form : mapping
        ``identifiers``: the Series Instance UIDs of the chosen dataset.
    workflow_form : mapping
        What the user filled in, with the form's defaults for what was left out.
    backend_form : mapping
        ``selectedFilesAndFolders``: keys picked in the project's bucket.
    username : str
        Who started the run, where the host says so.
    """

    project_form: Mapping[str, Any] = field(default_factory=dict)
    data_form: Mapping[str, Any] = field(default_factory=dict)
    workflow_form: Mapping[str, Any] = field(default_factory=dict)
    backend_form: Mapping[str, Any] = field(default_factory=dict)
    username: str = ""

    @property
    def project(self) -> str:
        """Name of the project, ``default`` where the host has none."""
        return str(self.project_form.get("name") or "default")

    @property
    def picked_files(self) -> list[str]:
        """Keys of the files and folders picked in the bucket."""
        return _texts(self.backend_form.get("selectedFilesAndFolders"), "backend_form.selectedFilesAndFolders")

    @property
    def picked_series(self) -> list[str]:
        """Series Instance UIDs of the chosen dataset, not more than its ``dataset_limit``."""
        identifiers = _texts(self.data_form.get("identifiers"), "data_form.identifiers")
        limit = self.data_form.get("dataset_limit")
        return identifiers[:limit] if isinstance(limit, int) and limit > 0 else identifiers


def read_conf(file: Path, dag_id: str) -> Conf:
    """Read conf.json of a run of the workflow `dag_id`; without the file everything has its default.

    Raises
    ------
    ConfigurationError
        If it is not JSON, or the form has a key or a value that the workflow's form does not allow.
    """
    if not file.exists():
        return _checked({}, dag_id, file)
    try:
        content = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"not JSON: {error.msg}", file=file, line=error.lineno, column=error.colno) from error
    if not isinstance(content, dict):
        raise ConfigurationError("expected an object with workflow_form, data_form, ...", file=file)
    return _checked(content, dag_id, file)


def form_schema(dag_id: str) -> dict[str, Any] | None:
    """Return the JSON schema of the form of the workflow `dag_id`; None for a workflow that is not ours.

    It is the file that the operators give to Kaapana and to Airflow, installed beside this package.
    """
    definition = _definition(dag_id)
    return None if definition is None else definition["workflow_form"]


def _definition(dag_id: str) -> dict[str, Any] | None:
    if not _DAG_ID.fullmatch(dag_id):
        return None
    file = files("multimodal_operators") / "forms" / f"{dag_id}.json"
    if not file.is_file():
        return None
    definition: dict[str, Any] = orjson.loads(file.read_bytes())
    return definition


def _known_keys(dag_id: str, definition: Mapping[str, Any]) -> tuple[list[str], str]:
    """Return the keys that one may set, and how a person is told of them.

    What Kaapana's pickers fill is a param of its own in plain Airflow (``multimodal_operators.forms``).
    """
    own = list(definition["workflow_form"]["properties"])
    pickers = {}
    if "data_form" not in definition:
        pickers["identifiers"] = "data_form.identifiers"
    if "backend_form" in definition:
        pickers["files"] = "backend_form.selectedFilesAndFolders"
    told = f"the form of {dag_id} has {', '.join(own) or 'no keys'}"
    told += "".join(f"; plain Airflow also has {key} (in conf.json {place})" for key, place in pickers.items())
    return [*own, *pickers], told


def _checked(content: dict[str, Any], dag_id: str, file: Path) -> Conf:
    parts = {name: _part(content, name, file) for name in ("project_form", "data_form", "backend_form")}
    form_name = "workflow_form" if "workflow_form" in content else "form_data"  # its name up to Kaapana 0.4
    given = _part(content, form_name, file)
    form = _held_to_schema(given, dag_id, file)
    return Conf(workflow_form=form, username=str(given.get("username") or ""), **parts)


def _part(content: Mapping[str, Any], name: str, file: Path) -> dict[str, Any]:
    part = _unescaped(content.get(name) or {})
    if not isinstance(part, dict):
        raise ConfigurationError(f"{name}: expected an object", file=file)
    return part


def _held_to_schema(form: dict[str, Any], dag_id: str, file: Path) -> dict[str, Any]:
    """Return the form's own keys, with defaults; Kaapana turns each key into a variable, so none may be foreign."""
    for key in form:
        if key.upper().startswith("MULTIMODAL_"):
            raise ConfigurationError(f"form key {key!r} is refused: it would set a setting of the platform", file=file)
    definition = _definition(dag_id)
    if definition is None:
        return form
    fields: dict[str, dict[str, Any]] = definition["workflow_form"]["properties"]
    foreign = sorted(key for key in form if key not in fields and key not in KAAPANA_KEYS)
    if foreign:
        known, told = _known_keys(dag_id, definition)
        hint = did_you_mean(foreign[0], known)
        raise ConfigurationError(f"form key {foreign[0]!r} is refused: {told}{hint}", file=file)
    filled = {key: form[key] for key in fields if form.get(key) is not None}
    for key, entry in fields.items():
        _check_value(key, entry, filled, file)
    return filled


def _check_value(key: str, entry: Mapping[str, Any], filled: dict[str, Any], file: Path) -> None:
    if key not in filled:
        if entry.get("required"):
            raise ConfigurationError(f"form: {key} ({entry.get('title', key)}) is required", file=file)
        if "default" in entry:
            filled[key] = entry["default"]
        return
    schema = {name: value for name, value in entry.items() if name != "required" and not name.startswith("x-")}
    for problem in jsonschema_rs.validator_for(schema).iter_errors(filled[key]):
        raise ConfigurationError(f"form: {key}: {problem.message}", file=file)


def _unescaped(value: Any) -> Any:
    """Undo, once, the HTML escaping that Kaapana's backend applies to every string."""
    if isinstance(value, str):
        return html.unescape(value)
    if isinstance(value, list):
        return [_unescaped(each) for each in value]
    if isinstance(value, dict):
        return {key: _unescaped(each) for key, each in value.items()}
    return value


def _texts(value: Any, name: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ConfigurationError(f"{name}: expected a list of texts")
    return list(value)
