"""The secret key of the pseudonyms: by reference only, never in a mapping, an argument or a log."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from multimodal.model.errors import ConfigurationError

_SHORTEST = 16
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


class PrivacyKeyError(ConfigurationError):
    """The key is not there, or too short to keep anything secret.

    Parameters
    ----------
    variable : str
        The environment variable that should hold it.
    problem : str
        What is wrong and what to do.
    """

    def __init__(self, variable: str, problem: str) -> None:
        self.variable = variable
        super().__init__(f"privacy key {variable}: {problem}")


@dataclass(frozen=True, slots=True)
class PrivacyKey:
    """A secret key; its text never shows in a message, since its bytes are left out of ``repr``."""

    content: bytes = field(repr=False)


def read_key(variable: str, environment: Mapping[str, str] | None = None) -> PrivacyKey:
    """Return the key that an environment variable holds.

    Parameters
    ----------
    variable : str
        Its name, in capitals.
    environment : mapping of str to str, optional
        By default that of the process.

    Raises
    ------
    PrivacyKeyError
        If the variable is unset, or its value is shorter than 16 characters: patient identifiers are few enough to
        try them all, so the key is all that protects them.
    """
    if not _NAME.fullmatch(variable):
        raise PrivacyKeyError(variable, "a variable is named in capitals, e.g. MULTIMODAL_PSEUDONYM_KEY")
    text = (os.environ if environment is None else environment).get(variable, "").strip()
    if not text:
        raise PrivacyKeyError(variable, "set this environment variable to the project's secret key")
    if len(text) < _SHORTEST:
        raise PrivacyKeyError(variable, f"is shorter than {_SHORTEST} characters; make one with `openssl rand -hex 32`")
    return PrivacyKey(text.encode())
