"""Which features the join copies into the series documents: ``join.yaml`` beside this module, or one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from multimodal.model.errors import ConfigurationError

_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["join", "features"],
    "properties": {
        "join": {"const": 1},
        "features": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9]*$"}},
        "age_tolerance": {"type": "number", "minimum": 0},
    },
}


@dataclass(frozen=True, slots=True)
class JoinChoice:
    """What goes into the documents.

    Parameters
    ----------
    features : mapping of str to str
        The engine's name of a feature -> its name in the document.
    age_tolerance : float
        Years by which the ages of table and scan may differ without a warning.
    """

    features: Mapping[str, str]
    age_tolerance: float = 1.0


def load_choice(file: Path | None = None) -> JoinChoice:
    """Read a choice file; the one that ships with the package where none is given.

    Raises
    ------
    ConfigurationError
        If the file is not as its schema says.
    """
    source = file or files("multimodal.index").joinpath("join.yaml")
    name = str(file or "join.yaml")
    try:
        content: dict[str, Any] = YAML(typ="safe", pure=True).load(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read it: {error.strerror}", file=name) from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigurationError(str(error.problem), file=name, line=line) from error
    for problem in jsonschema_rs.validator_for(_SCHEMA).iter_errors(content):
        where = "/".join(str(part) for part in problem.instance_path) or "top level"
        raise ConfigurationError(f"{where}: {problem.message}", file=name)
    return JoinChoice(content["features"], float(content.get("age_tolerance", 1.0)))
