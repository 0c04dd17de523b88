"""Secrets that the host hands over as one variable, given to the variables that the stores file names."""

from __future__ import annotations

import re
from collections.abc import MutableMapping

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from multimodal.model.errors import ConfigurationError

VARIABLE = "MULTIMODAL_SECRETS_YAML"
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


def use_secrets(environment: MutableMapping[str, str]) -> None:
    """Set each ``NAME: value`` of ``MULTIMODAL_SECRETS_YAML`` that `environment` has not set already.

    A pod on Kaapana gets its secrets by variables that are named when the DAG is read, before anybody knows
    which ones the stores file will ask for; so the Secret holds them all under one key.

    Raises
    ------
    ConfigurationError
        If it is not a YAML mapping of variable names to texts; the message never quotes it.
    """
    text = environment.get(VARIABLE)
    if not text:
        return
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        content = None
    if not isinstance(content, dict) or not all(_is_pair(name, value) for name, value in content.items()):
        # Raised outside the `except`, whose error quotes the lines it read.
        raise ConfigurationError(f"{VARIABLE}: expected lines 'NAME: \"value\"', names in capitals, values quoted")
    for name, value in content.items():
        environment.setdefault(name, value)


def _is_pair(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, str) and _NAME.fullmatch(name) is not None
